//! What signals mean to a worker: its end, its log file, and a look at what it does.

use std::io::{self, IsTerminal};

use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::{console::Console, messages::Messages};
use crate::{
    Result, WorkerHandle,
    control::{Lane, Task},
};

/// The signals that a worker listens to.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    dump: Signal,
}

impl Signals {
    /// From now on they are heard; in a tokio runtime.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            dump: signal(SignalKind::user_defined1())?,
        })
    }

    /// Does what they mean. The first `SIGINT` or `SIGTERM` asks for an orderly end, the second ends the
    /// process. `SIGHUP` is for the messages, unless the terminal is gone: that asks for an end, too.
    pub(super) async fn obey(mut self, worker: WorkerHandle, console: Console, messages: Messages) {
        let began_with = terminals();
        let mut asked = false;
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                _ = self.hang_up.recv() => {
                    if terminals() == began_with {
                        messages.reopen();
                        continue;
                    }
                }
                _ = self.dump.recv() => {
                    dump(&worker).await;
                    continue;
                }
            }
            if std::mem::replace(&mut asked, true) {
                console.clear();
                // The second signal means: at once.
                std::process::exit(130);
            }
            tracing::info!("worker finishes what is in flight; once more ends it at once");
            worker.shutdown();
        }
    }
}

/// Which of standard input, output and error are a terminal that is still there.
fn terminals() -> [bool; 3] {
    [
        io::stdin().is_terminal(),
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
    ]
}

/// Tells of every task and every lane, and what each awaits.
async fn dump(worker: &WorkerHandle) {
    let (Ok(tasks), Ok(lanes)) = (worker.status().await, worker.agents().await) else {
        tracing::info!("the worker has ended, nothing is left to be shown");
        return;
    };
    tracing::info!(
        tasks = tasks.len(),
        lanes = lanes.len(),
        "what all lanes do"
    );
    for task in tasks.into_iter().map(Task::from) {
        let Task {
            task,
            state,
            reason,
            retired,
            ..
        } = task;
        tracing::info!(task, state, reason, retired, "task");
    }
    for lane in lanes.into_iter().map(Lane::from) {
        let awaits = awaits(&lane.state);
        let since = lane
            .since
            .and_then(|since| Timestamp::from_millisecond(since).ok());
        let Lane {
            agent,
            task,
            lane,
            taken,
            state,
            record,
            failures,
            reason,
            ..
        } = lane;
        tracing::info!(
            agent,
            task,
            lane,
            state,
            awaits,
            record,
            since = since.map(tracing::field::display),
            taken,
            failures,
            reason,
            "lane"
        );
    }
}

/// What a lane in this state awaits.
fn awaits(state: &str) -> &'static str {
    match state {
        "recovering" => "its task's tables",
        "waiting" => "an event",
        "waiting for its turn" => "the lanes that write the same table",
        "waiting for room" => "the reader of the channel",
        "in event" => "what the agent's function awaits, since then",
        "retrying" => "the time of the next attempt",
        "parked" => "somebody who mends the cause and resumes the task, or skips the record",
        "paused" => "somebody who resumes the agent",
        "blocking" => "nothing: the agent's function does not give the thread back",
        "blocked" => "the lane that blocks the thread",
        _ => "",
    }
}
