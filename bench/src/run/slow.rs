//! An agent a thousand times slower than its source, for a while.

mod ahead;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Result, ensure};
use faustus::{App, State, Stream, Transport, Worker};
use faustus_core::partition_for_key;
use tokio::time::Instant;

use super::{Run, Running};
use crate::{
    cases::{Case, Shape},
    figures::{Figures, figures},
    input::{self, Deposit},
    measure::{Meter, peak_rss_mb, rss_mb},
};
use ahead::{Ahead, Watched};

/// How long the agent takes for an event; each partition has an agent of its own.
const TAKES: Duration = Duration::from_millis(20);

/// How much faster the source is.
const TIMES: u32 = 1000;

impl Run {
    /// The source writes in this process, at its pace or as fast as it can.
    pub(super) async fn slow(&self, case: &Case, log: &Arc<dyn Transport>) -> Result<Figures> {
        let topic = self.topic("in");
        let loaded = rss_mb()?;
        let ahead = Arc::new(Ahead::new(&topic, case.shape.partitions));
        let app = App::new(&self.name).with_state(Arc::clone(&ahead));
        let deposits = app.topic(&topic);
        let app = app.agent("slow", &deposits, |a| a.run(handle_slowly));
        let watched = Watched::new(Arc::clone(log), Arc::clone(&ahead));
        let (worker, handle) = Worker::new(app, Arc::new(watched));
        let settings = self.settings(case);
        let bound = 2 * settings.task_bytes as u64;
        let mut running = Running::start(worker.settings(settings), handle, case.tasks());
        running.until(|_| true).await?;
        let meter = Meter::start()?;
        let half = Duration::from_secs(self.seconds) / 2;
        let at_half = async {
            tokio::time::sleep(half).await;
            rss_mb()
        };
        let sent = self.send(case.shape, &**log, &topic);
        let (sent, at_half) = tokio::try_join!(sent, at_half)?;
        let (seconds, cpu_seconds) = (meter.seconds(), meter.cpu_seconds()?);
        let (handled, at_end) = (ahead.handled(), rss_mb()?);
        running.end().await?;
        ensure_prefixes(case.shape, &ahead)?;
        let (records, bytes) = ahead.most();
        let partitions = u64::from(case.shape.partitions);
        ensure!(
            bytes <= bound * partitions,
            "{bytes} bytes were fetched and not handled"
        );
        Ok(figures([
            ("events", handled as f64),
            ("sent", sent as f64),
            ("times_slower", sent as f64 / handled as f64),
            ("ahead_records", records as f64),
            ("ahead_mb", bytes as f64 / 1e6),
            ("rss_half_mb", at_half),
            ("rss_end_mb", at_end),
            ("rss_mb", peak_rss_mb()?),
            ("rss_loaded_mb", loaded),
            ("cpu_s", cpu_seconds),
            ("seconds", seconds),
        ]))
    }

    /// Writes deposits until the time is over, and gives how many.
    async fn send(&self, shape: Shape, log: &dyn Transport, topic: &str) -> Result<u64> {
        let every = TAKES / TIMES / shape.partitions;
        let deposits = input::deposits(shape, 0, u64::MAX, true);
        let mut producer = log.producer().await?;
        let (began, mut sent) = (Instant::now(), 0);
        for outgoing in input::batches(topic.into(), shape.partitions, deposits) {
            let now = began.elapsed();
            if now >= Duration::from_secs(self.seconds) {
                break;
            }
            let due = every.as_secs_f64() * sent as f64;
            tokio::time::sleep_until(began + Duration::from_secs_f64(due)).await;
            sent += outgoing.iter().map(|o| o.batch.len() as u64).sum::<u64>();
            producer.publish(outgoing).await?;
        }
        Ok(sent)
    }
}

async fn handle_slowly(
    State(ahead): State<Arc<Ahead>>,
    mut deposits: Stream<Deposit>,
) -> faustus::Result {
    while let Some(deposit) = deposits.next().await? {
        tokio::time::sleep(TAKES).await;
        let partition = deposit.partition() as usize;
        ahead.handled[partition].fetch_add(1, Ordering::Relaxed);
        ahead.sum.fetch_add(deposit.amount, Ordering::Relaxed);
    }
    Ok(())
}

/// Whether the agents got the first events of each partition, all of them once.
fn ensure_prefixes(shape: Shape, ahead: &Ahead) -> Result<()> {
    let handled = ahead.handled.iter().map(|n| n.load(Ordering::Relaxed));
    let mut left: Vec<u64> = handled.collect();
    ensure!(left.iter().all(|n| *n > 0), "a partition stood still");
    let mut sum = 0;
    for (account, amount) in (0..).map(|i| input::deposit(i, shape.accounts)) {
        if left.iter().all(|left| *left == 0) {
            break;
        }
        let left = &mut left[partition_for_key(account.as_bytes(), shape.partitions) as usize];
        if *left > 0 {
            *left -= 1;
            sum += amount;
        }
    }
    let found = ahead.sum.load(Ordering::Relaxed);
    ensure!(found == sum, "the agents found {found} in all, not {sum}");
    Ok(())
}
