//! How long it takes from a send until a reader has the output, at a steady pace.

use std::{future::poll_fn, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use faustus::Transport;
use faustus_core::{
    BatchBuilder, Offset, Outgoing, Producer, ReadOptions, Timestamp, TopicPartition,
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::{Run, Running};
use crate::{
    cases::{Case, Place, Program, Work},
    figures::{Figures, figures},
    input::{self, Deposit},
    measure::{Meter, peak_rss_mb},
    program::Total,
    raw,
};

/// How many events there are in a second.
const PACE: u64 = 1000;

/// What answers the events.
enum Relay {
    Worker(Running),
    Loop(JoinHandle<Result<()>>),
}

impl Run {
    /// Each partition has a sender and a plain reader of its own. The first seconds are not counted.
    pub(super) async fn latency(&self, case: &Case, log: &Arc<dyn Transport>) -> Result<Figures> {
        let partitions = case.shape.partitions;
        let (warm_up, outside) = match case.place {
            // A broker is slow until its JVM compiled what it does often. Clients are not shared.
            Place::Kafka => (10, self.log().await?),
            Place::Memory | Place::Directory => (1, Arc::clone(log)),
        };
        let events = PACE * (warm_up + self.seconds) / u64::from(partitions);
        let relay = match case.work {
            Work::Raw(_) => {
                let (run, shape) = (self.clone(), case.shape);
                let all = events * u64::from(partitions);
                Relay::Loop(tokio::task::spawn_blocking(move || {
                    raw::relay(&run, shape, all)
                }))
            }
            _ => {
                let mut running = self.worker(case, Program::Reply, log, &Arc::default());
                running.until(|_| true).await?;
                Relay::Worker(running)
            }
        };
        let meter = Meter::start()?;
        let epoch = Instant::now();
        let mut arrivals = JoinSet::new();
        let mut senders = JoinSet::new();
        for partition in 0..partitions {
            let output = TopicPartition::new(self.topic("out"), partition);
            let warm_up = Duration::from_secs(warm_up);
            arrivals.spawn(arrive(Arc::clone(&outside), output, epoch, events, warm_up));
            let input = TopicPartition::new(self.topic("in"), partition);
            let producer = outside.producer().await?;
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
        match relay {
            Relay::Worker(running) => running.end().await?,
            Relay::Loop(relay) => relay.await??,
        }
        latencies.sort();
        let at = |percent: usize| {
            let index = (latencies.len() * percent / 100).min(latencies.len() - 1);
            latencies[index].as_secs_f64() * 1e3
        };
        let all = (events * u64::from(partitions)) as f64;
        Ok(figures([
            ("events", latencies.len() as f64),
            ("events_per_cpu_s", all / cpu_seconds),
            ("events_per_s", all / seconds),
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

/// Reads `events` replies and gives how old each was when it arrived, if its event was sent after
/// the first `warm_up`.
async fn arrive(
    log: Arc<dyn Transport>,
    from: TopicPartition,
    epoch: Instant,
    events: u64,
    warm_up: Duration,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut arrived = 0;
    let log = log.log();
    let mut reader = log
        .read(&from, Offset::ZERO, ReadOptions::default())
        .await?;
    while arrived < events {
        let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await?;
        let now = epoch.elapsed();
        for record in fetched.batch.iter() {
            let reply: Total = serde_json::from_slice(record.value().context("no value")?)?;
            arrived += 1;
            ensure!(
                reply.total == i64::try_from(arrived)?,
                "reply {arrived} of {from} says {}",
                reply.total
            );
            let sent = Duration::from_nanos(u64::try_from(reply.ts)?);
            if sent >= warm_up {
                latencies.push(now.saturating_sub(sent));
            }
        }
    }
    Ok(latencies)
}
