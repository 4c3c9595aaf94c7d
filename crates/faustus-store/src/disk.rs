//! Stores in a directory, on [fjall](https://docs.rs/fjall).
//!
//! Layout: `lock` (held while the directory is in use, names the process), `damaged` (why it must not
//! be used again), and `db`, one fjall database whose keyspaces are the partitions, each called
//! `table/partition`. A keyspace holds the checkpoint under the key `[0]` and every entry under
//! `[1]` and its key, so that one fjall batch covers both and no user key meets the checkpoint's.
//!
//! Contract: a batch that was applied survives the death of the process at once, and a loss of power
//! after [`flush`](faustus_core::Store::flush); after either a partition shows the exact end state of
//! one of its batches. Every handle holds the database open: the directory is free for another
//! process when the provider and all its stores are dropped. What fjall finds damaged, and a panic
//! inside it, becomes [`StoreError::Corrupt`].

mod directory;
mod error;
mod files;
mod journals;
mod store;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fmt,
    path::Path,
    sync::{Arc, OnceLock},
};

use ::fjall::{Database, KeyspaceCreateOptions, PersistMode};
use faustus_core::{Store, StoreError, StoreProvider};
use parking_lot::Mutex;

use self::{
    directory::{Directory, Lock},
    error::{Cause, guarded},
    journals::Journals,
    store::FjallStore,
};

const MIB: u64 = 1024 * 1024;

/// The limit of all journals together; fjall takes no less.
const JOURNAL_LIMIT: u64 = 64 * MIB;
const WORKER_THREADS: usize = 3;
/// fjall's limit.
const MAX_NAME_LEN: usize = 255;

/// How much memory [`FjallStores`] may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FjallOptions {
    /// Memory for writes that are not yet in table files, in bytes, over all partitions.
    ///
    /// Each partition gets an equal share, fixed when its store is made.
    pub write_buffer: u64,
    /// How many partitions share the write buffer: as many as this worker may come to hold.
    pub partitions: u32,
    /// Memory for blocks that were read, in bytes, over all partitions.
    pub cache: u64,
}

impl Default for FjallOptions {
    /// A write buffer of 64 MiB for 64 partitions and a cache of 32 MiB.
    fn default() -> Self {
        Self {
            write_buffer: 64 * MIB,
            partitions: 64,
            cache: 32 * MIB,
        }
    }
}

impl FjallOptions {
    /// A write buffer of `bytes`.
    #[must_use]
    pub fn write_buffer(self, bytes: u64) -> Self {
        Self {
            write_buffer: bytes,
            ..self
        }
    }

    /// The write buffer is for `count` partitions.
    #[must_use]
    pub fn partitions(self, count: u32) -> Self {
        Self {
            partitions: count,
            ..self
        }
    }

    /// A cache of `bytes`.
    #[must_use]
    pub fn cache(self, bytes: u64) -> Self {
        Self {
            cache: bytes,
            ..self
        }
    }

    /// When a partition's writes go into a table file.
    fn memtable_size(self) -> u64 {
        const LEAST: u64 = 16 * 1024;
        (self.write_buffer / u64::from(self.partitions.max(1))).max(LEAST)
    }
}

/// Stores in a directory that one process holds.
///
/// # Examples
///
/// ```
/// use faustus_core::{Change, Checkpoint, Offset, StoreProvider, Timestamp, TopicId};
/// use faustus_store::FjallStores;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let dir = directory.path();
/// let stores = FjallStores::open(dir)?;
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
/// drop((store, stores));
/// let stores = FjallStores::open(dir)?;
/// assert_eq!(stores.open("totals", 0)?.checkpoint()?, Some(checkpoint));
/// # Ok::<(), faustus_core::StoreError>(())
/// ```
pub struct FjallStores {
    shared: Arc<Shared>,
    /// When a new partition's writes go into a table file, in bytes.
    memtable_size: u64,
}

impl FjallStores {
    /// Opens the stores in `dir` with default [options](FjallOptions), making it if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if another process, or a handle of this one, has it open;
    /// [`StoreError::Corrupt`] if it cannot be read: [`remove`](Self::remove) it and rebuild;
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(dir, FjallOptions::default())
    }

    /// Opens the stores in `dir`, making it if it is not there.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(dir: impl AsRef<Path>, options: FjallOptions) -> Result<Self, StoreError> {
        let directory = Directory::new(dir.as_ref());
        let lock = directory.lock()?;
        directory.check_usable()?;
        let journals = Journals::inspect(&directory.database())
            .and_then(|journals| files::check(&directory.database()).map(|()| journals))
            .map_err(|cause| directory.unusable(cause))?;
        let db = guarded(|| {
            Database::builder(directory.database())
                .cache_size(options.cache)
                .worker_threads(WORKER_THREADS)
                .max_journaling_size(JOURNAL_LIMIT)
                .open()
        })
        .map_err(|cause| directory.unusable(cause))?;
        if let Err(damage) = journals.check() {
            drop(db);
            return Err(directory.condemn(&damage));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                db,
                in_use: Mutex::default(),
                failure: OnceLock::new(),
                directory,
                _lock: lock,
            }),
            memtable_size: options.memtable_size(),
        })
    }

    /// Removes all stores in `dir`, damaged or not; tables are then rebuilt from their changelogs.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] while it is open, [`StoreError::Io`].
    pub fn remove(dir: impl AsRef<Path>) -> Result<(), StoreError> {
        Directory::new(dir.as_ref()).remove()
    }
}

impl fmt::Debug for FjallStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStores")
            .field("directory", &self.shared.directory)
            .finish_non_exhaustive()
    }
}

impl StoreProvider for FjallStores {
    fn open(&self, table: &str, partition: u32) -> Result<Box<dyn Store>, StoreError> {
        let name = store_name(table, partition)?;
        let usage = Usage::begin(&self.shared, name)?;
        let keyspace = self.shared.guarded(|| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(self.memtable_size);
            self.shared.db.keyspace(&usage.name, options)
        })?;
        let store = FjallStore::new(keyspace, usage);
        store.check()?;
        Ok(Box::new(store))
    }

    fn destroy(&self, table: &str, partition: u32) -> Result<(), StoreError> {
        let name = store_name(table, partition)?;
        let usage = Usage::begin(&self.shared, name)?;
        self.shared.guarded(|| {
            let db = &self.shared.db;
            if !db.keyspace_exists(&usage.name) {
                return Ok(());
            }
            let keyspace = db.keyspace(&usage.name, KeyspaceCreateOptions::default)?;
            db.delete_keyspace(keyspace)
        })
    }
}

fn store_name(table: &str, partition: u32) -> Result<String, StoreError> {
    let name = format!("{table}/{partition}");
    if name.len() > MAX_NAME_LEN {
        return Err(StoreError::Io(format!(
            "the name of the store {name} has {} bytes, at most {MAX_NAME_LEN} are possible: give the table a shorter name",
            name.len()
        )));
    }
    Ok(name)
}

/// What the provider and all its stores hold together. Fields drop in order: the database closes
/// before the lock is free.
struct Shared {
    db: Database,
    /// The stores that are open or being destroyed.
    in_use: Mutex<BTreeSet<String>>,
    /// The failed write after which fjall takes no more.
    failure: OnceLock<StoreError>,
    directory: Directory,
    _lock: Lock,
}

impl Shared {
    /// Runs a call of fjall, and puts its failure or panic into our words.
    fn guarded<T>(&self, call: impl FnOnce() -> ::fjall::Result<T>) -> Result<T, StoreError> {
        guarded(call).map_err(|cause| self.translate(cause))
    }

    fn translate(&self, cause: Cause) -> StoreError {
        match cause {
            Cause::Poisoned => self.failure.get().cloned().unwrap_or_else(|| {
                self.directory.failed(
                    "writing in the background failed; free space or check the disk, then restart",
                )
            }),
            cause => self.directory.fault(cause),
        }
    }

    /// As [`guarded`](Self::guarded) for a write, whose failure stands for all later ones.
    fn guarded_write(&self, call: impl FnOnce() -> ::fjall::Result<()>) -> Result<(), StoreError> {
        self.guarded(call)
            .inspect_err(|failure| drop(self.failure.set(failure.clone())))
    }

    /// Makes everything that was applied survive a loss of power.
    fn sync(&self) -> Result<(), StoreError> {
        self.guarded_write(|| self.db.persist(PersistMode::SyncAll))
    }
}

/// The right to use one store, given to one handle at a time.
struct Usage {
    shared: Arc<Shared>,
    name: String,
}

impl Usage {
    fn begin(shared: &Arc<Shared>, name: String) -> Result<Self, StoreError> {
        if !shared.in_use.lock().insert(name.clone()) {
            return Err(StoreError::Locked(format!(
                "{name} is open already in this process; drop that store first"
            )));
        }
        Ok(Self {
            shared: Arc::clone(shared),
            name,
        })
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        self.shared.in_use.lock().remove(&self.name);
    }
}
