//! The rounds: what is done to the application, and how long it takes to move on.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use kafka_testbed::Cluster;
use rustix::process::Signal;
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};

use super::{PATIENCE, SHUTDOWN, Stage};
use crate::{
    args::{Fault, LogKind},
    report::{Report, say},
    tail::wait_for,
};

/// What happened in a round.
struct Round {
    what: String,
    /// From each fault until everything moved on.
    takeovers: Vec<Duration>,
}

/// Waits for every path to give something that was fed after a fault.
struct Takeover {
    beyond: u64,
    moved_on: JoinHandle<Option<Duration>>,
}

impl Stage {
    /// Hits the application as often as planned; what came out goes into `report`.
    pub(super) async fn rounds(&mut self, report: &mut Report) -> Result<()> {
        self.everyone_works().await.context("at the start")?;
        let plan = self.plan.clone();
        for round in 1..=plan.rounds {
            sleep(self.between(300, 2000)).await;
            self.nobody_ended()?;
            let done = match plan.fault {
                Fault::Kill => self.kill().await,
                Fault::Stop => self.stop().await,
                Fault::Rolling => self.rolling().await,
                Fault::Broker => self.broker().await,
            };
            let done = match done {
                Ok(done) => done,
                Err(error) => return Err(error).context(format!("round {round}")),
            };
            self.everyone_works()
                .await
                .with_context(|| format!("after round {round}: {}", done.what))?;
            let takeovers: Vec<_> = done
                .takeovers
                .iter()
                .map(|takeover| format!("{:.2} s", takeover.as_secs_f64()))
                .collect();
            say(&format!(
                "{} {} {} round {round}/{}: {}; takeover {}; {} fed",
                plan.log,
                plan.fault,
                plan.promise,
                plan.rounds,
                done.what,
                takeovers.join(", "),
                self.fed(),
            ));
            report.rounds = round;
            report.takeovers.extend(done.takeovers);
        }
        Ok(())
    }

    /// A worker is killed; it comes back at once, or after others had to take over.
    async fn kill(&mut self) -> Result<Round> {
        let victim = self.random.usize(..self.workers.len());
        let away = match self.plan.log {
            LogKind::Dir => self.between(0, 1000),
            LogKind::Kafka if self.random.bool() => self.between(0, 200),
            LogKind::Kafka => self.plan.session + self.between(500, 2000),
        };
        let takeover = self.takeover();
        self.workers[victim].kill().await?;
        sleep(away).await;
        self.start(victim)?;
        let what = format!(
            "{} killed, back after {:.1} s",
            self.workers[victim].id(),
            away.as_secs_f64()
        );
        let took = self.took(takeover).await.context(what.clone())?;
        Ok(Round {
            what,
            takeovers: vec![took],
        })
    }

    /// A worker stands still until its session is over, and wakes.
    async fn stop(&mut self) -> Result<Round> {
        let victim = self.random.usize(..self.workers.len());
        let still = self.plan.session + self.between(500, 2500);
        let others = (self.workers.len() > 1).then(|| self.takeover());
        self.workers[victim].signal(Signal::STOP)?;
        sleep(still).await;
        let alone = others.is_none().then(|| self.takeover());
        let worker = &self.workers[victim];
        worker.signal(Signal::CONT)?;
        let what = format!("{} stopped for {:.1} s", worker.id(), still.as_secs_f64());
        let mut takeovers = Vec::new();
        for takeover in [others, alone].into_iter().flatten() {
            takeovers.push(self.took(takeover).await.context(what.clone())?);
        }
        Ok(Round { what, takeovers })
    }

    /// Every worker is shut down in order and started again, one after the other.
    async fn rolling(&mut self) -> Result<Round> {
        let mut takeovers = Vec::new();
        for index in 0..self.workers.len() {
            let takeover = self.takeover();
            self.workers[index].shut_down(SHUTDOWN).await?;
            self.start(index)?;
            let what = format!("{} restarted", self.workers[index].id());
            takeovers.push(self.took(takeover).await.context(what.clone())?);
            self.everyone_works().await.context(what)?;
        }
        let what = format!("{} restarted in turn", self.workers.len());
        Ok(Round { what, takeovers })
    }

    /// A broker is killed and comes back after a while.
    async fn broker(&mut self) -> Result<Round> {
        let cluster = Arc::clone(self.cluster.as_ref().context("there is no broker")?);
        let node = self.random.usize(1..=cluster.nodes());
        let away = self.between(200, 4000);
        let takeover = self.takeover();
        on_cluster(&cluster, move |cluster| cluster.kill(node)).await?;
        sleep(away).await;
        on_cluster(&cluster, move |cluster| cluster.start_node(node)).await?;
        let what = format!(
            "broker {node} killed, back after {:.1} s",
            away.as_secs_f64()
        );
        let took = self.took(takeover).await.context(what.clone())?;
        Ok(Round {
            what,
            takeovers: vec![took],
        })
    }

    /// Waits until every worker makes outputs of inputs that are fed from now on.
    async fn everyone_works(&mut self) -> Result<()> {
        let now = self.fed();
        let workers: Vec<String> = self.workers.iter().map(|w| w.by().to_owned()).collect();
        let waited = self
            .wait("every worker at work", PATIENCE, |progress| {
                progress.have_worked(&workers, now) && progress.is_beyond(now)
            })
            .await;
        waited
            .with_context(|| self.progress.borrow().stuck(now))
            .map(drop)
    }

    /// Begins to measure.
    fn takeover(&self) -> Takeover {
        // A process that feeds itself may have fed a little more than it told.
        let untold = match self.outside {
            Some(_) => 0,
            None => self.plan.rate / 20,
        };
        let (beyond, progress) = (self.fed() + untold, self.progress.clone());
        let moved_on = tokio::spawn(async move {
            wait_for(&progress, 2 * PATIENCE, |p| p.is_beyond(beyond)).await
        });
        Takeover { beyond, moved_on }
    }

    /// Ends to measure.
    async fn took(&mut self, takeover: Takeover) -> Result<Duration> {
        let Takeover { beyond, moved_on } = takeover;
        let moved = self
            .wait("move on", PATIENCE, |progress| progress.is_beyond(beyond))
            .await;
        moved.with_context(|| self.progress.borrow().stuck(beyond))?;
        moved_on.await?.context("nothing moved on")
    }

    fn fed(&self) -> u64 {
        self.progress.borrow().fed
    }

    /// A random time, both ends in milliseconds.
    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.u64(least..=most))
    }
}

/// Does something that blocks.
async fn on_cluster(
    cluster: &Arc<Cluster>,
    act: impl FnOnce(&Cluster) -> Result<(), kafka_testbed::Error> + Send + 'static,
) -> Result<()> {
    let cluster = Arc::clone(cluster);
    spawn_blocking(move || act(&cluster)).await??;
    Ok(())
}
