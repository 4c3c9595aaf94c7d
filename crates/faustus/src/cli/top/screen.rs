//! The screen: which part of a [`View`] is in sight, and how it is drawn. Knows no terminal.
//!
//! Each section has a line of heads and its rows. Where not all of them have room, the chosen section has
//! the most, and is moved by keys; where next to nothing has room, it is the only one.

use std::{fmt, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::{Timestamp, tz::TimeZone};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    columns::{Columns, ends, style},
    sections::{self, Kind, Row, Tone},
    view::View,
};

/// What is seen.
#[derive(Debug)]
pub(super) struct Screen {
    title: String,
    every: Duration,
    zone: TimeZone,
    colored: bool,
    view: View,
    /// What came while the picture stands still.
    paused: Option<View>,
    /// Why there is nothing new.
    trouble: Option<String>,
    chosen: Kind,
    /// Nothing but the chosen section is shown.
    alone: bool,
    sections: [InSight; Kind::ALL.len()],
}

/// Which rows of a section are in sight.
#[derive(Clone, Copy, Debug, Default)]
struct InSight {
    first: usize,
    /// How many there were when it was drawn.
    rows: usize,
    by_figures: bool,
}

/// How the screen is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    Done,
    Interrupted,
}

impl Screen {
    /// A screen under `title`, with a picture each time that `every` has passed.
    pub(super) fn new(title: String, every: Duration, zone: TimeZone, colored: bool) -> Self {
        let mut sections = [InSight::default(); Kind::ALL.len()];
        sections[Kind::Partitions.place()].by_figures = true;
        Self {
            title,
            every,
            zone,
            colored,
            view: View::default(),
            paused: None,
            trouble: None,
            chosen: Kind::Agents,
            alone: false,
            sections,
        }
    }

    /// There are new figures.
    pub(super) fn show(&mut self, view: View) {
        self.trouble = None;
        match &mut self.paused {
            Some(newest) => *newest = view,
            None => self.view = view,
        }
    }

    /// There are none, for this reason.
    pub(super) fn miss(&mut self, trouble: String) {
        self.trouble = Some(trouble);
    }

    /// Somebody pressed a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Leave> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let page = self.sections[self.chosen.place()].rows.max(1);
        match key.code {
            KeyCode::Char('c') if control => return Some(Leave::Interrupted),
            KeyCode::Char('q') | KeyCode::Esc => return Some(Leave::Done),
            KeyCode::Char('p') => match self.paused.take() {
                Some(newest) => self.view = newest,
                None => self.paused = Some(self.view.clone()),
            },
            KeyCode::Char('s') if self.chosen.is_sortable() => {
                let section = &mut self.sections[self.chosen.place()];
                section.by_figures = !section.by_figures;
                section.first = 0;
            }
            KeyCode::Char(digit @ '1'..='9') => {
                let place = digit as usize - '1' as usize;
                self.chosen = Kind::ALL.get(place).copied().unwrap_or(self.chosen);
            }
            KeyCode::Tab | KeyCode::Right => self.choose(1),
            KeyCode::BackTab | KeyCode::Left => self.choose(Kind::ALL.len() - 1),
            KeyCode::Enter => self.alone = !self.alone,
            KeyCode::Up => self.scroll(|first| first.saturating_sub(1)),
            KeyCode::Down => self.scroll(|first| first + 1),
            KeyCode::PageUp => self.scroll(|first| first.saturating_sub(page)),
            KeyCode::PageDown => self.scroll(|first| first + page),
            KeyCode::Home => self.scroll(|_| 0),
            KeyCode::End => self.scroll(|_| usize::MAX),
            _ => {}
        }
        None
    }

    fn choose(&mut self, ahead: usize) {
        self.chosen = Kind::ALL[(self.chosen.place() + ahead) % Kind::ALL.len()];
    }

    /// Moves the chosen section; how far it can be moved is known when it is drawn.
    fn scroll(&mut self, to: impl FnOnce(usize) -> usize) {
        let first = &mut self.sections[self.chosen.place()].first;
        *first = to(*first);
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let head = self.head(frame.area().width.into());
        let lines = u16::try_from(head.len()).unwrap_or(u16::MAX);
        let parts = [
            Constraint::Length(lines),
            Constraint::Min(0),
            Constraint::Length(1),
        ];
        let [top, middle, bottom] = Layout::vertical(parts).areas(frame.area());
        frame.render_widget(Paragraph::new(head), top);
        self.draw_sections(frame, middle);
        let keys = format!(
            " q end  Tab,1-{} section  arrows scroll  Enter alone  s sort  p pause",
            Kind::ALL.len()
        );
        let keys = Line::styled(keys, Style::new().add_modifier(Modifier::DIM));
        frame.render_widget(Paragraph::new(keys), bottom);
    }

    /// Who is looked at, what goes through, how things stand, and why nothing moves if nothing does.
    fn head(&self, width: usize) -> Vec<Line<'static>> {
        let view = &self.view;
        let time = Timestamp::from_millisecond(view.at_ms).unwrap_or_default();
        let time = time.to_zoned(self.zone.clone()).strftime("%H:%M:%S");
        let workers = match view.workers.as_slice() {
            [one] => format!("process {one}"),
            several => format!("{} workers", several.len()),
        };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let right = format!("{workers}  {time} ");
        let no_more = || Span::raw(" ");
        let mut head = vec![
            ends(
                Span::styled(format!(" {}", self.title), bold),
                Span::raw(right),
                width,
            ),
            ends(format!(" {}", sections::summary(view)), no_more(), width),
        ];
        let mut standing = vec![Span::raw(" ")];
        let cells = sections::standing(view).into_iter();
        standing.extend(
            cells.map(|cell| Span::styled(cell.text.into_owned(), style(cell.tone, self.colored))),
        );
        head.push(ends(standing, no_more(), width));
        let warn = style(Tone::Warn, self.colored).add_modifier(Modifier::BOLD);
        if self.paused.is_some() {
            head.push(Line::styled(" paused; p goes on", warn));
        }
        if let Some(trouble) = &self.trouble {
            let bad = style(Tone::Bad, self.colored).add_modifier(Modifier::BOLD);
            let each = Seconds(self.every);
            let lines = wrapped(trouble, width.saturating_sub(2)).into_iter();
            head.extend(lines.map(|line| Line::styled(format!(" {line}"), bad)));
            head.push(Line::styled(
                format!(" These are the last figures; it is looked again {each}."),
                warn,
            ));
        }
        head
    }

    fn draw_sections(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let rows = Kind::ALL
            .map(|kind| sections::rows(kind, &self.view, self.sections[kind.place()].by_figures));
        let wanted = rows.each_ref().map(|rows| rows.len() + 1);
        let height = usize::from(area.height);
        let all = wanted.iter().sum::<usize>();
        let mut shares = shares(wanted, self.chosen.place(), height);
        if self.alone {
            shares = [0; Kind::ALL.len()];
            shares[self.chosen.place()] = wanted[self.chosen.place()].min(height);
        }
        let apart = all + Kind::ALL.len() - 1 <= height;
        let mut lines = Vec::new();
        for ((kind, rows), share) in Kind::ALL.into_iter().zip(&rows).zip(shares) {
            if share == 0 {
                continue;
            }
            if apart && !lines.is_empty() {
                lines.push(Line::default());
            }
            self.section(kind, rows, share - 1, area.width.into(), &mut lines);
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// A section with as many of its rows as have room.
    fn section(
        &mut self,
        kind: Kind,
        rows: &[Row],
        room: usize,
        width: usize,
        lines: &mut Vec<Line<'static>>,
    ) {
        let section = &mut self.sections[kind.place()];
        section.rows = room;
        section.first = section.first.min(rows.len().saturating_sub(room));
        let InSight { first, .. } = *section;
        let last = (first + room).min(rows.len());
        let columns = Columns::new(
            kind.heads(),
            rows,
            Some(width.saturating_sub(2)),
            self.colored,
        );
        let chosen = kind == self.chosen;
        let heads = match chosen {
            true => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            false => Style::new().add_modifier(Modifier::BOLD),
        };
        let number = Span::raw(format!("{} ", kind.place() + 1));
        if rows.is_empty() {
            let named = Span::raw(columns.name());
            let none = Span::styled(
                format!("  {}", kind.none()),
                Style::new().remove_modifier(Modifier::BOLD),
            );
            lines.push(ends(vec![number, named, none], Span::raw(""), width).style(heads));
            return;
        }
        let above = Some(first).filter(|above| *above > 0);
        let below = Some(rows.len() - last).filter(|below| *below > 0);
        let out_of_sight = [
            above.map(|rows| format!(" ↑{rows}")),
            below.map(|rows| format!(" ↓{rows}")),
        ];
        let mut name = columns.name().to_owned();
        name.extend(out_of_sight.into_iter().flatten());
        let mut line = columns.head(name);
        line.spans.insert(0, number);
        lines.push(ends(line, Span::raw(""), width).style(heads));
        for row in &rows[first..last] {
            let mut line = columns.row(row);
            line.spans.insert(0, Span::raw("  "));
            lines.push(line);
        }
    }
}

/// An interval as a word.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs_f64() {
            1.0 => f.write_str("each second"),
            seconds => write!(f, "every {seconds} s"),
        }
    }
}

/// A text on as many lines as it takes, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if Span::raw(&**line).width() + 1 + Span::raw(word).width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// How many lines each section gets of `height`. All get two if they want them; of what is left the
/// chosen one gets twice what another gets.
fn shares<const N: usize>(wanted: [usize; N], chosen: usize, height: usize) -> [usize; N] {
    let mut shares = wanted.map(|wanted| wanted.min(2));
    if shares.iter().sum::<usize>() > height {
        shares = [0; N];
        shares[chosen] = wanted[chosen].min(height);
        return shares;
    }
    let mut left = height - shares.iter().sum::<usize>();
    loop {
        let before = left;
        for place in (0..N).chain([chosen]) {
            if left > 0 && shares[place] < wanted[place] {
                shares[place] += 1;
                left -= 1;
            }
        }
        if left == before {
            return shares;
        }
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
