//! Requests to an agent, and its replies.

use std::sync::Arc;

use anyhow::{Result, ensure};
use faustus::{Agent, App, Stream, Transport, Worker};

use super::{Run, Running, told};
use crate::{
    cases::Case,
    figures::{Figures, Taken},
    measure::Meter,
};

/// How many keys the requests have.
const KEYS: u64 = 10_000;

impl Run {
    /// All tasks run before the first request. Wall time lasts until the last reply arrived, CPU time
    /// until the worker has ended.
    pub(super) async fn ask(&self, case: &Case, log: &Arc<dyn Transport>) -> Result<Figures> {
        let app = App::new(&self.name);
        let numbers = app.topic::<u64>(&self.topic("in"));
        let doubler: Agent<u64, u64> = numbers.agent();
        let app = app.agent("double", &numbers, |a| a.run(double));
        let (worker, handle) = Worker::new(app, Arc::clone(log));
        let worker = worker.settings(self.settings(case));
        let mut running = Running::start(worker, handle, case.tasks());
        running.until(|_| true).await?;
        let meter = Meter::start()?;
        let mut answers = doubler.kvmap((0..self.events).map(|n| (n % KEYS, n)));
        let (mut count, mut sum) = (0, 0);
        while let Some((_, reply)) = answers.next().await {
            sum += reply.map_err(told)?;
            count += 1;
        }
        let seconds = meter.seconds();
        running.end().await?;
        let taken = Taken {
            seconds,
            ..Taken::since(&meter)?
        };
        let all: u64 = (0..self.events).map(|n| 2 * n).sum();
        ensure!(
            (count, sum) == (self.events, all),
            "{count} replies are {sum} in all, not {all}"
        );
        Ok(taken.rates(self.events))
    }
}

async fn double(mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        number.reply(*number * 2);
    }
    Ok(())
}
