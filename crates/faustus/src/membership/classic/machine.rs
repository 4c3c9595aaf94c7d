//! The states of a member and what moves it from one to the next.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use faustus_core::{GroupError, GroupIdentity, JoinRequest, Joined, SyncRequest, TransportError};
use tracing::{debug, error, info, warn};

use super::{Action, GroupStatus, Input, MemberConfig, PROTOCOL, leader};
use crate::membership::{
    Assigned, GroupEvent, MembershipError, SubTopology, TaskId,
    wire::{self, Subscription},
};

/// A member of a group; see the [module](super) for its contract.
#[derive(Debug)]
pub struct ClassicMember {
    config: MemberConfig,
    phase: Phase,
    /// The id that the coordinator gave, empty before that.
    member: String,
    /// The generation of the last sync, -1 if what it gave is lost.
    generation: i32,
    leader: bool,
    /// What the runtime may run, revoked tasks that it has not given up included.
    owned: BTreeSet<TaskId>,
    standbys: BTreeSet<TaskId>,
    promised: BTreeSet<TaskId>,
    revoking: Option<Revoking>,
    /// Why to join again as soon as that is possible.
    rejoin: Option<String>,
    /// When the coordinator surely knew the member, as far as that can be told.
    contact: Duration,
    /// The session runs at least for its timeout from here.
    lease_from: Option<Duration>,
    heartbeat: Heartbeat,
    /// How many calls have failed in a row.
    failures: u32,
    last_error: Option<String>,
    out: Vec<Action>,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Not started.
    Idle,
    /// Will join at this time.
    Waiting(Duration),
    /// Has asked to join at this time.
    Joining(Duration),
    /// Has joined and wants its assignment.
    Syncing { request: SyncRequest, call: Call },
    /// Has its assignment.
    Stable,
    /// Will join when running commits have ended, at the latest at this time.
    Draining(Duration),
    /// Has asked to leave and waits for the answer, at the latest until this time.
    Leaving(Duration),
    /// It is over.
    Ended,
}

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Sent(Duration),
    RetryAt(Duration),
}

#[derive(Debug)]
enum Heartbeat {
    Due(Duration),
    Sent(Duration),
}

#[derive(Debug)]
struct Revoking {
    generation: i32,
    tasks: BTreeSet<TaskId>,
    until: Duration,
}

impl ClassicMember {
    /// A member that has not started.
    #[must_use]
    pub fn new(config: MemberConfig) -> Self {
        Self {
            config,
            phase: Phase::Idle,
            member: String::new(),
            generation: -1,
            leader: false,
            owned: BTreeSet::new(),
            standbys: BTreeSet::new(),
            promised: BTreeSet::new(),
            revoking: None,
            rejoin: None,
            contact: Duration::ZERO,
            lease_from: None,
            heartbeat: Heartbeat::Due(Duration::ZERO),
            failures: 0,
            last_error: None,
            out: Vec::new(),
        }
    }

    /// Takes in what happened at `now` and gives what is to be done, in order.
    ///
    /// Times never go back from call to call.
    #[must_use]
    pub fn handle(&mut self, now: Duration, input: Input) -> Vec<Action> {
        // Who slept through its session must find that out before it acts on anything else; only
        // an answer may prove that the coordinator still knows it.
        if !matches!(
            input,
            Input::Joined(_) | Input::Synced(_) | Input::Heartbeat(_)
        ) {
            self.expire(now);
        }
        match input {
            Input::Start => {
                if self.phase == Phase::Idle {
                    self.phase = Phase::Waiting(now);
                }
            }
            Input::Tick => {}
            Input::Joined(answer) => self.joined(now, answer),
            Input::Synced(answer) => self.synced(now, answer),
            Input::Heartbeat(answer) => self.heartbeat_answered(now, answer),
            Input::Left(answer) => self.left(answer),
            Input::RevocationDone(generation) => self.revocation_done(generation),
            Input::CommitsReturned => {
                if matches!(self.phase, Phase::Draining(_)) {
                    self.join(now);
                }
            }
            Input::Rejoin(reason) => self.rejoin = Some(reason),
            Input::SubTopologies(subtopologies) => self.set_subtopologies(subtopologies),
            Input::Leave { force } => self.leave(now, force),
        }
        self.advance(now);
        mem::take(&mut self.out)
    }

    /// When [`Input::Tick`] is wanted at the latest; `None` while only other inputs matter.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let heartbeat = match self.heartbeat {
            Heartbeat::Due(at) if self.beats() => Some(at),
            _ => None,
        };
        let revoke = self.revoking.as_ref().map(|r| r.until);
        let phase = match &self.phase {
            Phase::Waiting(at) | Phase::Draining(at) | Phase::Leaving(at) => Some(*at),
            Phase::Syncing {
                call: Call::RetryAt(at),
                ..
            } => Some(*at),
            _ => None,
        };
        let times = [heartbeat, revoke, phase, self.session_end()];
        times.into_iter().flatten().min()
    }

    /// Until when the coordinator surely counts this member in, less the margin; `None` outside.
    #[must_use]
    pub fn lease_until(&self) -> Option<Duration> {
        let session = self
            .config
            .session_timeout
            .saturating_sub(self.config.lease_margin);
        Some(self.lease_from? + session)
    }

    /// The generation of the last assignment, -1 if there is none or it is lost.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        let state = match &self.phase {
            Phase::Idle | Phase::Waiting(_) => "unjoined",
            Phase::Joining(_) => "joining",
            Phase::Syncing { .. } => "syncing",
            Phase::Stable if self.revoking.is_some() => "revoking",
            Phase::Stable => "stable",
            Phase::Draining(_) => "rejoining",
            Phase::Leaving(_) => "leaving",
            Phase::Ended => "ended",
        };
        GroupStatus {
            state,
            generation: self.generation,
            member: self.member.clone(),
            instance: self.config.instance.clone(),
            leader: self.leader,
            owned: self.owned.clone(),
            standby: self.standbys.clone(),
            promised: self.promised.clone(),
            last_error: self.last_error.clone(),
        }
    }

    /// Whether it holds an assignment that can be lost.
    fn assigned(&self) -> bool {
        self.generation >= 0
    }

    /// Whether heartbeats are to be sent: during a join and a sync the coordinator waits anyway.
    fn beats(&self) -> bool {
        matches!(self.phase, Phase::Stable | Phase::Draining(_))
    }

    /// When the membership must be taken for lost if nothing is heard before.
    fn session_end(&self) -> Option<Duration> {
        let session = self.config.session_timeout;
        match &self.phase {
            Phase::Stable | Phase::Draining(_) => Some(self.contact + session),
            // The coordinator answers these when all members are there.
            Phase::Joining(sent)
            | Phase::Syncing {
                call: Call::Sent(sent),
                ..
            } => Some((*sent).max(self.contact) + session + self.config.rebalance_timeout),
            Phase::Waiting(_) | Phase::Syncing { .. } => {
                self.assigned().then_some(self.contact + session)
            }
            Phase::Idle | Phase::Leaving(_) | Phase::Ended => None,
        }
    }

    /// Gives everything up if the session or a revocation took too long.
    fn expire(&mut self, now: Duration) {
        if self.session_end().is_some_and(|end| end <= now) {
            self.lose(now, "the coordinator did not answer for a session");
        }
        if self.revoking.as_ref().is_some_and(|r| r.until <= now) {
            self.lose(now, "revoked tasks were not given up in time");
        }
    }

    /// Does what is due at `now`.
    fn advance(&mut self, now: Duration) {
        self.expire(now);
        if self.phase == Phase::Stable && self.rejoin.is_some() && self.revoking.is_none() {
            self.phase = Phase::Draining(now + self.config.commit_timeout);
            self.out.push(Action::HoldCommits);
        }
        match &mut self.phase {
            Phase::Draining(until) if *until <= now => {
                warn!(
                    group = self.config.group,
                    "commits hold back a rebalance and are aborted"
                );
                self.out.push(Action::VoidCommits);
                self.join(now);
            }
            Phase::Waiting(at) if *at <= now => self.join(now),
            Phase::Syncing { request, call } => {
                if matches!(call, Call::RetryAt(at) if *at <= now) {
                    *call = Call::Sent(now);
                    self.out.push(Action::Sync(request.clone()));
                }
            }
            Phase::Leaving(until) if *until <= now => self.end(GroupEvent::Left),
            _ => {}
        }
        if self.beats() && matches!(self.heartbeat, Heartbeat::Due(at) if at <= now) {
            self.heartbeat = Heartbeat::Sent(now);
            self.out.push(Action::Heartbeat(self.identity()));
        }
    }

    fn identity(&self) -> GroupIdentity {
        GroupIdentity {
            group: self.config.group.clone(),
            generation: self.generation,
            member: self.member.clone(),
            instance: self.config.instance.clone(),
        }
    }

    fn join(&mut self, now: Duration) {
        let subscription = Subscription {
            digest: wire::digest(&self.config.subtopologies),
            subtopologies: self.config.subtopologies.clone(),
            generation: self.generation,
            owned: self.owned.clone(),
            promised: self.promised.clone(),
            standbys: self.standbys.clone(),
            url: self.config.url.clone(),
        };
        let reason = self.rejoin.take().unwrap_or_else(|| "started".into());
        debug!(group = self.config.group, reason, "joining");
        self.phase = Phase::Joining(now);
        self.out.push(Action::Join(JoinRequest {
            member: self.member.clone(),
            instance: self.config.instance.clone(),
            session_timeout: self.config.session_timeout,
            rebalance_timeout: self.config.rebalance_timeout,
            protocol: PROTOCOL.into(),
            metadata: subscription.encode(),
            reason,
        }));
    }

    fn joined(&mut self, now: Duration, answer: Result<Joined, GroupError>) {
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

    fn synced(&mut self, now: Duration, answer: Result<Vec<u8>, GroupError>) {
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
                        reason,
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
        info!(
            group = self.config.group,
            generation,
            leader = self.leader,
            active = tasks.active.len(),
            added = added.len(),
            revoked = revoked.len(),
            standby = self.standbys.len(),
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

    fn want_rejoin(&mut self, reason: &str) {
        self.rejoin.get_or_insert_with(|| reason.into());
    }

    fn heartbeat_answered(&mut self, now: Duration, answer: Result<(), GroupError>) {
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

    fn note(&mut self, error: &GroupError) {
        warn!(group = self.config.group, %error, state = self.status().state, "the coordinator answers");
        self.last_error = Some(error.to_string());
    }

    /// Gives everything up at once and joins anew.
    fn lose(&mut self, now: Duration, reason: &str) {
        if self.assigned() {
            warn!(group = self.config.group, reason, "membership lost");
            self.last_error = Some(reason.into());
        }
        self.drop_all(reason);
        // After a first failed try of a newcomer there is nothing to lose; then it must not spin.
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => self.config.backoff(failures),
        };
        self.failures += 1;
        self.rejoin = Some(format!("lost: {reason}"));
        self.phase = Phase::Waiting(now + pause);
    }

    fn drop_all(&mut self, reason: &str) {
        self.out.push(Action::VoidCommits);
        if self.assigned() {
            self.out.push(Action::Tell(GroupEvent::Lost {
                reason: reason.into(),
            }));
        }
        self.generation = -1;
        self.lease_from = None;
        self.revoking = None;
        self.promised.clear();
        // Their state is still here: the best place for them to come back to.
        self.standbys.append(&mut self.owned);
    }

    fn fail(&mut self, failure: MembershipError) {
        error!(group = self.config.group, %failure, "membership ended");
        self.drop_all(&failure.to_string());
        self.end(GroupEvent::Failed(failure));
    }

    fn end(&mut self, event: GroupEvent) {
        self.phase = Phase::Ended;
        self.generation = -1;
        self.lease_from = None;
        self.revoking = None;
        self.owned.clear();
        self.out.push(Action::Tell(event));
    }

    fn revocation_done(&mut self, generation: i32) {
        let revoking = self.revoking.take_if(|r| r.generation == generation);
        if let Some(revoking) = revoking {
            self.owned.retain(|task| !revoking.tasks.contains(task));
            self.want_rejoin("tasks are given up");
        }
    }

    fn set_subtopologies(&mut self, subtopologies: Vec<SubTopology>) {
        if self.config.subtopologies != subtopologies {
            self.config.subtopologies = subtopologies;
            self.want_rejoin("sub-topologies changed");
        }
    }

    fn leave(&mut self, now: Duration, force: bool) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Ended) {
            return;
        }
        self.out.push(Action::VoidCommits);
        self.revoking = None;
        let stays = self.config.instance.is_some() && !force;
        if self.member.is_empty() || stays {
            self.end(GroupEvent::Left);
        } else {
            self.phase = Phase::Leaving(now + self.config.session_timeout / 3);
            self.out.push(Action::Leave(self.identity()));
        }
    }

    fn left(&mut self, answer: Result<(), GroupError>) {
        if matches!(self.phase, Phase::Leaving(_)) {
            if let Err(error) = answer {
                self.note(&error);
            }
            self.end(GroupEvent::Left);
        }
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
