//! The membership of one consumer group: the broker's side of Kafka's classic protocol, sans I/O.
//!
//! A group is *empty*, *preparing* a generation (it waits for its members to join), *completing* it
//! (it waits for the leader's assignment) or *stable*. Time is an argument; whoever waits polls, and
//! is woken whenever anything in the group changes.

mod join;
mod sync;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, task::Waker, time::Duration};

use faustus_core::{GroupError, GroupIdentity, Joined, JoinedMember};

/// One group's members.
#[derive(Debug, Default)]
pub(crate) struct Group {
    generation: i32,
    phase: Phase,
    /// The assignment protocol that all members speak.
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member>,
    /// The member id of each static id.
    instances: BTreeMap<String, String>,
    /// Ids that were given to new members, who have to join with them before this moment.
    promised: BTreeMap<String, Duration>,
    /// Counts the joins, so that each waits for its own answer.
    tickets: u64,
    waiters: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Empty,
    /// Waits for members until `deadline`; a `first` generation does so even if all are there.
    Preparing {
        deadline: Duration,
        first: bool,
    },
    /// Waits for all members to sync until `deadline`.
    Completing {
        deadline: Duration,
    },
    Stable,
}

#[derive(Debug)]
struct Member {
    instance: Option<String>,
    metadata: Vec<u8>,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    /// When it counts as lost.
    expires: Duration,
    join: Join,
    /// Whether it asked for its assignment in this generation.
    synced: bool,
    assignment: Vec<u8>,
}

#[derive(Debug)]
enum Join {
    None,
    /// Waits for the generation to begin, since the join with this ticket.
    Waiting(u64),
    /// The answer that the join with this ticket has not yet taken.
    Answered(u64, Box<Joined>),
}

impl Member {
    fn is_waiting(&self) -> bool {
        matches!(self.join, Join::Waiting(_))
    }

    fn touch(&mut self, now: Duration) {
        self.expires = now + self.session_timeout;
    }
}

impl Group {
    /// Whether it has no member.
    pub(crate) fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    /// When something happens by itself.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Preparing { deadline, .. } | Phase::Completing { deadline } => Some(deadline),
            Phase::Empty | Phase::Stable => None,
        };
        let sessions = self
            .members
            .values()
            .filter(|member| self.may_expire(member))
            .map(|member| member.expires);
        sessions
            .chain(self.promised.values().copied())
            .chain(phase)
            .min()
    }

    /// A member whose call waits in the group is alive whatever its session timeout.
    fn may_expire(&self, member: &Member) -> bool {
        let syncing = member.synced && matches!(self.phase, Phase::Completing { .. });
        !member.is_waiting() && !syncing
    }

    /// Does what is due.
    pub(crate) fn expire(&mut self, now: Duration) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.promised.retain(|_, expires| *expires > now);
            let lost: Vec<_> = self
                .members
                .iter()
                .filter(|(_, member)| self.may_expire(member) && member.expires <= now)
                .map(|(id, _)| id.clone())
                .collect();
            for id in &lost {
                self.remove(id);
            }
            if !lost.is_empty() {
                self.rebalance(now);
            }
            match self.phase {
                Phase::Preparing { deadline, .. } if deadline <= now => self.begin(now),
                Phase::Completing { deadline } if deadline <= now => {
                    let silent = |member: &Member| !member.synced;
                    self.remove_all(silent);
                    self.rebalance(now);
                }
                _ => self.begin_if_complete(now),
            }
        }
    }

    /// Says that the member is alive.
    pub(crate) fn heartbeat(
        &mut self,
        identity: &GroupIdentity,
        now: Duration,
    ) -> Result<(), GroupError> {
        let generation = self.generation;
        let preparing = matches!(self.phase, Phase::Preparing { .. });
        let member = self.member(&identity.member, identity.instance.as_deref())?;
        if identity.generation != generation {
            return Err(GroupError::IllegalGeneration);
        }
        member.touch(now);
        if preparing {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Removes the member.
    pub(crate) fn leave(
        &mut self,
        identity: &GroupIdentity,
        now: Duration,
    ) -> Result<(), GroupError> {
        if self.promised.remove(&identity.member).is_some() {
            self.begin_if_complete(now);
            return Ok(());
        }
        let mut id = identity.member.clone();
        if let (true, Some(instance)) = (id.is_empty(), &identity.instance) {
            id = self
                .instances
                .get(instance)
                .cloned()
                .ok_or(GroupError::UnknownMember)?;
        }
        self.member(&id, identity.instance.as_deref())?;
        self.remove(&id);
        self.rebalance(now);
        Ok(())
    }

    /// Whether `identity` may commit offsets, alone or in a transaction.
    pub(crate) fn check_commit(
        &mut self,
        identity: &GroupIdentity,
        transactional: bool,
        now: Duration,
    ) -> Result<(), GroupError> {
        let outsider = identity.generation < 0;
        if outsider && self.is_empty() {
            return Ok(());
        }
        if outsider && identity.member.is_empty() && identity.instance.is_none() {
            return if transactional {
                Ok(())
            } else {
                Err(GroupError::UnknownMember)
            };
        }
        let generation = self.generation;
        let member = self.member(&identity.member, identity.instance.as_deref())?;
        if identity.generation != generation {
            return Err(GroupError::IllegalGeneration);
        }
        member.touch(now);
        if !transactional && matches!(self.phase, Phase::Completing { .. }) {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// The member with this id, if it is still the one of its instance.
    fn member(&mut self, id: &str, instance: Option<&str>) -> Result<&mut Member, GroupError> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                Some(current) if current == id => {}
                Some(_) => return Err(GroupError::FencedInstance),
                None => return Err(GroupError::UnknownMember),
            }
        }
        self.members.get_mut(id).ok_or(GroupError::UnknownMember)
    }

    fn remove(&mut self, id: &str) {
        if let Some(instance) = self.members.remove(id).and_then(|member| member.instance) {
            self.instances.remove(&instance);
        }
    }

    fn remove_all(&mut self, which: impl Fn(&Member) -> bool) {
        let gone: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| which(member))
            .map(|(id, _)| id.clone())
            .collect();
        gone.iter().for_each(|id| self.remove(id));
    }

    /// Begins to prepare a generation, unless that is going on.
    fn rebalance(&mut self, now: Duration) {
        if !matches!(self.phase, Phase::Preparing { .. }) {
            self.phase = Phase::Preparing {
                deadline: now + self.rebalance_timeout(),
                first: false,
            };
        }
        self.begin_if_complete(now);
    }

    fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        // A moment at least, or static members that stay away would be waited for without end.
        timeouts
            .max()
            .unwrap_or_default()
            .max(Duration::from_millis(1))
    }

    fn begin_if_complete(&mut self, now: Duration) {
        if let Phase::Preparing { first: false, .. } = self.phase
            && self.promised.is_empty()
            && self.members.values().all(Member::is_waiting)
        {
            self.begin(now);
        }
    }

    /// Begins a generation with the members that joined; static ones may be late.
    fn begin(&mut self, now: Duration) {
        self.remove_all(|member| !member.is_waiting() && member.instance.is_none());
        if self.members.is_empty() {
            self.generation += 1;
            self.phase = Phase::Empty;
            self.protocol.clear();
            self.leader.clear();
            return;
        }
        let deadline = now + self.rebalance_timeout();
        let mut joined = self.members.iter().filter(|(_, m)| m.is_waiting());
        let Some((first, _)) = joined.next() else {
            let first = false;
            self.phase = Phase::Preparing { deadline, first };
            return;
        };
        if !self
            .members
            .get(&self.leader)
            .is_some_and(Member::is_waiting)
        {
            self.leader = first.clone();
        }
        self.generation += 1;
        self.phase = Phase::Completing { deadline };
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.joined(&id, false);
            if let Some(member) = self.members.get_mut(&id) {
                member.synced = false;
                member.assignment.clear();
                if let Join::Waiting(ticket) = member.join {
                    member.join = Join::Answered(ticket, Box::new(answer));
                    member.touch(now);
                }
            }
        }
    }

    /// What member `id` is told about the current generation.
    fn joined(&self, id: &str, skip_assignment: bool) -> Joined {
        let members = self.members.iter().map(|(id, member)| JoinedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata.clone(),
        });
        Joined {
            generation: self.generation,
            member: id.to_owned(),
            leader: self.leader.clone(),
            members: if self.leader == id {
                members.collect()
            } else {
                Vec::new()
            },
            skip_assignment,
        }
    }

    /// Wakes `waker` when anything changes.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        if !self.waiters.iter().any(|other| other.will_wake(waker)) {
            self.waiters.push(waker.clone());
        }
    }

    /// Moves all wakers to `wake`.
    pub(crate) fn wake(&mut self, wake: &mut Vec<Waker>) {
        wake.append(&mut self.waiters);
    }
}
