//! Events through a program, as fast as they go.

use std::sync::{Arc, atomic::Ordering};

use anyhow::{Result, ensure};
use faustus::{TaskStatus, Transport};

use super::{Run, figures};
use crate::{
    cases::{Case, Program},
    check, input,
    measure::{Meter, peak_rss_mb, rss_mb},
    program::Seen,
    rounds::Figures,
};

impl Run {
    /// Wall time lasts until the last event retired, CPU time until all of it is stored and the
    /// worker has ended.
    pub(super) async fn throughput(
        &self,
        case: &Case,
        program: Program,
        log: &Arc<dyn Transport>,
    ) -> Result<Figures> {
        let loaded = rss_mb()?;
        let seen = Arc::default();
        let meter = Meter::start()?;
        if case.loads_while_measured() {
            input::load(&**log, &self.topic("in"), self.events).await?;
        }
        let loading = meter.cpu_seconds()?;
        let mut running = self.worker(case, program, log, &seen);
        let retired = |tasks: &[TaskStatus]| tasks.iter().map(|t| t.retired).sum::<u64>();
        running.until(|tasks| retired(tasks) >= self.events).await?;
        let seconds = meter.seconds();
        running.end().await?;
        let cpu_seconds = meter.cpu_seconds()?;
        let peak = peak_rss_mb()?;
        self.check(program, &**log, &seen).await?;
        let events = self.events as f64;
        let mut told = figures([
            ("events", events),
            ("events_per_cpu_s", events / cpu_seconds),
            ("events_per_s", events / seconds),
            ("rss_mb", peak),
            ("rss_loaded_mb", loaded),
            ("cpu_s", cpu_seconds),
        ]);
        if case.loads_while_measured() {
            told.insert("load_cpu_s".to_owned(), loading.into());
        }
        Ok(told)
    }

    async fn check(&self, program: Program, log: &dyn Transport, seen: &Seen) -> Result<()> {
        if program == Program::Decode {
            let (found, sum) = (seen.sum.load(Ordering::Relaxed), check::sums(self.events));
            let sum: i64 = sum.values().sum();
            ensure!(found == sum, "the agent found {found} in all, not {sum}");
            return Ok(());
        }
        check::changelog(log, &self.changelog(), self.events).await?;
        if program == Program::Reply {
            check::replies(log, &self.topic("out"), self.events).await?;
        }
        Ok(())
    }
}
