//! Looking at the log in a directory without being its broker.
//!
//! Nothing is created, cleaned, compacted or accepted: what is damaged or missing is told, and left for
//! whoever opens the log to work with it. The directory is held meanwhile, as only one process can have
//! its database open.

use std::{collections::BTreeMap, io, path::Path};

use faustus_core::{
    Batch, Offset, OffsetCommit, TopicId, TopicName, TopicPartition, TransportError,
};
use fjall::PersistMode;

use super::{
    disk::{self, Disk},
    head::{Head, Lock},
    recover,
};
use crate::{LogOptions, broker::partition::Chunk};

/// What a log directory holds, to be looked at; the directory is held until it is dropped.
///
/// # Examples
///
/// ```
/// use faustus_core::TransportError;
/// use faustus_log::DirectoryReader;
///
/// let error = DirectoryReader::open("no-such-directory").unwrap_err();
/// assert!(matches!(error, TransportError::Invalid(_)));
/// ```
#[derive(Debug)]
pub struct DirectoryReader {
    disk: Disk,
    topics: Vec<StoredTopic>,
    lost: u64,
}

/// A topic in a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredTopic {
    /// Its name.
    pub name: TopicName,
    /// Which incarnation of the name it is.
    pub id: TopicId,
    /// Its partitions, by number.
    pub partitions: Vec<StoredPartition>,
    /// Its settings by Kafka's names, such as `cleanup.policy`.
    pub config: BTreeMap<String, String>,
}

/// A partition in a log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredPartition {
    /// The first offset that it holds.
    pub start: Offset,
    /// The position after its last record.
    pub end: Offset,
}

/// Records that are stored together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredBatch {
    /// The first offset that it covers.
    pub base: Offset,
    /// The position after the last offset that it covers: offsets below it may have no record.
    pub end: Offset,
    /// Its records, in order of their offsets if nothing is wrong with them.
    pub batch: Batch,
}

impl DirectoryReader {
    /// Opens the log in `path`, which must exist. Blocks while it reads what was written last.
    ///
    /// # Errors
    ///
    /// - [`TransportError::Unavailable`]: another process has it open; the text names it.
    /// - [`TransportError::Invalid`]: there is no log, or a newer version wrote it.
    /// - [`TransportError::Corrupt`]: it is damaged so that not even its topics can be told.
    /// - [`TransportError::Unauthorized`]: the directory may not be read and written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TransportError> {
        let path = path.as_ref();
        let none = |what| {
            Err(TransportError::Invalid(format!(
                "{} {what}",
                path.display()
            )))
        };
        match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return none("does not exist"),
            Err(error) => return Err(disk::io_error(path, &error)),
            Ok(found) if !found.is_dir() => return none("is not a directory"),
            Ok(_) => {}
        }
        let exists = |name| {
            let path = path.join(name);
            path.try_exists().map_err(|e| disk::io_error(&path, &e))
        };
        // A head alone is of a log that was never opened to its end, or of something else.
        if !exists("data")? || !(exists("HEAD")? || exists("LOCK")?) {
            return none("holds no log of Faustus");
        }
        let head = Head::look(path)?;
        let lock = Lock::take(path)?;
        let disk = Disk::open(path, lock, head, PersistMode::Buffer, u64::MAX)?;
        let (found, noted, _) = disk.counts();
        let defaults = LogOptions::default();
        let topics = recover::topics(&disk, &defaults).map(|topic| {
            let topic = topic?;
            let bounds = topic.bounds.into_iter();
            let partitions = bounds.map(|(start, end)| StoredPartition { start, end });
            Ok(StoredTopic {
                name: topic.name,
                id: topic.id,
                partitions: partitions.collect(),
                config: topic.settings.describe(),
            })
        });
        let mut topics = topics.collect::<Result<Vec<_>, TransportError>>()?;
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            topics,
            lost: noted.saturating_sub(found),
            disk,
        })
    }

    /// All topics, by name.
    #[must_use]
    pub fn topics(&self) -> &[StoredTopic] {
        &self.topics
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&StoredTopic> {
        self.topics.iter().find(|topic| topic.name.as_str() == name)
    }

    /// The bounds of a partition.
    #[must_use]
    pub fn partition(&self, partition: &TopicPartition) -> Option<StoredPartition> {
        let topic = self.topic(partition.topic.as_str())?;
        topic.partitions.get(partition.partition as usize).copied()
    }

    /// How many operations at the end had been acknowledged and are missing.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The batches of a partition of `topic` that reach beyond `from`, in order. The first may begin
    /// before it, and below the partition's first offset. After a damaged batch the next ones follow.
    ///
    /// # Errors
    ///
    /// [`TransportError::Corrupt`] for a batch that is damaged, and those of reading.
    pub fn batches(
        &self,
        topic: &StoredTopic,
        partition: u32,
        from: Offset,
    ) -> impl Iterator<Item = Result<StoredBatch, TransportError>> + use<'_> {
        let id = topic.id;
        let chunks = self.disk.decoded(id, partition, from);
        chunks.map(|chunk| {
            let Chunk {
                base, next, batch, ..
            } = chunk?;
            Ok(StoredBatch {
                base,
                end: next,
                batch,
            })
        })
    }

    /// The committed offsets of all groups, in order of groups and topics.
    ///
    /// # Errors
    ///
    /// [`TransportError::Corrupt`], and those of reading.
    pub fn commits(&self) -> Result<Vec<(String, OffsetCommit)>, TransportError> {
        let commits = recover::commits(&self.disk);
        let mut commits = commits.collect::<Result<Vec<_>, _>>()?;
        commits.sort_by(|a, b| (&a.0, &a.1.partition).cmp(&(&b.0, &b.1.partition)));
        Ok(commits)
    }
}
