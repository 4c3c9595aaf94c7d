//! Reading partitions.
//!
//! Contract: readers see records of committed transactions and of no transaction, in offset order,
//! never one of an open or aborted transaction. A read stops short of the first open transaction
//! (the *last stable offset*). Offsets may have holes: transaction markers, aborted records and
//! compaction take offsets that no record has. A reader's *position* passes such holes.
//!
//! It never knows who reads, nor how far somebody has processed.

use std::task::{Context, Poll};

use crate::{Batch, BoxFuture, Offset, TopicPartition, TransportError};

/// The reading side of a transport.
pub trait Log: Send + Sync {
    /// Opens a reader of `partition` whose first position is `from`.
    ///
    /// Dropping the reader ends the reading. Any number of readers may read one partition.
    ///
    /// # Errors
    ///
    /// [`TransportError::UnknownTopic`], [`UnknownPartition`](TransportError::UnknownPartition),
    /// or [`OffsetOutOfRange`](TransportError::OffsetOutOfRange); an implementation that learns
    /// these only later gives them from the reader.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a reader that nobody got is closed.
    fn read<'a>(
        &'a self,
        partition: &'a TopicPartition,
        from: Offset,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Box<dyn PartitionReader>, TransportError>>;
}

/// How a partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// The most that one fetch gives, in bytes of keys, values and headers; one record is always given.
    pub max_batch_bytes: usize,
}

impl Default for ReadOptions {
    /// Fetches of at most 256 KiB.
    fn default() -> Self {
        Self {
            max_batch_bytes: 256 * 1024,
        }
    }
}

impl ReadOptions {
    /// Fetches of at most `bytes`.
    #[must_use]
    pub fn max_batch_bytes(self, bytes: usize) -> Self {
        Self {
            max_batch_bytes: bytes,
            ..self
        }
    }
}

/// A reader of one partition, used by one thread at a time and without a call per record.
pub trait PartitionReader: Send {
    /// Gives what comes next: records, or none where the position passed a hole up to the end of
    /// what can be read. It is pending while there is neither, and wakes the task when that changes.
    ///
    /// # Errors
    ///
    /// [`TransportError::Unavailable`] may pass: the reader goes on where it was at the next call.
    /// [`OffsetOutOfRange`](TransportError::OffsetOutOfRange), [`UnknownTopic`](TransportError::UnknownTopic)
    /// (deleted meanwhile) and all others end it.
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fetched, TransportError>>;

    /// The position of the next fetch.
    fn position(&self) -> Offset;
}

/// What one fetch gave.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Records in order, perhaps none.
    pub batch: Batch,
    /// The position after them, holes included.
    pub position: Offset,
}
