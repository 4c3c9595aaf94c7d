//! Groups that read several topics, of which some may not exist.

use std::time::Duration;

use super::{
    Harness,
    groups::{Member, settle, subscription},
    rig::{Rig, publish},
};
use crate::{
    CommittedOffset, GroupError, GroupIdentity, Offset, OffsetCommit, TopicConfig, TopicName,
    TopicPartition, TransportError,
};

/// A member's subscription to several topics reaches the leader, and offsets of several topics are
/// committed in one call and fetched in one, in the order asked for.
pub async fn a_group_reads_several_topics(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let topics = [
        rig.topic(2, TopicConfig::default()).await,
        rig.topic(2, TopicConfig::default()).await,
    ];
    let names: Vec<_> = topics.iter().map(TopicName::as_str).collect();
    let group = harness.unique("group");
    let mut members = [Member::new(&rig, &group), Member::new(&rig, &group)];
    for (member, user) in members.iter_mut().zip(["one", "two"]) {
        member.request.metadata = subscription(&names, user);
    }
    settle(&mut members).await;
    members.sort_by_key(Member::leads);
    let mut seen: Vec<_> = members[1].joined().members.iter().collect();
    seen.sort_by(|a, b| a.metadata.cmp(&b.metadata));
    let seen: Vec<_> = seen.into_iter().map(|m| m.metadata.clone()).collect();
    assert_eq!(seen, ["one", "two"].map(|user| subscription(&names, user)));

    // Each member has one partition of every topic.
    let partition = |topic: usize, n| TopicPartition::new(topics[topic].clone(), n);
    for (member, n) in members.iter().zip(0..) {
        let commit = |topic: usize, offset| OffsetCommit {
            partition: partition(topic, n),
            offset: Offset(offset),
            metadata: format!("{topic} {n}"),
        };
        let offsets = vec![commit(0, 10 + i64::from(n)), commit(1, 20 + i64::from(n))];
        let done = member
            .coordinator
            .commit_offsets(member.identity(), offsets);
        done.await.expect("it commits");
    }
    let asked = [(1, 1), (0, 0), (1, 0), (0, 1)].map(|(topic, n)| partition(topic, n));
    let stored = |offset, metadata: &str| {
        Some(CommittedOffset {
            offset: Offset(offset),
            metadata: metadata.into(),
        })
    };
    let expected = vec![
        stored(21, "1 1"),
        stored(10, "0 0"),
        stored(20, "1 0"),
        stored(11, "0 1"),
    ];
    let coordinator = &members[0].coordinator;
    assert_eq!(coordinator.fetch_offsets(&asked, true).await, Ok(expected));

    // A commit of an old generation stores nothing of any of them.
    let mut old = members[0].identity();
    old.generation -= 1;
    let late = asked.clone().map(|p| OffsetCommit::new(p, Offset(99)));
    let refused = coordinator.commit_offsets(old, late.into()).await;
    assert_eq!(refused, Err(GroupError::IllegalGeneration));
    for partition in &asked {
        let kept = rig.committed(&**coordinator, partition).await;
        assert!(kept.is_some_and(|kept| kept.offset < Offset(99)));
    }
}

/// A topic or partition that does not exist is refused by its name, and the offsets of others are
/// stored; unless the group refuses all of them.
pub async fn an_offset_of_an_unknown_topic_is_refused(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let known = rig.partition().await;
    let missing = TopicPartition::new(harness.unique("missing"), 0);
    let beyond = TopicPartition::new(known.topic.clone(), 7);
    let mut member = Member::new(&rig, &harness.unique("group"));
    member.settle_alone().await;
    let coordinator = &member.coordinator;
    let mut old = member.identity();
    old.generation -= 1;
    for (unknown, offset) in [(&missing, Offset(1)), (&beyond, Offset(2))] {
        let told = Err(GroupError::TopicRefused(unknown.topic.clone()));
        let alone = [OffsetCommit::new(unknown.clone(), offset)];
        let both = [&known, unknown].map(|p| OffsetCommit::new(p.clone(), offset));
        for identity in [member.identity(), old.clone()] {
            let refused = coordinator.commit_offsets(identity, alone.clone().into());
            assert_eq!(refused.await, told);
        }
        let late = coordinator.commit_offsets(old.clone(), both.clone().into());
        assert_eq!(late.await, Err(GroupError::IllegalGeneration));
        let before = rig.committed(&**coordinator, &known).await;
        assert!(before.is_none_or(|committed| committed.offset < offset));
        let refused = coordinator.commit_offsets(member.identity(), both.into());
        assert_eq!(refused.await, told);
        let asked = [known.clone(), unknown.clone()];
        let fetched = coordinator.fetch_offsets(&asked, true).await;
        let fetched = fetched.expect("offsets can be fetched");
        let offsets = fetched.iter().map(|found| found.as_ref().map(|o| o.offset));
        assert_eq!(offsets.collect::<Vec<_>>(), [Some(offset), None]);
    }
    assert_eq!(member.heartbeat().await, Ok(()));
}

/// A transaction whose offsets are of a topic that does not exist is aborted.
pub async fn offsets_of_an_unknown_topic_abort_their_transaction(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let known = rig.partition().await;
    let missing = TopicPartition::new(harness.unique("missing"), 0);
    let group = harness.unique("group");
    let nobody = GroupIdentity::none(&group);
    let id = harness.unique("id");
    let mut producer = rig.timed(&id, Duration::from_secs(2)).await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &known, &[("a", "lost")]).await;
    let offsets = [&known, &missing].map(|p| OffsetCommit::new(p.clone(), Offset(1)));
    let done = rig.within("committing", producer.commit(&nobody, offsets.into()));
    let done = done.await;
    assert!(matches!(done, Err(TransportError::Aborted(_))), "{done:?}");
    let coordinator = rig.transport.coordinator(&group);
    assert_eq!(rig.committed(&*coordinator, &known).await, None);
    assert_eq!(rig.read_all(&known, 0).await, []);
}
