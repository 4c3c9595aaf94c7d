//! The events that all cases use: deposits to accounts, the same ones at each run.

use anyhow::Result;
use faustus_core::{
    BatchBuilder, CleanupPolicy, GroupIdentity, NewTopic, Offset, OffsetCommit, Outgoing,
    Timestamp, TopicConfig, TopicPartition, Transport, partition_for_key,
};
use serde::{Deserialize, Serialize};

/// How many partitions each topic has.
pub(crate) const PARTITIONS: u32 = 8;

/// How many accounts there are.
const ACCOUNTS: u64 = 10_000;

/// How many records a batch of one partition has.
const BATCH: usize = 500;

/// When it all happened, in milliseconds.
const TIME: i64 = 1_732_060_800_000;

/// An event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deposit {
    pub(crate) account_id: String,
    pub(crate) amount: i64,
    pub(crate) ts: i64,
}

/// Deposit number `i`: its account and amount.
pub(crate) fn deposit(i: u64) -> (String, i64) {
    let mixed = (i ^ 0x5eed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20;
    let amount = i64::try_from(mixed / ACCOUNTS % 9 + 1).unwrap_or(1);
    (format!("a{:07}", mixed % ACCOUNTS), amount)
}

/// An account whose deposits go to `partition`.
pub(crate) fn account_of(partition: u32) -> String {
    let mut accounts = (0..).map(|i| format!("a{i:07}"));
    let belongs = |account: &String| partition_for_key(account.as_bytes(), PARTITIONS) == partition;
    accounts.find(belongs).unwrap_or_default()
}

/// Gathers records and publishes them in batches.
pub(crate) struct Writer {
    producer: Box<dyn faustus_core::Producer>,
    topic: String,
    partitions: Vec<BatchBuilder>,
    gathered: usize,
}

impl Writer {
    pub(crate) async fn new(log: &dyn Transport, topic: &str) -> Result<Self> {
        Ok(Self {
            producer: log.producer().await?,
            topic: topic.to_owned(),
            partitions: (0..PARTITIONS).map(|_| BatchBuilder::new()).collect(),
            gathered: 0,
        })
    }

    /// Adds a record that goes to the partition of `route`, the raw key.
    pub(crate) async fn write(&mut self, route: &[u8], key: &[u8], value: &[u8]) -> Result<()> {
        let partition = partition_for_key(route, PARTITIONS) as usize;
        self.partitions[partition].push(Timestamp(TIME), Some(key), Some(value));
        self.gathered += 1;
        if self.gathered >= BATCH * self.partitions.len() {
            self.flush().await?;
        }
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> Result<()> {
        let full = (0..)
            .zip(&mut self.partitions)
            .filter(|(_, b)| !b.is_empty());
        let outgoing = full.map(|(partition, builder)| Outgoing {
            partition: TopicPartition::new(self.topic.as_str(), partition),
            batch: std::mem::take(builder).build(),
        });
        let outgoing: Vec<_> = outgoing.collect();
        self.gathered = 0;
        if !outgoing.is_empty() {
            self.producer.publish(outgoing).await?;
        }
        Ok(())
    }
}

/// Makes a topic; a compacted one for a changelog.
pub(crate) async fn create(log: &dyn Transport, topic: &str, compacted: bool) -> Result<()> {
    let config = TopicConfig {
        cleanup: compacted.then_some(CleanupPolicy::Compact),
        // The events are of long ago.
        retention: Some(None),
        ..TopicConfig::default()
    };
    let topic = NewTopic {
        name: topic.into(),
        partitions: PARTITIONS,
        replicas: None,
        config,
    };
    for made in log.admin().create_topics(&[topic]).await? {
        made?;
    }
    Ok(())
}

/// Writes deposits 0 to `events` into `topic`.
pub(crate) async fn load(log: &dyn Transport, topic: &str, events: u64) -> Result<()> {
    let mut writer = Writer::new(log, topic).await?;
    for i in 0..events {
        let (account, amount) = deposit(i);
        let value = format!(r#"{{"account_id":"{account}","amount":{amount},"ts":{TIME}}}"#);
        writer
            .write(account.as_bytes(), account.as_bytes(), value.as_bytes())
            .await?;
    }
    writer.flush().await
}

/// Writes a changelog of `records` accounts, and the offsets without which state is not trusted.
pub(crate) async fn load_changelog(
    log: &dyn Transport,
    (group, source, changelog): (&str, &str, &str),
    records: u64,
) -> Result<()> {
    let mut writer = Writer::new(log, changelog).await?;
    for i in 0..records {
        let account = format!("a{i:07}");
        let key = format!("\"{account}\"");
        writer
            .write(account.as_bytes(), key.as_bytes(), i.to_string().as_bytes())
            .await?;
    }
    writer.flush().await?;
    let source = |p| TopicPartition::new(source, p);
    let offsets = (0..PARTITIONS).map(|p| OffsetCommit::new(source(p), Offset::ZERO));
    let group_of = log.coordinator(group);
    group_of
        .commit_offsets(GroupIdentity::none(group), offsets.collect())
        .await?;
    Ok(())
}
