//! An epoch on its way to the log: what it holds, and how it ended.
//!
//! It is a prefix of the delivery order of each of its tasks: the effects of the events that retired,
//! all and no others, and the positions after exactly those. Once cut it does not change, so it can
//! be stored again from its start. It never knows what is in flight, nor what retires after its cut.

use std::{fmt, sync::Arc};

use faustus_core::{
    Checkpoint, Offset, OffsetCommit, Outgoing, Refusal, Store, Timestamp, TopicId, TopicPartition,
    TransportError,
};

use crate::membership::TaskId;

/// A prefix of what a thread's tasks did since the last epoch, ready to be stored.
///
/// Without `offsets` it is a mere publication: the at-least-once guarantee lets sends leave before
/// the epoch that covers them.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// Tells this epoch from all others of all workers.
    pub(crate) id: EpochId,
    pub(crate) outgoing: Vec<Outgoing>,
    /// Replies to who asked. Their topics may be gone: none of them keeps the epoch from being stored.
    pub(crate) replies: Vec<Outgoing>,
    pub(crate) offsets: Vec<OffsetCommit>,
    pub(crate) stores: Vec<StoreWrite>,
    /// The tasks whose offsets it holds, with the assignments they were started for.
    pub(crate) tasks: Vec<(TaskId, u64)>,
    /// Records of repartition topics that nobody needs once this epoch is stored.
    pub(crate) purge: Vec<(TopicPartition, Offset)>,
}

impl Epoch {
    /// Whether it holds no records.
    pub(crate) fn is_silent(&self) -> bool {
        self.outgoing.is_empty() && self.replies.is_empty()
    }

    /// All its records, replies last.
    pub(crate) fn records(&self) -> Vec<Outgoing> {
        self.outgoing.iter().chain(&self.replies).cloned().collect()
    }

    /// Whether this error is about the topic of a reply alone.
    pub(crate) fn is_of_reply(&self, error: &TransportError) -> bool {
        let topic = match error {
            TransportError::UnknownTopic(topic) => topic,
            TransportError::UnknownPartition(partition) => &partition.topic,
            _ => return false,
        };
        let mut replies = self.replies.iter();
        replies.any(|reply| reply.partition.topic == *topic)
    }
}

/// The changes of a table that go to its store once the log has them.
#[derive(Debug)]
pub(crate) struct StoreWrite {
    pub(crate) store: Arc<dyn Store>,
    /// Which of the outgoing batches holds them.
    pub(crate) outgoing: usize,
    /// The checkpoint but for its offset, which the log tells.
    pub(crate) checkpoint: Checkpoint,
}

/// How an epoch ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All of it is stored.
    Committed,
    /// None of it counts; these records of it are refused for ever.
    Refused(Vec<Refusal>),
    /// None of it counts.
    Failed(String),
    /// None of it counts, for want of a permission that has nothing to do with single records.
    Denied(String),
    /// None of it counts, and the tasks belong to somebody else by now or soon.
    Lost(String),
    /// Nobody could find out whether it counts.
    Unknown(String),
    /// The log has it, but a store does not and is of no use any more.
    StoreFailed(String),
}

/// The identity of an epoch: a random number per worker thread, and a count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct EpochId {
    pub(crate) thread: u64,
    pub(crate) count: u64,
}

/// What is stored with a committed offset.
///
/// Text of the form `f1 <epoch> <topic id> <stream time> <committer>`, the epoch and the id in
/// hexadecimal. It says which epoch committed the offset, which decides epochs of unknown outcome; of
/// which incarnation of the topic the offset is; the greatest event time of the task until then; and
/// the transactional id of the committer (empty without transactions), whom a successor fences if it
/// died in the middle of the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetNote {
    pub(crate) epoch: EpochId,
    pub(crate) topic: TopicId,
    pub(crate) stream_time: Timestamp,
    pub(crate) committer: Arc<str>,
}

impl fmt::Display for OffsetNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EpochId { thread, count } = self.epoch;
        write!(
            f,
            "f1 {thread:x}.{count:x} {} {} {}",
            self.topic, self.stream_time, self.committer
        )
    }
}

impl OffsetNote {
    /// Reads a note; `None` for text of another program.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("f1 ")?.splitn(4, ' ');
        let (thread, count) = parts.next()?.split_once('.')?;
        let epoch = EpochId {
            thread: u64::from_str_radix(thread, 16).ok()?,
            count: u64::from_str_radix(count, 16).ok()?,
        };
        let topic = TopicId(u128::from_str_radix(parts.next()?, 16).ok()?);
        let stream_time = Timestamp(parts.next()?.parse().ok()?);
        let committer = parts.next()?.into();
        Some(Self {
            epoch,
            topic,
            stream_time,
            committer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_note_reads_back(thread: u64, count: u64, topic: u128, time: i64, committer in ".*") {
            let note = OffsetNote {
                epoch: EpochId { thread, count },
                topic: TopicId(topic),
                stream_time: Timestamp(time),
                committer: committer.into(),
            };
            prop_assert_eq!(OffsetNote::parse(&note.to_string()), Some(note));
        }

        #[test]
        fn foreign_text_is_no_note(text in ".*") {
            let _ = OffsetNote::parse(&text);
        }
    }
}
