//! The database under a log directory: writing operations, reading chunks.
//!
//! All that touches fjall is here, so that record batches can move to files of their own without a
//! change elsewhere.

use std::{
    io::{self, ErrorKind},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use faustus_core::{Offset, TopicId, TransportError};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode,
    UserValue,
};
use parking_lot::Mutex;

use super::{
    chunk,
    format::{self, CHUNK, COUNT},
    head::{Head, Lock},
};
use crate::{
    broker::{Piece, Write, partition::Chunk},
    shell::Segments,
};

/// Fjall's own limits; its defaults are for databases that have a machine for themselves. A memtable
/// becomes a file and costs an `fsync` while writers wait: smaller ones are many of both.
const MEMTABLE_BYTES: u64 = 4 * 1024 * 1024;
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// An open database.
pub(super) struct Disk {
    path: PathBuf,
    database: Database,
    log: Keyspace,
    state: Mutex<State>,
    persist: PersistMode,
    /// How many bytes at the end of the journal made no whole write when it was opened.
    pub(super) torn: Option<u64>,
    /// Nothing is written while less than this is free, in bytes.
    pub(super) reserve: AtomicU64,
    /// Let go of when the database is closed.
    _lock: Lock,
}

struct State {
    head: Head,
    /// Operations written.
    count: u64,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Disk {
    /// Opens the database in `directory`.
    pub(super) fn open(
        directory: &Path,
        lock: Lock,
        head: Head,
        persist: PersistMode,
        reserve: u64,
    ) -> Result<Self, TransportError> {
        let path = directory.join("data");
        let journal = Journal::look(&path);
        let builder = Database::builder(&path)
            .cache_size(CACHE_BYTES)
            // The first spins while the other compacts, which costs a tenth of the CPU time. But one
            // alone blocks for good when more than 1,000 writes come while it compacts (fjall 3.1): it
            // then waits for room in a queue that it alone empties, and nothing is flushed any more.
            .worker_threads(2)
            // The journal is short, what is kept is compressed.
            .journal_compression(CompressionType::None)
            .max_journaling_size(JOURNAL_BYTES);
        // Fjall panics at some kinds of damage.
        let database = panic::catch_unwind(AssertUnwindSafe(|| builder.open()));
        let database = database.unwrap_or(Err(fjall::Error::Unrecoverable));
        let database = database.map_err(|error| open_error(&path, &error))?;
        let log = database.keyspace("log", keyspace_options);
        let log = log.map_err(|error| open_error(&path, &error))?;
        let torn = journal.and_then(|journal| journal.dropped());
        let count = match log.get(COUNT).map_err(|e| open_error(&path, &e))? {
            None => 0,
            Some(value) => value
                .as_ref()
                .try_into()
                .map(u64::from_le_bytes)
                .map_err(|_| {
                    TransportError::Corrupt(format!("the count in {} is damaged", path.display()))
                })?,
        };
        Ok(Self {
            path,
            database,
            log,
            state: Mutex::new(State { head, count }),
            persist,
            torn,
            reserve: AtomicU64::new(reserve),
            _lock: lock,
        })
    }

    /// How many operations were written before the directory was opened: as its database says, as
    /// its head says, and whether the machine has run on since.
    pub(super) fn counts(&self) -> (u64, u64, bool) {
        let state = self.state.lock();
        (state.count, state.head.count, state.head.same_run)
    }

    /// Takes what there is for all that there was.
    pub(super) fn accept_loss(&self) -> Result<(), TransportError> {
        let mut state = self.state.lock();
        let count = state.count;
        let head = state.head.advance(count);
        head.map_err(|error| io_error(&self.path, &error))
    }

    /// Makes `writes` in one step.
    pub(super) fn write(&self, writes: &[Write]) -> Result<(), TransportError> {
        let mut state = self.state.lock();
        let mut batch = self.database.batch().durability(Some(self.persist));
        let count = state.count + 1;
        batch.insert(&self.log, COUNT, count.to_le_bytes());
        let mut bytes = 0;
        for write in writes {
            match encode(write) {
                (key, Some(value)) => {
                    bytes += key.len() + value.len();
                    batch.insert(&self.log, key, value);
                }
                (key, None) => batch.remove(&self.log, key),
            }
        }
        self.check_room(bytes as u64)?;
        batch.commit().map_err(|error| self.write_error(&error))?;
        state.count = count;
        let head = state.head.advance(count);
        head.map_err(|error| self.write_error(&error.into()))
    }

    /// Refuses while there is so little room that fjall might run out of it in the middle of a write,
    /// after which it takes no more until it is opened again.
    fn check_room(&self, bytes: u64) -> Result<(), TransportError> {
        let free = fs4::available_space(&self.path).map_err(|e| io_error(&self.path, &e))?;
        let reserve = self.reserve.load(Ordering::Relaxed);
        if free >= reserve.saturating_add(bytes) {
            return Ok(());
        }
        Err(TransportError::Full(format!(
            "{free} bytes are free at {} and {reserve} are kept in reserve: make room",
            self.path.display()
        )))
    }

    /// All entries whose key begins with `prefix`.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, UserValue), TransportError>> + '_ {
        self.log.prefix(prefix).map(|guard| {
            let (key, value) = guard.into_inner().map_err(|error| self.error(&error))?;
            Ok((key.to_vec(), value))
        })
    }

    /// The first key at or after `from`.
    pub(super) fn first_key(&self, from: &[u8]) -> Result<Option<Vec<u8>>, TransportError> {
        let mut keys = self.log.range(from..);
        let key = keys.next().map(|guard| guard.key());
        let key = key.transpose().map_err(|error| self.error(&error))?;
        Ok(key.map(|key| key.to_vec()))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<UserValue>, TransportError> {
        self.log.get(key).map_err(|error| self.error(&error))
    }

    /// The stored chunks of a partition that reach beyond `from`, in order: key's base and bytes.
    pub(super) fn chunks(
        &self,
        topic: TopicId,
        partition: u32,
        from: Offset,
    ) -> impl Iterator<Item = Result<(Offset, UserValue), TransportError>> + '_ {
        let key = |base| format::chunk_key(topic, partition, base);
        let (first, at, last) = (key(Offset::ZERO), key(from), key(Offset(i64::MAX)));
        let before = self.log.range(first..at.clone()).next_back();
        let after = self.log.range(at..=last);
        before.into_iter().chain(after).map(|guard| {
            let (key, value) = guard.into_inner().map_err(|error| self.error(&error))?;
            let base = format::base_of(&key).ok_or_else(|| self.damaged(&key))?;
            Ok((base, value))
        })
    }

    /// The chunks as above, with their records.
    pub(super) fn decoded(
        &self,
        topic: TopicId,
        partition: u32,
        from: Offset,
    ) -> impl Iterator<Item = Result<Chunk, TransportError>> + '_ {
        let chunks = self.chunks(topic, partition, from).map(move |entry| {
            let (base, bytes) = entry?;
            let damaged = || self.damaged(&format::chunk_key(topic, partition, base));
            chunk::decode(base, &bytes).ok_or_else(damaged)
        });
        chunks.filter(move |chunk| !matches!(chunk, Ok(chunk) if chunk.next <= from))
    }

    /// The last chunk of a partition: base and bytes.
    pub(super) fn last_chunk(
        &self,
        topic: TopicId,
        partition: u32,
    ) -> Result<Option<(Offset, UserValue)>, TransportError> {
        let mut chunks = self.chunks(topic, partition, Offset(i64::MAX));
        chunks.next().transpose()
    }

    /// What to say of damaged bytes at `key`.
    pub(super) fn damaged(&self, key: &[u8]) -> TransportError {
        let what = match (key.first(), format::topic_of(key), format::base_of(key)) {
            (Some(&CHUNK), Some(topic), Some(base)) => {
                format!("the records from offset {base} on of topic id {topic}")
            }
            _ => format!("the entry {key:02x?}"),
        };
        let path = self.path.display();
        TransportError::Corrupt(format!(
            "{what} in {path} are damaged: restore the directory from a copy, or delete the topic"
        ))
    }

    /// What a failed write means: it may be found again when the log is opened.
    fn write_error(&self, error: &fjall::Error) -> TransportError {
        match self.error(error) {
            known @ (TransportError::Full(_) | TransportError::Unauthorized(_)) => known,
            earlier if matches!(error, fjall::Error::Poisoned) => earlier,
            other => TransportError::OutcomeUnknown(format!("{other}: open the log again")),
        }
    }

    fn error(&self, error: &fjall::Error) -> TransportError {
        match error {
            fjall::Error::Io(error) => io_error(&self.path, error),
            fjall::Error::Poisoned => TransportError::Unavailable(format!(
                "an earlier write to {} failed: open the log again",
                self.path.display()
            )),
            other => open_error(&self.path, other),
        }
    }
}

impl Segments for Disk {
    fn pieces(
        &self,
        topic: TopicId,
        partition: u32,
        from: Offset,
    ) -> Box<dyn Iterator<Item = Result<Piece, TransportError>> + '_> {
        let chunks = self.decoded(topic, partition, from);
        Box::new(chunks.map(|chunk| {
            let Chunk {
                base, next, batch, ..
            } = chunk?;
            Ok(Piece { base, next, batch })
        }))
    }
}

/// What a new directory gets; an old one keeps what it got.
fn keyspace_options() -> KeyspaceCreateOptions {
    // Chunks lie in files of their own, so that a compaction moves their places and not the chunks.
    let chunks = KvSeparationOptions::default().compression(CompressionType::Lz4);
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .with_kv_separation(Some(chunks))
}

/// The key of a write and its value; `None` removes it.
fn encode(write: &Write) -> (Vec<u8>, Option<Vec<u8>>) {
    match write {
        Write::Topic {
            name,
            id,
            partitions,
            settings,
        } => {
            let value = format::topic_value(name, *partitions, settings);
            (format::topic_key(*id), Some(value))
        }
        Write::RemoveTopic { id } => (format::topic_key(*id), None),
        Write::Chunk {
            topic,
            partition,
            chunk,
        } => {
            let key = format::chunk_key(*topic, *partition, chunk.base);
            (key, Some(chunk::encode(chunk)))
        }
        Write::RemoveChunk {
            topic,
            partition,
            base,
        } => (format::chunk_key(*topic, *partition, *base), None),
        Write::Start {
            topic,
            partition,
            start,
        } => {
            let value = start.0.to_le_bytes().to_vec();
            (format::start_key(*topic, *partition), Some(value))
        }
        Write::RemoveStart { topic, partition } => (format::start_key(*topic, *partition), None),
        Write::Offset { group, commit } => {
            let key = format::commit_key(group, &commit.partition);
            (key, Some(format::commit_value(commit)))
        }
        Write::RemoveOffset { group, partition } => (format::commit_key(group, partition), None),
    }
}

/// What an error of the file system means.
pub(super) fn io_error(path: &Path, error: &io::Error) -> TransportError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => TransportError::Full(text),
        ErrorKind::PermissionDenied => TransportError::Unauthorized(text),
        _ => TransportError::Unavailable(text),
    }
}

/// What an error of fjall means.
fn open_error(path: &Path, error: &fjall::Error) -> TransportError {
    let path_text = path.display();
    match error {
        fjall::Error::Io(error) => io_error(path, error),
        fjall::Error::Locked => TransportError::Unavailable(format!(
            "another process has {path_text} open: stop it, or use another directory"
        )),
        fjall::Error::InvalidVersion(version) => TransportError::Invalid(format!(
            "{path_text} was written by another version of its database ({version:?}): open it with that"
        )),
        other => TransportError::Corrupt(format!(
            "{path_text} is damaged ({other}): restore the directory from a copy"
        )),
    }
}

/// The newest journal file and where its bytes ended before fjall opened it.
struct Journal {
    path: PathBuf,
    end: u64,
}

impl Journal {
    fn look(database: &Path) -> Option<Self> {
        let files = std::fs::read_dir(database).ok()?.flatten();
        let number = |path: &Path| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let journals = files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
        let path = journals.max_by_key(|path| number(path))?;
        let end = end_of_bytes(&path).ok()?;
        Some(Self { path, end })
    }

    /// How many bytes fjall cut off.
    fn dropped(&self) -> Option<u64> {
        let left = std::fs::metadata(&self.path).ok()?.len();
        self.end.checked_sub(left).filter(|dropped| *dropped > 0)
    }
}

/// The position after the last byte that is not zero: new journals are zeros up to their size.
fn end_of_bytes(path: &Path) -> io::Result<u64> {
    use std::io::{Read, Seek, SeekFrom};
    const BLOCK: u64 = 256 * 1024;
    let mut file = std::fs::File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        (&mut file).take(end - start).read_to_end(&mut block)?;
        if let Some(last) = block.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use faustus_core::{OffsetCommit, TopicPartition};

    use super::*;

    #[test]
    fn many_small_writes_leave_memory_for_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let lock = Lock::take(path).unwrap();
        let disk = Disk::open(
            path,
            lock,
            Head::open(path).unwrap(),
            PersistMode::Buffer,
            0,
        )
        .unwrap();
        // Some memtables, each of many more writes than fjall has room for requests.
        for number in 0..60_000 {
            let mut commit = OffsetCommit::new(TopicPartition::new("topic", number), Offset::ZERO);
            commit.metadata = "x".repeat(1000);
            let group = "group".into();
            disk.write(&[Write::Offset { group, commit }]).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while disk.database.write_buffer_size() > MEMTABLE_BYTES {
            assert!(Instant::now() < deadline, "nothing is flushed any more");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
