//! The committed offsets of a group, and those that open transactions are about to commit.

use std::collections::BTreeMap;

use faustus_core::{
    CommittedOffset, GroupError, GroupIdentity, OffsetCommit, TopicName, TopicPartition,
};

use super::{Broker, Completion, Now, Submitted, Write, group::Group};

/// One group's offsets.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    committed: BTreeMap<TopicPartition, CommittedOffset>,
    /// By the transactional id of the producer whose open transaction brings them.
    pending: BTreeMap<String, Vec<OffsetCommit>>,
}

impl Offsets {
    pub(super) fn store(&mut self, commits: Vec<OffsetCommit>) {
        for commit in commits {
            let OffsetCommit {
                partition,
                offset,
                metadata,
            } = commit;
            self.committed
                .insert(partition, CommittedOffset { offset, metadata });
        }
    }

    pub(super) fn add_pending(&mut self, producer: &str, mut commits: Vec<OffsetCommit>) {
        self.pending
            .entry(producer.to_owned())
            .or_default()
            .append(&mut commits);
    }

    pub(super) fn take_pending(&mut self, producer: &str) -> Vec<OffsetCommit> {
        self.pending.remove(producer).unwrap_or_default()
    }

    pub(super) fn pending(&self, producer: &str) -> &[OffsetCommit] {
        self.pending.get(producer).map_or(&[], Vec::as_slice)
    }

    /// The partitions of a topic that have a committed offset.
    pub(super) fn of_topic(&self, topic: &TopicName) -> Vec<TopicPartition> {
        let partitions = self.committed.keys();
        partitions
            .filter(|partition| partition.topic == *topic)
            .cloned()
            .collect()
    }

    /// Forgets a topic's offsets.
    pub(super) fn forget(&mut self, topic: &TopicName) {
        self.committed
            .retain(|partition, _| partition.topic != *topic);
        for commits in self.pending.values_mut() {
            commits.retain(|commit| commit.partition.topic != *topic);
        }
    }

    fn get(&self, partition: &TopicPartition) -> Option<CommittedOffset> {
        self.committed.get(partition).cloned()
    }

    fn is_pending(&self, partition: &TopicPartition) -> bool {
        let mut pending = self.pending.values().flatten();
        pending.any(|commit| commit.partition == *partition)
    }
}

impl Broker {
    /// The offsets of a group.
    pub(crate) fn offsets(&mut self, group: &str) -> &mut Offsets {
        let state = self.groups.entry(group.to_owned()).or_default();
        &mut state.offsets
    }

    /// Commits of partitions that still exist.
    pub(super) fn existing(&mut self, mut commits: Vec<OffsetCommit>) -> Vec<OffsetCommit> {
        commits.retain(|commit| self.partition(&commit.partition).is_ok());
        commits
    }

    /// Stores offsets for a group: those of topics that exist, as a broker does. Gives one that
    /// does not.
    pub(crate) fn commit_offsets(
        &mut self,
        identity: &GroupIdentity,
        mut commits: Vec<OffsetCommit>,
        now: Now,
    ) -> Result<(Submitted, Option<TopicName>), GroupError> {
        let unknown = self.unknown_topic(&commits);
        if let Some(topic) = &unknown {
            commits = self.existing(commits);
            if commits.is_empty() {
                return Err(GroupError::TopicRefused(topic.clone()));
            }
        }
        let group = identity.group.clone();
        self.members_of(&group)
            .check_commit(identity, false, now.monotonic)?;
        let writes = match self.queue {
            Some(_) => offset_writes(&group, &commits),
            None => Vec::new(),
        };
        let completion = Completion::Offsets { group, commits };
        Ok((self.submit(completion, |_| writes), unknown))
    }

    /// Whether a transaction may bring these offsets: all or none.
    pub(super) fn check_transactional(
        &mut self,
        identity: &GroupIdentity,
        commits: &[OffsetCommit],
        now: Now,
    ) -> Result<(), GroupError> {
        self.members_of(&identity.group)
            .check_commit(identity, true, now.monotonic)?;
        match self.unknown_topic(commits) {
            Some(topic) => Err(GroupError::TopicRefused(topic)),
            None => Ok(()),
        }
    }

    fn members_of(&mut self, group: &str) -> &mut Group {
        &mut self.groups.entry(group.to_owned()).or_default().members
    }

    /// The topic of the first partition that does not exist.
    fn unknown_topic(&mut self, commits: &[OffsetCommit]) -> Option<TopicName> {
        let mut partitions = commits.iter().map(|commit| &commit.partition);
        let unknown = partitions.find(|partition| self.partition(partition).is_err());
        unknown.map(|partition| partition.topic.clone())
    }

    /// The committed offset of each of `partitions`.
    pub(crate) fn fetch_offsets(
        &mut self,
        group: &str,
        partitions: &[TopicPartition],
        require_stable: bool,
    ) -> Result<Vec<Option<CommittedOffset>>, GroupError> {
        let Some(state) = self.groups.get(group) else {
            return Ok(vec![None; partitions.len()]);
        };
        let offsets = &state.offsets;
        if require_stable && partitions.iter().any(|p| offsets.is_pending(p)) {
            return Err(GroupError::UnstableOffsets);
        }
        Ok(partitions.iter().map(|p| offsets.get(p)).collect())
    }
}

/// What must be stored of a group's commits.
pub(super) fn offset_writes(group: &str, commits: &[OffsetCommit]) -> Vec<Write> {
    let write = |commit: &OffsetCommit| Write::Offset {
        group: group.to_owned(),
        commit: commit.clone(),
    };
    commits.iter().map(write).collect()
}
