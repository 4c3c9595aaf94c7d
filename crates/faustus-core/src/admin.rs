//! Making, describing and removing topics, and asking for their ends.
//!
//! Contract: what a call answers was true at some moment during it. It never knows who uses a topic:
//! deleting one is not refused for the sake of a reader.

use std::{collections::BTreeMap, time::Duration};

use crate::{BoxFuture, Offset, TopicId, TopicName, TopicPartition, TransportError};

/// The administrative side of a transport.
///
/// Every call takes many topics and answers for each in order, so that a start of a large
/// application is a few round trips.
pub trait Admin: Send + Sync {
    /// Creates topics; each succeeds or fails by itself.
    ///
    /// # Errors
    ///
    /// Per topic [`TransportError::TopicExists`], [`Invalid`](TransportError::Invalid),
    /// [`Unauthorized`](TransportError::Unauthorized).
    fn create_topics<'a>(
        &'a self,
        topics: &'a [NewTopic],
    ) -> BoxFuture<'a, Result<Vec<Result<(), TransportError>>, TransportError>>;

    /// Describes topics; `None` for one that does not exist.
    fn describe_topics<'a>(
        &'a self,
        topics: &'a [TopicName],
    ) -> BoxFuture<'a, Result<Vec<Option<TopicDescription>>, TransportError>>;

    /// The names of all topics.
    fn list_topics(&self) -> BoxFuture<'_, Result<Vec<TopicName>, TransportError>>;

    /// Deletes a topic with its records; committed offsets of it are forgotten.
    ///
    /// # Errors
    ///
    /// [`TransportError::UnknownTopic`].
    fn delete_topic<'a>(
        &'a self,
        topic: &'a TopicName,
    ) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Deletes the records below an offset; the partition then begins there.
    ///
    /// # Errors
    ///
    /// [`TransportError::OffsetOutOfRange`] for an offset past the end.
    fn delete_records<'a>(
        &'a self,
        before: &'a [(TopicPartition, Offset)],
    ) -> BoxFuture<'a, Result<(), TransportError>>;

    /// One end of each of `partitions`.
    ///
    /// # Errors
    ///
    /// [`TransportError::UnknownTopic`], [`UnknownPartition`](TransportError::UnknownPartition).
    fn offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        spec: OffsetSpec,
    ) -> BoxFuture<'a, Result<Vec<Offset>, TransportError>>;
}

/// Which end of a partition is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetSpec {
    /// The first position that is held.
    Earliest,
    /// The position after the last stored record, open transactions included.
    HighWatermark,
    /// The position that committed readers can get to: below the first open transaction.
    LastStable,
}

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions it gets.
    pub partitions: u32,
    /// On how many brokers each is kept; `None` for the log's default. The embedded log ignores it.
    pub replicas: Option<u16>,
    /// What becomes of old records.
    pub config: TopicConfig,
}

/// What becomes of old records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicConfig {
    /// Delete, compact, or both; `None` for the log's default.
    pub cleanup: Option<CleanupPolicy>,
    /// How long records are kept by their time stamp: `Some(None)` for ever, `None` for the log's default.
    pub retention: Option<Option<Duration>>,
    /// Further settings by Kafka's names, such as `min.compaction.lag.ms`.
    pub other: BTreeMap<String, String>,
}

/// How a topic is cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// Old records are deleted.
    Delete,
    /// The last record of each key is kept.
    Compact,
    /// Both.
    CompactAndDelete,
}

impl CleanupPolicy {
    /// Kafka's text: `delete`, `compact` or `compact,delete`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::CompactAndDelete => "compact,delete",
        }
    }

    /// Whether only the last record of a key must be kept.
    #[must_use]
    pub fn compacts(self) -> bool {
        self != Self::Delete
    }

    /// Whether old records are deleted.
    #[must_use]
    pub fn deletes(self) -> bool {
        self != Self::Compact
    }
}

/// A topic that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: TopicName,
    /// Which incarnation of the name it is.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: u32,
    /// Its effective settings by Kafka's names; at least `cleanup.policy`, `retention.ms`,
    /// `delete.retention.ms` and `max.message.bytes`.
    pub config: BTreeMap<String, String>,
}

impl TopicDescription {
    /// How long tombstones are kept after compaction; Kafka's default of a day if nothing is known.
    #[must_use]
    pub fn delete_retention(&self) -> Duration {
        self.millis("delete.retention.ms")
            .unwrap_or(Duration::from_secs(24 * 3600))
    }

    /// A setting in milliseconds; `None` if unset or negative (no limit).
    fn millis(&self, key: &str) -> Option<Duration> {
        self.config
            .get(key)?
            .parse()
            .ok()
            .map(Duration::from_millis)
    }
}
