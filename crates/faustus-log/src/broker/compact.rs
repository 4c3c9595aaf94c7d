//! Compaction of chunks: of each key only the last record stays, and a tombstone for a while.
//!
//! Two passes, as Kafka's cleaner: [`LastOffsets`] learns where each key of the new part was last
//! written; then a [`Compactor`] gets all chunks in order and gives back fewer and fuller ones. A
//! tombstone goes when `delete.retention.ms` have passed since the compaction that first met it, so
//! that whoever saw the value it removes has so long to see it too.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use faustus_core::{Batch, BatchBuilder, Offset, RecordRef, Timestamp};

use super::partition::Chunk;

/// Chunks are filled up to about so many bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// The offset of the last record of each key, by 128 bits of the key's hash.
#[derive(Debug, Default)]
pub(crate) struct LastOffsets {
    hashers: (RandomState, RandomState),
    offsets: HashMap<(u64, u64), Offset>,
}

impl LastOffsets {
    /// How many keys are known.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Learns the keys of `batch`, which is later in the log than all before.
    pub(crate) fn add(&mut self, batch: &Batch) {
        for record in batch.iter() {
            if let Some(key) = record.key() {
                let hash = self.hash(key);
                self.offsets.insert(hash, record.offset());
            }
        }
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key))
    }

    /// Whether a later record has the same key.
    fn supersede(&self, record: RecordRef<'_>) -> bool {
        let later = |key| self.offsets.get(&self.hash(key));
        record
            .key()
            .and_then(later)
            .is_some_and(|offset| *offset > record.offset())
    }
}

/// Takes chunks in order and gives what is left of them.
#[derive(Debug)]
pub(crate) struct Compactor<'a> {
    last: &'a LastOffsets,
    now: Timestamp,
    delete_retention: Duration,
    current: Option<Chunk>,
    records: BatchBuilder,
}

impl<'a> Compactor<'a> {
    pub(crate) fn new(last: &'a LastOffsets, now: Timestamp, delete_retention: Duration) -> Self {
        Self {
            last,
            now,
            delete_retention,
            current: None,
            records: BatchBuilder::new(),
        }
    }

    /// Takes the next chunk; gives one that is finished.
    pub(crate) fn add(&mut self, chunk: &Chunk) -> Option<Chunk> {
        let expired = chunk.horizon.is_some_and(|horizon| horizon <= self.now);
        let stays = |record: &RecordRef<'_>| {
            let removed = record.value().is_none() && expired;
            !removed && !self.last.supersede(*record)
        };
        let mut tombstones = false;
        let mut bytes = 0;
        for record in chunk.batch.iter().filter(stays) {
            tombstones |= record.value().is_none();
            bytes += record.bytes();
        }
        let horizon = tombstones.then(|| match chunk.horizon {
            Some(horizon) => horizon,
            None => self.now.after(self.delete_retention),
        });
        let fits = self.current.as_ref().is_none_or(|current| {
            let same = current.horizon.is_none() || horizon.is_none() || current.horizon == horizon;
            same && self.records.bytes() + bytes <= CHUNK_BYTES
        });
        let finished = if fits { None } else { self.finish() };
        let current = self
            .current
            .get_or_insert_with(|| Chunk::hole(chunk.base, chunk.next));
        current.next = chunk.next;
        current.horizon = current.horizon.or(horizon);
        for record in chunk.batch.iter().filter(stays) {
            current.latest = current.latest.max(record.timestamp());
            self.records.push_record(record);
        }
        finished
    }

    /// Gives the chunk that was being filled.
    pub(crate) fn finish(&mut self) -> Option<Chunk> {
        let current = self.current.take()?;
        let batch = std::mem::take(&mut self.records).build();
        Some(Chunk { batch, ..current })
    }
}

/// Arithmetic of wall time.
pub(crate) trait After {
    /// The moment `duration` later.
    fn after(self, duration: Duration) -> Self;
}

impl After for Timestamp {
    fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Duration = Duration::from_millis(100);

    fn chunk(base: i64, records: &[(&str, Option<&str>)]) -> Chunk {
        let mut builder = BatchBuilder::new();
        for (key, value) in records {
            let value = value.map(str::as_bytes);
            builder.push(Timestamp(base), Some(key.as_bytes()), value);
        }
        let batch = builder.build().at(Offset(base));
        Chunk {
            next: Offset(base + i64::try_from(records.len()).unwrap()),
            latest: Timestamp(base),
            batch,
            ..Chunk::hole(Offset(base), Offset(base))
        }
    }

    fn compact(chunks: &[Chunk], now: i64) -> Vec<Chunk> {
        let mut last = LastOffsets::default();
        chunks.iter().for_each(|chunk| last.add(&chunk.batch));
        let mut compactor = Compactor::new(&last, Timestamp(now), RETENTION);
        let mut out: Vec<_> = chunks.iter().filter_map(|c| compactor.add(c)).collect();
        out.extend(compactor.finish());
        out
    }

    fn keys(chunks: &[Chunk]) -> Vec<(i64, String)> {
        let records = chunks.iter().flat_map(|chunk| chunk.batch.iter());
        let key = |r: RecordRef<'_>| String::from_utf8_lossy(r.key().unwrap()).into_owned();
        records.map(|r| (r.offset().0, key(r))).collect()
    }

    #[test]
    fn the_last_record_of_each_key_stays_at_its_offset() {
        let chunks = [
            chunk(0, &[("a", Some("1")), ("b", Some("1"))]),
            chunk(2, &[("a", Some("2")), ("c", Some("1"))]),
        ];
        let out = compact(&chunks, 0);
        assert_eq!(
            keys(&out),
            [(1, "b".into()), (2, "a".into()), (3, "c".into())]
        );
        assert_eq!((out.len(), out[0].base.0, out[0].next.0), (1, 0, 4));
    }

    #[test]
    fn a_tombstone_stays_for_its_retention_after_the_first_compaction() {
        let chunks = [chunk(0, &[("a", Some("1")), ("a", None)])];
        let first = compact(&chunks, 1_000);
        assert_eq!(keys(&first), [(1, "a".into())]);
        assert_eq!(keys(&compact(&first, 1_099)).len(), 1);
        let gone = compact(&first, 1_100);
        assert_eq!(keys(&gone).len(), 0);
        assert_eq!((gone[0].base.0, gone[0].next.0), (0, 2));
    }

    #[test]
    fn newer_tombstones_do_not_prolong_older_ones() {
        let old = compact(&[chunk(0, &[("a", None)])], 1_000);
        let chunks = [old[0].clone(), chunk(1, &[("b", None)])];
        let out = compact(&chunks, 1_050);
        let horizons: Vec<_> = out.iter().map(|c| c.horizon.unwrap().0).collect();
        assert_eq!(horizons, [1_100, 1_150]);
    }

    #[test]
    fn full_chunks_are_not_made_larger() {
        let value = "v".repeat(CHUNK_BYTES / 2 + 1);
        let chunks = [
            chunk(0, &[("a", Some(&value))]),
            chunk(1, &[("b", Some(&value))]),
        ];
        assert_eq!(compact(&chunks, 0).len(), 2);
    }
}
