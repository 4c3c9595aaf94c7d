//! `top`: what running workers do, live on a terminal, as a report or as JSON.
//!
//! [`snapshot`] has what workers said, [`view`] makes figures of the last of it, [`sections`] rows of
//! words and numbers of these, [`columns`] lines of text, [`screen`] a picture of those, and [`terminal`]
//! shows the picture.

mod columns;
#[cfg(test)]
mod example;
mod numbers;
mod screen;
mod sections;
mod snapshot;
mod terminal;
mod view;

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Args;
use crossterm::style::ContentStyle;
use faustus_core::Clock;
use futures_util::future::{join_all, try_join3};
use ratatui::{backend::IntoCrossterm, style::Style, text::Span};

use super::{
    Stopped, or_interrupted,
    output::Output,
    session::{Session, Where},
};
use crate::{
    Error, ErrorKind, Result, TokioClock,
    control::{Attached, Call, in_time},
    settings::duration,
};
use columns::{Columns, bold, style};
use sections::Kind;
use snapshot::{History, Seen, Snapshot};
use view::View;

/// How long workers may take to tell of themselves. They wait a second for threads that hang.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
#[command(after_help = "\
On a terminal it is a screen of sections, which Tab and the numbers choose, arrows scroll and Enter enlarges; q ends it. Otherwise, and \
with --once, it is one report after one interval; with --json an object for each interval.

Rates are over the last interval, P50 and P99 over the last ten seconds, all other counts since the start of the workers. What is seen are \
the workers on this machine, all together.")]
pub(super) struct TopArgs {
    /// Look again each time that so much has passed
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, default_value = "1 s")]
    interval: Duration,
    /// Print one report after one interval, and end
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    pub(super) at: Where,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    duration(text, Duration::from_millis(100)..=Duration::from_secs(3600))
}

pub(super) async fn top(session: &Session, args: &TopArgs) -> Result<(), Stopped> {
    let first = or_interrupted(async {
        let first = looked(session).await?;
        match first.workers.is_empty() {
            true => Err(none(session)),
            false => Ok(first),
        }
    });
    let first = first.await?;
    let output = args.at.output();
    if !output.is_json() && !args.once && terminal::is_there() {
        return terminal::show(session, args, first).await;
    }
    or_interrupted(tell(session, args, first)).await
}

/// Tells what workers do, once or as JSON each time.
async fn tell(session: &Session, args: &TopArgs, first: Snapshot) -> Result {
    let output = args.at.output();
    let mut history = History::default();
    history.push(first);
    loop {
        let snapshot = later(session, args).await?;
        let once = args.once || !output.is_json();
        if once && snapshot.workers.is_empty() {
            return Err(none(session));
        }
        history.push(snapshot);
        let view = View::new(&history);
        match output.is_json() {
            true => output.line(&view)?,
            false => report(session, output, &view)?,
        }
        if once {
            return Ok(());
        }
    }
}

/// What workers say when the interval has passed.
async fn later(session: &Session, args: &TopArgs) -> Result<Snapshot> {
    TokioClock::real().sleep(args.interval).await;
    looked(session).await
}

/// What the workers on this machine say of themselves; those that end meanwhile say nothing.
///
/// # Errors
///
/// When one of them does not answer, or is of another application.
async fn looked(session: &Session) -> Result<Snapshot> {
    let workers = session.workers().await?;
    let all = in_time(PATIENCE, join_all(workers.iter().map(ask))).await;
    let all = all.ok_or_else(|| {
        let processes = workers.iter().map(|worker| worker.greeting().pid);
        let processes = super::session::join(processes);
        let text = format!("the workers in process {processes} do not tell how they are in time");
        Error::new(ErrorKind::Unavailable, text)
    })?;
    let mut snapshot = Snapshot {
        at: TokioClock::real().now().0,
        workers: Vec::new(),
    };
    for seen in all {
        match seen {
            Ok(seen) => snapshot.workers.push(seen),
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Lost) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(snapshot)
}

async fn ask(worker: &Attached) -> Result<Seen> {
    let monitor = worker.ask(Call::Monitor);
    let (tasks, lanes) = (worker.ask(Call::Status), worker.ask(Call::Lanes));
    let (monitor, tasks, lanes) = try_join3(monitor, tasks, lanes).await?;
    Ok(Seen {
        process: worker.greeting().pid,
        monitor,
        tasks,
        lanes,
    })
}

fn none(session: &Session) -> Error {
    let (app, log) = (session.app(), session.address());
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "no worker of {app} runs on log {log} on this machine: top watches running workers"
        ),
    )
}

/// The sections of the screen under each other, as far as there is something in them.
fn report(session: &Session, output: Output, view: &View) -> Result {
    let mut out = io::stdout().lock();
    let processes = super::session::join(&view.workers);
    let log = session.address();
    writeln!(out, "{} on log {log}, process {processes}", session.app())?;
    writeln!(out, "{}", sections::summary(view))?;
    let colored = output.is_colored();
    let standing = sections::standing(view).into_iter();
    let standing = standing.map(|cell| Span::styled(cell.text, style(cell.tone, colored)));
    writeln!(out, "{}", written(standing))?;
    for kind in Kind::ALL {
        let rows = sections::rows(kind, view, kind == Kind::Partitions);
        if rows.is_empty() {
            continue;
        }
        let columns = Columns::new(kind.heads(), &rows, output.width(), colored);
        let heads = if colored { bold() } else { Style::new() };
        let head = columns.head(columns.name().to_owned()).into_iter();
        writeln!(
            out,
            "\n{}",
            written(head.map(|span| span.patch_style(heads)))
        )?;
        for row in &rows {
            writeln!(out, "{}", written(columns.row(row)))?;
        }
    }
    Ok(())
}

/// A line with its colours, as terminals understand it.
fn written<'a>(spans: impl IntoIterator<Item = Span<'a>>) -> String {
    let spans = spans.into_iter().map(|span| {
        let style: ContentStyle = span.style.into_crossterm();
        style.apply(span.content).to_string()
    });
    spans.collect::<String>().trim_end().to_owned()
}
