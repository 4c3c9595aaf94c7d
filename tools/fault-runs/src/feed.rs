//! Feeds numbered inputs at a steady rate, each exactly once.
//!
//! A feeder that starts, or that does not know what became of its last records, reads back which
//! numbers the log holds and goes on with the first that it does not hold. So a process that was
//! killed in the middle continues where the log says that it stopped.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use faustus_core::{
    BatchBuilder, Outgoing, Producer, PublishError, TopicPartition, Transport, TransportError,
};
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    log::{self, AGAIN},
    model::{Input, Kind, Names},
};

/// How often in a second inputs are fed.
const TICKS: u64 = 50;

/// How long records of unknown outcome may take to appear.
const SETTLED: Duration = Duration::from_secs(5);

/// What an input shows of itself, whichever topic it is in.
#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// Feeds the inputs of `range`, at most `rate` in a second, until that is done or `enough` says so.
/// `fed` hears the highest number that is stored.
pub(crate) async fn feed(
    log: &Arc<dyn Transport>,
    names: &Names,
    range: Range<u64>,
    rate: u64,
    enough: watch::Receiver<bool>,
    fed: impl Fn(u64),
) -> Result<()> {
    log::ensure_topics(&**log, &[&names.orders, &names.refunds]).await?;
    let tick_inputs = usize::try_from(rate / TICKS).unwrap_or_default().max(1);
    let mut ticks = interval(Duration::from_millis(1000 / TICKS));
    // After an outage inputs come as before, not all at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut missing = missing(&**log, names, &range).await?;
        let mut producer = producer(&**log).await?;
        loop {
            ticks.tick().await;
            // Gaps that a crash left are filled in any case.
            if *enough.borrow() && missing.gaps.is_empty() {
                return Ok(());
            }
            let numbers = missing.next(tick_inputs, range.end);
            let Some(&last) = numbers.last() else {
                return Ok(());
            };
            if !store(&mut *producer, names, &numbers).await? {
                break;
            }
            fed(last);
        }
        sleep(SETTLED).await;
    }
}

/// The numbers that are still to be fed.
#[derive(Debug)]
struct Missing {
    gaps: VecDeque<u64>,
    next: u64,
}

impl Missing {
    fn of(present: &BTreeSet<u64>, range: &Range<u64>) -> Self {
        let next = present.last().map_or(range.start, |last| last + 1);
        let gaps = (range.start..next).filter(|number| !present.contains(number));
        Self {
            gaps: gaps.collect(),
            next,
        }
    }

    fn next(&mut self, count: usize, end: u64) -> Vec<u64> {
        if !self.gaps.is_empty() {
            return self.gaps.drain(..count.min(self.gaps.len())).collect();
        }
        let first = self.next;
        self.next = first.saturating_add(count as u64).min(end);
        (first..self.next).collect()
    }
}

async fn missing(log: &dyn Transport, names: &Names, range: &Range<u64>) -> Result<Missing> {
    let mut present = BTreeSet::new();
    for topic in [&names.orders, &names.refunds] {
        log::read_topic(log, topic, |_, record| {
            let value = record.value().unwrap_or_default();
            present.insert(serde_json::from_slice::<Numbered>(value)?.number);
            Ok(())
        })
        .await
        .context("read back what was fed")?;
    }
    let missing = Missing::of(&present, range);
    tracing::info!(
        next = missing.next,
        gaps = missing.gaps.len(),
        "feeding goes on"
    );
    Ok(missing)
}

async fn producer(log: &dyn Transport) -> Result<Box<dyn Producer>> {
    loop {
        match log.producer().await {
            Err(error) if error.is_transient() => sleep(AGAIN).await,
            made => return Ok(made?),
        }
    }
}

/// Stores inputs; whether they are known to be stored.
async fn store(producer: &mut dyn Producer, names: &Names, numbers: &[u64]) -> Result<bool> {
    loop {
        match producer.publish(outgoing(names, numbers)?).await {
            Ok(_) => return Ok(true),
            Err(PublishError::Transport(TransportError::Unavailable(reason))) => {
                tracing::warn!(reason, "inputs are fed again");
                sleep(AGAIN).await;
            }
            Err(PublishError::Transport(error)) => {
                tracing::warn!(%error, "what was fed is read back");
                return Ok(false);
            }
            Err(error @ PublishError::Refused(_)) => bail!("inputs cannot be fed: {error}"),
        }
    }
}

fn outgoing(names: &Names, numbers: &[u64]) -> Result<Vec<Outgoing>> {
    let mut batches: BTreeMap<TopicPartition, BatchBuilder> = BTreeMap::new();
    for input in numbers.iter().copied().map(Input::of) {
        let topic = match input.kind {
            Kind::Order | Kind::KeyedOrder => &names.orders,
            Kind::Refund => &names.refunds,
        };
        let partition = TopicPartition::new(topic.as_str(), input.partition());
        let key = input.key();
        let key = key.as_ref().map(String::as_bytes);
        let records = batches.entry(partition).or_default();
        records.push(log::now(), key, Some(&input.encode()?));
    }
    let batches = batches.into_iter().map(|(partition, records)| Outgoing {
        partition,
        batch: records.build(),
    });
    Ok(batches.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeding_goes_on_behind_the_highest_number_after_the_gaps_are_filled() {
        let present = BTreeSet::from([1, 2, 4, 7]);
        let mut missing = Missing::of(&present, &(1..10));
        assert_eq!(missing.next(2, 10), [3, 5]);
        assert_eq!(missing.next(2, 10), [6]);
        assert_eq!(missing.next(2, 10), [8, 9]);
        assert!(missing.next(2, 10).is_empty());
    }

    #[test]
    fn feeding_begins_at_the_start_of_the_range() {
        let mut missing = Missing::of(&BTreeSet::new(), &(5..9));
        assert_eq!(missing.next(3, 9), [5, 6, 7]);
    }
}
