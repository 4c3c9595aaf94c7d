//! One round of a case, or the preparation of it, in this process.

mod append;
mod ask;
mod latency;
mod running;
mod slow;
mod standing;
mod throughput;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use faustus::{Settings, TokioClock, Transport, open_log};
use serde::{Deserialize, Serialize};

use crate::{
    cases::{self, Case, Listener, Program, Raw, Work},
    figures::Figures,
    input,
    program::{Plan, Seen, TABLE},
    raw,
};
use running::Running;

/// What a process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) case: String,
    pub(crate) part: Part,
    /// The log's.
    pub(crate) address: String,
    /// Where tables are kept on disk, if they are.
    pub(crate) stores: Option<String>,
    /// The application's name, another one at each round.
    pub(crate) name: String,
    pub(crate) events: u64,
    pub(crate) threads: usize,
    pub(crate) seconds: u64,
    /// How long an epoch lasts, if not as long as it usually does.
    pub(crate) epoch: Option<Duration>,
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
            match self.part {
                Part::Prepare => {
                    self.prepare(case, &*self.log().await?).await?;
                    Ok(Figures::new())
                }
                Part::Measure => self.measure(case).await,
            }
        });
        let figures: Result<Figures> = figures;
        println!("{}", serde_json::to_string(&figures?)?);
        Ok(())
    }

    async fn measure(&self, case: &Case) -> Result<Figures> {
        match case.work {
            Work::Throughput(program) => {
                let log = self.ready(case).await?;
                self.throughput(case, program, &log).await
            }
            Work::Append => self.append(case, self.ready(case).await?).await,
            Work::Ask => self.ask(case, &self.ready(case).await?).await,
            Work::Slow => self.slow(case, &self.ready(case).await?).await,
            Work::Recover => self.recover(case, &self.ready(case).await?).await,
            Work::Start => self.start(case, &self.ready(case).await?).await,
            Work::Idle => self.idle(case, &self.ready(case).await?).await,
            Work::Latency | Work::Raw(Raw::KafkaRelay) => {
                self.latency(case, &self.ready(case).await?).await
            }
            Work::Raw(raw) => raw::measure(self, case.shape, raw).await,
        }
    }

    /// The log, prepared.
    async fn ready(&self, case: &Case) -> Result<Arc<dyn Transport>> {
        let log = self.log().await?;
        if !case.is_prepared_elsewhere() {
            self.prepare(case, &*log).await?;
        }
        Ok(log)
    }

    fn case(&self) -> Result<&'static Case> {
        cases::find(&self.case).pop().context("no such case")
    }

    /// Opens the log.
    pub(crate) async fn log(&self) -> Result<Arc<dyn Transport>> {
        let log = open_log(&self.address, Arc::new(TokioClock::real())).await;
        log.map_err(told)
    }

    /// The topic of this name.
    pub(crate) fn topic(&self, end: &str) -> String {
        format!("{}-{end}", self.name)
    }

    /// The topics that the events come from.
    fn sources(&self, case: &Case) -> Vec<String> {
        match case.shape.topics {
            1 => vec![self.topic("in")],
            topics => (0..topics)
                .map(|t| self.topic(&format!("in-{t}")))
                .collect(),
        }
    }

    /// The changelog's topic.
    pub(crate) fn changelog(&self) -> String {
        self.topic(&format!("{TABLE}-changelog"))
    }

    /// Makes the topics and fills in what is there before the measurement.
    async fn prepare(&self, case: &Case, log: &dyn Transport) -> Result<()> {
        let partitions = case.shape.partitions;
        let sources = self.sources(case);
        for source in &sources {
            input::create(log, source, partitions, false).await?;
        }
        input::create(log, &self.topic("out"), partitions, false).await?;
        match case.work {
            Work::Throughput(_) if case.loads_while_measured() => Ok(()),
            Work::Append
            | Work::Ask
            | Work::Slow
            | Work::Idle
            | Work::Latency
            | Work::Raw(Raw::KafkaRelay) => Ok(()),
            Work::Recover | Work::Raw(Raw::KafkaFetch) => {
                let changelog = self.changelog();
                input::create(log, &changelog, partitions, true).await?;
                let names = (&*self.name, &*sources[0], &*changelog);
                input::load_changelog(log, partitions, names, self.events).await
            }
            Work::Throughput(_) | Work::Start | Work::Raw(_) => self.load(case, log).await,
        }
    }

    /// Writes the events.
    async fn load(&self, case: &Case, log: &dyn Transport) -> Result<()> {
        let keyed = case.hops() == 1;
        for (number, source) in (0..).zip(self.sources(case)) {
            let (shape, events) = (case.shape, self.events);
            let batches = move || {
                let deposits = input::deposits(shape, number, events, keyed);
                input::batches(source.as_str().into(), shape.partitions, deposits)
            };
            if self.threads > 1 {
                input::publish_beside(log, batches).await?;
            } else {
                input::publish(log, batches()).await?;
            }
        }
        Ok(())
    }

    /// Starts a worker.
    fn worker(
        &self,
        case: &Case,
        program: Program,
        log: &Arc<dyn Transport>,
        seen: &Arc<Seen>,
    ) -> Running {
        let plan = Plan {
            name: &self.name,
            program,
            sources: &self.sources(case),
            readers: case.shape.readers,
            sink: &self.topic("out"),
            listener: case.listener,
        };
        let (worker, handle) = plan.worker(Arc::clone(log), seen);
        let running = Running::start(worker.settings(self.settings(case)), handle, case.tasks());
        match case.listener {
            Listener::Reader => running.read_each_second(),
            _ => running,
        }
    }

    fn settings(&self, case: &Case) -> Settings {
        let usual = Settings::default();
        Settings {
            guarantee: case.guarantee,
            threads: self.threads,
            stores: self.stores.as_ref().map(Into::into),
            commit_interval: self.epoch.unwrap_or(usual.commit_interval),
            ..usual
        }
    }
}

/// Its text; that error is none of the standard library's, so that all of those convert into it.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: faustus::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
