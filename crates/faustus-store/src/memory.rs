//! Stores in memory, for tests and for applications that keep nothing on a disk.
//!
//! Contract: the provider owns the data, so a test that keeps it finds every applied batch again
//! after its workers are gone, as on a disk. [`MemoryStores::after_crash`] is the restart of the
//! process: handles of before can do nothing any more. Faults are injected at the provider.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use faustus_core::{Change, Checkpoint, Store, StoreError, StoreProvider};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

/// Stores in maps in memory.
///
/// # Examples
///
/// ```
/// use faustus_core::{Change, Checkpoint, Offset, StoreProvider, Timestamp, TopicId};
/// use faustus_store::MemoryStores;
///
/// let stores = MemoryStores::new();
/// let store = stores.open("totals", 0)?;
/// let change = Change { key: "a".into(), value: Some("1".into()) };
/// let checkpoint = Checkpoint {
///     changelog: TopicId(1),
///     offset: Offset(1),
///     written: Timestamp(0),
///     stream_time: Timestamp(0),
/// };
/// store.apply(&[change], &checkpoint)?;
///
/// let stores = stores.after_crash();
/// assert_eq!(stores.open("totals", 0)?.get(b"a")?.as_deref(), Some(&b"1"[..]));
/// # Ok::<(), faustus_core::StoreError>(())
/// ```
pub struct MemoryStores {
    disk: Arc<Disk>,
    /// Which process of the disk's history this provider stands for.
    process: u64,
}

impl MemoryStores {
    /// An empty place for stores.
    #[must_use]
    pub fn new() -> Self {
        Self {
            disk: Arc::default(),
            process: 0,
        }
    }

    /// What the next process finds after this one was killed: the same data, none of it in use.
    ///
    /// This provider and every store opened from it are cut off; their calls give
    /// [`StoreError::Locked`].
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let partitions = self.disk.partitions.lock();
        let process = self.disk.process.fetch_add(1, Ordering::Relaxed) + 1;
        for partition in partitions.values() {
            partition.write().holder = None;
        }
        Self {
            disk: Arc::clone(&self.disk),
            process,
        }
    }

    /// Makes writes fail with [`StoreError::Full`] until it is called with `false`; reads go on.
    pub fn set_full(&self, full: bool) {
        self.disk.full.store(full, Ordering::Relaxed);
    }

    /// Damages the store of `partition` of `table`, open or not: every call for it gives
    /// [`StoreError::Corrupt`] until it is [destroyed](StoreProvider::destroy).
    pub fn damage(&self, table: &str, partition: u32) {
        let mut partitions = self.disk.partitions.lock();
        let stored = partitions.entry((table.to_owned(), partition)).or_default();
        stored.write().damaged = true;
    }

    /// Fails once another process has taken over.
    fn check_alive(&self) -> Result<(), StoreError> {
        if self.disk.process.load(Ordering::Relaxed) == self.process {
            Ok(())
        } else {
            Err(cut_off())
        }
    }
}

impl Default for MemoryStores {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partitions = self.disk.partitions.lock();
        f.debug_struct("MemoryStores")
            .field("partitions", &partitions.len())
            .finish_non_exhaustive()
    }
}

impl StoreProvider for MemoryStores {
    fn open(&self, table: &str, partition: u32) -> Result<Box<dyn Store>, StoreError> {
        let mut partitions = self.disk.partitions.lock();
        self.check_alive()?;
        let name = format!("{table}/{partition}");
        let stored = partitions.entry((table.to_owned(), partition)).or_default();
        let handle = self.disk.handles.fetch_add(1, Ordering::Relaxed);
        let mut contents = stored.write();
        contents.check_sound(&name)?;
        if contents.holder.is_some() {
            return Err(StoreError::Locked(format!(
                "{name} is open already; drop it first"
            )));
        }
        contents.holder = Some(handle);
        drop(contents);
        Ok(Box::new(MemoryStore {
            name,
            partition: Arc::clone(stored),
            disk: Arc::clone(&self.disk),
            handle,
        }))
    }

    fn destroy(&self, table: &str, partition: u32) -> Result<(), StoreError> {
        let mut partitions = self.disk.partitions.lock();
        self.check_alive()?;
        let key = (table.to_owned(), partition);
        if partitions
            .get(&key)
            .is_some_and(|stored| stored.read().holder.is_some())
        {
            return Err(StoreError::Locked(format!(
                "{table}/{partition} is open; drop it before it is destroyed"
            )));
        }
        partitions.remove(&key);
        Ok(())
    }
}

/// What outlives processes: the data, and how the disk behaves.
#[derive(Default)]
struct Disk {
    partitions: Mutex<Partitions>,
    full: AtomicBool,
    /// The present process; earlier ones are dead.
    process: AtomicU64,
    /// The next handle's number.
    handles: AtomicU64,
}

/// By table and partition number.
type Partitions = BTreeMap<(String, u32), Arc<RwLock<Partition>>>;

/// One partition's data, under one lock so that a batch and its checkpoint appear at once.
#[derive(Default)]
struct Partition {
    entries: BTreeMap<Bytes, Bytes>,
    checkpoint: Option<Checkpoint>,
    damaged: bool,
    /// The handle that may use it.
    holder: Option<u64>,
}

impl Partition {
    fn check_sound(&self, name: &str) -> Result<(), StoreError> {
        if self.damaged {
            return Err(StoreError::Corrupt(format!("{name}: damaged by the test")));
        }
        Ok(())
    }
}

/// One open partition.
struct MemoryStore {
    name: String,
    partition: Arc<RwLock<Partition>>,
    disk: Arc<Disk>,
    handle: u64,
}

impl MemoryStore {
    /// The partition if this handle may still use it.
    fn check(&self, partition: &Partition) -> Result<(), StoreError> {
        if partition.holder != Some(self.handle) {
            return Err(cut_off());
        }
        partition.check_sound(&self.name)
    }

    /// Reading recursively lets a scan's visitor read while a writer waits.
    fn read(&self) -> Result<RwLockReadGuard<'_, Partition>, StoreError> {
        let partition = self.partition.read_recursive();
        self.check(&partition)?;
        Ok(partition)
    }

    fn check_room(&self) -> Result<(), StoreError> {
        if self.disk.full.load(Ordering::Relaxed) {
            return Err(StoreError::Full(format!(
                "{}: the test's disk is full",
                self.name
            )));
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.read()?.checkpoint)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.read()?.entries.get(key).cloned())
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let partition = self.read()?;
        let mut entries = partition.entries.iter();
        while entries.next().is_some_and(|(key, value)| visit(key, value)) {}
        Ok(())
    }

    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let mut partition = self.partition.write();
        self.check(&partition)?;
        self.check_room()?;
        for Change { key, value } in changes {
            match value {
                Some(value) => partition.entries.insert(key.clone(), value.clone()),
                None => partition.entries.remove(key),
            };
        }
        partition.checkpoint = Some(*checkpoint);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        drop(self.read()?);
        self.check_room()
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        let mut partition = self.partition.write();
        if partition.holder == Some(self.handle) {
            partition.holder = None;
        }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn cut_off() -> StoreError {
    StoreError::Locked("another process took over after a crash".to_owned())
}

#[cfg(test)]
mod tests {
    use faustus_core::{Offset, Timestamp, TopicId};

    use super::*;

    const CHECKPOINT: Checkpoint = Checkpoint {
        changelog: TopicId(1),
        offset: Offset(1),
        written: Timestamp(0),
        stream_time: Timestamp(0),
    };

    #[test]
    fn a_full_disk_refuses_writes_and_applies_nothing() {
        let stores = MemoryStores::new();
        let store = stores.open("t", 0).unwrap();
        stores.set_full(true);
        let change = Change {
            key: "a".into(),
            value: Some("1".into()),
        };
        let refused = store.apply(std::slice::from_ref(&change), &CHECKPOINT);
        assert!(matches!(refused, Err(StoreError::Full(_))));
        assert!(matches!(store.flush(), Err(StoreError::Full(_))));
        assert_eq!(store.get(b"a").unwrap(), None);
        stores.set_full(false);
        store.apply(&[change], &CHECKPOINT).unwrap();
    }

    #[test]
    fn a_damaged_store_is_refused_until_it_is_destroyed() {
        let stores = MemoryStores::new();
        let store = stores.open("t", 0).unwrap();
        stores.damage("t", 0);
        assert!(matches!(store.get(b"a"), Err(StoreError::Corrupt(_))));
        assert!(matches!(
            store.apply(&[], &CHECKPOINT),
            Err(StoreError::Corrupt(_))
        ));
        drop(store);
        assert!(matches!(stores.open("t", 0), Err(StoreError::Corrupt(_))));
        stores.destroy("t", 0).unwrap();
        assert_eq!(stores.open("t", 0).unwrap().checkpoint().unwrap(), None);
    }

    #[test]
    fn damage_stays_with_one_store() {
        let stores = MemoryStores::new();
        stores.damage("t", 0);
        assert!(stores.open("t", 1).is_ok());
    }

    #[test]
    fn a_crash_cuts_off_the_handles_of_before() {
        let before = MemoryStores::new();
        let store = before.open("t", 0).unwrap();
        let after = before.after_crash();
        let successor = after.open("t", 0).unwrap();
        assert!(matches!(
            store.apply(&[], &CHECKPOINT),
            Err(StoreError::Locked(_))
        ));
        assert!(matches!(before.open("t", 1), Err(StoreError::Locked(_))));
        assert!(matches!(before.destroy("t", 1), Err(StoreError::Locked(_))));
        drop(store);
        successor.apply(&[], &CHECKPOINT).unwrap();
        assert!(matches!(after.open("t", 0), Err(StoreError::Locked(_))));
    }
}
