//! What a command says: data on standard output, as tables for people or as JSON; all else on standard
//! error.

use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::Result;

/// How a command says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
    colored: bool,
    /// The terminal's, if it is one; else lines are as long as they are.
    width: Option<u16>,
}

/// Data that can be shown as a line of a table.
pub(super) trait Row: Serialize {
    /// What stands above.
    const HEADS: &'static [&'static str];

    /// One for each head.
    fn cells(&self) -> Vec<Cell>;
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let width = terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok());
        let width = width.flatten().map(|size| size.ws_col);
        Self {
            json,
            colored: terminal && may_color(),
            width: width.filter(|width| *width > 0),
        }
    }

    /// Whether data is to be JSON.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Shows rows: a JSON array of a line each, or a table, which says `none` if it has none.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub(super) fn rows<R: Row>(self, rows: &[R], none: &str) -> Result {
        if self.json {
            return self.array(rows);
        }
        if rows.is_empty() {
            say(none);
            return Ok(());
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        match self.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic);
                table.set_width(width);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        match self.colored {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        let heads = R::HEADS.iter().map(Cell::new);
        table.set_header(heads.map(|head| head.add_attribute(Attribute::Bold)));
        table.add_rows(rows.iter().map(Row::cells));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut out = io::stdout().lock();
        for line in table.to_string().lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Shows one thing: a JSON object, or its fields under each other.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub(super) fn one(self, value: &impl Serialize, fields: &[(&str, String)]) -> Result {
        if self.json {
            return self.line(value);
        }
        let mut out = io::stdout().lock();
        let width = fields.iter().map(|(name, _)| name.len()).max();
        for (name, text) in fields.iter().filter(|(_, text)| !text.is_empty()) {
            let width = width.unwrap_or_default();
            writeln!(out, "{name:<width$}  {text}")?;
        }
        Ok(())
    }

    /// Writes one JSON value on a line of its own, whatever is asked for.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub(super) fn line(self, value: &impl Serialize) -> Result {
        let text = serde_json::to_string(value)?;
        writeln!(io::stdout().lock(), "{text}")?;
        Ok(())
    }

    fn array<R: Serialize>(self, rows: &[R]) -> Result {
        let mut out = io::stdout().lock();
        if rows.is_empty() {
            writeln!(out, "[]")?;
            return Ok(());
        }
        for (index, row) in rows.iter().enumerate() {
            let before = if index == 0 { "[" } else { " " };
            let after = if index + 1 == rows.len() { "]" } else { "," };
            writeln!(out, "{before}{}{after}", serde_json::to_string(row)?)?;
        }
        Ok(())
    }
}

/// Says something to people.
pub(super) fn say(text: &str) {
    // Who does not listen need not hear it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A number, to the right.
pub(super) fn number(value: impl fmt::Display) -> Cell {
    Cell::new(value).set_alignment(comfy_table::CellAlignment::Right)
}

/// A number that may not be known.
pub(super) fn maybe(value: Option<impl ToString>) -> Cell {
    number(value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
}

/// A state, in the colour of what it means.
pub(super) fn state(state: &str) -> Cell {
    let color = match state {
        "parked" | "blocked" | "blocking" | "missing" => Color::Red,
        "retrying" | "recovering" | "paused" => Color::Yellow,
        "idle" | "waiting" | "in event" | "busy" => Color::Green,
        _ => return Cell::new(state),
    };
    Cell::new(state).fg(color)
}

/// A span of time for people, in its largest unit.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} d", seconds / 86400.0),
    }
}

/// A number for people, in thousands, millions or billions where it is so great.
pub(super) fn amount(count: u64) -> String {
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| count >= *unit) else {
        return count.to_string();
    };
    match (count / unit, count % unit * 10 / unit) {
        (whole @ 1..=9, tenths @ 1..=9) => format!("{whole}.{tenths} {name}"),
        (whole, _) => format!("{whole} {name}"),
    }
}

fn may_color() -> bool {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    !forbidden && !dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_in_a_unit_that_can_be_read() {
        let told = [
            0,
            999,
            1000,
            1999,
            12_345,
            999_999,
            2_500_000,
            3_000_000_000,
        ]
        .map(amount);
        assert_eq!(
            told,
            ["0", "999", "1 k", "1.9 k", "12 k", "999 k", "2.5 M", "3 G"]
        );
    }

    #[test]
    fn spans_are_told_in_a_unit_that_can_be_read() {
        let told = [0.04, 9.9, 59.6, 119.0, 121.0, 7300.0, 200_000.0].map(span);
        assert_eq!(
            told,
            ["0.0 s", "9.9 s", "60 s", "119 s", "2 min", "2 h", "2 d"]
        );
    }
}
