//! Making the broker of what a directory holds.

use faustus_core::{Offset, OffsetCommit, TopicId, TopicName, TransportError};

use super::{chunk, disk::Disk, format};
use crate::{
    LogOptions,
    broker::{Broker, partition::Partition, topic::Settings},
};

/// Fills `broker` with the topics and offsets of `disk`, after a look at whether all is there.
pub(super) fn recover(
    disk: &Disk,
    broker: &mut Broker,
    fsync: bool,
    accept_loss: bool,
) -> Result<(), TransportError> {
    check_counts(disk, fsync, accept_loss)?;
    let defaults = broker.options.clone();
    for topic in topics(disk, &defaults) {
        let topic = topic?;
        let bounds = topic.bounds.into_iter();
        let partitions = bounds.map(|(start, end)| Partition::stored(start, end));
        broker.restore_topic(topic.name, topic.id, topic.settings, partitions.collect());
    }
    for commit in commits(disk) {
        let (group, commit) = commit?;
        broker.restore_offset(&group, commit);
    }
    Ok(())
}

/// A topic as it is stored.
pub(super) struct Found {
    pub(super) name: TopicName,
    pub(super) id: TopicId,
    pub(super) settings: Settings,
    /// The first offset and the end of each partition.
    pub(super) bounds: Vec<(Offset, Offset)>,
}

/// All topics of `disk`.
pub(super) fn topics(
    disk: &Disk,
    defaults: &LogOptions,
) -> impl Iterator<Item = Result<Found, TransportError>> {
    disk.scan(&[format::TOPIC]).map(|entry| {
        let (key, value) = entry?;
        let id = format::topic_of(&key).ok_or_else(|| disk.damaged(&key))?;
        let (name, count, settings) = format::read_topic(&value, defaults)?;
        let bounds = (0..count).map(|number| bounds(disk, id, number));
        Ok(Found {
            name,
            id,
            settings,
            bounds: bounds.collect::<Result<_, _>>()?,
        })
    })
}

/// The first offset and the end of a partition.
fn bounds(disk: &Disk, id: TopicId, number: u32) -> Result<(Offset, Offset), TransportError> {
    let key = format::start_key(id, number);
    let start = match disk.get(&key)? {
        None => Offset::ZERO,
        Some(bytes) => {
            let bytes = bytes.as_ref().try_into();
            Offset(i64::from_le_bytes(bytes.map_err(|_| disk.damaged(&key))?))
        }
    };
    let end = match disk.last_chunk(id, number)? {
        None => start,
        Some((base, bytes)) => {
            let damaged = || disk.damaged(&format::chunk_key(id, number, base));
            chunk::decode_head(base, &bytes).ok_or_else(damaged)?.next
        }
    };
    Ok((start, end.max(start)))
}

/// All committed offsets of `disk`, each with its group.
pub(super) fn commits(
    disk: &Disk,
) -> impl Iterator<Item = Result<(String, OffsetCommit), TransportError>> {
    disk.scan(&[format::COMMIT]).map(|entry| {
        let (key, value) = entry?;
        format::read_commit(&key, &value).ok_or_else(|| disk.damaged(&key))
    })
}

/// Whether operations are missing that had been acknowledged. Without `fsync` a power loss may have
/// taken the last of them; nothing else may.
fn check_counts(disk: &Disk, fsync: bool, accept_loss: bool) -> Result<(), TransportError> {
    let (found, noted, same_run) = disk.counts();
    if let Some(bytes) = disk.torn {
        tracing::warn!(
            bytes,
            "a write at the end of the log was not complete: it is dropped"
        );
    }
    let Some(lost) = noted.checked_sub(found).filter(|lost| *lost > 0) else {
        return Ok(());
    };
    if accept_loss || (!same_run && !fsync) {
        tracing::warn!(
            operations = lost,
            "the last operations of the log are lost: it goes on without them"
        );
        return disk.accept_loss();
    }
    Err(TransportError::Corrupt(format!(
        "{lost} operations at the end of the log had been acknowledged and are missing, so its \
         journal is damaged: restore the directory from a copy, or open it with `accept_loss` to go \
         on without them"
    )))
}
