//! Where a table's partition is kept besides its changelog, so that a start need not read all of it.
//!
//! Contract: one store holds one partition of one table as encoded keys and values, together with
//! the [`Checkpoint`] that says up to which changelog offset it was applied. Data and checkpoint
//! change in one step: after a crash a store shows exactly one of its applied batches' end states.
//! A store is never ahead of the log: it is written only after the log has acknowledged. All calls
//! block; they are made where blocking is allowed.
//!
//! It never knows whether it is still of use: recovery compares its checkpoint with the log.

use std::fmt;

use bytes::Bytes;

use crate::{Offset, Timestamp, TopicId};

/// A place that keeps stores: a directory, or memory.
pub trait StoreProvider: Send + Sync + fmt::Debug {
    /// Opens the store of partition `partition` of `table`, empty if there was none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it cannot be used: [`destroy`](Self::destroy) it and open it anew.
    fn open(&self, table: &str, partition: u32) -> Result<Box<dyn Store>, StoreError>;

    /// Removes the store with all its data. It must not be open.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    fn destroy(&self, table: &str, partition: u32) -> Result<(), StoreError>;
}

/// One partition of one table. Reads and writes may come from two threads.
pub trait Store: Send + Sync + fmt::Debug {
    /// How far the changelog was applied; `None` for a new store.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError>;

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Calls `visit` with every entry in key order until it returns `false`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError>;

    /// Applies all `changes` in order and the checkpoint in one atomic step.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing of it can be read. After the store was opened again, all of it may be
    /// there: a disk may take late what it had refused.
    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), StoreError>;

    /// Makes what was applied quick to open again; called before an orderly close.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn flush(&self) -> Result<(), StoreError>;
}

/// One write: a value, or `None` to remove the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The encoded key.
    pub key: Bytes,
    /// The encoded value.
    pub value: Option<Bytes>,
}

/// How far a store has got, written with its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The changelog's incarnation.
    pub changelog: TopicId,
    /// The next changelog offset to apply.
    pub offset: Offset,
    /// When it was written, by wall time: beyond `delete.retention.ms` tombstones may be missing.
    pub written: Timestamp,
    /// The greatest event time seen by the task.
    pub stream_time: Timestamp,
}

/// Why a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The stored data is damaged; it must be rebuilt from the changelog.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// There is no room left.
    #[error("no space left: {0}")]
    Full(String),
    /// Another process or an earlier instance still holds it.
    #[error("the store is in use: {0}")]
    Locked(String),
    /// Anything else the disk says.
    #[error("{0}")]
    Io(String),
}
