//! What members and leader tell each other through the coordinator.
//!
//! The outer frame is Kafka's `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, so
//! that Kafka's own tools can tell which partitions a member reads. Our data is the frame's *user
//! data*: JSON with a version. Fields are only ever added, so every version can read any other;
//! unknown ones are skipped. Decoding takes any bytes, is bounded by their number and by
//! [`MAX_TASKS`], and never panics.

mod data;
mod frame;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use faustus_core::{TopicName, TopicPartition, murmur2};

use self::data::{AssignmentData, PeerData, SubscriptionData};
use super::{Peer, RoundTasks, SubTopology, TaskId};

/// No message names more tasks than this, all its parts together; one that does is not ours.
pub(super) const MAX_TASKS: usize = 200_000;

/// What a member says of itself when it joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) subtopologies: Vec<SubTopology>,
    /// Of `subtopologies`; the leader gives it back, see [`digest`].
    pub(super) digest: u32,
    pub(super) generation: i32,
    pub(super) owned: BTreeSet<TaskId>,
    pub(super) promised: BTreeSet<TaskId>,
    pub(super) standbys: BTreeSet<TaskId>,
    pub(super) url: Option<String>,
}

/// What a leader sends to a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assigned {
    pub(super) tasks: RoundTasks,
    /// The digest of what the leader knew of the member's sub-topologies.
    pub(super) digest: u32,
    pub(super) peers: Vec<Peer>,
}

/// Why bytes are no [`Subscription`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct NotOurs {
    pub(super) reason: String,
    /// The partitions that the member says to own, as far as the frame can be read.
    pub(super) owned: Vec<TopicPartition>,
}

/// Tells whether two lists of sub-topologies are the same, without sending them back.
pub(super) fn digest(subtopologies: &[SubTopology]) -> u32 {
    murmur2(&data::subtopologies_json(subtopologies))
}

impl Subscription {
    pub(super) fn encode(&self) -> Vec<u8> {
        let topics: BTreeSet<_> = self.subtopologies.iter().flat_map(|s| &s.topics).collect();
        let owned = partitions_of(&self.owned, &self.subtopologies);
        let data = SubscriptionData::from(self).to_json();
        frame::subscription(&topics, &data, &owned)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, NotOurs> {
        let (data, owned) = frame::read_subscription(bytes).map_err(|reason| NotOurs {
            reason,
            owned: Vec::new(),
        })?;
        SubscriptionData::read(&data)
            .and_then(Self::try_from)
            .map_err(|reason| NotOurs { reason, owned })
    }
}

impl Assigned {
    /// The bytes for the member; `subtopologies` tells the topics of its tasks.
    pub(super) fn encode(&self, subtopologies: &[SubTopology]) -> Vec<u8> {
        let active = partitions_of(&self.tasks.active, subtopologies);
        frame::assignment(&active, &AssignmentData::from(self).to_json())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        // A member that the leader did not name gets no bytes, and has nothing.
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let data = frame::read_assignment(bytes)?;
        AssignmentData::read(&data).and_then(Self::try_from)
    }
}

impl From<&Peer> for PeerData {
    fn from(peer: &Peer) -> Self {
        Self {
            url: peer.url.clone(),
            active: data::by_name(&peer.active),
        }
    }
}

/// The partitions that `tasks` read, by topic.
fn partitions_of<'a>(
    tasks: &BTreeSet<TaskId>,
    subtopologies: &'a [SubTopology],
) -> BTreeMap<&'a str, BTreeSet<u32>> {
    let mut partitions: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for task in tasks {
        for sub in subtopologies.iter().filter(|s| s.name == task.subtopology) {
            let read = |topic: &&TopicName| sub.reads(topic, task.partition);
            for topic in sub.topics.iter().filter(read) {
                partitions
                    .entry(topic.as_str())
                    .or_default()
                    .insert(task.partition);
            }
        }
    }
    partitions
}
