//! What waits to be written, and what follows when it was.
//!
//! Writes happen in the order of the queue, one by one or many in one step, and each operation's
//! writes all or not at all. What an operation changes is visible only after its completion; offsets
//! are taken when it is queued, and become a hole if it fails.

use faustus_core::{Offset, OffsetCommit, TopicId, TopicName, TopicPartition, TransportError};
use tokio::sync::oneshot;

use super::{Broker, partition::Chunk, topic::Settings, transaction::Ended};

/// A chunk's place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) topic: TopicId,
    pub(crate) partition: TopicPartition,
    /// The chunk's first offset.
    pub(crate) base: Offset,
}

impl Place {
    /// Whether both are the same chunk.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.base == other.base && self.partition == other.partition && self.topic == other.topic
    }
}

/// A change of what is stored.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// There is a topic.
    Topic {
        name: TopicName,
        id: TopicId,
        partitions: u32,
        settings: Settings,
    },
    /// The topic is gone; its chunks are swept later.
    RemoveTopic { id: TopicId },
    /// A chunk is there, in place of one at the same base.
    Chunk {
        topic: TopicId,
        partition: u32,
        chunk: Chunk,
    },
    /// A chunk is gone.
    RemoveChunk {
        topic: TopicId,
        partition: u32,
        base: Offset,
    },
    /// The partition begins here.
    Start {
        topic: TopicId,
        partition: u32,
        start: Offset,
    },
    /// The partition of a topic that is gone begins nowhere.
    RemoveStart { topic: TopicId, partition: u32 },
    /// A group has this offset.
    Offset { group: String, commit: OffsetCommit },
    /// A group has no offset there.
    RemoveOffset {
        group: String,
        partition: TopicPartition,
    },
}

/// What follows when an operation was written or failed.
#[derive(Debug)]
pub(crate) enum Completion {
    /// Nothing.
    Nothing,
    /// The chunks become visible, or holes.
    Appended(Vec<Place>),
    /// The transaction was committed, or is aborted.
    Ended(Ended),
    /// The offsets hold.
    Offsets {
        group: String,
        commits: Vec<OffsetCommit>,
    },
    /// The topics stay, or not.
    Created(Vec<TopicName>),
    /// The topic is gone.
    Deleted(TopicName),
    /// The partitions begin at these offsets.
    Truncated(Vec<Place>),
    /// The disk knows of the holes, or must be told later.
    Holes(Vec<Place>),
}

/// An operation on its way to the disk.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) writes: Vec<Write>,
    pub(crate) completion: Completion,
    /// Who waits for it.
    pub(crate) reply: Option<oneshot::Sender<Result<(), TransportError>>>,
}

/// Operations that are not yet written, in order.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) ops: Vec<Op>,
    /// How many bytes of their newest chunks all partitions hold in memory together.
    held: usize,
    /// The part of it that each partition has.
    held_per_partition: usize,
    /// Holes that the disk does not know of.
    pub(crate) unsaved: Vec<Place>,
    /// Why nothing can be written any more.
    pub(crate) closed: Option<TransportError>,
    /// The last handle is gone: what is queued is still written.
    pub(crate) stop: bool,
}

impl Queue {
    /// An empty queue of a log that holds about `held` bytes of its newest chunks in memory.
    pub(crate) fn new(held: usize) -> Self {
        Self {
            ops: Vec::new(),
            held,
            held_per_partition: held,
            unsaved: Vec::new(),
            closed: None,
            stop: false,
        }
    }
}

/// How an operation stands that was handed in.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// It is done.
    Done,
    /// The disk is asked.
    Waiting(oneshot::Receiver<Result<(), TransportError>>),
}

impl Submitted {
    /// Waits until it is written.
    pub(crate) async fn finished(self) -> Result<(), TransportError> {
        match self {
            Self::Done => Ok(()),
            Self::Waiting(reply) => reply.await.unwrap_or(Err(TransportError::Closed)),
        }
    }
}

impl Broker {
    /// Parts the memory for the newest chunks anew: the number of partitions changed.
    pub(super) fn share_memory(&mut self) {
        let partitions: usize = self.topics.values().map(|t| t.partitions.len()).sum();
        if let Some(queue) = &mut self.queue {
            queue.held_per_partition = queue.held / partitions.max(16);
        }
    }

    /// Puts an operation on the queue; in memory it is done at once.
    pub(crate) fn submit(
        &mut self,
        completion: Completion,
        writes: impl FnOnce(&mut Self) -> Vec<Write>,
    ) -> Submitted {
        if self.queue.is_none() {
            self.complete(completion, true);
            return Submitted::Done;
        }
        self.save_holes();
        let writes = writes(self);
        let (reply, answer) = oneshot::channel();
        if let Some(queue) = &mut self.queue {
            queue.ops.push(Op {
                writes,
                completion,
                reply: Some(reply),
            });
        }
        Submitted::Waiting(answer)
    }

    /// Tells the disk of chunks that became holes after it was told of them, or that it was never
    /// told of: a position that passed them must be in range when the log is opened again.
    pub(super) fn save_holes(&mut self) {
        let Some(queue) = &mut self.queue else {
            return;
        };
        let places = std::mem::take(&mut queue.unsaved);
        if places.is_empty() {
            return;
        }
        let writes = places.iter().filter_map(|at| self.write_of(at)).collect();
        if let Some(queue) = &mut self.queue {
            queue.ops.push(Op {
                writes,
                completion: Completion::Holes(places),
                reply: None,
            });
        }
    }

    /// Does what follows from an operation's having been written, or not.
    pub(crate) fn complete(&mut self, completion: Completion, written: bool) {
        match completion {
            Completion::Nothing => {}
            Completion::Appended(places) => {
                for place in &places {
                    self.settle(place, written);
                }
                if !written && let Some(queue) = &mut self.queue {
                    queue.unsaved.extend(places);
                }
            }
            Completion::Ended(ended) => self.ended(ended, written),
            Completion::Offsets { group, commits } => {
                if written {
                    let known = self.existing(commits);
                    self.offsets(&group).store(known);
                }
            }
            Completion::Created(names) => {
                if !written {
                    for name in &names {
                        self.topics.remove(name);
                    }
                }
            }
            Completion::Deleted(name) => {
                if written {
                    self.forget_topic(&name);
                }
            }
            Completion::Holes(places) => {
                if !written && let Some(queue) = &mut self.queue {
                    queue.unsaved.extend(places);
                }
            }
            Completion::Truncated(starts) => {
                for place in starts.iter().filter(|_| written) {
                    if let Some(partition) = self.at(place) {
                        partition.truncate(place.base);
                    }
                }
            }
        }
    }

    /// A chunk was written, or its records are given up.
    pub(super) fn settle(&mut self, place: &Place, kept: bool) {
        let budget = self.queue.as_ref().map(|queue| queue.held_per_partition);
        if let Some(partition) = self.at(place) {
            if !kept {
                partition.discard(place.base);
            }
            partition.written(place.base);
            if let Some(budget) = budget {
                partition.evict(budget);
            }
        }
        self.wake_readers(place);
    }
}
