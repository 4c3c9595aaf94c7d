//! Consumer groups: joining, syncing, leaving, being lost.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join, join_all};

use super::{
    Harness,
    rig::{PAUSE, Rig},
};
use crate::{Coordinator, GroupError, GroupIdentity, JoinRequest, Joined, SyncRequest};

/// The assignment protocol of the cases.
const PROTOCOL: &str = "conformance";

/// A member of a group as a runtime would drive it.
pub(super) struct Member<'a> {
    rig: &'a Rig<'a>,
    pub(super) coordinator: Arc<dyn Coordinator>,
    group: String,
    pub(super) request: JoinRequest,
    pub(super) joined: Option<Joined>,
}

impl<'a> Member<'a> {
    pub(super) fn new(rig: &'a Rig<'a>, group: &str) -> Self {
        Self {
            rig,
            coordinator: rig.transport.coordinator(group),
            group: group.to_owned(),
            request: JoinRequest {
                member: String::new(),
                instance: None,
                session_timeout: Duration::from_secs(30),
                rebalance_timeout: Duration::from_secs(30),
                protocol: PROTOCOL.into(),
                metadata: subscription(&[], "metadata"),
                reason: "conformance".into(),
            },
            joined: None,
        }
    }

    pub(super) fn instance(mut self, instance: &str) -> Self {
        self.request.instance = Some(instance.into());
        self
    }

    pub(super) fn session_timeout(mut self, timeout: Duration) -> Self {
        self.request.session_timeout = timeout;
        self.request.rebalance_timeout = timeout * 4;
        self
    }

    fn metadata(mut self, metadata: &str) -> Self {
        self.request.metadata = subscription(&[], metadata);
        self
    }

    pub(super) fn joined(&self) -> &Joined {
        self.joined.as_ref().expect("it joined")
    }

    pub(super) fn leads(&self) -> bool {
        self.joined().leader == self.joined().member
    }

    pub(super) fn identity(&self) -> GroupIdentity {
        GroupIdentity {
            group: self.group.clone(),
            generation: self.joined().generation,
            member: self.joined().member.clone(),
            instance: self.request.instance.clone(),
        }
    }

    /// Joins, with the id that it is given at first.
    pub(super) async fn join(&mut self) {
        let joined = self.rig.within("joining", self.try_join()).await;
        self.joined = Some(joined.expect("it joins"));
    }

    pub(super) async fn try_join(&mut self) -> Result<Joined, GroupError> {
        loop {
            match self.coordinator.join(self.request.clone()).await {
                Ok(joined) => {
                    self.request.member.clone_from(&joined.member);
                    return Ok(joined);
                }
                Err(GroupError::MemberIdRequired(id)) => self.request.member = id,
                Err(GroupError::Transport(error)) if error.is_transient() => {
                    self.rig.clock.sleep(PAUSE).await;
                }
                Err(GroupError::RebalanceInProgress) => self.rig.clock.sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn sync_request(&self) -> SyncRequest {
        let ids = self.joined().members.iter().map(|member| &member.member);
        let assignments = ids.map(|id| (id.clone(), format!("for {id}").into_bytes()));
        SyncRequest {
            identity: self.identity(),
            protocol: PROTOCOL.into(),
            assignments: assignments.collect(),
        }
    }

    /// Syncs; the leader assigns each member a text with its id.
    pub(super) async fn sync(&self) -> Result<Vec<u8>, GroupError> {
        let synced = self.coordinator.sync(self.sync_request());
        self.rig.within("syncing", synced).await
    }

    /// Joins a group in which nobody else is.
    pub(super) async fn settle_alone(&mut self) {
        self.join().await;
        self.sync().await.expect("it syncs");
    }

    pub(super) async fn heartbeat(&self) -> Result<(), GroupError> {
        self.coordinator.heartbeat(self.identity()).await
    }

    /// Sends heartbeats until one tells of a rebalance.
    pub(super) async fn until_rebalance(&self) {
        self.rig
            .eventually("a rebalance", || async {
                match self.heartbeat().await {
                    Err(GroupError::RebalanceInProgress) => Some(()),
                    Ok(()) | Err(GroupError::Transport(_)) => None,
                    Err(error) => panic!("a heartbeat failed: {error}"),
                }
            })
            .await;
    }

    pub(super) async fn rejoin(&mut self) {
        self.until_rebalance().await;
        self.join().await;
    }
}

/// Brings all into one generation, one after the other; gives their assignments.
pub(super) async fn settle(members: &mut [Member<'_>]) -> Vec<Vec<u8>> {
    members[0].settle_alone().await;
    for count in 1..members.len() {
        let (old, new) = members.split_at_mut(count);
        let rejoins = join_all(old.iter_mut().map(Member::rejoin));
        join(rejoins, new[0].join()).await;
        let synced = join_all(members[..=count].iter().map(Member::sync)).await;
        synced
            .into_iter()
            .for_each(|result| drop(result.expect("it syncs")));
    }
    let synced = join_all(members.iter().map(|member| member.sync())).await;
    let assignment = |result: Result<_, _>| result.expect("it syncs");
    synced.into_iter().map(assignment).collect()
}

/// A `ConsumerProtocolSubscription` of version 0 to `topics`, with `text` as its user data: a broker
/// reads what members send, and loses a member that sends anything else.
pub(super) fn subscription(topics: &[&str], text: &str) -> Vec<u8> {
    let count = u32::try_from(topics.len()).expect("there are few topics");
    let mut bytes = [&[0; 2], &count.to_be_bytes()[..]].concat();
    for topic in topics {
        let len = u16::try_from(topic.len()).expect("the name is short");
        bytes.extend(len.to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    let len = u32::try_from(text.len()).expect("the text is short");
    bytes.extend(len.to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// A new member is given an id, leads and sees its own metadata.
pub async fn a_member_joins_alone(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut member = Member::new(&rig, &group).metadata("mine");
    member.join().await;
    let joined = member.joined();
    assert!(member.leads() && !joined.member.is_empty());
    assert!(joined.generation >= 1 && !joined.skip_assignment);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, subscription(&[], "mine"));
    let assignment = member.sync().await.expect("it syncs");
    assert_eq!(assignment, format!("for {}", joined.member).into_bytes());
    assert_eq!(member.heartbeat().await, Ok(()));
}

/// All members are told the same generation and leader; the leader alone sees all metadata.
pub async fn members_share_a_generation(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut members: Vec<_> = ["one", "two", "three"]
        .map(|text| Member::new(&rig, &group).metadata(text))
        .into();
    settle(&mut members).await;
    let leader = members[0].joined().leader.clone();
    let generation = members[0].joined().generation;
    let mut seen = Vec::new();
    for member in &members {
        let joined = member.joined();
        assert_eq!((&joined.leader, joined.generation), (&leader, generation));
        assert_eq!(joined.members.is_empty(), !member.leads());
        seen.extend(joined.members.iter().map(|m| m.metadata.clone()));
    }
    seen.sort();
    let mut sent = ["one", "two", "three"].map(|text| subscription(&[], text));
    sent.sort();
    assert_eq!(seen, sent);
}

/// Each member gets what the leader assigned to it.
pub async fn the_leaders_assignments_reach_everybody(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut members = [Member::new(&rig, &group), Member::new(&rig, &group)];
    let assignments = settle(&mut members).await;
    for (member, assignment) in members.iter().zip(assignments) {
        let id = &member.joined().member;
        assert_eq!(assignment, format!("for {id}").into_bytes());
    }
}

/// A heartbeat of a settled member says that another joins, and the member stays one.
pub async fn a_heartbeat_tells_of_a_rebalance(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut first = Member::new(&rig, &group);
    let mut second = Member::new(&rig, &group);
    first.settle_alone().await;
    let generation = first.joined().generation;
    let id = first.joined().member.clone();
    join(first.rejoin(), second.join()).await;
    assert_eq!(first.joined().member, id);
    assert!(first.joined().generation > generation);
}

/// Those who stay are rebalanced at once when a member leaves.
pub async fn a_member_that_leaves_is_not_waited_for(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut members = [Member::new(&rig, &group), Member::new(&rig, &group)];
    settle(&mut members).await;
    let [mut stays, leaves] = members;
    let gone = leaves.identity();
    let left = rig.within("leaving", leaves.coordinator.leave(gone.clone()));
    left.await.expect("it leaves");
    let before = rig.clock.monotonic();
    stays.rejoin().await;
    assert!(rig.clock.monotonic() - before < Duration::from_secs(20));
    assert!(stays.leads());
    assert_eq!(stays.joined().members.len(), 1);
    let again = leaves.coordinator.heartbeat(gone).await;
    assert_eq!(again, Err(GroupError::UnknownMember));
}

/// A member that sends no heartbeat for its session timeout is removed.
pub async fn a_member_without_heartbeats_is_lost(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let timeout = harness.session_timeout();
    let mut members = [
        Member::new(&rig, &group),
        Member::new(&rig, &group).session_timeout(timeout),
    ];
    settle(&mut members).await;
    let [mut alive, silent] = members;
    alive.rejoin().await;
    assert_eq!(alive.joined().members.len(), 1);
    let late = silent.heartbeat().await;
    assert_eq!(late, Err(GroupError::UnknownMember));
}

/// A leader that joins again begins a new generation: its assignment may have changed.
pub async fn a_leader_that_joins_again_begins_a_generation(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut members = [Member::new(&rig, &group), Member::new(&rig, &group)];
    settle(&mut members).await;
    let generation = members[0].joined().generation;
    let [first, second] = &mut members;
    if first.leads() {
        join(first.join(), second.rejoin()).await;
    } else {
        join(second.join(), first.rejoin()).await;
    }
    assert!(first.joined().generation > generation);
    assert_eq!(first.joined().generation, second.joined().generation);
}

/// A follower that joins again with the words it joined with keeps its generation, and nobody else
/// notices; with other words it begins a new one.
pub async fn a_follower_that_joins_again_unchanged_keeps_its_generation(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut members = [Member::new(&rig, &group), Member::new(&rig, &group)];
    settle(&mut members).await;
    members.sort_by_key(Member::leads);
    let [follower, leader] = &mut members;
    let before = follower.identity();
    follower.join().await;
    assert_eq!(follower.identity(), before);
    let assignment = follower.sync().await.expect("it syncs");
    assert_eq!(assignment, format!("for {}", before.member).into_bytes());
    assert_eq!(leader.heartbeat().await, Ok(()));
    follower.request.metadata = subscription(&[], "changed");
    join(follower.join(), leader.rejoin()).await;
    assert!(follower.joined().generation > before.generation);
}

/// A member, even the leader, that joins again before its sync with the same words keeps its generation.
pub async fn a_join_repeated_before_the_sync_keeps_the_generation(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut member = Member::new(&rig, &harness.unique("group"));
    member.join().await;
    let before = member.joined().clone();
    member.join().await;
    assert_eq!(*member.joined(), before);
    assert!(member.leads());
}

/// Calls in the name of an old generation are told so.
pub async fn an_old_generation_is_told(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut member = Member::new(&rig, &harness.unique("group"));
    member.settle_alone().await;
    let old = member.identity();
    member.settle_alone().await;
    assert!(member.joined().generation > old.generation);
    let told = Err(GroupError::IllegalGeneration);
    assert_eq!(member.coordinator.heartbeat(old.clone()).await, told);
    let mut request = member.sync_request();
    request.identity = old;
    let synced = member.coordinator.sync(request).await;
    assert_eq!(synced, Err(GroupError::IllegalGeneration));
    assert_eq!(member.heartbeat().await, Ok(()));
}

/// Calls of somebody who is no member are told so.
pub async fn an_unknown_member_is_told(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut member = Member::new(&rig, &group);
    member.settle_alone().await;
    let mut stranger = member.identity();
    stranger.member = "stranger".into();
    let told = Err(GroupError::UnknownMember);
    let coordinator = &member.coordinator;
    assert_eq!(coordinator.heartbeat(stranger.clone()).await, told);
    assert_eq!(coordinator.leave(stranger).await, told);
    let mut other = Member::new(&rig, &group);
    other.request.member = "stranger".into();
    assert_eq!(other.try_join().await, Err(GroupError::UnknownMember));
}

/// A member that offers another protocol than the group speaks is refused.
pub async fn another_protocol_is_refused(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut member = Member::new(&rig, &group);
    member.settle_alone().await;
    let mut other = Member::new(&rig, &group);
    other.request.protocol = "another".into();
    let refused = other.try_join().await;
    assert_eq!(refused, Err(GroupError::InconsistentProtocol));
    assert_eq!(member.heartbeat().await, Ok(()));
}
