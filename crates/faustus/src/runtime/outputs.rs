//! What events send: first in the event's own buffer, then, once it retired, in the epoch's.
//!
//! An event's records wait in an [`EventOutputs`] that is emptied when the event fails. Retirement
//! copies them into the thread's [`EpochOutputs`], one batch per partition, each record with the
//! record it came from, so that a record that the log refuses leads back to its event.

use std::collections::{BTreeMap, BTreeSet};

use faustus_core::{
    Batch, BatchBuilder, Outgoing, RecordRef, Timestamp, TopicName, TopicPartition,
};

use super::{
    beside::{Beside, Call},
    slots::Writer,
    thread::TaskKey,
};

/// The place of a topic in the application's list of topics.
pub(crate) type TopicIndex = u32;

/// The records that one event sent so far.
#[derive(Debug, Default)]
pub(crate) struct EventOutputs {
    records: BatchBuilder,
    to: Vec<(TopicIndex, u32)>,
    /// Replies to who asked, whose topics the application knows nothing of.
    replies: BatchBuilder,
    replies_to: Vec<TopicName>,
    /// What it does beside the log; few do.
    beside: Option<Box<Beside>>,
}

impl EventOutputs {
    /// Adds a record for a partition of a topic; `write` fills it in and may refuse it.
    pub(crate) fn push<E>(
        &mut self,
        topic: TopicIndex,
        partition: u32,
        timestamp: Timestamp,
        write: impl FnOnce(faustus_core::RecordWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.records.len();
        write(self.records.record(timestamp))?;
        if self.records.len() > before {
            self.to.push((topic, partition));
        }
        Ok(())
    }

    /// Adds a reply to who reads the only partition of `topic`; `write` fills it in and may refuse it.
    pub(crate) fn push_reply<E>(
        &mut self,
        topic: TopicName,
        timestamp: Timestamp,
        write: impl FnOnce(faustus_core::RecordWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.replies.len();
        write(self.replies.record(timestamp))?;
        if self.replies.len() > before {
            self.replies_to.push(topic);
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.to.is_empty() && self.replies_to.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.to.clear();
        if !self.replies_to.is_empty() {
            self.replies.clear();
            self.replies_to.clear();
        }
        self.beside = None;
    }

    /// What the event does beside the log, to be added to.
    pub(crate) fn beside(&mut self) -> &mut Beside {
        self.beside.get_or_insert_default()
    }

    /// Takes what the event does beside the log.
    #[inline]
    pub(crate) fn take_beside(&mut self) -> Option<Box<Beside>> {
        self.beside.take()
    }

    /// The next call that the event owes.
    pub(crate) fn next_call(&mut self) -> Option<Call> {
        self.beside.as_mut()?.calls.pop_front()
    }

    /// The memory held, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.records.bytes() + self.replies.bytes()
    }

    fn iter(&self) -> impl Iterator<Item = (TopicIndex, u32, RecordRef<'_>)> {
        self.to
            .iter()
            .enumerate()
            .map(|(i, &(topic, partition))| (topic, partition, self.records.get(i)))
    }
}

/// The event that sent a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) task: TaskKey,
    pub(crate) record: Writer,
}

#[derive(Debug, Default)]
struct Pending {
    records: BatchBuilder,
    origins: Vec<Origin>,
}

impl Pending {
    /// Forgets what the events of `tasks` sent; gives how many bytes that were.
    fn forget(&mut self, tasks: &BTreeSet<TaskKey>) -> usize {
        let mut bytes = 0;
        let before = std::mem::take(self);
        for (index, origin) in before.origins.into_iter().enumerate() {
            let record = before.records.get(index);
            if tasks.contains(&origin.task) {
                bytes += record.bytes();
            } else {
                self.records.push_record(record);
                self.origins.push(origin);
            }
        }
        bytes
    }
}

/// The records of all events of a thread that retired since the last cut.
#[derive(Debug, Default)]
pub(crate) struct EpochOutputs {
    /// By topic, then by partition.
    topics: Vec<Vec<Pending>>,
    /// The partitions that have records, in the order of their first.
    used: Vec<(TopicIndex, u32)>,
    /// Replies by the topic of who asked.
    replies: BTreeMap<TopicName, Pending>,
    bytes: usize,
}

impl EpochOutputs {
    /// Takes over what an event sent.
    pub(crate) fn append(&mut self, origin: Origin, outputs: &mut EventOutputs) {
        for (topic, partition, record) in outputs.iter() {
            let (t, p) = (topic as usize, partition as usize);
            if self.topics.len() <= t {
                self.topics.resize_with(t + 1, Vec::new);
            }
            let partitions = &mut self.topics[t];
            if partitions.len() <= p {
                partitions.resize_with(p + 1, Pending::default);
            }
            let pending = &mut partitions[p];
            if pending.origins.is_empty() {
                self.used.push((topic, partition));
            }
            self.bytes += record.bytes();
            pending.records.push_record(record);
            pending.origins.push(origin);
        }
        if !outputs.replies_to.is_empty() {
            self.append_replies(origin, outputs);
        }
        outputs.clear();
    }

    #[inline(never)]
    fn append_replies(&mut self, origin: Origin, outputs: &EventOutputs) {
        for (index, to) in outputs.replies_to.iter().enumerate() {
            let record = outputs.replies.get(index);
            self.bytes += record.bytes();
            let pending = match self.replies.get_mut(to) {
                Some(pending) => pending,
                None => self.replies.entry(to.clone()).or_default(),
            };
            pending.records.push_record(record);
            pending.origins.push(origin);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used.is_empty() && self.replies.is_empty()
    }

    /// The memory held, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes all replies, with the origins of each batch's records; to be called before [`take`](Self::take).
    pub(crate) fn take_replies(&mut self) -> (Vec<Outgoing>, Vec<Vec<Origin>>) {
        let replies = std::mem::take(&mut self.replies).into_iter();
        let replies = replies.map(|(topic, pending)| {
            let partition = TopicPartition {
                topic,
                partition: 0,
            };
            let batch = pending.records.build();
            (Outgoing { partition, batch }, pending.origins)
        });
        replies.unzip()
    }

    /// Takes everything but replies, with the origins of each batch's records.
    pub(crate) fn take(&mut self, names: &[TopicName]) -> (Vec<Outgoing>, Vec<Vec<Origin>>) {
        self.bytes = 0;
        let mut outgoing = Vec::with_capacity(self.used.len());
        let mut origins = Vec::with_capacity(self.used.len());
        for (topic, partition) in self.used.drain(..) {
            let pending = std::mem::take(&mut self.topics[topic as usize][partition as usize]);
            let batch: Batch = pending.records.build();
            let partition = TopicPartition {
                topic: names[topic as usize].clone(),
                partition,
            };
            outgoing.push(Outgoing { partition, batch });
            origins.push(pending.origins);
        }
        (outgoing, origins)
    }

    /// Forgets what the events of `tasks` sent.
    pub(crate) fn forget(&mut self, tasks: &BTreeSet<TaskKey>) {
        for &(topic, partition) in &self.used {
            let pending = &mut self.topics[topic as usize][partition as usize];
            if pending
                .origins
                .iter()
                .all(|origin| !tasks.contains(&origin.task))
            {
                continue;
            }
            self.bytes -= pending.forget(tasks);
        }
        for pending in self.replies.values_mut() {
            self.bytes -= pending.forget(tasks);
        }
        self.replies
            .retain(|_, pending| !pending.origins.is_empty());
        let Self { topics, used, .. } = self;
        used.retain(|&(topic, partition)| {
            let pending = &topics[topic as usize][partition as usize];
            !pending.origins.is_empty()
        });
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
