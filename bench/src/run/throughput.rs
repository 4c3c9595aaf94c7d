//! Events through a program, as fast as they go.

use std::sync::{Arc, atomic::Ordering};

use anyhow::{Result, ensure};
use faustus::{TaskStatus, Transport};

use super::Run;
use crate::{
    cases::{Case, Program},
    check,
    figures::{Figures, Taken},
    measure::{Meter, rss_mb},
    program::Seen,
};

impl Run {
    /// All tasks have started after `start_cpu_s`, and have begun to work by then. Wall time lasts
    /// until the last event retired, CPU time until all of it is stored and the worker has ended.
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
            self.load(case, &**log).await?;
        }
        let loading = meter.cpu_seconds()?;
        let mut running = self.worker(case, program, log, &seen);
        running.until(|_| true).await?;
        let starting = meter.cpu_seconds()? - loading;
        let all = self.events * u64::from(case.hops());
        let retired = |tasks: &[TaskStatus]| tasks.iter().map(|t| t.retired).sum::<u64>();
        running.until(|tasks| retired(tasks) >= all).await?;
        let seconds = meter.seconds();
        running.end().await?;
        let taken = Taken {
            seconds,
            ..Taken::since(&meter)?
        };
        self.check(case, program, &**log, &seen).await?;
        let mut told = taken.rates(case.shape.handled(self.events));
        told.insert("rss_loaded_mb".to_owned(), loaded.into());
        told.insert("start_cpu_s".to_owned(), starting.into());
        if case.loads_while_measured() {
            told.insert("load_cpu_s".to_owned(), loading.into());
        }
        Ok(told)
    }

    async fn check(
        &self,
        case: &Case,
        program: Program,
        log: &dyn Transport,
        seen: &Seen,
    ) -> Result<()> {
        let (shape, events) = (case.shape, self.events);
        if program.only_decodes() {
            let found = seen.sum.load(Ordering::Relaxed);
            let sum = check::sum(shape, events) * i64::from(shape.readers);
            ensure!(found == sum, "the agents found {found} in all, not {sum}");
        }
        if program.passes() {
            check::deposits(log, &self.topic("out"), shape, events).await?;
        }
        if program.totals() {
            check::changelog(log, &self.changelog(), shape, events).await?;
        }
        if matches!(program, Program::Reply | Program::Bank) {
            check::replies(log, &self.topic("out"), shape, events).await?;
        }
        match &self.stores {
            Some(stores) => check::stores(stores, shape, events),
            None => Ok(()),
        }
    }
}
