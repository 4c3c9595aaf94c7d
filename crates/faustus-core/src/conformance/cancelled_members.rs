//! Calls to a group's coordinator that are dropped wherever they wait.
//!
//! A handle of the coordinator that is new in every round has to find it first.

use futures_util::future::{join, join_all};

use super::{
    Harness,
    cuts::Cuts,
    groups::{Member, settle},
    rig::{PAUSE, Rig},
};
use crate::{GroupError, Offset, OffsetCommit, TopicConfig, TopicPartition};

/// A member whose join was cut does not hold the others up longer than its session.
pub async fn a_cut_join_is_lost_by_the_session_timeout(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let timeout = harness.session_timeout();
    let mut cuts = Cuts::new(&rig);
    let mut others = Vec::new();
    while cuts.round().is_some() {
        let group = harness.unique("group");
        let mut alone = Member::new(&rig, &group).session_timeout(timeout);
        for _ in 0..2 {
            let joined = cuts
                .cut(alone.coordinator.join(alone.request.clone()))
                .await;
            if let Some(Err(GroupError::MemberIdRequired(id))) = joined {
                alone.request.member = id;
            }
        }
        others.push(Member::new(&rig, &group));
        let group = harness.unique("group");
        let mut settled = Member::new(&rig, &group);
        settled.settle_alone().await;
        let mut newcomer = Member::new(&rig, &group).session_timeout(timeout);
        for _ in 0..2 {
            let joining = newcomer.coordinator.join(newcomer.request.clone());
            // A rebalance waits for the member that is settled.
            let joined = cuts.cut_waiting(joining).await;
            if let Some(Err(GroupError::MemberIdRequired(id))) = joined {
                newcomer.request.member = id;
            }
        }
        others.push(settled);
    }
    let alone = others.iter_mut().map(|member| async {
        loop {
            member.join().await;
            let settled = member.sync().await.is_ok();
            if settled && member.leads() && member.joined().members.len() == 1 {
                return;
            }
            rig.clock.sleep(PAUSE).await;
        }
    });
    rig.within("being alone again", join_all(alone)).await;
}

/// A sync that was cut may be made again in the same generation, by leader and follower.
pub async fn a_cut_sync_may_be_repeated(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut members = [Member::new(&rig, &group), Member::new(&rig, &group)];
    settle(&mut members).await;
    members.sort_by_key(Member::leads);
    let [follower, leader] = &mut members;
    let mut cuts = Cuts::new(&rig);
    while let Some(round) = cuts.round() {
        leader.coordinator = rig.transport.coordinator(&group);
        follower.coordinator = rig.transport.coordinator(&group);
        let early = follower.coordinator.sync(follower.sync_request());
        // Once the first generation is over it waits for the leader.
        drop(cuts.cut_waiting(early).await);
        drop(
            cuts.cut(leader.coordinator.sync(leader.sync_request()))
                .await,
        );
        for member in [&*leader, &*follower] {
            let assignment = member.sync().await.expect("it syncs");
            let id = &member.joined().member;
            assert_eq!(
                assignment,
                format!("for {id}").into_bytes(),
                "in round {round}"
            );
        }
        let late = follower.coordinator.sync(follower.sync_request());
        drop(cuts.cut(late).await);
        let generation = leader.joined().generation;
        join(leader.join(), follower.rejoin()).await;
        assert!(leader.leads() && leader.joined().generation > generation);
    }
}

/// A heartbeat that was cut leaves the member what it is.
pub async fn a_cut_heartbeat_may_be_repeated(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut member = Member::new(&rig, &group);
    member.settle_alone().await;
    let mut cuts = Cuts::new(&rig);
    while cuts.round().is_some() {
        member.coordinator = rig.transport.coordinator(&group);
        let alive = cuts.cut(member.heartbeat()).await;
        assert!(alive.is_none_or(|answer| answer == Ok(())));
        assert_eq!(member.heartbeat().await, Ok(()));
    }
}

/// A member whose leaving was cut has left or can leave.
pub async fn a_cut_leave_may_be_repeated(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut cuts = Cuts::new(&rig);
    while let Some(round) = cuts.round() {
        let mut member = Member::new(&rig, &group);
        member.settle_alone().await;
        assert_eq!(member.joined().members.len(), 1, "in round {round}");
        member.coordinator = rig.transport.coordinator(&group);
        let left = cuts.cut(member.coordinator.leave(member.identity())).await;
        assert!(left.as_ref().is_none_or(|answer| *answer == Ok(())));
        let again = member.coordinator.leave(member.identity()).await;
        match again {
            Ok(()) => assert_eq!(left, None),
            Err(error) => assert_eq!(error, GroupError::UnknownMember),
        }
        assert_eq!(member.heartbeat().await, Err(GroupError::UnknownMember));
    }
}

/// A commit of offsets that was cut stored all of them or none, and nothing after a later one.
pub async fn a_cut_commit_of_offsets_is_all_or_nothing(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let topic = rig.topic(2, TopicConfig::default()).await;
    let both = [0, 1].map(|n| TopicPartition::new(topic.clone(), n));
    let group = harness.unique("group");
    let mut member = Member::new(&rig, &group);
    member.settle_alone().await;
    let mut cuts = Cuts::new(&rig);
    let mut number = 0;
    while let Some(round) = cuts.round() {
        member.coordinator = rig.transport.coordinator(&group);
        let coordinator = &member.coordinator;
        let at = |offset| both.clone().map(|p| OffsetCommit::new(p, Offset(offset)));
        let before = (round > 0).then_some(Offset(number));
        let commit = coordinator.commit_offsets(member.identity(), at(number + 1).into());
        let done = cuts.cut(commit).await;
        assert!(done.as_ref().is_none_or(|done| *done == Ok(())));
        let fetched = coordinator.fetch_offsets(&both, true).await;
        let fetched = fetched.expect("offsets can be fetched");
        assert_eq!(fetched[0], fetched[1], "in round {round}");
        let stored = fetched[0].as_ref().map(|committed| committed.offset);
        let new = Some(Offset(number + 1));
        assert!(stored == new || (stored == before && done.is_none()));
        number += 2;
        let commit = coordinator.commit_offsets(member.identity(), at(number).into());
        commit.await.expect("it commits");
        let stored = rig.committed(&**coordinator, &both[1]).await;
        assert_eq!(stored.map(|offset| offset.offset), Some(Offset(number)));
    }
}

/// Asking for offsets can be given up; the next answer is whole.
pub async fn a_cut_fetch_of_offsets_may_be_repeated(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let topic = rig.topic(2, TopicConfig::default()).await;
    let both = [0, 1].map(|n| TopicPartition::new(topic.clone(), n));
    let group = harness.unique("group");
    let mut member = Member::new(&rig, &group);
    member.settle_alone().await;
    let commit = vec![OffsetCommit::new(both[1].clone(), Offset(3))];
    let commit = member.coordinator.commit_offsets(member.identity(), commit);
    commit.await.expect("it commits");
    let mut cuts = Cuts::new(&rig);
    while cuts.round().is_some() {
        let coordinator = rig.transport.coordinator(&group);
        let cut = cuts.cut(coordinator.fetch_offsets(&both, true)).await;
        let whole = coordinator.fetch_offsets(&both, true).await;
        for fetched in cut.into_iter().chain([whole]) {
            let fetched = fetched.expect("offsets can be fetched");
            let offsets = fetched.iter().map(|found| found.as_ref().map(|o| o.offset));
            assert_eq!(offsets.collect::<Vec<_>>(), [None, Some(Offset(3))]);
        }
    }
}
