//! What is known of topics that are read or written, kept for a while.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use faustus_core::{TopicId, TopicName, TopicPartition, TransportError};
use parking_lot::Mutex;

use crate::net::{Cluster, TopicMetadata, known_topic};

/// How long an entry serves a reader, which must notice a topic made anew.
const FRESH: Duration = Duration::from_secs(1);
/// How long an entry serves a producer, unless it forbids to write.
const KEPT: Duration = Duration::from_secs(60);
/// The settings that decide what a broker refuses.
const LIMITS: &[&str] = &[
    "max.message.bytes",
    "cleanup.policy",
    "message.timestamp.type",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
];

/// A topic that exists, and what its brokers refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicInfo {
    /// Its name.
    pub name: TopicName,
    /// Its incarnation.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: u32,
    /// What its brokers take.
    pub limits: Limits,
}

/// What brokers take for a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// They take records of this client.
    pub writable: bool,
    /// The largest record batch, in bytes.
    pub max_batch: usize,
    /// Records must have a key.
    pub keys: bool,
    /// Record time stamps may be so far ahead of the broker's clock, in milliseconds.
    pub after_max: i64,
    /// And so far behind.
    pub before_max: i64,
}

impl Default for Limits {
    /// Kafka's own defaults.
    fn default() -> Self {
        Self {
            writable: true,
            max_batch: 1_048_588,
            keys: false,
            after_max: i64::MAX,
            before_max: i64::MAX,
        }
    }
}

impl Limits {
    fn from_config(config: &BTreeMap<String, String>) -> Self {
        let standard = Self::default();
        let create_time = config
            .get("message.timestamp.type")
            .is_none_or(|kind| kind == "CreateTime");
        let number = |key: &str| config.get(key)?.parse::<i64>().ok();
        let distance = |key: &str| number(key).filter(|_| create_time).unwrap_or(i64::MAX);
        Self {
            writable: true,
            max_batch: number("max.message.bytes")
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(standard.max_batch),
            keys: config
                .get("cleanup.policy")
                .is_some_and(|policy| policy.contains("compact")),
            after_max: distance("message.timestamp.after.max.ms"),
            before_max: distance("message.timestamp.before.max.ms"),
        }
    }
}

/// A topic, or that this client may not even know of it.
pub(crate) type Found = Result<Arc<TopicInfo>, TransportError>;

/// Topics by name.
#[derive(Debug)]
pub(crate) struct Directory {
    cluster: Arc<Cluster>,
    known: Mutex<HashMap<TopicName, (Instant, Found)>>,
}

impl Directory {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        Self {
            cluster,
            known: Mutex::default(),
        }
    }

    /// What is known of `topic` without asking, for a producer.
    pub(crate) fn known(&self, topic: &TopicName) -> Option<Found> {
        let found = self.younger(topic, KEPT)?;
        if found.as_ref().is_ok_and(|topic| topic.limits.writable) {
            return Some(found);
        }
        // Somebody may have been given the permission, and waits for it to have its effect.
        self.younger(topic, FRESH)
    }

    /// Forgets `topic`, which was made, removed or found to be otherwise.
    pub(crate) fn forget(&self, topic: &TopicName) {
        self.known.lock().remove(topic);
    }

    /// Looks `topics` up, unless that was done a moment ago; none may be missing.
    pub(crate) async fn look_up(&self, topics: &[TopicName]) -> Result<Vec<Found>, TransportError> {
        let missing: Vec<TopicName> = topics
            .iter()
            .filter(|topic| self.younger(topic, FRESH).is_none())
            .cloned()
            .collect();
        let mut found = HashMap::new();
        if !missing.is_empty() {
            let at = Instant::now();
            let metadata = self.cluster.metadata(Some(&missing)).await?;
            let names: Vec<&TopicName> = missing.iter().collect();
            let configs = self.cluster.topic_configs(&names, Some(LIMITS)).await?;
            for topic in &missing {
                let entry = match known_topic(&metadata, topic) {
                    Ok(metadata) => {
                        // Without the permission to read settings Kafka's defaults are assumed.
                        let config = configs.get(topic).and_then(|config| config.as_ref().ok());
                        Ok(Arc::new(TopicInfo::new(metadata, config)))
                    }
                    Err(hidden @ TransportError::Unauthorized(_)) => Err(hidden),
                    Err(error) => {
                        self.forget(topic);
                        return Err(error);
                    }
                };
                self.known.lock().insert(topic.clone(), (at, entry.clone()));
                found.insert(topic, entry);
            }
        }
        topics
            .iter()
            .map(|topic| {
                let info = found.get(topic).cloned();
                info.or_else(|| self.younger(topic, KEPT)).ok_or_else(|| {
                    TransportError::Unavailable(format!("topic {topic} changes at the moment"))
                })
            })
            .collect()
    }

    fn younger(&self, topic: &TopicName, age: Duration) -> Option<Found> {
        let known = self.known.lock();
        let (at, found) = known.get(topic)?;
        (at.elapsed() < age).then(|| found.clone())
    }
}

impl TopicInfo {
    fn new(metadata: &TopicMetadata, config: Option<&BTreeMap<String, String>>) -> Self {
        Self {
            name: metadata.name.clone(),
            id: metadata.id,
            partitions: u32::try_from(metadata.leaders.len()).unwrap_or(u32::MAX),
            limits: Limits {
                writable: metadata.writable,
                ..config.map(Limits::from_config).unwrap_or_default()
            },
        }
    }

    /// The partition's number as librdkafka has it.
    pub(crate) fn native_partition(
        &self,
        partition: &TopicPartition,
    ) -> Result<i32, TransportError> {
        let unknown = || TransportError::UnknownPartition(partition.clone());
        if partition.partition >= self.partitions {
            return Err(unknown());
        }
        i32::try_from(partition.partition).map_err(|_| unknown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(config: &[(&str, &str)]) -> Limits {
        let config = config
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Limits::from_config(&config.collect())
    }

    #[test]
    fn limits_come_from_the_topics_settings() {
        let found = limits(&[
            ("max.message.bytes", "2000"),
            ("cleanup.policy", "compact,delete"),
            ("message.timestamp.after.max.ms", "3600000"),
        ]);
        let expected = Limits {
            writable: true,
            max_batch: 2000,
            keys: true,
            after_max: 3_600_000,
            before_max: i64::MAX,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn time_stamps_that_the_broker_sets_are_not_limited() {
        let found = limits(&[
            ("message.timestamp.type", "LogAppendTime"),
            ("message.timestamp.after.max.ms", "1"),
        ]);
        assert_eq!(found, Limits::default());
    }
}
