//! What can go wrong in a transport, told apart by what the caller does about it.

use crate::{Offset, TopicName, TopicPartition};

/// The failure of a call of a transport. Each variant says what the caller may assume and should do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nothing happened; the same call may succeed later.
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
    /// The call may have taken effect or not; find out before doing it again.
    #[error("unknown outcome: {0}")]
    OutcomeUnknown(String),
    /// The topic does not exist.
    #[error("topic {0} does not exist")]
    UnknownTopic(TopicName),
    /// The topic has no such partition.
    #[error("{0} does not exist")]
    UnknownPartition(TopicPartition),
    /// The topic exists already.
    #[error("topic {0} exists already")]
    TopicExists(TopicName),
    /// The position is not in the partition (any more).
    #[error("offset {offset} of {partition} is out of range: it holds {earliest} to {end}")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The position asked for.
        offset: Offset,
        /// The first position held.
        earliest: Offset,
        /// The position after the last record.
        end: Offset,
    },
    /// Another producer or member took this one's place; it can never be used again.
    #[error("fenced: {0}")]
    Fenced(String),
    /// The transaction was aborted, none of it will be seen; begin another.
    #[error("the transaction was aborted: {0}")]
    Aborted(String),
    /// The log refuses for lack of permission.
    #[error("not authorized: {0}")]
    Unauthorized(String),
    /// What was asked for makes no sense to the log, now and later.
    #[error("{0}")]
    Invalid(String),
    /// Stored bytes are damaged; the text says where and what to do.
    #[error("{0}")]
    Corrupt(String),
    /// There is no room left to store anything; nothing was stored.
    #[error("no space left: {0}")]
    Full(String),
    /// The transport was closed.
    #[error("the transport is closed")]
    Closed,
}

impl TransportError {
    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// A record that the log will never take, in a batch whose other records it may have taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The index of the [`Outgoing`](crate::Outgoing) in the call.
    pub outgoing: usize,
    /// The index of the record in that batch.
    pub record: usize,
    /// Why, such as "record of 2000000 bytes is larger than max.message.bytes".
    pub reason: String,
}
