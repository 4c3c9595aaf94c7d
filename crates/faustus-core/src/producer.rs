//! Writing records, alone or in transactions.
//!
//! Contract: the records of one call and of consecutive calls of one producer keep their order per
//! partition. A record is stored at most once, whatever the producer does to deliver it
//! (idempotence). A call completes when every record was stored or refused.
//!
//! It never knows what its records mean, nor whether their offsets are right: it stores what it is
//! given, and the coordinator alone checks for whom.

use crate::{
    Batch, BoxFuture, GroupIdentity, Offset, OffsetCommit, Refusal, TopicPartition, TransportError,
};

/// Records to be stored in one partition.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where they go.
    pub partition: TopicPartition,
    /// The records; their offsets are ignored.
    pub batch: Batch,
}

/// Where records went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// For each [`Outgoing`] in order, the position after its last record as far as it is known.
    pub ends: Vec<Offset>,
}

/// Why a publish failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The log will never take these records; it took all others of the call. Inside a transaction it
    /// took none, and that must be aborted.
    #[error("the log refused {} record(s), the first because {}", .0.len(), .0.first().map_or("", |r| r.reason.as_str()))]
    Refused(Vec<Refusal>),
    /// The call failed as a whole.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A producer of records that are visible as soon as they are stored.
pub trait Producer: Send {
    /// Stores `outgoing`.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. After [`TransportError::OutcomeUnknown`] some records may be stored.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>>;
}

/// A producer whose records become visible all at once, together with offsets, or never.
///
/// There is one live producer per transactional id: making another one ends the transaction of its
/// predecessor (aborted) and fences it. A transaction that nobody ends is aborted by the log after
/// its timeout; until then readers stop below its first record.
pub trait TransactionalProducer: Producer {
    /// Begins a transaction; every publish from now on belongs to it.
    ///
    /// # Errors
    ///
    /// [`TransportError::Invalid`] if one is open already; [`Fenced`](TransportError::Fenced).
    fn begin(&mut self) -> BoxFuture<'_, Result<(), TransportError>>;

    /// Stores `offsets` for the group and makes everything in the transaction visible. Readers and
    /// the group may come to see it a moment after this call.
    ///
    /// # Errors
    ///
    /// - [`TransportError::Aborted`]: none of it will be seen. Also when the group's generation or
    ///   member is not the current one; then the text says so.
    /// - [`TransportError::Unauthorized`]: none of it will be seen; a permission for the group or
    ///   for the topic of an offset lacks.
    /// - [`TransportError::Fenced`]: none of it will be seen, and this producer is at its end.
    /// - [`TransportError::OutcomeUnknown`]: the committed offsets, fetched with
    ///   `require_stable`, tell which. This producer must be made anew.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    fn commit<'a>(
        &'a mut self,
        group: &'a GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Ends the transaction so that none of it is ever seen; does nothing if none is open.
    ///
    /// # Errors
    ///
    /// [`TransportError::Fenced`], [`Unavailable`](TransportError::Unavailable): then the log ends
    /// it after the timeout, or the next producer of this id does.
    fn abort(&mut self) -> BoxFuture<'_, Result<(), TransportError>>;
}

impl OffsetCommit {
    /// The commit of `offset` for `partition` without metadata.
    #[must_use]
    pub fn new(partition: TopicPartition, offset: Offset) -> Self {
        Self {
            partition,
            offset,
            metadata: String::new(),
        }
    }
}
