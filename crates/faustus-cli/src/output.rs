//! What a command says: data on standard output, as tables for people or as JSON; all else on standard
//! error.

use std::{
    env,
    io::{self, BufWriter, ErrorKind, IsTerminal, Write},
};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Stands for the rest of what is longer than the terminal is wide.
const MARK: char = '…';

/// No column is made narrower than this.
const NARROWEST: usize = 8;

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be told: what is wrong, where, and what to do.
    Told(String),
    /// What is wrong is what was shown.
    Shown,
    /// Nobody reads any more.
    Unheard,
}

pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// A failure with this text.
pub(crate) fn told<T>(text: impl Into<String>) -> Result<T> {
    Err(Failure::Told(text.into()))
}

/// How a column is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As wide as it needs.
    Text,
    /// So, and to the right.
    Number,
    /// Shortened where the terminal is not wide enough; left out if nothing is in it.
    Long,
    /// As text, and in the colour of what is wrong.
    Wrong,
}

/// A line of a table, or an object of JSON.
pub(crate) trait Row: Serialize {
    /// What stands above each column, and how it is laid out.
    const COLUMNS: &'static [(&'static str, Kind)];

    /// One for each column.
    fn cells(&self) -> Vec<String>;
}

/// How a command says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    colored: bool,
    /// The terminal's, if it is one; else lines are as long as they are.
    width: Option<usize>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let size = terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok());
        let width = size.flatten().map(|size| usize::from(size.ws_col));
        Self {
            json,
            colored: terminal && may_color(),
            width: width.filter(|width| *width > 0),
        }
    }

    /// Shows rows: an object of JSON on a line each, or a table. With no rows it says `none`.
    pub(crate) fn rows<R: Row>(self, rows: &[R], none: &str) -> Result {
        let mut out = BufWriter::new(io::stdout().lock());
        if self.json {
            for row in rows {
                let text = serde_json::to_string(row).map_err(|error| {
                    Failure::Told(format!("no JSON can be made of it: {error}"))
                })?;
                line(&mut out, &text)?;
            }
        } else if rows.is_empty() {
            say(none);
        } else {
            let cells = rows.iter().map(Row::cells).collect();
            for text in self.table(R::COLUMNS, cells).lines() {
                line(&mut out, text.trim_end())?;
            }
        }
        out.flush().or_else(|error| unheard(&error))
    }

    fn table(self, columns: &[(&str, Kind)], mut rows: Vec<Vec<String>>) -> String {
        let empty = |index: usize| rows.iter().all(|row| row[index].is_empty());
        let shown: Vec<usize> = (0..columns.len())
            .filter(|index| columns[*index].1 != Kind::Long || !empty(*index))
            .collect();
        if let Some(width) = self.width {
            shorten(columns, &shown, &mut rows, width);
        }
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        match self.colored {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        let heads = shown.iter().map(|index| Cell::new(columns[*index].0));
        table.set_header(heads.map(|head| head.add_attribute(Attribute::Bold)));
        for row in &rows {
            table.add_row(shown.iter().map(|index| {
                let cell = Cell::new(&row[*index]);
                match columns[*index].1 {
                    Kind::Text | Kind::Long => cell,
                    Kind::Number => cell.set_alignment(CellAlignment::Right),
                    Kind::Wrong => cell.fg(Color::Red),
                }
            }));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.to_string()
    }
}

/// Makes long columns fit: those that need little get it, the others share what is left.
fn shorten(columns: &[(&str, Kind)], shown: &[usize], rows: &mut [Vec<String>], width: usize) {
    let need = |index: usize| {
        let cells = rows.iter().map(|row| row[index].width());
        cells
            .max()
            .unwrap_or_default()
            .max(columns[index].0.width())
    };
    let mut long: Vec<(usize, usize)> = Vec::new();
    let mut left = width;
    for &index in shown {
        left = left.saturating_sub(2);
        match columns[index].1 {
            Kind::Long => long.push((need(index), index)),
            Kind::Text | Kind::Number | Kind::Wrong => left = left.saturating_sub(need(index)),
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
fn cut(text: &str, room: usize) -> String {
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

fn line(out: &mut impl Write, text: &str) -> Result {
    writeln!(out, "{text}").or_else(|error| unheard(&error))
}

/// What a failure of standard output means.
fn unheard(error: &io::Error) -> Result {
    match error.kind() {
        ErrorKind::BrokenPipe => Err(Failure::Unheard),
        _ => told(format!("standard output cannot be written: {error}")),
    }
}

/// Says something to people.
pub(crate) fn say(text: &str) {
    // Who does not listen need not hear it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn may_color() -> bool {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    !forbidden && !dumb
}

/// `count` and the word, in the plural where that is right.
pub(crate) fn count(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, &'static str, u64);

    impl Row for Pair {
        const COLUMNS: &'static [(&'static str, Kind)] = &[
            ("KEY", Kind::Long),
            ("VALUE", Kind::Long),
            ("N", Kind::Number),
        ];

        fn cells(&self) -> Vec<String> {
            vec![self.0.into(), self.1.into(), self.2.to_string()]
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
            Pair("ann", "twelve wide characters: 水水水水", 7),
            Pair("bo", "x", 10),
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
    fn a_long_column_with_nothing_in_it_is_left_out() {
        assert_eq!(table(None, false, &[Pair("a", "", 1)]), "KEY  N\na    1");
    }

    #[test]
    fn only_a_coloured_table_has_codes_for_the_terminal() {
        let rows = [Pair("a", "b", 1)];
        assert!(table(None, true, &rows).contains('\u{1b}'));
        assert!(!table(None, false, &rows).contains('\u{1b}'));
    }
}
