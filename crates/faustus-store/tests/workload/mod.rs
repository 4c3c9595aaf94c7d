//! A series of batches that is the same each time, so that a store can be compared with the exact
//! state after any of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use faustus_core::{
    Change, Checkpoint, Offset, Store, StoreError, StoreProvider, Timestamp, TopicId,
};
use faustus_store::{FjallOptions, FjallStores};

pub(crate) const TABLE: &str = "totals";

/// Memtables of 64 KiB, so that table files are written all the time.
pub(crate) fn open(dir: &Path) -> Result<FjallStores, StoreError> {
    let options = FjallOptions::default().write_buffer(64 << 10).partitions(1);
    FjallStores::open_with(dir, options)
}

/// The changes of batch `n` of a partition: counters written again and again, new keys, removals.
pub(crate) fn batch(partition: u32, n: i64) -> Vec<Change> {
    let mut random = Random::new((u64::from(partition) << 32) | u64::try_from(n).unwrap());
    (0..random.below(40))
        .map(|_| {
            let key = match random.below(3) {
                0 => format!("counter-{}", random.below(16)),
                1 => format!("key-{}", random.below(500)),
                _ => format!("new-{n}-{}", random.below(1_000)),
            };
            let value = (random.below(5) > 0).then(|| {
                let len = usize::try_from(random.below(120)).unwrap();
                Bytes::from(format!("{n} {}", "x".repeat(len)))
            });
            Change {
                key: Bytes::from(key),
                value,
            }
        })
        .collect()
}

/// The checkpoint after batch `n`.
pub(crate) fn checkpoint(n: i64) -> Checkpoint {
    Checkpoint {
        changelog: TopicId(1),
        offset: Offset(n),
        written: Timestamp(n),
        stream_time: Timestamp(n),
    }
}

/// Which batch `store` has reached; 0 for none.
pub(crate) fn reached(store: &dyn Store) -> Result<i64, StoreError> {
    Ok(store
        .checkpoint()?
        .map_or(0, |checkpoint| checkpoint.offset.0))
}

/// Applies batches up to `last`.
pub(crate) fn apply_up_to(store: &dyn Store, partition: u32, last: i64) -> Result<(), StoreError> {
    for n in reached(store)? + 1..=last {
        store.apply(&batch(partition, n), &checkpoint(n))?;
    }
    Ok(())
}

/// Fails unless the store is exactly as after the batch that its checkpoint names; gives that batch.
pub(crate) fn check_prefix(store: &dyn Store, partition: u32) -> Result<i64, StoreError> {
    let last = reached(store)?;
    let mut expected = BTreeMap::new();
    for n in 1..=last {
        for Change { key, value } in batch(partition, n) {
            match value {
                Some(value) => expected.insert(key, value),
                None => expected.remove(&key),
            };
        }
    }
    let mut found = BTreeMap::new();
    store.scan(&mut |key, value| {
        found.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        true
    })?;
    assert!(
        found == expected,
        "partition {partition} differs from its state after batch {last}"
    );
    Ok(last)
}

/// Opens the stores of `partitions` in `dir` and checks each; gives the batches they have reached.
pub(crate) fn check_all(dir: &Path, partitions: u32) -> Result<Vec<i64>, StoreError> {
    let stores = open(dir)?;
    (0..partitions)
        .map(|partition| check_prefix(&*stores.open(TABLE, partition)?, partition))
        .collect()
}

/// Two partitions with 150 batches each.
pub(crate) fn two_partitions() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let stores = open(dir.path()).unwrap();
    let open = [0, 1].map(|partition| stores.open(TABLE, partition).unwrap());
    for n in 1..=150 {
        for (partition, store) in (0..).zip(&open) {
            apply_up_to(&**store, partition, n).unwrap();
        }
    }
    dir
}

/// The journals in order of age.
pub(crate) fn journals(dir: &Path) -> Vec<PathBuf> {
    let mut journals: Vec<_> = fs::read_dir(dir.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    journals.sort_by_key(|path| {
        path.file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    });
    journals
}

pub(crate) fn newest_journal(dir: &Path) -> PathBuf {
    journals(dir).pop().unwrap()
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A generator of numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
