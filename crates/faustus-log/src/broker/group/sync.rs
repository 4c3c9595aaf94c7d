//! The second half of a rebalance: the leader's assignment reaches every member.

use std::time::Duration;

use faustus_core::{GroupError, GroupIdentity, SyncRequest};

use super::{Group, Phase};

impl Group {
    /// Takes a sync; the answer comes from [`poll_sync`](Self::poll_sync).
    pub(crate) fn sync(&mut self, request: SyncRequest, now: Duration) -> Result<(), GroupError> {
        let SyncRequest {
            identity,
            protocol,
            assignments,
        } = request;
        let generation = self.generation;
        let inconsistent = self.protocol != protocol;
        let member = self.member(&identity.member, identity.instance.as_deref())?;
        if identity.generation != generation {
            return Err(GroupError::IllegalGeneration);
        }
        if inconsistent {
            return Err(GroupError::InconsistentProtocol);
        }
        member.synced = true;
        member.touch(now);
        if let Phase::Completing { .. } = self.phase
            && self.leader == identity.member
        {
            for (id, assignment) in assignments {
                if let Some(member) = self.members.get_mut(&id) {
                    member.assignment = assignment;
                }
            }
            for member in self.members.values_mut().filter(|member| member.synced) {
                member.touch(now);
            }
            self.phase = Phase::Stable;
        }
        Ok(())
    }

    /// The assignment, `None` while the leader has not brought it.
    pub(crate) fn poll_sync(
        &mut self,
        identity: &GroupIdentity,
    ) -> Option<Result<Vec<u8>, GroupError>> {
        let (generation, phase) = (self.generation, self.phase);
        let member = match self.member(&identity.member, identity.instance.as_deref()) {
            Ok(member) => member,
            Err(error) => return Some(Err(error)),
        };
        match phase {
            _ if identity.generation != generation => Some(Err(GroupError::RebalanceInProgress)),
            Phase::Preparing { .. } | Phase::Empty => Some(Err(GroupError::RebalanceInProgress)),
            Phase::Completing { .. } => None,
            Phase::Stable => Some(Ok(member.assignment.clone())),
        }
    }
}
