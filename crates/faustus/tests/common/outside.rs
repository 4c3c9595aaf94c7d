//! A program beside the application: it sends, and reads what is committed, through calls of the
//! log alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::Arc,
};

use faustus::{TaskState, TokioClock};
use faustus_core::{
    BatchBuilder, Clock, Offset, OffsetSpec, Outgoing, ReadOptions, Timestamp, TopicName,
    TopicPartition, Transport, TransportError, partition_for_key,
};

use super::{Running, check, until};

/// A committed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) timestamp: Timestamp,
    pub(crate) key: String,
    /// `None` for a tombstone.
    pub(crate) value: Option<String>,
}

impl Record {
    /// The value, read as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_str(self.value.as_deref().unwrap()).unwrap()
    }
}

/// Now, for records that are not to be old in the eyes of a log that deletes old ones.
fn now() -> Timestamp {
    TokioClock::real().now()
}

/// A log as another program sees it.
pub(crate) struct Outside {
    log: Arc<dyn Transport>,
}

impl Outside {
    pub(crate) fn new(log: &Arc<dyn Transport>) -> Self {
        Self {
            log: Arc::clone(log),
        }
    }

    /// How many partitions a topic has, as soon as it is there.
    pub(crate) async fn partitions(&self, topic: &str) -> u32 {
        let name = [TopicName::from(topic)];
        until(async || {
            let found = self.log.admin().describe_topics(&name).await;
            let found = found.map_err(|error| error.to_string())?;
            let found = found.into_iter().flatten().next();
            found
                .map(|topic| topic.partitions)
                .ok_or_else(|| format!("no topic {topic}"))
        })
        .await
    }

    /// Sends records under their keys; gives where each went.
    pub(crate) async fn send<K: AsRef<str>, V: AsRef<str>>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (K, V)>,
    ) -> Vec<(TopicPartition, Offset)> {
        let partitions = self.partitions(topic).await;
        let routed = records.into_iter().map(|(key, value)| {
            let partition = partition_for_key(key.as_ref().as_bytes(), partitions);
            (partition, key, value)
        });
        self.send_now(topic, routed).await
    }

    /// As [`send_to`](Self::send_to), with the time it is.
    pub(crate) async fn send_now<K: AsRef<str>, V: AsRef<str>>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (u32, K, V)>,
    ) -> Vec<(TopicPartition, Offset)> {
        self.send_to(topic, now(), records).await
    }

    /// Sends records to the partitions they name, in one call; gives where each went.
    pub(crate) async fn send_to<K: AsRef<str>, V: AsRef<str>>(
        &self,
        topic: &str,
        timestamp: Timestamp,
        records: impl IntoIterator<Item = (u32, K, V)>,
    ) -> Vec<(TopicPartition, Offset)> {
        self.partitions(topic).await;
        let mut batches: BTreeMap<u32, BatchBuilder> = BTreeMap::new();
        let mut places = Vec::new();
        for (partition, key, value) in records {
            let batch = batches.entry(partition).or_default();
            places.push((partition, batch.len()));
            let (key, value) = (key.as_ref().as_bytes(), value.as_ref().as_bytes());
            batch.push(timestamp, Some(key), Some(value));
        }
        let lengths: BTreeMap<u32, usize> = batches.iter().map(|(p, b)| (*p, b.len())).collect();
        let outgoing = batches.into_iter().map(|(partition, batch)| Outgoing {
            partition: TopicPartition::new(topic, partition),
            batch: batch.build(),
        });
        let mut producer = self.log.producer().await.unwrap();
        let published = producer.publish(outgoing.collect()).await.unwrap();
        let ends: BTreeMap<u32, Offset> = lengths.keys().copied().zip(published.ends).collect();
        let place = |(partition, index)| {
            let behind = i64::try_from(lengths[&partition] - index).unwrap();
            let offset = Offset(ends[&partition].0 - behind);
            (TopicPartition::new(topic, partition), offset)
        };
        places.into_iter().map(place).collect()
    }

    /// One end of each partition of a topic.
    pub(crate) async fn ends(&self, topic: &str, spec: OffsetSpec) -> Vec<Offset> {
        let count = self.partitions(topic).await;
        let partitions: Vec<_> = (0..count).map(|p| TopicPartition::new(topic, p)).collect();
        until(async || self.log.admin().offsets(&partitions, spec).await).await
    }

    /// The offset that an application has committed for a partition, zero if none.
    pub(crate) async fn committed(&self, app: &str, partition: &TopicPartition) -> Offset {
        let coordinator = self.log.coordinator(app);
        let of = std::slice::from_ref(partition);
        let offsets = until(async || coordinator.fetch_offsets(of, true).await).await;
        offsets[0]
            .as_ref()
            .map_or(Offset::ZERO, |found| found.offset)
    }

    /// All committed records of a topic, partition by partition, as soon as they can be read.
    pub(crate) async fn records(&self, topic: &str) -> Vec<Record> {
        until(async || self.try_records(topic).await).await
    }

    /// As [`records`](Self::records), or why they cannot be read.
    pub(crate) async fn try_records(&self, topic: &str) -> Result<Vec<Record>, TransportError> {
        let starts = self.ends(topic, OffsetSpec::Earliest).await;
        let ends = self.ends(topic, OffsetSpec::LastStable).await;
        let mut records = Vec::new();
        for ((partition, start), end) in (0..).zip(starts).zip(ends) {
            let partition = TopicPartition::new(topic, partition);
            let log = self.log.log();
            let reader = log.read(&partition, start, ReadOptions::default());
            let mut reader = reader.await?;
            while reader.position() < end {
                let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await?;
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                records.extend(fetched.batch.iter().map(|record| Record {
                    timestamp: record.timestamp(),
                    key: text(record.key().unwrap_or_default()),
                    value: record.value().map(text),
                }));
            }
        }
        Ok(records)
    }

    /// What the changelog of a table of counts by text says.
    pub(crate) async fn changelog(&self, app: &str, table: &str) -> BTreeMap<String, u64> {
        let mut state = BTreeMap::new();
        for record in self.records(&format!("{app}-{table}-changelog")).await {
            let key: String = serde_json::from_str(&record.key).unwrap();
            match &record.value {
                Some(_) => state.insert(key, record.json()),
                None => state.remove(&key),
            };
        }
        state
    }

    /// Waits until the workers of one application have done and committed all there is; parked tasks
    /// need not.
    pub(crate) async fn settle(&self, workers: &[&Running]) {
        let mut before = None;
        until(async || {
            let now = self.settled(workers).await;
            let excuse = now.clone().err();
            // What came from one agent while another was looked at shows at the second look.
            let still = now.is_ok() && before.as_ref() == Some(&now);
            before = Some(now);
            check(still, excuse)
        })
        .await;
    }

    /// The ends of all sources, if all is idle or parked and committed up to there.
    async fn settled(
        &self,
        workers: &[&Running],
    ) -> Result<BTreeMap<TopicPartition, Offset>, String> {
        let mut statuses = Vec::new();
        for worker in workers {
            statuses.extend(worker.status().await);
        }
        let still = |state: &TaskState| matches!(state, TaskState::Idle | TaskState::Parked(_));
        let at_rest = |status: &faustus::TaskStatus| still(&status.state) && !status.uncommitted;
        check(
            !statuses.is_empty() && statuses.iter().all(at_rest),
            &statuses,
        )?;
        let read: BTreeSet<&TopicPartition> = statuses.iter().flat_map(|s| &s.sources).collect();
        let topics: BTreeSet<&TopicName> = read.iter().map(|partition| &partition.topic).collect();
        for topic in topics {
            let count = read.iter().filter(|p| p.topic == *topic).count();
            let all = self.partitions(topic.as_str()).await as usize;
            check(
                count == all,
                format!("{count} of {all} partitions of {topic} are read"),
            )?;
        }
        let idle = statuses.iter().filter(|s| s.state == TaskState::Idle);
        let partitions: Vec<_> = idle.flat_map(|s| s.sources.iter().cloned()).collect();
        let coordinator = self.log.coordinator(&workers[0].app);
        let committed = coordinator.fetch_offsets(&partitions, true).await;
        let ends = self.log.admin();
        let ends = ends.offsets(&partitions, OffsetSpec::HighWatermark).await;
        let (committed, ends) = (committed.map_err(text)?, ends.map_err(text)?);
        for ((partition, committed), end) in partitions.iter().zip(&committed).zip(&ends) {
            let at = committed.as_ref().map_or(Offset::ZERO, |c| c.offset);
            check(
                at >= *end,
                format!("{partition} is committed up to {at} of {end}"),
            )?;
        }
        Ok(partitions.into_iter().zip(ends).collect())
    }
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}
