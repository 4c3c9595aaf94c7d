//! Appending to a keyspace of fjall and reading it, opened, written and read as the log in a directory
//! does.

use std::path::Path;

use anyhow::{Result, ensure};
use faustus_core::Outgoing;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode,
};

use super::framing;
use crate::{
    cases::Shape,
    check::Found,
    figures::{Figures, Taken},
    measure::Meter,
};

/// One write for all that is published together, an entry for each batch in it.
pub(super) fn append(directory: &Path, shape: Shape, events: u64) -> Result<Figures> {
    let batches = framing::batches(shape, events);
    let (database, log) = open(directory)?;
    let meter = Meter::start()?;
    let mut base = 0;
    for outgoing in batches {
        write(&database, &log, &outgoing, &mut base)?;
    }
    drop((database, log));
    let taken = Taken::since(&meter)?;
    let (_database, log) = open(directory)?;
    let mut found = Found::default();
    for entry in log.iter() {
        framing::decode(&entry.value()?, &mut found)?;
    }
    found.ensure_all(shape, events)?;
    Ok(taken.rates(events))
}

/// Reads what [`append`] wrote and an opening found again, partition by partition.
pub(super) fn fetch(directory: &Path, shape: Shape, events: u64) -> Result<Figures> {
    append(directory, shape, events)?;
    let (_database, log) = open(directory)?;
    let mut values = Vec::new();
    let meter = Meter::start()?;
    for partition in 0..shape.partitions {
        for entry in log.prefix(prefix(partition)) {
            values.push(entry.value()?);
        }
    }
    let taken = Taken::since(&meter)?;
    let mut found = Found::default();
    for value in &values {
        framing::decode(value, &mut found)?;
    }
    found.ensure_all(shape, events)?;
    Ok(taken.rates(events))
}

/// Writes the changelog of one epoch of `events`: all partitions in one write.
pub(super) fn changelog(directory: &Path, shape: Shape, events: u64) -> Result<Figures> {
    let changes = framing::changes(shape, events);
    let (database, log) = open(directory)?;
    let meter = Meter::start()?;
    if !changes.is_empty() {
        write(&database, &log, &changes, &mut 0)?;
    }
    let taken = Taken::since(&meter)?;
    ensure!(log.iter().count() == changes.len(), "not all is written");
    Ok(taken.rates(events))
}

/// Writes the offsets of one epoch: those of all partitions in one write.
pub(super) fn offsets(directory: &Path, shape: Shape, events: u64) -> Result<Figures> {
    let (database, log) = open(directory)?;
    let count = if events == 0 { 0 } else { shape.partitions };
    let meter = Meter::start()?;
    if count > 0 {
        let mut write = database.batch().durability(Some(PersistMode::Buffer));
        for partition in 0..count {
            // As long as the metadata of an offset is.
            write.insert(&log, prefix(partition), [b'm'; 64]);
        }
        write.commit()?;
    }
    let taken = Taken::since(&meter)?;
    ensure!(log.iter().count() == count as usize, "not all is written");
    Ok(taken.rates(events))
}

/// One write, an entry for each batch in it; `base` is the offset of the next.
fn write(database: &Database, log: &Keyspace, batches: &[Outgoing], base: &mut u64) -> Result<()> {
    let mut write = database.batch().durability(Some(PersistMode::Buffer));
    for outgoing in batches {
        let mut value = Vec::with_capacity(outgoing.batch.bytes() + 8 * outgoing.batch.len());
        framing::encode(&outgoing.batch, &mut value)?;
        write.insert(log, key(outgoing.partition.partition, *base), value);
        *base += outgoing.batch.len() as u64;
    }
    Ok(write.commit()?)
}

/// The settings are those of the log in a directory.
fn open(directory: &Path) -> Result<(Database, Keyspace)> {
    let database = Database::builder(directory.join("data"))
        .cache_size(16 * 1024 * 1024)
        .worker_threads(2)
        .journal_compression(CompressionType::None)
        .max_journaling_size(64 * 1024 * 1024)
        .open()?;
    let separate = KvSeparationOptions::default().compression(CompressionType::Lz4);
    let options = KeyspaceCreateOptions::default()
        .max_memtable_size(4 * 1024 * 1024)
        .with_kv_separation(Some(separate));
    let log = database.keyspace("log", || options)?;
    Ok((database, log))
}

/// As long as a chunk's key in the log: a letter, a topic's id, the partition, the offset.
fn key(partition: u32, base: u64) -> Vec<u8> {
    let mut key = prefix(partition);
    key.extend_from_slice(&base.to_be_bytes());
    key
}

/// What the keys of a partition begin with.
fn prefix(partition: u32) -> Vec<u8> {
    let mut key = vec![b'c'; 17];
    key.extend_from_slice(&partition.to_be_bytes());
    key
}
