//! Follows a worker's figures while it runs: the recovery of tables, and on a terminal how it stands.

use std::{io::IsTerminal, time::Duration};

use super::{
    super::console::{Console, TICK},
    line::line,
    recovery::{Recovery, Seen, whole},
};
use crate::{Settings, TokioClock, WorkerHandle};
use faustus_core::Clock;

/// How often a recovery is told of where there is no live line.
const TELL: Duration = Duration::from_secs(10);

/// Which of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Recoveries, as a bar.
    pub(super) bar: bool,
    /// How the worker stands.
    pub(super) line: bool,
}

impl Shown {
    /// What these settings want. A program that writes to the terminal itself would write into the line, so
    /// without a word it is there only where standard output is something else.
    pub(super) fn by(settings: &Settings) -> Self {
        let line = settings.status_line;
        Self {
            bar: line != Some(false),
            line: line.unwrap_or_else(|| !std::io::stdout().is_terminal()),
        }
    }
}

/// Shows how `worker` stands until this is dropped.
pub(super) async fn follow(worker: WorkerHandle, console: Console, shown: Shown) {
    let clock = TokioClock::real();
    let began = clock.monotonic();
    let mut recovery = Recovery::default();
    let mut told = began;
    let mut before = worker.monitor_now();
    let mut turn = 0_u32;
    let mut was_live = false;
    loop {
        clock.sleep(TICK).await;
        turn = turn.wrapping_add(1);
        let is_live = console.is_live();
        if was_live && !is_live {
            // It went into the background.
            console.clear();
        }
        was_live = is_live;
        let figures = worker.monitor_now();
        let now = clock.monotonic();
        match recovery.look(&figures, now) {
            Seen::UnderWay(progress) if is_live && shown.bar => {
                console.show_progress("recovering", progress.percent(), &progress.to_string());
                continue;
            }
            Seen::UnderWay(progress) => {
                if now.saturating_sub(told) >= TELL {
                    told = now;
                    let (recovering, tasks) = progress.tasks;
                    let (records, all) = progress.records;
                    let remaining = all - records;
                    tracing::info!(
                        recovering, tasks, records, remaining, per_second = progress.per_second.map(whole),
                        left = ?progress.left.unwrap_or_default(), "tables recover"
                    );
                }
            }
            Seen::Over => {
                told = now;
                console.clear();
            }
            Seen::Nothing => told = now,
        }
        // Each second, which asks the log where partitions end.
        if is_live && shown.line && turn.is_multiple_of(2) {
            let now = worker.monitor().await;
            let runs = clock.monotonic().saturating_sub(began);
            console.show(&line(&before, &now, runs));
            before = now;
        }
    }
}
