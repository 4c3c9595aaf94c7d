//! Rows in columns, on the screen and in the report.

use ratatui::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};

use super::{
    super::output::cut,
    sections::{Cell, Head, Row, Tone},
};

/// How much stands between two columns.
const GAP: usize = 2;

/// How wide a column of names is at least, so that those of all sections end at one place, and to how much
/// it is cut where there is no room.
const NAMES: (usize, usize) = (20, 12);

/// To how much texts at the end are cut before names are.
const TEXTS: usize = 20;

/// The columns of a section.
#[derive(Debug)]
pub(super) struct Columns {
    heads: &'static [Head],
    widths: Vec<usize>,
    /// How wide they may be together; `None`: as wide as they are.
    room: Option<usize>,
    colored: bool,
}

impl Columns {
    /// Columns as wide as what is in them, as far as there is room.
    pub(super) fn new(
        heads: &'static [Head],
        rows: &[Row],
        room: Option<usize>,
        colored: bool,
    ) -> Self {
        let whole = || rows.iter().filter(|row| row.len() == heads.len());
        let wanted = heads.iter().enumerate().map(|(column, head)| {
            let cells = whole().map(|row| Span::raw(&*row[column].text).width());
            let least = match head {
                Head::Name(_) if column == 0 => NAMES.0,
                Head::Name(text) => text.len(),
                // They grow and shrink: a column should not move each time that one does.
                Head::Figure(text) => text.len().max(8),
            };
            cells.max().unwrap_or(0).max(least)
        });
        let mut columns = Self {
            heads,
            widths: wanted.collect(),
            room,
            colored,
        };
        let last = heads.len() - 1;
        for (column, least) in [(last, TEXTS), (0, NAMES.1), (last, 0)] {
            let too_much = columns.width(0).saturating_sub(room.unwrap_or(usize::MAX));
            let width = &mut columns.widths[column];
            if matches!(heads[column], Head::Name(_)) {
                *width = width.saturating_sub(too_much).max(least.min(*width));
            }
        }
        columns
    }

    /// How wide all columns from this one on are together.
    fn width(&self, from: usize) -> usize {
        let widths = &self.widths[from..];
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// The head of the first column, which is that of the section.
    pub(super) fn name(&self) -> &'static str {
        self.heads[0].text()
    }

    /// The heads, with `name` as that of the first column.
    pub(super) fn head(&self, name: String) -> Line<'static> {
        let heads = self
            .heads
            .iter()
            .skip(1)
            .map(|head| Cell::from(head.text()));
        let row: Row = [Cell::from(name)].into_iter().chain(heads).collect();
        self.row(&row)
    }

    pub(super) fn row(&self, row: &[Cell]) -> Line<'static> {
        let mut line = Line::default();
        for (column, cell) in row.iter().enumerate() {
            if column > 0 {
                line.push_span(" ".repeat(GAP));
            }
            let is_last = column + 1 == row.len();
            let goes_through = is_last && row.len() < self.heads.len();
            let is_text = matches!(self.heads[column], Head::Name(_));
            let width = match (self.room, is_last && (goes_through || is_text)) {
                (_, false) => self.widths[column],
                // To the end, wherever the columns end.
                (Some(room), true) => room.saturating_sub(line.width()),
                (None, true) => usize::MAX,
            };
            let text = cut(&cell.text, width);
            let space = width.saturating_sub(Span::raw(&*text).width());
            let space = Span::raw(" ".repeat(if is_last && is_text { 0 } else { space }));
            let text = Span::styled(text, style(cell.tone, self.colored));
            match is_text || goes_through {
                true => line.extend([text, space]),
                false => line.extend([space, text]),
            }
        }
        line
    }
}

/// How a text looks that means something.
pub(super) fn style(tone: Tone, colored: bool) -> Style {
    let color = match tone {
        Tone::Plain => return Style::new(),
        Tone::Good => Color::Green,
        Tone::Warn => Color::Yellow,
        Tone::Bad => Color::Red,
    };
    match colored {
        true => Style::new().fg(color),
        false => Style::new(),
    }
}

/// How heads look.
pub(super) fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// A line with something at both of its ends; what is at the right goes before what is at the left.
pub(super) fn ends(
    left: impl Into<Line<'static>>,
    right: Span<'static>,
    width: usize,
) -> Line<'static> {
    let mut line = left.into();
    let room = width.saturating_sub(right.width());
    while line.width() > room {
        let too_much = line.width() - room;
        let Some(last) = line.spans.last_mut() else {
            break;
        };
        match last.width().saturating_sub(too_much) {
            0 => drop(line.spans.pop()),
            left => last.content = cut(&last.content, left).into(),
        }
    }
    let between = room.saturating_sub(line.width());
    line.push_span(" ".repeat(between));
    line.push_span(right);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_the_right_goes_before_what_is_at_the_left() {
        let told = |width| ends("a long title", Span::raw("12:00"), width).to_string();
        assert_eq!(told(20), "a long title   12:00");
        assert_eq!(told(12), "a long…12:00");
        assert_eq!(told(3), "12:00");
    }
}
