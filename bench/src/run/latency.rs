//! How long it takes from a send until a reader has the output, at a steady pace.

use std::{future::poll_fn, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use faustus::Transport;
use faustus_core::{
    BatchBuilder, Offset, Outgoing, Producer, ReadOptions, Timestamp, TopicPartition,
};
use tokio::{task::JoinSet, time::Instant};

use super::Run;
use crate::{
    cases::{Case, Program},
    figures::{Figures, figures},
    input::{self, Deposit},
    measure::{Meter, peak_rss_mb},
    program::Total,
};

/// How many events there are in a second.
const PACE: u64 = 1000;

impl Run {
    /// Each partition has a sender and a plain reader of its own.
    pub(super) async fn latency(&self, case: &Case, log: &Arc<dyn Transport>) -> Result<Figures> {
        let seen = Arc::default();
        let mut running = self.worker(case, Program::Reply, log, &seen);
        running.until(|_| true).await?;
        let partitions = case.shape.partitions;
        let events = PACE * self.seconds / u64::from(partitions);
        let meter = Meter::start()?;
        let epoch = Instant::now();
        let mut arrivals = JoinSet::new();
        let mut senders = JoinSet::new();
        for partition in 0..partitions {
            let output = TopicPartition::new(self.topic("out"), partition);
            arrivals.spawn(arrive(Arc::clone(log), output, epoch, events));
            let input = TopicPartition::new(self.topic("in"), partition);
            let producer = log.producer().await?;
            senders.spawn(send(producer, input, partitions, epoch, events));
        }
        for sent in senders.join_all().await {
            sent?;
        }
        let mut latencies = Vec::new();
        for arrived in arrivals.join_all().await {
            latencies.extend(arrived?);
        }
        let (seconds, cpu_seconds) = (meter.seconds(), meter.cpu_seconds()?);
        running.end().await?;
        latencies.sort();
        let at = |percent: usize| {
            let index = (latencies.len() * percent / 100).min(latencies.len() - 1);
            latencies[index].as_secs_f64() * 1e3
        };
        let events = latencies.len() as f64;
        Ok(figures([
            ("events", events),
            ("events_per_cpu_s", events / cpu_seconds),
            ("events_per_s", events / seconds),
            ("p50_ms", at(50)),
            ("p99_ms", at(99)),
            ("max_ms", at(100)),
            ("cpu_percent", cpu_seconds / seconds * 100.0),
            ("rss_mb", peak_rss_mb()?),
        ]))
    }
}

/// Sends `events` deposits of 1 to one account, paced. Where a send takes longer than the pace
/// allows, the next one counts from when it was due.
async fn send(
    mut producer: Box<dyn Producer>,
    to: TopicPartition,
    partitions: u32,
    epoch: Instant,
    events: u64,
) -> Result<()> {
    let every = Duration::from_secs(1) * partitions / u32::try_from(PACE)?;
    let account = input::account_of(to.partition, partitions);
    // The partitions take turns.
    let mut due = epoch + every * to.partition / partitions;
    for _ in 0..events {
        let now = Instant::now();
        let sent = if now < due {
            tokio::time::sleep_until(due).await;
            Instant::now()
        } else {
            due
        };
        let deposit = Deposit {
            account_id: account.clone(),
            amount: 1,
            ts: i64::try_from((sent - epoch).as_nanos())?,
            note: String::new(),
        };
        let mut batch = BatchBuilder::new();
        let value = serde_json::to_vec(&deposit)?;
        batch.push(
            Timestamp(0),
            Some(deposit.account_id.as_bytes()),
            Some(&value),
        );
        let outgoing = Outgoing {
            partition: to.clone(),
            batch: batch.build(),
        };
        producer.publish(vec![outgoing]).await?;
        due += every;
    }
    Ok(())
}

/// Reads `events` replies and gives how old each was when it arrived.
async fn arrive(
    log: Arc<dyn Transport>,
    from: TopicPartition,
    epoch: Instant,
    events: u64,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let log = log.log();
    let mut reader = log
        .read(&from, Offset::ZERO, ReadOptions::default())
        .await?;
    while (latencies.len() as u64) < events {
        let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await?;
        let now = epoch.elapsed();
        for record in fetched.batch.iter() {
            let reply: Total = serde_json::from_slice(record.value().context("no value")?)?;
            latencies.push(now.saturating_sub(Duration::from_nanos(u64::try_from(reply.ts)?)));
            let total = i64::try_from(latencies.len())?;
            ensure!(
                reply.total == total,
                "reply {total} of {from} says {}",
                reply.total
            );
        }
    }
    Ok(latencies)
}
