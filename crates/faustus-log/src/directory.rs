//! The log in a directory: the same broker, kept on disk in one process.
//!
//! What is acknowledged was written to the operating system and survives the end of the process,
//! however sudden; with [`fsync`](DirectoryOptions::fsync) it survives a power loss too, without it a
//! power loss may take the last operations but never a part of one. A transaction is written with
//! its records, markers and offsets in one step when it commits, and nothing of it before. Committed
//! offsets are durable; members of groups are not, as their processes end with the log.
//!
//! One thread writes for all callers, another cleans; reads of what is not in memory any more are
//! made by the caller.

mod bytes;
mod chunk;
mod disk;
mod format;
mod head;
mod keeper;
mod look;
mod recover;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use faustus_core::{
    Admin, BoxFuture, Clock, Coordinator, Log, Producer, TransactionalProducer, Transport,
    TransportError, TransportTraits,
};
use fjall::PersistMode;

use crate::{
    LogOptions,
    broker::{Broker, Queue},
    shell::{Core, Segments, Shared},
};
use disk::Disk;
pub use look::{DirectoryReader, StoredBatch, StoredPartition, StoredTopic};

/// The newest chunks of all partitions together are held in memory up to about so many bytes.
const HELD: usize = 16 * 1024 * 1024;

/// Settings of a log in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryOptions {
    /// Settings of all topics and groups.
    pub log: LogOptions,
    /// Whether a write is on the disk itself before it is acknowledged; default no.
    pub fsync: bool,
    /// Writes are refused while less than this is free, in bytes; default 64 MiB.
    pub reserve: u64,
    /// Whether to go on if records are missing that had been acknowledged; default no.
    pub accept_loss: bool,
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        Self {
            log: LogOptions::default(),
            fsync: false,
            reserve: 64 * 1024 * 1024,
            accept_loss: false,
        }
    }
}

impl DirectoryOptions {
    /// Sets what holds for all topics and groups.
    #[must_use]
    pub fn log(self, log: LogOptions) -> Self {
        Self { log, ..self }
    }

    /// Sets whether a write is on the disk itself before it is acknowledged: then it survives a
    /// power loss, at the cost of a disk's round trip that concurrent writes share.
    #[must_use]
    pub fn fsync(self, fsync: bool) -> Self {
        Self { fsync, ..self }
    }

    /// Sets how much room is kept free, in bytes: the log needs some to tidy up.
    #[must_use]
    pub fn reserve(self, bytes: u64) -> Self {
        Self {
            reserve: bytes,
            ..self
        }
    }

    /// Sets whether to go on if records are missing that had been acknowledged.
    #[must_use]
    pub fn accept_loss(self, accept: bool) -> Self {
        Self {
            accept_loss: accept,
            ..self
        }
    }
}

/// A log in a directory; clones are handles of the same log, and the last one closes it.
#[derive(Clone, Debug)]
pub struct DirectoryLog {
    path: PathBuf,
    shared: Arc<Shared>,
    #[cfg(test)]
    disk: std::sync::Weak<Disk>,
    chores: Arc<keeper::Chores>,
}

impl DirectoryLog {
    /// Opens the log in `path`, a new one if there is none. Blocks while it reads what was written
    /// last.
    ///
    /// # Errors
    ///
    /// - [`TransportError::Unavailable`]: another process has it open; the text names it.
    /// - [`TransportError::Corrupt`]: records are missing or damaged; the text says what to do.
    /// - [`TransportError::Invalid`]: a newer version wrote it.
    /// - [`TransportError::Full`], [`Unauthorized`](TransportError::Unauthorized): the disk says so.
    pub fn open(
        path: impl AsRef<Path>,
        clock: Arc<dyn Clock>,
        options: DirectoryOptions,
    ) -> Result<Self, TransportError> {
        let path = path.as_ref().to_owned();
        fs::create_dir_all(&path).map_err(|error| disk::io_error(&path, &error))?;
        let lock = head::Lock::take(&path)?;
        let head = head::Head::open(&path)?;
        let persist = if options.fsync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        let disk = Arc::new(Disk::open(&path, lock, head, persist, options.reserve)?);
        let mut broker = Broker::new(entropy(), options.log, Some(Queue::new(HELD)));
        recover::recover(&disk, &mut broker, options.fsync, options.accept_loss)?;
        #[cfg(test)]
        let weak = Arc::downgrade(&disk);
        let segments = Arc::clone(&disk) as Arc<dyn Segments>;
        let core = Arc::new(Core::new(clock, broker, Some(segments)));
        let chores = Arc::new(keeper::Chores::default());
        let closer = Closer {
            core: Arc::clone(&core),
            chores: Arc::clone(&chores),
            writer: Some(start("faustus-log-write", {
                let (core, disk) = (Arc::clone(&core), Arc::clone(&disk));
                move || writer::run(&core, &disk)
            })?),
            keeper: Some(start("faustus-log-clean", {
                let (core, chores) = (Arc::clone(&core), Arc::clone(&chores));
                move || keeper::run(&core, &disk, &chores)
            })?),
        };
        Ok(Self {
            path,
            #[cfg(test)]
            disk: weak,
            shared: Arc::new(Shared::of(core, closer)),
            chores,
        })
    }

    /// Deletes what is past its retention and compacts all that can be, now; the log does so by
    /// itself from time to time.
    ///
    /// # Errors
    ///
    /// Those of reading and writing.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the cleaning goes on.
    pub async fn clean(&self) -> Result<(), TransportError> {
        let done = self.chores.ask();
        done.await.unwrap_or(Err(TransportError::Closed))
    }
}

/// A seed that no other run has: topic ids tell a new topic from an old one of the same name.
fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn start(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, TransportError> {
    let thread = thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| TransportError::Unavailable(format!("no thread for the log: {error}")))
}

/// Ends the log's threads after what is queued was written.
struct Closer {
    core: Arc<Core>,
    chores: Arc<keeper::Chores>,
    writer: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.chores.end(&self.core);
        join(self.keeper.take());
        self.core.stop();
        join(self.writer.take());
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    // A waker may drop the last handle on one of the threads; that one ends by itself.
    if let Some(thread) = thread
        && thread.thread().id() != thread::current().id()
        && thread.join().is_err()
    {
        tracing::error!("a thread of the log panicked");
    }
}

impl Transport for DirectoryLog {
    fn traits(&self) -> TransportTraits {
        TransportTraits {
            name: format!("directory {}", self.path.display()),
            transaction_interval: Duration::ZERO,
            shared: false,
        }
    }

    fn log(&self) -> Arc<dyn Log> {
        self.shared.log()
    }

    fn admin(&self) -> Arc<dyn Admin> {
        self.shared.admin()
    }

    fn coordinator(&self, group: &str) -> Arc<dyn Coordinator> {
        self.shared.coordinator(group)
    }

    fn producer(&self) -> BoxFuture<'_, Result<Box<dyn Producer>, TransportError>> {
        Box::pin(async move { Ok(self.shared.producer()) })
    }

    fn transactional_producer<'a>(
        &'a self,
        transactional_id: &'a str,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalProducer>, TransportError>> {
        self.shared
            .transactional_producer(transactional_id, timeout)
    }
}
