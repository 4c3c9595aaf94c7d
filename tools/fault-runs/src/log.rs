//! The log that a run is on: opening it, and the few ways in which the runs look at it.

use std::{future::poll_fn, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use faustus::TokioClock;
use faustus_core::{
    NewTopic, Offset, OffsetSpec, ReadOptions, RecordRef, Timestamp, TopicConfig, TopicName,
    TopicPartition, Transport, TransportError,
};
use faustus_kafka::{KafkaOptions, KafkaTransport};
use faustus_log::{DirectoryLog, DirectoryOptions};

use crate::model::PARTITIONS;

/// How long a call that may succeed later waits before it is made again.
pub(crate) const AGAIN: Duration = Duration::from_millis(50);

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a directory that one process holds.
    Directory(PathBuf),
    /// At these brokers.
    Kafka(String),
}

impl Place {
    /// Reads `kafka://HOST:PORT,…`, `dir:PATH` or a plain path.
    pub(crate) fn parse(url: &str) -> Self {
        match url.strip_prefix("kafka://") {
            Some(brokers) => Self::Kafka(brokers.to_owned()),
            None => Self::Directory(url.strip_prefix("dir:").unwrap_or(url).into()),
        }
    }

    /// What [`parse`](Self::parse) reads.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Directory(path) => format!("dir:{}", path.display()),
            Self::Kafka(brokers) => format!("kafka://{brokers}"),
        }
    }

    /// Opens it; a record that is not stored within `delivery` has an unknown outcome.
    pub(crate) async fn open(&self, delivery: Duration) -> Result<Arc<dyn Transport>> {
        match self {
            Self::Directory(path) => {
                let (path, clock) = (path.clone(), Arc::new(TokioClock::real()));
                let open = move || DirectoryLog::open(path, clock, DirectoryOptions::default());
                let log = tokio::task::spawn_blocking(open).await??;
                Ok(Arc::new(log))
            }
            Self::Kafka(brokers) => {
                let options = KafkaOptions::default()
                    .client_id("fault-runs")
                    .delivery_timeout(delivery);
                let kafka = KafkaTransport::connect(brokers, options).await?;
                Ok(kafka)
            }
        }
    }
}

/// Makes the topics that are not there.
pub(crate) async fn ensure_topics(log: &dyn Transport, names: &[&str]) -> Result<()> {
    let topics: Vec<_> = names
        .iter()
        .map(|&name| NewTopic {
            name: name.into(),
            partitions: PARTITIONS,
            replicas: None,
            config: TopicConfig::default(),
        })
        .collect();
    for made in log.admin().create_topics(&topics).await? {
        match made {
            Ok(()) | Err(TransportError::TopicExists(_)) => {}
            Err(error) => return Err(error).context("make a topic"),
        }
    }
    // What was made is not known everywhere at once.
    for name in names {
        let name = [TopicName::from(*name)];
        while log.admin().describe_topics(&name).await? == [None] {
            tokio::time::sleep(AGAIN).await;
        }
    }
    Ok(())
}

/// All partitions of a topic.
pub(crate) fn partitions(topic: &str) -> Vec<TopicPartition> {
    let topic = TopicName::from(topic);
    (0..PARTITIONS)
        .map(|partition| TopicPartition::new(topic.clone(), partition))
        .collect()
}

/// One end of every partition of a topic.
pub(crate) async fn ends(
    log: &dyn Transport,
    topic: &str,
    spec: OffsetSpec,
) -> Result<Vec<Offset>> {
    let partitions = partitions(topic);
    loop {
        match log.admin().offsets(&partitions, spec).await {
            Err(error) if error.is_transient() => tokio::time::sleep(AGAIN).await,
            ends => return ends.with_context(|| format!("the ends of {topic}")),
        }
    }
}

/// Shows `visit` every committed record of `partition` from `from` up to `end`.
pub(crate) async fn read(
    log: &dyn Transport,
    partition: &TopicPartition,
    from: Offset,
    end: Offset,
    mut visit: impl FnMut(RecordRef<'_>) -> Result<()>,
) -> Result<()> {
    if from >= end {
        return Ok(());
    }
    let reads = log.log();
    let options = ReadOptions::default();
    let mut reader = reads.read(partition, from, options).await?;
    while reader.position() < end {
        match poll_fn(|cx| reader.poll_fetch(cx)).await {
            Ok(fetched) => {
                for record in fetched.batch.iter().filter(|r| r.offset() < end) {
                    visit(record)?;
                }
            }
            Err(error) if error.is_transient() => tokio::time::sleep(AGAIN).await,
            Err(error) => return Err(error).with_context(|| format!("read {partition}")),
        }
    }
    Ok(())
}

/// Shows `visit` every committed record of `topic`, partition by partition.
pub(crate) async fn read_topic(
    log: &dyn Transport,
    topic: &str,
    mut visit: impl FnMut(u32, RecordRef<'_>) -> Result<()>,
) -> Result<()> {
    let starts = ends(log, topic, OffsetSpec::Earliest).await?;
    let stable = ends(log, topic, OffsetSpec::LastStable).await?;
    for ((partition, from), end) in partitions(topic).iter().zip(starts).zip(stable) {
        let number = partition.partition;
        read(log, partition, from, end, |record| visit(number, record)).await?;
    }
    Ok(())
}

/// Wall time.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let millis = since.unwrap_or_default().as_millis();
    Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for url in ["dir:/tmp/log", "kafka://127.0.0.1:9092,127.0.0.1:9093"] {
            assert_eq!(Place::parse(url).url(), url);
        }
        assert_eq!(Place::parse("/tmp/log").url(), "dir:/tmp/log");
    }
}
