//! Joining a group: who gets an id, who waits, who needs no new generation.

use std::time::Duration;

use faustus_core::{GroupError, JoinRequest, Joined};

use super::{Group, Join, Member, Phase};
use crate::ids::Ids;

/// A join that was taken: its answer is asked for with this.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) member: String,
    instance: Option<String>,
    number: u64,
}

impl Group {
    /// Takes a join; the answer comes from [`poll_join`](Self::poll_join).
    pub(crate) fn join(
        &mut self,
        request: JoinRequest,
        first_delay: Duration,
        ids: &mut Ids,
        now: Duration,
    ) -> Result<Ticket, GroupError> {
        if !self.members.is_empty() && self.protocol != request.protocol {
            return Err(GroupError::InconsistentProtocol);
        }
        let id = match (&request.instance, request.member.is_empty()) {
            (None, true) => {
                let id = format!("member-{:032x}", ids.id());
                self.promised
                    .insert(id.clone(), now + request.session_timeout);
                return Err(GroupError::MemberIdRequired(id));
            }
            (Some(instance), true) => {
                let id = format!("{instance}-{:032x}", ids.id());
                if let Some(old) = self.instances.get(instance).cloned() {
                    return Ok(self.replace(&old, &id, request, now));
                }
                id
            }
            (instance, false) => {
                if self.promised.remove(&request.member).is_none() {
                    self.member(&request.member, instance.as_deref())?;
                }
                request.member.clone()
            }
        };
        self.tickets += 1;
        let ticket = Ticket {
            member: id.clone(),
            instance: request.instance.clone(),
            number: self.tickets,
        };
        let known = self.members.get(&id);
        let changed = known.is_none_or(|member| member.metadata != request.metadata);
        let answers_now = match self.phase {
            Phase::Completing { .. } => !changed,
            Phase::Stable => !changed && self.leader != id,
            Phase::Empty | Phase::Preparing { .. } => false,
        };
        self.protocol.clone_from(&request.protocol);
        self.update(&id, request, now);
        if answers_now {
            self.answer(&id, ticket.number, false);
            return Ok(ticket);
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.join = Join::Waiting(ticket.number);
        }
        if self.phase == Phase::Empty && !first_delay.is_zero() {
            self.phase = Phase::Preparing {
                deadline: now + first_delay,
                first: true,
            };
        }
        self.rebalance(now);
        Ok(ticket)
    }

    /// A static member came back under a new id: its predecessor is fenced and its place kept.
    fn replace(&mut self, old: &str, id: &str, request: JoinRequest, now: Duration) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket {
            member: id.to_owned(),
            instance: request.instance.clone(),
            number: self.tickets,
        };
        if let Some(member) = self.members.remove(old) {
            self.members.insert(id.to_owned(), member);
        }
        let leads = self.leader == old;
        if leads {
            id.clone_into(&mut self.leader);
        }
        self.update(id, request, now);
        if self.phase == Phase::Stable {
            self.answer(id, ticket.number, leads);
        } else {
            if let Some(member) = self.members.get_mut(id) {
                member.join = Join::Waiting(ticket.number);
            }
            self.rebalance(now);
        }
        ticket
    }

    fn update(&mut self, id: &str, request: JoinRequest, now: Duration) {
        let JoinRequest {
            instance,
            session_timeout,
            rebalance_timeout,
            metadata,
            ..
        } = request;
        if let Some(instance) = &instance {
            self.instances.insert(instance.clone(), id.to_owned());
        }
        let old = self.members.remove(id);
        let (synced, assignment) = old.map_or((false, Vec::new()), |m| (m.synced, m.assignment));
        let member = Member {
            instance,
            metadata,
            session_timeout,
            rebalance_timeout,
            expires: now + session_timeout,
            join: Join::None,
            synced,
            assignment,
        };
        self.members.insert(id.to_owned(), member);
    }

    fn answer(&mut self, id: &str, ticket: u64, skip_assignment: bool) {
        let joined = Box::new(self.joined(id, skip_assignment));
        if let Some(member) = self.members.get_mut(id) {
            member.join = Join::Answered(ticket, joined);
        }
    }

    /// The answer to a join, `None` while its generation has not begun.
    pub(crate) fn poll_join(&mut self, ticket: &Ticket) -> Option<Result<Joined, GroupError>> {
        let member = match self.member(&ticket.member, ticket.instance.as_deref()) {
            Ok(member) => member,
            Err(error) => return Some(Err(error)),
        };
        match &mut member.join {
            Join::Waiting(number) if *number == ticket.number => None,
            Join::Answered(number, _) if *number == ticket.number => {
                match std::mem::replace(&mut member.join, Join::None) {
                    Join::Answered(_, joined) => Some(Ok(*joined)),
                    Join::None | Join::Waiting(_) => None,
                }
            }
            // A later join of the same member took over.
            Join::None | Join::Waiting(_) | Join::Answered(..) => {
                Some(Err(GroupError::RebalanceInProgress))
            }
        }
    }
}
