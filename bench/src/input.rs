//! The events that all cases use: deposits to accounts, the same ones at each run.

use anyhow::Result;
use faustus::Record;
use faustus_core::{
    BatchBuilder, CleanupPolicy, GroupIdentity, NewTopic, Offset, OffsetCommit, Outgoing,
    Timestamp, TopicConfig, TopicName, TopicPartition, Transport, partition_for_key,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::cases::Shape;

/// How many records a batch of one partition has at most.
const BATCH: usize = 500;

/// How many bytes of values are written at a time, of all partitions together.
const WRITE: usize = 8 * 1024 * 1024;

/// When it all happened, in milliseconds.
const TIME: i64 = 1_732_060_800_000;

/// An event.
#[derive(Clone, Debug, Record, Serialize, Deserialize)]
pub(crate) struct Deposit {
    pub(crate) account_id: String,
    pub(crate) amount: i64,
    pub(crate) ts: i64,
    /// What makes it long.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
}

/// What is written to a log.
pub(crate) struct Written {
    pub(crate) partition: u32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
}

/// Deposit number `i`: its account and amount.
pub(crate) fn deposit(i: u64, accounts: u64) -> (String, i64) {
    let mixed = (i ^ 0x5eed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20;
    let amount = i64::try_from(mixed / accounts % 9 + 1).unwrap_or(1);
    (account(mixed % accounts), amount)
}

/// The name of account number `i`.
pub(crate) fn account(i: u64) -> String {
    format!("a{i:07}")
}

/// An account whose deposits go to `partition`.
pub(crate) fn account_of(partition: u32, partitions: u32) -> String {
    let mut accounts = (0..).map(account);
    let belongs = |account: &String| partition_for_key(account.as_bytes(), partitions) == partition;
    accounts.find(belongs).unwrap_or_default()
}

/// The deposits of 0 to `events` that are written to the shape's topic of this number: under their
/// accounts, or without keys in turn to all partitions.
pub(crate) fn deposits(
    shape: Shape,
    topic: u32,
    events: u64,
    keyed: bool,
) -> impl Iterator<Item = Written> {
    let topics = u64::from(shape.topics);
    let numbers = (u64::from(topic)..events).step_by(shape.topics as usize);
    numbers.map(move |i| {
        let (account, amount) = deposit(i, shape.accounts);
        let value = value(&account, amount, shape.value_bytes);
        if keyed {
            return Written::routed(&account, shape.partitions, account.clone().into(), value);
        }
        let partition = i / topics % u64::from(shape.partitions);
        Written {
            partition: u32::try_from(partition).unwrap_or_default(),
            key: None,
            value,
        }
    })
}

/// A deposit's JSON. Where it is to be shorter than it is, the time loses digits.
fn value(account: &str, amount: i64, bytes: Option<usize>) -> Vec<u8> {
    let mut value = format!(r#"{{"account_id":"{account}","amount":{amount},"ts":{TIME}}}"#);
    let Some(bytes) = bytes else {
        return value.into();
    };
    if bytes < value.len() {
        value.truncate(bytes - 1);
        value.push('}');
    } else {
        value.pop();
        value.push_str(r#","note":""#);
        let note = bytes.saturating_sub(value.len() + 2);
        value.extend(std::iter::repeat_n('x', note));
        value.push_str("\"}");
    }
    value.into()
}

/// `written` in batches as they are published together.
pub(crate) fn batches(
    topic: TopicName,
    partitions: u32,
    mut written: impl Iterator<Item = Written>,
) -> impl Iterator<Item = Vec<Outgoing>> {
    let mut builders: Vec<_> = (0..partitions).map(|_| BatchBuilder::new()).collect();
    std::iter::from_fn(move || {
        let (mut gathered, mut bytes) = (0, 0);
        while gathered < BATCH * builders.len() && bytes < WRITE {
            let Some(Written {
                partition,
                key,
                value,
            }) = written.next()
            else {
                break;
            };
            gathered += 1;
            bytes += value.len();
            builders[partition as usize].push(Timestamp(TIME), key.as_deref(), Some(&value));
        }
        let full = (0..).zip(&mut builders).filter(|(_, b)| !b.is_empty());
        let outgoing = full.map(|(partition, builder)| Outgoing {
            partition: TopicPartition::new(topic.clone(), partition),
            batch: std::mem::take(builder).build(),
        });
        let outgoing: Vec<_> = outgoing.collect();
        (!outgoing.is_empty()).then_some(outgoing)
    })
}

/// Makes a topic; a compacted one for a changelog.
pub(crate) async fn create(
    log: &dyn Transport,
    topic: &str,
    partitions: u32,
    compacted: bool,
) -> Result<()> {
    let config = TopicConfig {
        cleanup: compacted.then_some(CleanupPolicy::Compact),
        // The events are of long ago.
        retention: Some(None),
        ..TopicConfig::default()
    };
    let topic = NewTopic {
        name: topic.into(),
        partitions,
        replicas: None,
        config,
    };
    for made in log.admin().create_topics(&[topic]).await? {
        made?;
    }
    Ok(())
}

/// Publishes one after the other.
pub(crate) async fn publish(
    log: &dyn Transport,
    batches: impl Iterator<Item = Vec<Outgoing>>,
) -> Result<()> {
    let mut producer = log.producer().await?;
    for outgoing in batches {
        producer.publish(outgoing).await?;
    }
    Ok(())
}

/// Publishes one after the other, while another thread makes the next ones.
pub(crate) async fn publish_beside<I: Iterator<Item = Vec<Outgoing>>>(
    log: &dyn Transport,
    batches: impl FnOnce() -> I + Send + 'static,
) -> Result<()> {
    let (made, mut next) = mpsc::channel(4);
    let making = tokio::task::spawn_blocking(move || {
        for outgoing in batches() {
            if made.blocking_send(outgoing).is_err() {
                return;
            }
        }
    });
    let mut producer = log.producer().await?;
    while let Some(outgoing) = next.recv().await {
        producer.publish(outgoing).await?;
    }
    Ok(making.await?)
}

/// Writes a changelog of `records` accounts, and the offsets without which state is not trusted.
pub(crate) async fn load_changelog(
    log: &dyn Transport,
    partitions: u32,
    (group, source, changelog): (&str, &str, &str),
    records: u64,
) -> Result<()> {
    let written = (0..records).map(|i| {
        let account = account(i);
        let key = format!("\"{account}\"").into();
        Written::routed(&account, partitions, key, i.to_string().into())
    });
    publish(log, batches(changelog.into(), partitions, written)).await?;
    let source = |p| TopicPartition::new(source, p);
    let offsets = (0..partitions).map(|p| OffsetCommit::new(source(p), Offset::ZERO));
    let group_of = log.coordinator(group);
    group_of
        .commit_offsets(GroupIdentity::none(group), offsets.collect())
        .await?;
    Ok(())
}

impl Written {
    /// What goes where the events of `account` go.
    fn routed(account: &str, partitions: u32, key: Vec<u8>, value: Vec<u8>) -> Self {
        Self {
            partition: partition_for_key(account.as_bytes(), partitions),
            key: Some(key),
            value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_as_long_as_it_is_to_be_and_says_the_same() {
        for bytes in [50, 200, 100_000] {
            let value = value("a0000001", 7, Some(bytes));
            assert_eq!(value.len(), bytes);
            let deposit: Deposit = serde_json::from_slice(&value).unwrap();
            assert_eq!((&*deposit.account_id, deposit.amount), ("a0000001", 7));
        }
    }

    #[test]
    fn each_deposit_is_written_to_one_topic() {
        let shape = Shape {
            topics: 3,
            ..Shape::USUAL
        };
        let written = |topic| deposits(shape, topic, 100, true).map(|w| w.value);
        let mut all: Vec<_> = (0..3).flat_map(written).collect();
        let one = deposits(Shape::USUAL, 0, 100, true).map(|w| w.value);
        let mut one: Vec<_> = one.collect();
        all.sort();
        one.sort();
        assert_eq!(all, one);
    }
}
