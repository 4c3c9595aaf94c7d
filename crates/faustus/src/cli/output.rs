//! What a command says: data on standard output, as tables for people or as JSON, an object on a line
//! each; all else on standard error.

use std::{
    env,
    io::{self, BufWriter, IsTerminal, Write},
};

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
    presets,
};
use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::Result;

/// Stands for the rest of what is longer than the terminal is wide.
const MARK: char = '…';

/// No column is made narrower than this.
const NARROWEST: usize = 8;

/// How a column is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As wide as it needs.
    Text,
    /// So, and to the right.
    Number,
    /// So, in the colour of what it says.
    State,
    /// So, in the colour of what is wrong.
    Wrong,
    /// Shortened where the terminal is not wide enough; left out if nothing is in it.
    Long,
    /// On several lines there; left out if nothing is in it.
    Prose,
}

impl Kind {
    /// Whether it gives way to others.
    fn yields(self) -> bool {
        matches!(self, Self::Long | Self::Prose)
    }
}

/// A line of a table, or an object of JSON.
pub trait Row: Serialize {
    /// What stands above each column, and how it is laid out.
    const COLUMNS: &'static [(&'static str, Kind)];

    /// One for each column.
    fn cells(&self) -> Vec<String>;
}

/// How a command says it.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    colored: bool,
    /// The terminal's, if it is one; else lines are as long as they are.
    width: Option<usize>,
}

impl Output {
    /// To standard output, as JSON or for people.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let size = terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok());
        let width = size.flatten().map(|size| usize::from(size.ws_col));
        Self {
            json,
            colored: terminal && may_color(),
            width: width.filter(|width| *width > 0),
        }
    }

    /// Whether data is to be JSON.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether data may have colours.
    #[cfg(feature = "top")]
    pub(super) fn is_colored(self) -> bool {
        self.colored
    }

    /// The width of the terminal, if it is one.
    pub(super) fn width(self) -> Option<usize> {
        self.width
    }

    /// Shows rows: an object of JSON on a line each, or a table. Where there are no rows it says `none`
    /// to people.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn rows<R: Row>(self, rows: &[R], none: &str) -> Result {
        let mut out = BufWriter::new(io::stdout().lock());
        if self.json {
            for row in rows {
                writeln!(out, "{}", serde_json::to_string(row)?)?;
            }
        } else if rows.is_empty() {
            say(none);
        } else {
            let cells = rows.iter().map(Row::cells).collect();
            for line in self.table(R::COLUMNS, cells).lines() {
                writeln!(out, "{}", line.trim_end())?;
            }
        }
        out.flush()?;
        Ok(())
    }

    /// Shows one thing: an object of JSON, or its fields under each other.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn one(self, value: &impl Serialize, fields: &[(&str, String)]) -> Result {
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
    pub fn line(self, value: &impl Serialize) -> Result {
        let text = serde_json::to_string(value)?;
        writeln!(io::stdout().lock(), "{text}")?;
        Ok(())
    }

    fn table(self, columns: &[(&str, Kind)], mut rows: Vec<Vec<String>>) -> String {
        let empty = |index: usize| rows.iter().all(|row| row[index].is_empty());
        let shown: Vec<usize> = (0..columns.len())
            .filter(|index| !columns[*index].1.yields() || !empty(*index))
            .collect();
        if let Some(width) = self.width {
            shorten(columns, &shown, &mut rows, width);
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        match self.width.and_then(|width| u16::try_from(width).ok()) {
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        match self.colored {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        let heads = shown.iter().map(|index| Cell::new(columns[*index].0));
        table.set_header(heads.map(|head| head.add_attribute(Attribute::Bold)));
        for row in &rows {
            let cells = shown
                .iter()
                .map(|index| cell(columns[*index].1, &row[*index]));
            table.add_row(cells);
        }
        for (column, index) in table.column_iter_mut().zip(&shown) {
            // Nothing needs to stand behind the last one: a line that is too long by spaces is two lines.
            let behind = if Some(index) == shown.last() { 0 } else { 2 };
            column.set_padding((0, behind));
            column.set_constraint(match columns[*index].1 {
                Kind::Prose => {
                    let least = need(columns, &rows, *index).min(NARROWEST);
                    let least = u16::try_from(least).unwrap_or(u16::MAX);
                    ColumnConstraint::LowerBoundary(Width::Fixed(least + behind))
                }
                _ => ColumnConstraint::ContentWidth,
            });
        }
        table.to_string()
    }
}

fn cell(kind: Kind, text: &str) -> Cell {
    let cell = Cell::new(text);
    let cell = match kind {
        Kind::Number => cell.set_alignment(CellAlignment::Right),
        _ => cell,
    };
    let color = match kind {
        Kind::Wrong => Some(Color::Red),
        Kind::State | Kind::Number => color_of(text),
        Kind::Text | Kind::Long | Kind::Prose => None,
    };
    match color {
        Some(color) => cell.fg(color),
        None => cell,
    }
}

/// The colour of what a state means, or several with their numbers.
fn color_of(state: &str) -> Option<Color> {
    let mut words = state.split(|c: char| !c.is_alphabetic());
    if words.any(|word| matches!(word, "parked" | "blocked" | "blocking" | "missing")) {
        return Some(Color::Red);
    }
    match state {
        "retrying" | "recovering" | "paused" => Some(Color::Yellow),
        "idle" | "waiting" | "in event" | "busy" => Some(Color::Green),
        _ => None,
    }
}

/// How wide a column is with nothing left out.
fn need(columns: &[(&str, Kind)], rows: &[Vec<String>], index: usize) -> usize {
    let cells = rows.iter().map(|row| row[index].width());
    let widest = cells.max().unwrap_or_default();
    widest.max(columns[index].0.width())
}

/// Makes long columns fit: those that need little get it, the others share what is left.
fn shorten(columns: &[(&str, Kind)], shown: &[usize], rows: &mut [Vec<String>], width: usize) {
    let mut long: Vec<(usize, usize)> = Vec::new();
    let mut left = width;
    for &index in shown {
        left = left.saturating_sub(2);
        let need = need(columns, rows, index);
        match columns[index].1 {
            Kind::Long => long.push((need, index)),
            Kind::Prose => left = left.saturating_sub(need.min(NARROWEST)),
            _ => left = left.saturating_sub(need),
        }
    }
    // Nothing needs to stand behind the last column.
    left += 2;
    long.sort_unstable();
    for (place, &(need, index)) in long.iter().enumerate() {
        let room = (left / (long.len() - place)).max(NARROWEST).min(need);
        left = left.saturating_sub(room);
        for row in rows.iter_mut() {
            row[index] = cut(&row[index], room);
        }
    }
}

/// `text`, or its beginning and the mark, no wider than `room`.
pub(super) fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 1;
    for char in text.chars() {
        used += char.width().unwrap_or_default();
        if used > room {
            break;
        }
        cut.push(char);
    }
    cut.push(MARK);
    cut
}

/// Says something to people.
pub fn say(text: &str) {
    // Who does not listen need not hear it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether whoever uses a terminal wants colours, and it has some.
pub(super) fn may_color() -> bool {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && !is_dumb()
}

/// Whether the terminal can only write on.
pub(super) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// `count` and the word, in the plural where that is right.
#[must_use]
pub fn count(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

/// What may not be known, or `-`.
pub(super) fn maybe(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, &'static str, u64, &'static str);

    impl Row for Pair {
        const COLUMNS: &'static [(&'static str, Kind)] = &[
            ("KEY", Kind::Long),
            ("VALUE", Kind::Long),
            ("N", Kind::Number),
            ("BECAUSE", Kind::Prose),
        ];

        fn cells(&self) -> Vec<String> {
            vec![
                self.0.into(),
                self.1.into(),
                self.2.to_string(),
                self.3.into(),
            ]
        }
    }

    fn table(width: Option<usize>, colored: bool, rows: &[Pair]) -> String {
        let json = false;
        let output = Output {
            json,
            colored,
            width,
        };
        let cells = rows.iter().map(Row::cells).collect();
        let text = output.table(Pair::COLUMNS, cells);
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    #[test]
    fn what_is_too_long_for_the_terminal_is_cut_with_a_mark() {
        let rows = [
            Pair("ann", "twelve wide characters: 水水水水", 7, ""),
            Pair("bo", "x", 10, ""),
        ];
        let expected = "\
KEY  VALUE           N
ann  twelve wide c…   7
bo   x               10";
        assert_eq!(table(Some(23), false, &rows), expected);
        assert!(table(None, false, &rows).contains("水水水水"));
        assert_eq!(cut("水水水", 5), "水水…");
    }

    #[test]
    fn prose_goes_on_in_the_next_line() {
        let rows = [Pair("ann", "", 7, "the disk of the broker is full")];
        let expected = "\
KEY  N  BECAUSE
ann  7  the disk of the
        broker is full";
        assert_eq!(table(Some(24), false, &rows), expected);
        assert!(table(None, false, &rows).contains("the disk of the broker is full"));
    }

    #[test]
    fn a_column_that_yields_is_left_out_with_nothing_in_it() {
        assert_eq!(
            table(None, false, &[Pair("a", "", 1, "")]),
            "KEY  N\na    1"
        );
    }

    #[test]
    fn only_a_coloured_table_has_codes_for_the_terminal() {
        let rows = [Pair("a", "b", 1, "")];
        assert!(table(None, true, &rows).contains('\u{1b}'));
        assert!(!table(None, false, &rows).contains('\u{1b}'));
    }

    #[test]
    fn no_line_of_a_coloured_table_is_wider_than_the_terminal() {
        let rows = [Pair(
            "a",
            "a long text that is cut",
            1,
            "why it is so, at length",
        )];
        let shown = table(Some(40), true, &rows);
        let mut lines = shown.lines().map(|line| {
            let parts = line.split('\u{1b}').enumerate();
            // What is behind a code's end is shown.
            let shown = parts.map(|(at, part)| match at {
                0 => part.width(),
                _ => part.split_once('m').map_or(0, |(_, text)| text.width()),
            });
            shown.sum::<usize>()
        });
        assert!(lines.all(|width| width <= 40), "{shown}");
    }

    #[test]
    fn of_several_states_the_worst_gives_the_colour() {
        assert_eq!(color_of("3 waiting, 1 parked"), Some(Color::Red));
        assert_eq!(color_of("waiting"), Some(Color::Green));
        assert_eq!(color_of("paused"), Some(Color::Yellow));
        assert_eq!(color_of("8"), None);
    }

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
