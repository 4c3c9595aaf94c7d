//! The committed offsets of a group, and those that open transactions are about to commit.

use std::collections::BTreeMap;

use faustus_core::{
    CommittedOffset, GroupError, GroupIdentity, OffsetCommit, TopicName, TopicPartition,
};

use super::{Broker, Completion, Now, Submitted, Write};

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

    /// Stores offsets for a group.
    pub(crate) fn commit_offsets(
        &mut self,
        identity: &GroupIdentity,
        commits: Vec<OffsetCommit>,
        now: Now,
    ) -> Result<Submitted, GroupError> {
        self.check_commit(identity, &commits, false, now)?;
        let group = identity.group.clone();
        let writes = match self.queue {
            Some(_) => offset_writes(&group, &commits),
            None => Vec::new(),
        };
        let completion = Completion::Offsets { group, commits };
        Ok(self.submit(completion, |_| writes))
    }

    pub(super) fn check_commit(
        &mut self,
        identity: &GroupIdentity,
        commits: &[OffsetCommit],
        transactional: bool,
        now: Now,
    ) -> Result<(), GroupError> {
        let state = self.groups.entry(identity.group.clone()).or_default();
        state
            .members
            .check_commit(identity, transactional, now.monotonic)?;
        for commit in commits {
            self.partition(&commit.partition)?;
        }
        Ok(())
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
