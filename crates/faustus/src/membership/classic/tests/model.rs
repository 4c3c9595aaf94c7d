//! A coordinator as small as the protocol allows, called with tickets and answering when it likes.

use std::{collections::BTreeMap, time::Duration};

use faustus_core::{GroupError, GroupIdentity, JoinRequest, Joined, JoinedMember, SyncRequest};

use super::super::{Action, Input};

pub(super) type Ticket = u64;

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) generation: i32,
    phase: Phase,
    members: BTreeMap<String, Member>,
    leader: String,
    ids: u32,
    announced: Vec<String>,
    /// Answers to be delivered.
    pub(super) answers: Vec<(Ticket, Input)>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    #[default]
    Empty,
    Preparing(Duration),
    Completing(Duration),
    Stable,
}

#[derive(Clone, Debug)]
struct Member {
    instance: Option<String>,
    metadata: Vec<u8>,
    session: Duration,
    rebalance: Duration,
    seen: Duration,
    join: Option<Ticket>,
    sync: Option<Ticket>,
    assignment: Vec<u8>,
}

impl Model {
    pub(super) fn call(&mut self, now: Duration, ticket: Ticket, call: Action) {
        match call {
            Action::Join(request) => {
                if let Err(error) = self.join(now, ticket, request) {
                    self.answers.push((ticket, Input::Joined(Err(error))));
                }
            }
            Action::Sync(request) => {
                if let Err(error) = self.sync(now, ticket, request) {
                    self.answers.push((ticket, Input::Synced(Err(error))));
                }
            }
            Action::Heartbeat(identity) => {
                let answer = self.heartbeat(now, &identity);
                self.answers.push((ticket, Input::Heartbeat(answer)));
            }
            Action::Leave(identity) => {
                let answer = match self.members.remove(&identity.member) {
                    Some(_) => Ok(()),
                    None => Err(GroupError::UnknownMember),
                };
                self.answers.push((ticket, Input::Left(answer)));
                self.member_gone(now);
            }
            other => panic!("{other:?} is no call"),
        }
    }

    /// Whether a commit by `identity` would be stored.
    pub(super) fn accepts(&self, identity: &GroupIdentity) -> bool {
        self.known(identity).is_ok()
            && identity.generation == self.generation
            && !matches!(self.phase, Phase::Completing(_))
    }

    fn known(&self, identity: &GroupIdentity) -> Result<(), GroupError> {
        if let Some(instance) = &identity.instance
            && let Some((id, _)) = self.by_instance(instance)
            && *id != identity.member
        {
            return Err(GroupError::FencedInstance);
        }
        if !self.members.contains_key(&identity.member) {
            return Err(GroupError::UnknownMember);
        }
        Ok(())
    }

    fn by_instance(&self, instance: &str) -> Option<(&String, &Member)> {
        let mut all = self.members.iter();
        all.find(|(_, m)| m.instance.as_deref() == Some(instance))
    }

    fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("member-{:04}", self.ids)
    }

    fn join(
        &mut self,
        now: Duration,
        ticket: Ticket,
        request: JoinRequest,
    ) -> Result<(), GroupError> {
        let mut id = request.member.clone();
        if let Some(instance) = &request.instance {
            let old = self.by_instance(instance).map(|(id, _)| id.clone());
            match old {
                Some(old) if id.is_empty() => {
                    id = self.new_id();
                    let mut member = self.members.remove(&old).unwrap();
                    member.join = None;
                    member.sync = None;
                    let was_leader = self.leader == old;
                    if was_leader {
                        self.leader.clone_from(&id);
                    }
                    if self.phase == Phase::Stable {
                        member.metadata = request.metadata;
                        member.seen = now;
                        self.members.insert(id.clone(), member);
                        self.answer_join(ticket, &id, was_leader);
                        return Ok(());
                    }
                    self.members.insert(id.clone(), member);
                }
                Some(old) if old != id => return Err(GroupError::FencedInstance),
                Some(_) => {}
                None if id.is_empty() => id = self.new_id(),
                None => return Err(GroupError::UnknownMember),
            }
        } else if id.is_empty() {
            let id = self.new_id();
            self.announced.push(id.clone());
            return Err(GroupError::MemberIdRequired(id));
        } else if !self.members.contains_key(&id) && !self.announced.contains(&id) {
            return Err(GroupError::UnknownMember);
        }
        self.announced.retain(|known| *known != id);
        let old = self.members.get(&id);
        let same = old.is_some_and(|m| m.metadata == request.metadata);
        let assignment = old.map(|m| m.assignment.clone()).unwrap_or_default();
        let sync = old.and_then(|m| m.sync);
        let member = Member {
            instance: request.instance,
            metadata: request.metadata,
            session: request.session_timeout,
            rebalance: request.rebalance_timeout,
            seen: now,
            join: Some(ticket),
            sync,
            assignment,
        };
        self.members.insert(id.clone(), member);
        let as_it_was = match self.phase {
            Phase::Stable => same && self.leader != id,
            Phase::Completing(_) => same,
            Phase::Empty | Phase::Preparing(_) => false,
        };
        if as_it_was {
            self.members.get_mut(&id).unwrap().join = None;
            self.answer_join(ticket, &id, false);
        } else {
            self.prepare(now);
            self.complete_if_all_joined(now);
        }
        Ok(())
    }

    fn answer_join(&mut self, ticket: Ticket, id: &str, skip_assignment: bool) {
        let members = if id == self.leader && !skip_assignment {
            let all = self.members.iter().map(|(id, m)| JoinedMember {
                member: id.clone(),
                instance: m.instance.clone(),
                metadata: m.metadata.clone(),
            });
            all.collect()
        } else {
            Vec::new()
        };
        let joined = Joined {
            generation: self.generation,
            member: id.into(),
            leader: self.leader.clone(),
            members,
            skip_assignment,
        };
        self.answers.push((ticket, Input::Joined(Ok(joined))));
    }

    fn prepare(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Preparing(_)) {
            return;
        }
        for member in self.members.values_mut() {
            if let Some(ticket) = member.sync.take() {
                let answer = Input::Synced(Err(GroupError::RebalanceInProgress));
                self.answers.push((ticket, answer));
            }
        }
        let longest = self.members.values().map(|m| m.rebalance).max();
        self.phase = Phase::Preparing(now + longest.unwrap_or_default());
    }

    fn complete_if_all_joined(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Preparing(_))
            && self.members.values().all(|m| m.join.is_some())
        {
            self.complete(now);
        }
    }

    fn complete(&mut self, now: Duration) {
        self.members
            .retain(|_, m| m.join.is_some() || m.instance.is_some());
        self.generation += 1;
        let joined = |m: &Member| m.join.is_some();
        if !self.members.get(&self.leader).is_some_and(joined) {
            let first = self.members.iter().find(|(_, m)| joined(m));
            self.leader = first.map(|(id, _)| id.clone()).unwrap_or_default();
        }
        if self.leader.is_empty() {
            self.phase = Phase::Empty;
            return;
        }
        let longest = self.members.values().map(|m| m.rebalance).max();
        self.phase = Phase::Completing(now + longest.unwrap_or_default());
        let tickets: Vec<_> = self
            .members
            .iter_mut()
            .filter_map(|(id, m)| {
                m.seen = now;
                m.join.take().map(|ticket| (ticket, id.clone()))
            })
            .collect();
        for (ticket, id) in tickets {
            self.answer_join(ticket, &id, false);
        }
    }

    fn sync(
        &mut self,
        now: Duration,
        ticket: Ticket,
        request: SyncRequest,
    ) -> Result<(), GroupError> {
        self.known(&request.identity)?;
        if request.identity.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let id = request.identity.member;
        match self.phase {
            Phase::Empty => return Err(GroupError::UnknownMember),
            Phase::Preparing(_) => return Err(GroupError::RebalanceInProgress),
            Phase::Completing(_) => {
                self.members.get_mut(&id).unwrap().sync = Some(ticket);
                if id == self.leader {
                    for member in self.members.values_mut() {
                        member.assignment.clear();
                    }
                    for (id, bytes) in request.assignments {
                        if let Some(member) = self.members.get_mut(&id) {
                            member.assignment = bytes;
                        }
                    }
                    self.phase = Phase::Stable;
                }
            }
            Phase::Stable => self.members.get_mut(&id).unwrap().sync = Some(ticket),
        }
        if self.phase == Phase::Stable {
            for member in self.members.values_mut() {
                if let Some(ticket) = member.sync.take() {
                    member.seen = now;
                    let answer = Input::Synced(Ok(member.assignment.clone()));
                    self.answers.push((ticket, answer));
                }
            }
        }
        Ok(())
    }

    fn heartbeat(&mut self, now: Duration, identity: &GroupIdentity) -> Result<(), GroupError> {
        self.known(identity)?;
        if identity.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.members.get_mut(&identity.member).unwrap().seen = now;
        match self.phase {
            Phase::Preparing(_) => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    fn member_gone(&mut self, now: Duration) {
        if self.members.is_empty() {
            self.phase = Phase::Empty;
        } else {
            self.prepare(now);
            self.complete_if_all_joined(now);
        }
    }

    /// When [`tick`](Self::tick) will find something to do.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        let silent = |m: &&Member| m.join.is_none() && m.sync.is_none();
        let sessions = self.members.values().filter(silent);
        let phase = match self.phase {
            Phase::Preparing(until) | Phase::Completing(until) => Some(until),
            Phase::Empty | Phase::Stable => None,
        };
        sessions.map(|m| m.seen + m.session).chain(phase).min()
    }

    /// Removes who was silent for a session, and ends waiting.
    pub(super) fn tick(&mut self, now: Duration) {
        let before = self.members.len();
        let silent = |m: &Member| m.join.is_none() && m.sync.is_none() && m.seen + m.session <= now;
        self.members.retain(|_, m| !silent(m));
        if self.members.len() < before {
            self.member_gone(now);
        }
        match self.phase {
            Phase::Preparing(until) if until <= now => self.complete(now),
            Phase::Completing(until) if until <= now => {
                self.members.retain(|_, m| m.sync.is_some());
                self.member_gone(now);
            }
            _ => {}
        }
    }
}
