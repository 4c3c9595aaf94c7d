//! One run: an application is started, fed, hit round by round, brought to rest and judged.
//!
//! Everything is bounded in time. A run that does not move on or does not come to rest ends with
//! that as its mistake, and with the ends of the workers' logs.

mod outside;
mod rounds;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use kafka_testbed::Cluster;
use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};

use crate::{
    args::Stores,
    evidence::Evidence,
    log::Place,
    model::Names,
    plan::Plan,
    processes::{WorkerPlan, WorkerProcess},
    report::{Report, say},
    rest,
    tail::{Progress, wait_for},
    verify::verify,
};
use outside::Outside;

/// How long the application may take to move on after a fault.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to come to rest when nothing more is fed.
const REST: Duration = Duration::from_secs(60);

/// How long a worker may take to shut down.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// How long reading all of the log may take.
const READING: Duration = Duration::from_secs(60);

/// How often a wait looks whether a worker ended.
const LOOK: Duration = Duration::from_millis(200);

/// How many lines of each worker's log are shown.
const TAIL: usize = 30;

/// Everything that takes part in a run.
struct Stage {
    plan: Plan,
    names: Names,
    place: Place,
    progress: watch::Sender<Progress>,
    workers: Vec<WorkerProcess>,
    /// On a log that others may use beside the workers.
    outside: Option<Outside>,
    cluster: Option<Arc<Cluster>>,
    random: fastrand::Rng,
}

/// Runs `plan`, as application `app` on `cluster` if it is on Kafka.
pub(crate) async fn run(plan: &Plan, app: &str, cluster: Option<Arc<Cluster>>) -> Report {
    let mut report = Report::new(plan.clone());
    let dir = tempfile::Builder::new().prefix("fault-runs-").tempdir();
    let dir = match dir {
        Ok(dir) => dir,
        Err(error) => {
            report.mistakes.push(format!("no directory: {error}"));
            return report;
        }
    };
    say(&format!(
        "{} {} {}: seed {}, in {}",
        plan.log,
        plan.fault,
        plan.promise,
        plan.seed,
        dir.path().display()
    ));
    match Stage::set(plan, app, cluster, dir.path()).await {
        Ok(mut stage) => stage.play(&mut report).await,
        Err(error) => report.mistakes.push(format!("start: {error:#}")),
    }
    keep_or_remove(dir, &mut report);
    report
}

fn keep_or_remove(dir: TempDir, report: &mut Report) {
    if report.plan.keep || !report.is_well() {
        let path = dir.keep();
        say(&format!("kept: {}", path.display()));
        report.kept = Some(path);
    }
}

impl Stage {
    /// Starts the workers and what feeds them.
    async fn set(
        plan: &Plan,
        app: &str,
        cluster: Option<Arc<Cluster>>,
        dir: &Path,
    ) -> Result<Self> {
        let names = Names::of(app);
        let progress = watch::Sender::new(Progress::default());
        let place = match &cluster {
            Some(cluster) => Place::Kafka(cluster.bootstrap()),
            None => Place::Directory(dir.join("log")),
        };
        let outside = match &cluster {
            Some(_) => Some(Outside::start(&place, &names, plan.rate, &progress).await?),
            None => None,
        };
        let feeds = outside.is_none().then_some(plan.rate);
        let worker = |number: usize| {
            let id = format!("w{number}");
            WorkerProcess::new(WorkerPlan {
                place: place.clone(),
                app: app.to_owned(),
                promise: plan.promise,
                session: plan.session,
                stores: dir.join(format!("{id}-stores")),
                feeds,
                log: dir.join(format!("{id}.log")),
                id,
            })
        };
        let workers = (1..=plan.workers()).map(worker).collect();
        let mut stage = Self {
            plan: plan.clone(),
            names,
            place,
            progress,
            workers,
            outside,
            cluster,
            random: fastrand::Rng::with_seed(plan.seed),
        };
        for index in 0..stage.workers.len() {
            stage.start(index)?;
        }
        Ok(stage)
    }

    /// Starts a worker.
    fn start(&mut self, index: usize) -> Result<()> {
        let with_stores = match self.plan.stores {
            Stores::Never => false,
            Stores::Mixed => self.random.u8(..3) > 0,
            Stores::Always => true,
        };
        self.workers[index].start(with_stores, &self.progress)
    }

    async fn play(&mut self, report: &mut Report) {
        if let Err(error) = self.rounds(report).await {
            report.mistakes.push(format!("{error:#}"));
        }
        if let Err(error) = self.come_to_rest().await {
            report.mistakes.push(format!("{error:#}"));
        }
        for worker in &mut self.workers {
            if let Err(error) = worker.shut_down(SHUTDOWN).await {
                report.mistakes.push(format!("{error:#}"));
            }
        }
        let judged = timeout(READING, Box::pin(self.judge(report))).await;
        if let Err(error) = judged.unwrap_or_else(|_| bail!("it takes over {READING:?}")) {
            report.mistakes.push(format!("read the log: {error:#}"));
        }
        if !report.is_well() {
            self.show(report);
        }
    }

    /// Ends the feeding and waits until all that was fed is done.
    async fn come_to_rest(&mut self) -> Result<()> {
        let rested = match &mut self.outside {
            Some(outside) => outside.rest(&self.names, REST).await,
            None => {
                self.workers[0].enough().await?;
                self.wait("rest", REST, |progress| progress.rests)
                    .await
                    .map(drop)
            }
        };
        rested.context("it does not come to rest")
    }

    /// Reads the log when all workers have ended.
    async fn judge(&self, report: &mut Report) -> Result<()> {
        let log = match &self.outside {
            Some(outside) => outside.log(),
            None => self.place.open(REST).await?,
        };
        for unrest in rest::unrest(&*log, &self.names).await? {
            report.mistakes.push(format!("at the end {unrest}"));
        }
        let evidence = Evidence::gather(&*log, &self.names).await?;
        let verdict = verify(&evidence, self.plan.is_exact());
        report.inputs = verdict.inputs;
        report.lost = verdict.lost;
        report.doubled = verdict.doubled;
        report.mistakes.extend(verdict.mistakes);
        ensure!(verdict.inputs > 0, "nothing was fed");
        Ok(())
    }

    /// Waits for `condition`, but no longer than `patience` nor when a worker ended by itself.
    async fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        mut condition: impl FnMut(&Progress) -> bool,
    ) -> Result<Duration> {
        let mut waited = Duration::ZERO;
        while waited < patience {
            match wait_for(&self.progress, LOOK, &mut condition).await {
                Some(more) => return Ok(waited + more),
                None => waited += LOOK,
            }
            self.nobody_ended()?;
        }
        bail!("{what}: not within {patience:?}")
    }

    fn nobody_ended(&mut self) -> Result<()> {
        for worker in &mut self.workers {
            if let Some(status) = worker.ended() {
                bail!("{} ended by itself with {status}", worker.id());
            }
        }
        Ok(())
    }

    /// Shows people what is wrong.
    fn show(&self, report: &Report) {
        for mistake in &report.mistakes {
            say(&format!("  WRONG {mistake}"));
        }
        for worker in &self.workers {
            let path = worker.log().display();
            say(&format!("--- {path}\n{}", worker.log_tail(TAIL)));
        }
    }
}
