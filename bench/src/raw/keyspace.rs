//! Appending to a keyspace of fjall, opened and written as the log in a directory does.

use std::path::Path;

use anyhow::Result;
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
    let mut base: u64 = 0;
    for outgoing in batches {
        let mut write = database.batch().durability(Some(PersistMode::Buffer));
        for outgoing in outgoing {
            let mut value = Vec::with_capacity(outgoing.batch.bytes() + 8 * outgoing.batch.len());
            framing::encode(&outgoing.batch, &mut value)?;
            write.insert(&log, key(outgoing.partition.partition, base), value);
            base += outgoing.batch.len() as u64;
        }
        write.commit()?;
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
    let mut key = vec![b'c'; 17];
    key.extend_from_slice(&partition.to_be_bytes());
    key.extend_from_slice(&base.to_be_bytes());
    key
}
