//! Kafka's frames of consumer group data: big-endian, strings and arrays with their lengths.
//!
//! Written are version 1 (the first with owned partitions); read is any version, because later
//! ones only append fields.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut};
use faustus_core::{TopicName, TopicPartition};

const VERSION: i16 = 1;

type Partitions<'a> = BTreeMap<&'a str, BTreeSet<u32>>;

pub(super) fn subscription(
    topics: &BTreeSet<&TopicName>,
    user_data: &[u8],
    owned: &Partitions<'_>,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i16(VERSION);
    let topics: Vec<_> = topics.iter().filter(|t| fits(t.as_str())).collect();
    put_len(&mut out, topics.len());
    for topic in topics {
        put_string(&mut out, topic.as_str());
    }
    put_bytes(&mut out, user_data);
    put_partitions(&mut out, owned);
    out
}

pub(super) fn assignment(active: &Partitions<'_>, user_data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i16(VERSION);
    put_partitions(&mut out, active);
    put_bytes(&mut out, user_data);
    out
}

/// The user data and the owned partitions.
pub(super) fn read_subscription(
    mut bytes: &[u8],
) -> Result<(Vec<u8>, Vec<TopicPartition>), String> {
    let bytes = &mut bytes;
    let version = read_version(bytes)?;
    for _ in 0..read_len(bytes, 2)? {
        read_string(bytes)?;
    }
    let user_data = read_bytes(bytes)?;
    let owned = if version >= 1 {
        read_partitions(bytes)?
    } else {
        Vec::new()
    };
    Ok((user_data, owned))
}

/// The user data.
pub(super) fn read_assignment(mut bytes: &[u8]) -> Result<Vec<u8>, String> {
    let bytes = &mut bytes;
    read_version(bytes)?;
    read_partitions(bytes)?;
    read_bytes(bytes)
}

/// Whether a name can be written; a broker has no topic of a longer one.
fn fits(name: &str) -> bool {
    i16::try_from(name.len()).is_ok()
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.put_i32(i32::try_from(len).unwrap_or(i32::MAX));
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.put_i16(i16::try_from(text.len()).unwrap_or(0));
    out.put_slice(text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.put_slice(bytes);
}

fn put_partitions(out: &mut Vec<u8>, partitions: &Partitions<'_>) {
    let topics: Vec<_> = partitions.iter().filter(|(t, _)| fits(t)).collect();
    put_len(out, topics.len());
    for (topic, partitions) in topics {
        put_string(out, topic);
        put_len(out, partitions.len());
        for partition in partitions {
            out.put_u32(*partition);
        }
    }
}

const SHORT: &str = "the frame ends too early";

fn read_version(bytes: &mut &[u8]) -> Result<i16, String> {
    match bytes.try_get_i16() {
        Ok(version) if version >= 0 => Ok(version),
        Ok(version) => Err(format!("version {version} of the frame makes no sense")),
        Err(_) => Err(SHORT.into()),
    }
}

/// The length of an array whose elements take at least `least` bytes each.
fn read_len(bytes: &mut &[u8], least: usize) -> Result<usize, String> {
    let len = bytes.try_get_i32().map_err(|_| SHORT)?;
    let len = usize::try_from(len).map_err(|_| "the frame has an array of negative length")?;
    if len > bytes.len() / least {
        return Err(SHORT.into());
    }
    Ok(len)
}

fn read_string(bytes: &mut &[u8]) -> Result<String, String> {
    let len = bytes.try_get_i16().map_err(|_| SHORT)?;
    let len = usize::try_from(len).map_err(|_| "the frame has a string of negative length")?;
    let text = take(bytes, len)?;
    String::from_utf8(text).map_err(|_| "the frame has a string that is not UTF-8".into())
}

/// Bytes; none (length -1) are taken as empty.
fn read_bytes(bytes: &mut &[u8]) -> Result<Vec<u8>, String> {
    let len = bytes.try_get_i32().map_err(|_| SHORT)?;
    take(bytes, usize::try_from(len).unwrap_or(0))
}

fn take(bytes: &mut &[u8], len: usize) -> Result<Vec<u8>, String> {
    let (taken, rest) = bytes.split_at_checked(len).ok_or(SHORT)?;
    *bytes = rest;
    Ok(taken.to_vec())
}

fn read_partitions(bytes: &mut &[u8]) -> Result<Vec<TopicPartition>, String> {
    let mut all = Vec::new();
    for _ in 0..read_len(bytes, 6)? {
        let topic = TopicName::from(read_string(bytes)?);
        for _ in 0..read_len(bytes, 4)? {
            let partition = bytes.try_get_u32().map_err(|_| SHORT)?;
            all.push(TopicPartition::new(topic.clone(), partition));
        }
    }
    Ok(all)
}
