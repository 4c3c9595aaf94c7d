//! The events of all paths: deposits to accounts, the same ones at each run.

use anyhow::Result;
use faustus::{Codec, Json, Record, Timestamp, TopicPartition, Transport};
use faustus_core::{BatchBuilder, NewTopic, Outgoing, TopicConfig, partition_for_key};
use serde::{Deserialize, Serialize};

/// How many partitions all topics have.
const PARTITIONS: u32 = 8;

/// How many records are published together: some 500 for each partition.
const TOGETHER: u64 = 4096;

/// When it all happened: 2026-01-01T00:00:00Z.
pub(crate) const TIME: Timestamp = Timestamp(1_767_225_600_000);

/// An event.
#[derive(Clone, Debug, Record, Serialize, Deserialize)]
pub(crate) struct Deposit {
    pub(crate) account_id: String,
    pub(crate) amount: i64,
    pub(crate) ts: i64,
}

impl Deposit {
    /// Number `i`, to one of so many accounts. With a power of two of accounts, as many deposits in a
    /// row go to all of them.
    pub(crate) fn number(i: u64, accounts: u64) -> Self {
        Self {
            account_id: format!("a{:07}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % accounts),
            amount: i64::try_from(i % 9).unwrap_or_default() + 1,
            ts: TIME.0,
        }
    }

    /// Its JSON.
    pub(crate) fn json(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A struct of strings and numbers has an encoded form.
        let _ = Json.encode(self, &mut bytes);
        bytes
    }
}

/// The sum of the amounts of deposits 0 to `events`.
pub(crate) fn sum(events: u64) -> i64 {
    (0..events).map(|i| Deposit::number(i, 1).amount).sum()
}

/// Makes a topic that keeps everything.
pub(crate) async fn create(log: &dyn Transport, name: &str) -> Result<()> {
    let topic = NewTopic {
        name: name.into(),
        partitions: PARTITIONS,
        replicas: None,
        config: TopicConfig {
            retention: Some(None),
            ..TopicConfig::default()
        },
    };
    for made in log.admin().create_topics(&[topic]).await? {
        made?;
    }
    Ok(())
}

/// All partitions of a topic.
pub(crate) fn partitions(topic: &str) -> Vec<TopicPartition> {
    let partitions = 0..PARTITIONS;
    partitions
        .map(|partition| TopicPartition::new(topic, partition))
        .collect()
}

/// Publishes batches one after the other.
pub(crate) async fn publish(log: &dyn Transport, batches: Vec<Vec<Outgoing>>) -> Result<()> {
    let mut producer = log.producer().await?;
    for outgoing in batches {
        producer.publish(outgoing).await?;
    }
    Ok(())
}

/// Deposits of these numbers in batches for a topic: under their accounts, or without keys in turn to
/// all partitions.
pub(crate) fn batches(
    topic: &str,
    numbers: std::ops::Range<u64>,
    accounts: u64,
    keyed: bool,
) -> Vec<Vec<Outgoing>> {
    let mut numbers = numbers.peekable();
    let mut published = Vec::new();
    while numbers.peek().is_some() {
        let mut builders = [(); PARTITIONS as usize].map(|()| BatchBuilder::new());
        for i in numbers
            .by_ref()
            .take(usize::try_from(TOGETHER).unwrap_or(usize::MAX))
        {
            let deposit = Deposit::number(i, accounts);
            let key = keyed.then_some(deposit.account_id.as_bytes());
            let partition = match key {
                Some(key) => u64::from(partition_for_key(key, PARTITIONS)),
                None => i % u64::from(PARTITIONS),
            };
            builders[usize::try_from(partition).unwrap_or_default()].push(
                TIME,
                key,
                Some(&deposit.json()),
            );
        }
        let full = (0..)
            .zip(builders)
            .filter(|(_, builder)| !builder.is_empty());
        let outgoing = full.map(|(partition, builder)| Outgoing {
            partition: TopicPartition::new(topic, partition),
            batch: builder.build(),
        });
        published.push(outgoing.collect());
    }
    published
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn as_many_deposits_as_accounts_go_to_all_of_them() {
        let accounts = |from: u64| (from..from + 64).map(|i| Deposit::number(i, 64).account_id);
        for from in [0, 64, 100] {
            assert_eq!(accounts(from).collect::<BTreeSet<_>>().len(), 64);
        }
    }

    #[test]
    fn each_deposit_is_in_one_batch() {
        for keyed in [true, false] {
            let batches = batches("in", 0..10_000, 64, keyed);
            assert_eq!(batches.len(), 3);
            let batches = batches
                .iter()
                .flatten()
                .map(|outgoing| outgoing.batch.len());
            assert_eq!(batches.sum::<usize>(), 10_000);
        }
    }
}
