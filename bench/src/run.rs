//! One round of a case, or the preparation of it, in this process.

mod latency;
mod standing;
mod throughput;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use faustus::{
    Ended, Settings, TaskState, TaskStatus, TokioClock, Transport, Worker, WorkerHandle, open_log,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::{
    cases::{self, Case, Program, Work},
    input,
    program::{self, Seen, TABLE},
    rounds::Figures,
};

/// How often a worker is asked how it is, where that cannot be told otherwise.
const POLL: Duration = Duration::from_millis(5);

/// What a process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) case: String,
    pub(crate) part: Part,
    /// The log's.
    pub(crate) address: String,
    /// The application's name, another one at each round.
    pub(crate) name: String,
    pub(crate) events: u64,
    pub(crate) threads: usize,
    pub(crate) seconds: u64,
    /// When the process was started, on the clock that all processes share.
    pub(crate) spawned: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Part {
    Prepare,
    Measure,
}

impl Run {
    pub(crate) fn from_json(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// Does it and prints what is to be told.
    pub(crate) fn perform(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .worker_threads(2)
            .build()?;
        let figures = runtime.block_on(async {
            let case = self.case()?;
            let log = open_log(&self.address, Arc::new(TokioClock::real())).await;
            let log = log.map_err(told)?;
            if self.part == Part::Prepare {
                self.prepare(case, &log).await?;
                return Ok(Figures::new());
            }
            if !case.is_prepared_elsewhere() {
                self.prepare(case, &log).await?;
            }
            match case.work {
                Work::Throughput(program) => self.throughput(case, program, &log).await,
                Work::Recover => self.recover(case, &log).await,
                Work::Start => self.start(case, &log).await,
                Work::Idle => self.idle(case, &log).await,
                Work::Latency => self.latency(case, &log).await,
            }
        });
        let figures: Result<Figures> = figures;
        println!("{}", serde_json::to_string(&figures?)?);
        Ok(())
    }

    fn case(&self) -> Result<&'static Case> {
        cases::find(&self.case).pop().context("no such case")
    }

    fn topic(&self, end: &str) -> String {
        format!("{}-{end}", self.name)
    }

    fn changelog(&self) -> String {
        format!("{}-{TABLE}-changelog", self.name)
    }

    /// Makes the topics and fills in what is there before the measurement.
    async fn prepare(&self, case: &Case, log: &Arc<dyn Transport>) -> Result<()> {
        let source = self.topic("in");
        input::create(&**log, &source, false).await?;
        input::create(&**log, &self.topic("out"), false).await?;
        match case.work {
            Work::Throughput(_) if case.loads_while_measured() => Ok(()),
            Work::Throughput(_) | Work::Start => input::load(&**log, &source, self.events).await,
            Work::Recover => {
                let changelog = self.changelog();
                input::create(&**log, &changelog, true).await?;
                let names = (&*self.name, &*source, &*changelog);
                input::load_changelog(&**log, names, self.events).await
            }
            Work::Idle | Work::Latency => Ok(()),
        }
    }

    /// Starts a worker.
    fn worker(
        &self,
        case: &Case,
        program: Program,
        log: &Arc<dyn Transport>,
        seen: &Arc<Seen>,
    ) -> Running {
        let (worker, handle) = program::worker(&self.name, program, Arc::clone(log), seen);
        let settings = Settings {
            guarantee: case.guarantee,
            threads: self.threads,
            ..Settings::default()
        };
        Running::start(worker.settings(settings), handle)
    }
}

/// A worker at work.
struct Running {
    handle: WorkerHandle,
    ended: JoinHandle<faustus::Result<Ended>>,
}

impl Running {
    fn start(worker: Worker, handle: WorkerHandle) -> Self {
        let ended = tokio::spawn(worker.run());
        Self { handle, ended }
    }

    /// Waits until all tasks run and are as `wanted`.
    async fn until(&mut self, wanted: impl Fn(&[TaskStatus]) -> bool) -> Result<()> {
        loop {
            let tasks = match self.handle.status().await {
                Ok(tasks) => tasks,
                Err(error) => {
                    (&mut self.ended).await?.map_err(told)?;
                    return Err(told(error));
                }
            };
            let parked = tasks.iter().find_map(|task| match &task.state {
                TaskState::Parked(reason) => Some(reason),
                _ => None,
            });
            ensure!(parked.is_none(), "a task is parked: {parked:?}");
            let runs = |task: &TaskStatus| task.state != TaskState::Recovering;
            if tasks.len() == input::PARTITIONS as usize && tasks.iter().all(runs) && wanted(&tasks)
            {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends it in order, so that all is stored.
    async fn end(self) -> Result<()> {
        self.handle.shutdown();
        let ended = self.ended.await?.map_err(told)?;
        ensure!(ended == Ended::Drained, "the worker was cut off");
        Ok(())
    }
}

/// Its text; that error is none of the standard library's, so that all of those convert into it.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: faustus::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

fn figures<const N: usize>(each: [(&str, f64); N]) -> Figures {
    let each = each.into_iter();
    each.map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}
