//! Tests of a group's membership that need exact moments.

use std::time::Duration;

use faustus_core::{GroupError, GroupIdentity, JoinRequest, Joined, SyncRequest};

use super::{Group, join::Ticket};
use crate::ids::Ids;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

struct Test {
    group: Group,
    ids: Ids,
    now: Duration,
    first_delay: Duration,
}

impl Test {
    fn new() -> Self {
        Self {
            group: Group::default(),
            ids: Ids::new(1),
            now: secs(1000),
            first_delay: Duration::ZERO,
        }
    }

    fn try_join(&mut self, member: &str, instance: Option<&str>) -> Result<Ticket, GroupError> {
        let request = JoinRequest {
            member: member.into(),
            instance: instance.map(Into::into),
            session_timeout: secs(10),
            rebalance_timeout: secs(60),
            protocol: "p".into(),
            metadata: Vec::new(),
            reason: String::new(),
        };
        self.group
            .join(request, self.first_delay, &mut self.ids, self.now)
    }

    fn join(&mut self, member: &str, instance: Option<&str>) -> Ticket {
        match self.try_join(member, instance) {
            Err(GroupError::MemberIdRequired(id)) => self.try_join(&id, instance).unwrap(),
            other => other.unwrap(),
        }
    }

    fn answer(&mut self, ticket: &Ticket) -> Option<Joined> {
        self.group.poll_join(ticket).map(Result::unwrap)
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.group.expire(self.now);
    }

    fn identity(joined: &Joined, instance: Option<&str>) -> GroupIdentity {
        GroupIdentity {
            group: "g".into(),
            generation: joined.generation,
            member: joined.member.clone(),
            instance: instance.map(Into::into),
        }
    }

    fn sync(&mut self, joined: &Joined, instance: Option<&str>) {
        let identity = Self::identity(joined, instance);
        let all = joined.members.iter();
        let request = SyncRequest {
            identity,
            protocol: "p".into(),
            assignments: all.map(|m| (m.member.clone(), b"part".to_vec())).collect(),
        };
        self.group.sync(request, self.now).unwrap();
    }
}

#[test]
fn members_that_do_not_rejoin_are_waited_for_and_then_dropped() {
    let mut test = Test::new();
    let first = test.join("", None);
    let first = test.answer(&first).unwrap();
    test.sync(&first, None);
    let second = test.join("", None);
    assert!(test.answer(&second).is_none());
    // The first member's session ends before the rebalance timeout does.
    test.pass(secs(9));
    assert!(test.answer(&second).is_none());
    test.pass(secs(1));
    let second = test.answer(&second).unwrap();
    assert_eq!((second.members.len(), second.generation), (1, 2));
}

#[test]
fn a_promised_id_holds_a_rebalance_up_until_its_session_ends() {
    let mut test = Test::new();
    let promised = test.try_join("", None);
    assert!(matches!(promised, Err(GroupError::MemberIdRequired(_))));
    let other = test.join("", None);
    assert!(test.answer(&other).is_none());
    assert_eq!(test.group.deadline(), Some(test.now + secs(10)));
    test.pass(secs(10));
    assert_eq!(test.answer(&other).unwrap().members.len(), 1);
}

#[test]
fn an_empty_group_waits_the_first_delay_for_more_members() {
    let mut test = Test::new();
    test.first_delay = secs(3);
    let tickets = [test.join("", None), test.join("", None)];
    assert!(test.answer(&tickets[0]).is_none());
    test.pass(secs(3));
    let joined: Vec<_> = tickets.iter().map(|t| test.answer(t).unwrap()).collect();
    assert_eq!(joined[0].generation, 1);
    assert_eq!(joined[0].leader, joined[1].leader);
}

#[test]
fn a_member_that_does_not_sync_is_dropped_after_the_rebalance_timeout() {
    let mut test = Test::new();
    let joined = test.join("", None);
    let joined = test.answer(&joined).unwrap();
    let identity = Test::identity(&joined, None);
    for _ in 0..59 {
        test.pass(secs(1));
        assert_eq!(test.group.heartbeat(&identity, test.now), Ok(()));
    }
    test.pass(secs(1));
    let told = test.group.heartbeat(&identity, test.now);
    assert_eq!(told, Err(GroupError::UnknownMember));
    assert!(test.group.is_empty());
}

#[test]
fn a_late_static_member_keeps_its_place_until_its_session_ends() {
    let mut test = Test::new();
    let stays = test.join("", Some("static"));
    let stays = test.answer(&stays).unwrap();
    test.sync(&stays, Some("static"));
    let dynamic = test.join("", None);
    test.pass(secs(9));
    let identity = Test::identity(&stays, Some("static"));
    let told = test.group.heartbeat(&identity, test.now);
    assert_eq!(told, Err(GroupError::RebalanceInProgress));
    test.pass(secs(9));
    assert!(test.answer(&dynamic).is_none());
    test.pass(secs(1));
    assert_eq!(test.answer(&dynamic).unwrap().members.len(), 1);
    let told = test.group.heartbeat(&identity, test.now);
    assert_eq!(told, Err(GroupError::UnknownMember));
}

#[test]
fn a_waiting_join_of_a_replaced_static_member_is_fenced() {
    let mut test = Test::new();
    let first = test.join("", Some("static"));
    let first = test.answer(&first).unwrap();
    test.sync(&first, Some("static"));
    let _other = test.join("", None);
    let waiting = test.join(&first.member, Some("static"));
    test.join("", Some("static"));
    let answer = test.group.poll_join(&waiting);
    assert_eq!(answer, Some(Err(GroupError::FencedInstance)));
}

#[test]
fn a_second_join_of_a_member_takes_over_from_the_first() {
    let mut test = Test::new();
    let first = test.join("", None);
    let first = test.answer(&first).unwrap();
    test.sync(&first, None);
    let second = test.join("", None);
    let later = test.join(&second.member, None);
    let told = test.group.poll_join(&second);
    assert_eq!(told, Some(Err(GroupError::RebalanceInProgress)));
    let rejoined = test.join(&first.member, None);
    assert!(test.answer(&later).is_some() && test.answer(&rejoined).is_some());
}
