//! What happens without events, or with one: recovery, start, idleness.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use faustus::{TaskState, Transport};

use super::{Run, told};
use crate::{
    cases::{Case, Program},
    figures::{Figures, Taken, figures},
    input::account,
    measure::{Meter, peak_rss_mb, rss_mb, shared_clock},
    program::{Seen, TABLE},
};

impl Run {
    /// From the start of a worker until all its tasks run.
    pub(super) async fn recover(&self, case: &Case, log: &Arc<dyn Transport>) -> Result<Figures> {
        let loaded = rss_mb()?;
        let seen = Arc::default();
        let meter = Meter::start()?;
        let mut running = self.worker(case, Program::Total, log, &seen);
        running.until(|_| true).await?;
        let taken = Taken::since(&meter)?;
        let table = running.handle.table::<String, u64>(TABLE).await;
        let table = table.map_err(told)?;
        let right = (0..self.events).all(|i| table.get(&account(i)) == Some(&i));
        ensure!(
            right && table.len() as u64 == self.events,
            "the table was not restored as it was"
        );
        running.end().await?;
        let mut told = taken.rates(self.events);
        told.insert("rss_loaded_mb".to_owned(), loaded.into());
        Ok(told)
    }

    /// From the start of the process until an agent got an event.
    pub(super) async fn start(&self, case: &Case, log: &Arc<dyn Transport>) -> Result<Figures> {
        let seen: Arc<Seen> = Arc::default();
        let running = self.worker(case, Program::Decode, log, &seen);
        seen.first.notified().await;
        let passed = shared_clock()?.saturating_sub(self.spawned);
        running.end().await?;
        Ok(figures([
            ("events", self.events as f64),
            ("start_ms", passed.as_secs_f64() * 1e3),
            ("rss_mb", peak_rss_mb()?),
        ]))
    }

    /// The share of a core that a worker takes that has nothing to do.
    pub(super) async fn idle(&self, case: &Case, log: &Arc<dyn Transport>) -> Result<Figures> {
        let seen = Arc::default();
        let mut running = self.worker(case, Program::Total, log, &seen);
        let idle = |task: &faustus::TaskStatus| task.state == TaskState::Idle;
        running.until(|tasks| tasks.iter().all(idle)).await?;
        // What a start leaves behind is not idleness.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let meter = Meter::start()?;
        tokio::time::sleep(Duration::from_secs(self.seconds)).await;
        let share = meter.cpu_seconds()? / meter.seconds();
        let rss = rss_mb()?;
        running.end().await?;
        Ok(figures([
            ("events", 0.0),
            ("cpu_percent", share * 100.0),
            ("rss_now_mb", rss),
            ("rss_mb", peak_rss_mb()?),
        ]))
    }
}
