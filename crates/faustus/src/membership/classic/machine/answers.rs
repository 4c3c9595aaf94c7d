//! What a member makes of the coordinator's answers.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use faustus_core::{GroupError, GroupIdentity, Joined, SyncRequest, TransportError};
use tracing::{debug, error, warn};

use super::{Call, ClassicMember, Heartbeat, Phase, Revoking};
use crate::membership::{
    Assigned, GroupEvent, MembershipError,
    classic::{Action, PROTOCOL, leader},
    wire,
};

impl ClassicMember {
    pub(super) fn joined(&mut self, now: Duration, answer: Result<Joined, GroupError>) {
        if !matches!(self.phase, Phase::Joining(_)) {
            return;
        }
        match answer {
            Ok(joined) => {
                self.failures = 0;
                self.contact = now;
                self.leader = joined.leader == joined.member;
                self.member = joined.member;
                let assignments = if self.leader && !joined.skip_assignment {
                    leader::assignments(&self.config, &joined.members)
                } else {
                    Vec::new()
                };
                let request = SyncRequest {
                    identity: GroupIdentity {
                        generation: joined.generation,
                        ..self.identity()
                    },
                    protocol: PROTOCOL.into(),
                    assignments,
                };
                self.out.push(Action::Sync(request.clone()));
                let call = Call::Sent(now);
                self.phase = Phase::Syncing { request, call };
            }
            Err(GroupError::MemberIdRequired(member)) => {
                self.member = member;
                self.join(now);
            }
            Err(error) => self.call_failed(now, error),
        }
    }

    pub(super) fn synced(&mut self, now: Duration, answer: Result<Vec<u8>, GroupError>) {
        let Phase::Syncing {
            request,
            call: Call::Sent(sent),
        } = &self.phase
        else {
            return;
        };
        let (sent, generation) = (*sent, request.identity.generation);
        match answer {
            Ok(bytes) => {
                let assigned = wire::Assigned::decode(&bytes).unwrap_or_else(|reason| {
                    error!(
                        group = self.config.group,
                        error = reason,
                        "the leader's assignment cannot be understood: this member has none"
                    );
                    self.last_error = Some(reason);
                    wire::Assigned::default()
                });
                self.failures = 0;
                self.contact = now;
                self.lease_from = Some(sent);
                self.heartbeat = Heartbeat::Due(sent + self.config.session_timeout / 3);
                if assigned.tasks.stale {
                    self.lose(now, "another member has had its tasks meanwhile");
                } else {
                    self.take_over(now, generation, assigned);
                }
            }
            Err(error) => self.call_failed(now, error),
        }
    }

    /// A new generation begins with what the leader assigned.
    fn take_over(&mut self, now: Duration, generation: i32, assigned: wire::Assigned) {
        let first = !self.assigned();
        let tasks = assigned.tasks;
        let revoked: BTreeSet<_> = self.owned.difference(&tasks.active).cloned().collect();
        let added: BTreeSet<_> = tasks.active.difference(&self.owned).cloned().collect();
        self.generation = generation;
        self.owned.extend(added.iter().cloned());
        self.standbys = tasks.standby;
        self.promised = tasks.promised;
        self.phase = Phase::Stable;
        debug!(
            group = self.config.group,
            generation,
            leader = self.leader,
            tasks = tasks.active.len(),
            added = added.len(),
            revoked = revoked.len(),
            standbys = self.standbys.len(),
            "assigned"
        );
        self.out.push(Action::AllowCommits(self.identity()));
        if revoked.is_empty() {
            // A static member's predecessor may have ended before it could say that it gave up.
            if tasks.gives_up {
                self.want_rejoin("tasks are free");
            }
        } else {
            self.out.push(Action::Tell(GroupEvent::Revoked {
                generation,
                tasks: revoked.clone(),
            }));
            self.revoking = Some(Revoking {
                generation,
                tasks: revoked,
                until: now + self.config.revoke_timeout,
            });
        }
        // A static member that returns is not asked: the group may not know what it can run now.
        let seen = assigned.digest == wire::digest(&self.config.subtopologies);
        if first && self.config.instance.is_some() && !seen {
            self.want_rejoin("sub-topologies changed over a restart");
        }
        self.out.push(Action::Tell(GroupEvent::Assigned(Assigned {
            generation,
            added,
            active: tasks.active,
            standby: self.standbys.clone(),
            peers: Arc::from(assigned.peers),
        })));
    }

    pub(super) fn want_rejoin(&mut self, reason: &str) {
        self.rejoin.get_or_insert_with(|| reason.into());
    }

    pub(super) fn heartbeat_answered(&mut self, now: Duration, answer: Result<(), GroupError>) {
        let Heartbeat::Sent(sent) = self.heartbeat else {
            return;
        };
        if !self.beats() {
            return;
        }
        self.heartbeat = Heartbeat::Due(sent + self.config.session_timeout / 3);
        match answer {
            Ok(()) => self.alive(sent),
            Err(GroupError::RebalanceInProgress) => {
                self.alive(sent);
                self.want_rejoin("the group rebalances");
            }
            Err(error) if may_pass(&error) => {
                self.failures += 1;
                self.heartbeat = Heartbeat::Due(now + self.config.backoff(self.failures));
                self.note(&error);
            }
            Err(error) => self.call_failed(now, error),
        }
    }

    /// The coordinator has answered a heartbeat that was sent at `sent`.
    fn alive(&mut self, sent: Duration) {
        self.failures = 0;
        // What is counted is the time of sending: the answer may have lain here for long.
        self.contact = self.contact.max(sent);
        self.lease_from = self.lease_from.max(Some(sent));
    }

    /// A join, a sync or a heartbeat was refused or did not come through.
    fn call_failed(&mut self, now: Duration, error: GroupError) {
        self.note(&error);
        match error {
            GroupError::UnknownMember => {
                self.member.clear();
                self.lose(now, "the group does not know this member any more");
            }
            GroupError::IllegalGeneration => {
                self.lose(now, "the group has gone on without this member");
            }
            GroupError::RebalanceInProgress if matches!(self.phase, Phase::Syncing { .. }) => {
                self.want_rejoin("the group rebalances");
                self.phase = Phase::Waiting(now);
            }
            GroupError::FencedInstance => self.fail(MembershipError::FencedInstance {
                group: self.config.group.clone(),
                instance: self.config.instance.clone().unwrap_or_default(),
            }),
            GroupError::InconsistentProtocol => self.fail(MembershipError::InconsistentProtocol {
                group: self.config.group.clone(),
                protocol: PROTOCOL.into(),
            }),
            error if may_pass(&error) => {
                self.failures += 1;
                let at = now + self.config.backoff(self.failures);
                match &mut self.phase {
                    Phase::Syncing { call, .. } => *call = Call::RetryAt(at),
                    phase => {
                        *phase = Phase::Waiting(at);
                        self.rejoin.get_or_insert_with(|| "joining failed".into());
                    }
                }
            }
            error => self.fail(MembershipError::Refused {
                group: self.config.group.clone(),
                error,
            }),
        }
    }

    pub(super) fn note(&mut self, error: &GroupError) {
        warn!(group = self.config.group, %error, state = self.status().state, "the coordinator refuses a call");
        self.last_error = Some(error.to_string());
    }
}

/// Whether a call may go through later without anything else being done.
fn may_pass(error: &GroupError) -> bool {
    matches!(
        error,
        GroupError::RebalanceInProgress
            | GroupError::Transport(
                TransportError::Unavailable(_) | TransportError::OutcomeUnknown(_)
            )
    )
}
