//! Committed offsets and who may commit them.

use futures_util::future::join;

use super::{
    Harness,
    cuts::Cuts,
    groups::Member,
    rig::{PAUSE, Rig, publish},
};
use crate::{
    CommittedOffset, GroupError, GroupIdentity, Offset, OffsetCommit, TopicConfig, TopicPartition,
};

fn commit(partition: &TopicPartition, offset: i64, metadata: &str) -> OffsetCommit {
    OffsetCommit {
        partition: partition.clone(),
        offset: Offset(offset),
        metadata: metadata.into(),
    }
}

fn stored(offset: i64, metadata: &str) -> Option<CommittedOffset> {
    Some(CommittedOffset {
        offset: Offset(offset),
        metadata: metadata.into(),
    })
}

/// Committed offsets come back with their text; partitions without one have none.
pub async fn committed_offsets_keep_their_metadata(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let topic = rig.topic(3, TopicConfig::default()).await;
    let partitions = [0, 1, 2].map(|n| TopicPartition::new(topic.clone(), n));
    let group = harness.unique("group");
    let mut member = Member::new(&rig, &group);
    member.settle_alone().await;
    let offsets = vec![
        commit(&partitions[0], 3, "{\"epoch\":1}"),
        commit(&partitions[2], 0, ""),
    ];
    let coordinator = &member.coordinator;
    let done = coordinator.commit_offsets(member.identity(), offsets);
    done.await.expect("it commits");
    let again = vec![commit(&partitions[0], 2, "back")];
    let done = coordinator.commit_offsets(member.identity(), again);
    done.await.expect("it commits");
    let fetched = coordinator.fetch_offsets(&partitions, true).await;
    let expected = vec![stored(2, "back"), None, stored(0, "")];
    assert_eq!(fetched, Ok(expected));
}

/// Somebody outside of any generation commits while the group has no members, and not else.
pub async fn an_outsider_commits_only_in_an_empty_group(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let group = harness.unique("group");
    let nobody = GroupIdentity::none(&group);
    let mut member = Member::new(&rig, &group);
    let coordinator = rig.transport.coordinator(&group);
    rig.eventually("a commit into an empty group", || async {
        let offsets = vec![commit(&partition, 1, "")];
        match coordinator.commit_offsets(nobody.clone(), offsets).await {
            Ok(()) => Some(()),
            Err(GroupError::Transport(error)) if error.is_transient() => None,
            Err(error) => panic!("it cannot commit: {error}"),
        }
    })
    .await;
    member.settle_alone().await;
    let offsets = vec![commit(&partition, 2, "")];
    let refused = coordinator.commit_offsets(nobody.clone(), offsets).await;
    assert_eq!(refused, Err(GroupError::UnknownMember));
    assert_eq!(
        rig.committed(&*coordinator, &partition).await,
        stored(1, "")
    );
    let left = coordinator.leave(member.identity()).await;
    left.expect("it leaves");
    let offsets = vec![commit(&partition, 3, "")];
    let done = coordinator.commit_offsets(nobody, offsets).await;
    done.expect("it commits");
    assert_eq!(
        rig.committed(&*coordinator, &partition).await,
        stored(3, "")
    );
}

/// Between the answers to join and to sync a commit is refused: a rebalance is going on.
pub async fn a_commit_between_join_and_sync_is_refused(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut member = Member::new(&rig, &harness.unique("group"));
    member.join().await;
    let offsets = vec![commit(&partition, 1, "")];
    let early = member
        .coordinator
        .commit_offsets(member.identity(), offsets.clone());
    assert_eq!(early.await, Err(GroupError::RebalanceInProgress));
    member.sync().await.expect("it syncs");
    let done = member
        .coordinator
        .commit_offsets(member.identity(), offsets);
    done.await.expect("it commits");
}

/// A commit of an old generation stores nothing.
pub async fn a_commit_of_an_old_generation_is_refused(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut member = Member::new(&rig, &harness.unique("group"));
    member.settle_alone().await;
    let old = member.identity();
    member.settle_alone().await;
    let coordinator = &member.coordinator;
    let late = coordinator.commit_offsets(old, vec![commit(&partition, 9, "")]);
    assert_eq!(late.await, Err(GroupError::IllegalGeneration));
    assert_eq!(rig.committed(&**coordinator, &partition).await, None);
}

/// Offsets that an open transaction is about to change are not told to who wants stable ones.
pub async fn pending_offsets_are_unstable(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let one = std::slice::from_ref(&partition);
    let mut cuts = Cuts::new(&rig);
    while cuts.round().is_some() {
        let group = harness.unique("group");
        let id = harness.unique("id");
        let coordinator = rig.transport.coordinator(&group);
        let nobody = GroupIdentity::none(&group);
        let mut producer = rig.transactional(&id).await;
        producer.begin().await.expect("a transaction begins");
        publish(&rig, &mut *producer, &partition, &[("a", "1")]).await;
        let committing = producer.commit(&nobody, vec![commit(&partition, 5, "")]);
        let done = cuts.cut(committing).await;
        let unstable = coordinator.fetch_offsets(one, true).await;
        let plain = coordinator.fetch_offsets(one, false).await;
        match unstable {
            // The first half of the commit has reached the log, and not all of the second has.
            Err(GroupError::UnstableOffsets) => assert!(plain.is_ok()),
            // Nothing of the commit had been sent when the offsets were asked for, or it was over.
            Ok(offsets) if done.is_none() => {
                assert!(offsets == [None] || offsets == [stored(5, "")]);
            }
            offsets => assert_eq!(offsets, Ok(vec![stored(5, "")])),
        }
        drop(producer);
        let successor = rig.transactional(&id);
        let fetched = async {
            rig.clock.sleep(PAUSE).await;
            rig.committed(&*coordinator, &partition).await
        };
        let (_successor, fetched) = rig.within("a successor", join(successor, fetched)).await;
        let stable = rig.committed(&*coordinator, &partition).await;
        assert!(stable.is_none() || stable == stored(5, ""), "{stable:?}");
        assert!(done.is_none_or(|done| done.is_ok() && stable.is_some()));
        assert!(fetched.is_none() || fetched == stable);
    }
}

/// What one group commits no other sees.
pub async fn groups_are_apart(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut one = Member::new(&rig, &harness.unique("group"));
    let mut two = Member::new(&rig, &harness.unique("group"));
    one.settle_alone().await;
    two.settle_alone().await;
    let offsets = vec![commit(&partition, 4, "")];
    let done = one.coordinator.commit_offsets(one.identity(), offsets);
    done.await.expect("it commits");
    assert_eq!(rig.committed(&*two.coordinator, &partition).await, None);
    let mut stranger = one.identity();
    stranger.group = two.identity().group;
    let offsets = vec![commit(&partition, 5, "")];
    let refused = two.coordinator.commit_offsets(stranger, offsets).await;
    assert_eq!(refused, Err(GroupError::UnknownMember));
}
