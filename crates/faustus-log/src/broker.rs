//! The broker behind every embedded log: a state machine without I/O, clock or threads.
//!
//! Each call takes the time as an argument and first lets happen what is due ([`Broker::expire`]).
//! What must be durable is put on a [`Queue`] together with what follows from its having been
//! written ([`Completion`]); in memory there is no queue and it follows at once. Wakers are collected
//! and called by the owner after it let go of its lock.

mod admin;
mod clean;
pub(crate) mod compact;
mod gather;
pub(crate) mod group;
mod offsets;
pub(crate) mod partition;
mod publish;
mod queue;
mod restore;
pub(crate) mod topic;
mod transaction;

use std::{collections::BTreeMap, task::Waker, time::Duration};

use faustus_core::{Timestamp, TopicId, TopicName, TopicPartition, TransportError};

pub(crate) use gather::{Piece, gather};
use group::Group;
pub(crate) use offsets::Offsets;
use partition::Partition;
pub(crate) use publish::Accepted;
pub(crate) use queue::{Completion, Op, Place, Queue, Submitted, Write};
use topic::Topic;
use transaction::Transactional;
pub(crate) use transaction::{Begun, Handle as ProducerHandle};

use crate::{LogOptions, ids::Ids};

/// The moment of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// For timeouts.
    pub(crate) monotonic: Duration,
    /// For retention.
    pub(crate) wall: Timestamp,
}

/// A consumer group: members and offsets.
#[derive(Debug, Default)]
pub(crate) struct GroupState {
    pub(crate) members: Group,
    pub(crate) offsets: Offsets,
}

/// Topics, groups and producers of one log.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) options: LogOptions,
    ids: Ids,
    pub(crate) topics: BTreeMap<TopicName, Topic>,
    groups: BTreeMap<String, GroupState>,
    producers: BTreeMap<String, Transactional>,
    /// Nothing expires before this moment.
    next_expiry: Duration,
    /// When partitions in memory are cleaned next.
    next_cleaning: Duration,
    /// What waits to be written; `None` in memory.
    pub(crate) queue: Option<Queue>,
    /// To be called when the lock is free.
    wake: Vec<Waker>,
}

impl Broker {
    pub(crate) fn new(seed: u64, options: LogOptions, queue: Option<Queue>) -> Self {
        Self {
            ids: Ids::new(seed),
            options,
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            producers: BTreeMap::new(),
            next_expiry: Duration::MAX,
            next_cleaning: Duration::ZERO,
            queue,
            wake: Vec::new(),
        }
    }

    /// What must be woken now.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wake)
    }

    /// A number for a reader.
    pub(crate) fn reader_id(&mut self) -> u64 {
        self.ids.bits()
    }

    /// Lets happen what is due: lost members, transactions past their timeouts, cleaning.
    pub(crate) fn expire(&mut self, now: Now) {
        if now.monotonic >= self.next_expiry {
            let mut next = Duration::MAX;
            for group in self.groups.values_mut() {
                let members = &mut group.members;
                if members.deadline().is_some_and(|at| at <= now.monotonic) {
                    members.expire(now.monotonic);
                    members.wake(&mut self.wake);
                }
                next = members.deadline().unwrap_or(Duration::MAX).min(next);
            }
            self.expire_transactions(now.monotonic);
            let open = self.producers.values().filter_map(Transactional::deadline);
            self.next_expiry = open.min().unwrap_or(Duration::MAX).min(next);
        }
        if self.queue.is_none() && now.monotonic >= self.next_cleaning {
            self.next_cleaning = now.monotonic + clean::INTERVAL;
            self.clean(now.wall, false);
        }
    }

    /// Something expires at `deadline`.
    fn expires_at(&mut self, deadline: Option<Duration>) {
        self.next_expiry = deadline.unwrap_or(Duration::MAX).min(self.next_expiry);
    }

    /// Calls `f` with a group's members and tells who waits there.
    pub(crate) fn in_group<T>(
        &mut self,
        group: &str,
        f: impl FnOnce(&mut Group, &mut Ids, &LogOptions) -> T,
    ) -> T {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.to_owned(), GroupState::default());
        }
        let Some(state) = self.groups.get_mut(group) else {
            unreachable!("the group was just put in")
        };
        let result = f(&mut state.members, &mut self.ids, &self.options);
        state.members.wake(&mut self.wake);
        let deadline = state.members.deadline();
        self.expires_at(deadline);
        result
    }

    /// The members of a group, if it was ever used.
    pub(crate) fn members(&mut self, group: &str) -> Option<&mut Group> {
        self.groups.get_mut(group).map(|state| &mut state.members)
    }

    pub(crate) fn topic(&self, name: &TopicName) -> Result<&Topic, TransportError> {
        self.topics
            .get(name)
            .ok_or_else(|| TransportError::UnknownTopic(name.clone()))
    }

    /// The partition with its topic's id.
    pub(crate) fn partition(
        &mut self,
        name: &TopicPartition,
    ) -> Result<(TopicId, &mut Partition), TransportError> {
        let Some(topic) = self.topics.get_mut(&name.topic) else {
            return Err(TransportError::UnknownTopic(name.topic.clone()));
        };
        let index = usize::try_from(name.partition).unwrap_or(usize::MAX);
        match topic.partitions.get_mut(index) {
            Some(partition) => Ok((topic.id, partition)),
            None => Err(TransportError::UnknownPartition(name.clone())),
        }
    }

    /// The partition at `place`, if its topic is still the same incarnation.
    fn at(&mut self, place: &Place) -> Option<&mut Partition> {
        match self.partition(&place.partition) {
            Ok((id, partition)) if id == place.topic => Some(partition),
            _ => None,
        }
    }

    /// Wakes the readers of the partition at `place`.
    fn wake_readers(&mut self, place: &Place) {
        let mut wake = std::mem::take(&mut self.wake);
        if let Some(partition) = self.at(place) {
            partition.wake(&mut wake);
        }
        self.wake = wake;
    }
}
