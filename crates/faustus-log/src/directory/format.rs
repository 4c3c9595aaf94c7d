//! What a log directory holds, format 1.
//!
//! ```text
//! LOCK   held by the process that has the log open; its text is that process's id
//! HEAD   see `head`: format, operation count
//! data/  one fjall database with one keyspace, "log"
//! ```
//!
//! Everything is in one keyspace, so that its journal keeps all or none of an operation, and after a
//! power loss a prefix of all operations. Integers in keys are big endian, so that keys sort.
//!
//! | key | value |
//! |---|---|
//! | `n` | count of operations, u64 |
//! | `t` id:16 | topic: name, partitions, settings |
//! | `s` id:16 partition:4 | first offset held, u64, if not 0 |
//! | `c` id:16 partition:4 base:8 | chunk: see `chunk` |
//! | `g` len:2 group topic-len:2 topic partition:4 | committed offset: i64, then its text |
//!
//! Texts and lists inside values are preceded by their length as a variable-length integer. A chunk
//! is written once; compaction puts another in its place and removes those it took in. Chunks of
//! topics that are gone and below the first offset are swept in the background. An end of a partition
//! is the end of its last chunk. Members of groups, open transactions and producers are not stored:
//! they end with the process.

use faustus_core::{Offset, OffsetCommit, TopicId, TopicName, TopicPartition, TransportError};

use super::bytes::{Reader, put_bytes, put_number};
use crate::{LogOptions, broker::topic::Settings};

/// The format that this version writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// The key of the count of operations.
pub(super) const COUNT: &[u8] = b"n";

/// The first byte of the keys of topics.
pub(super) const TOPIC: u8 = b't';

/// The first byte of the keys of first offsets.
pub(super) const START: u8 = b's';

/// The first byte of the keys of chunks.
pub(super) const CHUNK: u8 = b'c';

/// The first byte of the keys of committed offsets.
pub(super) const COMMIT: u8 = b'g';

pub(super) fn topic_key(id: TopicId) -> Vec<u8> {
    prefix(TOPIC, id)
}

/// The beginning of all keys of one kind and topic.
pub(super) fn prefix(kind: u8, id: TopicId) -> Vec<u8> {
    let mut key = Vec::with_capacity(29);
    key.push(kind);
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}

pub(super) fn start_key(id: TopicId, partition: u32) -> Vec<u8> {
    let mut key = prefix(START, id);
    key.extend_from_slice(&partition.to_be_bytes());
    key
}

pub(super) fn chunk_key(id: TopicId, partition: u32, base: Offset) -> Vec<u8> {
    let mut key = prefix(CHUNK, id);
    key.extend_from_slice(&partition.to_be_bytes());
    key.extend_from_slice(&base.0.cast_unsigned().to_be_bytes());
    key
}

/// The topic that a key of a chunk or a first offset belongs to.
pub(super) fn topic_of(key: &[u8]) -> Option<TopicId> {
    let id = key.get(1..17)?.try_into().ok()?;
    Some(TopicId(u128::from_be_bytes(id)))
}

/// The first offset of the chunk with this key.
pub(super) fn base_of(key: &[u8]) -> Option<Offset> {
    let base = key.get(21..29)?.try_into().ok()?;
    Some(Offset(u64::from_be_bytes(base).cast_signed()))
}

pub(super) fn commit_key(group: &str, partition: &TopicPartition) -> Vec<u8> {
    let mut key = vec![COMMIT];
    for text in [group, partition.topic.as_str()] {
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        key.extend_from_slice(&len.to_be_bytes());
        key.extend_from_slice(text.as_bytes());
    }
    key.extend_from_slice(&partition.partition.to_be_bytes());
    key
}

pub(super) fn commit_value(commit: &OffsetCommit) -> Vec<u8> {
    let mut value = commit.offset.0.to_le_bytes().to_vec();
    value.extend_from_slice(commit.metadata.as_bytes());
    value
}

/// The group and its commit.
pub(super) fn read_commit(key: &[u8], value: &[u8]) -> Option<(String, OffsetCommit)> {
    let mut rest = key.get(1..)?;
    let mut texts = [String::new(), String::new()];
    for text in &mut texts {
        let (len, tail) = rest.split_at_checked(2)?;
        let len = u16::from_be_bytes(len.try_into().ok()?);
        let (bytes, tail) = tail.split_at_checked(len.into())?;
        *text = String::from_utf8(bytes.to_vec()).ok()?;
        rest = tail;
    }
    let [group, topic] = texts;
    let partition = u32::from_be_bytes(rest.try_into().ok()?);
    let (offset, metadata) = value.split_at_checked(8)?;
    let commit = OffsetCommit {
        partition: TopicPartition::new(topic, partition),
        offset: Offset(i64::from_le_bytes(offset.try_into().ok()?)),
        metadata: String::from_utf8(metadata.to_vec()).ok()?,
    };
    Some((group, commit))
}

pub(super) fn topic_value(name: &TopicName, partitions: u32, settings: &Settings) -> Vec<u8> {
    let mut value = Vec::new();
    put_bytes(&mut value, name.as_str().as_bytes());
    put_number(&mut value, partitions.into());
    let settings = settings.describe();
    put_number(&mut value, settings.len() as u64);
    for (name, setting) in &settings {
        put_bytes(&mut value, name.as_bytes());
        put_bytes(&mut value, setting.as_bytes());
    }
    value
}

/// The topic's name, number of partitions and settings.
pub(super) fn read_topic(
    value: &[u8],
    defaults: &LogOptions,
) -> Result<(TopicName, u32, Settings), TransportError> {
    let damaged = || TransportError::Corrupt("a topic's entry cannot be read".into());
    let mut reader = Reader::new(value);
    let name = reader.text().ok_or_else(damaged)?;
    let partitions = reader.number().ok_or_else(damaged)?;
    let partitions = u32::try_from(partitions).map_err(|_| damaged())?;
    let mut settings = Settings::new(&faustus_core::TopicConfig::default(), defaults)?;
    for _ in 0..reader.number().ok_or_else(damaged)? {
        let name = reader.text().ok_or_else(damaged)?;
        settings.set(name, reader.text().ok_or_else(damaged)?)?;
    }
    Ok((name.into(), partitions, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_comes_back_as_it_was() {
        let commit = OffsetCommit {
            partition: TopicPartition::new("some.topic", 7),
            offset: Offset(1 << 40),
            metadata: "text é".into(),
        };
        let key = commit_key("a-group", &commit.partition);
        let read = read_commit(&key, &commit_value(&commit));
        assert_eq!(read, Some(("a-group".to_owned(), commit)));
    }

    #[test]
    fn a_topic_comes_back_as_it_was() {
        let defaults = LogOptions::default();
        let mut settings = Settings::new(&faustus_core::TopicConfig::default(), &defaults).unwrap();
        settings.set("cleanup.policy", "compact").unwrap();
        settings.set("segment.ms", "100").unwrap();
        let value = topic_value(&"orders".into(), 12, &settings);
        let read = read_topic(&value, &defaults).unwrap();
        assert_eq!(read, ("orders".into(), 12, settings));
        assert!(read_topic(&value[..5], &defaults).is_err());
    }

    #[test]
    fn keys_of_chunks_sort_by_offset_and_say_it() {
        let key = |base| chunk_key(TopicId(3), 1, Offset(base));
        assert!(key(255) < key(256));
        assert_eq!(base_of(&key(256)), Some(Offset(256)));
        assert_eq!(topic_of(&key(256)), Some(TopicId(3)));
    }
}
