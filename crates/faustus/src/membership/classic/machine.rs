//! The states of a member and what moves it from one to the next.

mod answers;

use std::{collections::BTreeSet, mem, time::Duration};

use faustus_core::{GroupError, GroupIdentity, JoinRequest, SyncRequest};
use tracing::{debug, error, warn};

use super::{Action, GroupStatus, Input, MemberConfig, PROTOCOL};
use crate::membership::{
    GroupEvent, MembershipError, SubTopology, TaskId,
    wire::{self, Subscription},
};

/// A member of a group by the classic protocol, as a state machine that is fed with what happens.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
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

#[derive(Clone, Debug, PartialEq, Eq)]
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

#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Sent(Duration),
    RetryAt(Duration),
}

#[derive(Clone, Debug)]
enum Heartbeat {
    Due(Duration),
    Sent(Duration),
}

#[derive(Clone, Debug)]
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
        error!(group = self.config.group, error = %failure, "membership ended");
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
