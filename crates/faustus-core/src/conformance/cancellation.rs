//! Futures that are dropped after a few polls: what was promised holds and the transport works on.

use std::collections::BTreeMap;

use super::{
    Harness,
    groups::{Member, settle},
    rig::{PAUSE, Rig, batch, cut, fetch, publish, to, values},
};
use crate::{
    GroupIdentity, NewTopic, Offset, OffsetCommit, OffsetSpec, ReadOptions, TopicConfig, TopicName,
};

/// How often a call is polled before it is dropped.
const CUTS: std::ops::Range<usize> = 0..4;

/// A publish that was cut stores its records once or not at all, in order; later ones are stored.
pub async fn a_cut_publish_stores_each_record_at_most_once(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    for polls in CUTS {
        let text = format!("cut {polls}");
        let records = batch(&[("k", &format!("{text} a")), ("k", &format!("{text} b"))]);
        drop(cut(polls, producer.publish(to(&partition, records))));
        publish(&rig, &mut *producer, &partition, &[("k", &text)]).await;
    }
    let records = rig.read_all(&partition, 0).await;
    let mut counts = BTreeMap::new();
    for value in values(&records) {
        *counts.entry(value.to_owned()).or_insert(0) += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    for polls in CUTS {
        assert!(counts.contains_key(&format!("cut {polls}")));
    }
    let mut sorted = values(&records);
    sorted.sort_unstable_by_key(|value| (value.as_bytes()[4], !value.contains(['a', 'b'])));
    assert_eq!(values(&records), sorted);
}

/// A commit that was cut made records and offsets visible, or neither; the next producer can tell.
pub async fn a_cut_commit_is_all_or_nothing(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    for polls in CUTS {
        let partition = rig.partition().await;
        let id = harness.unique("id");
        let group = harness.unique("group");
        let nobody = GroupIdentity::none(&group);
        let mut producer = rig.transactional(&id).await;
        producer.begin().await.expect("a transaction begins");
        publish(&rig, &mut *producer, &partition, &[("a", "cut")]).await;
        let offsets = vec![OffsetCommit::new(partition.clone(), Offset(7))];
        drop(cut(polls, producer.commit(&nobody, offsets.clone())));
        drop(producer);
        let mut next = rig.transactional(&id).await;
        let coordinator = rig.transport.coordinator(&group);
        let committed = rig.committed(&*coordinator, &partition).await.is_some();
        next.begin().await.expect("a transaction begins");
        publish(&rig, &mut *next, &partition, &[("a", "next")]).await;
        let done = rig.within("committing", next.commit(&nobody, offsets));
        done.await.expect("it commits");
        let expected: &[&str] = if committed {
            &["cut", "next"]
        } else {
            &["next"]
        };
        let records = rig.read(&partition, 0, expected.len()).await;
        assert_eq!(values(&records), expected, "after {polls} polls");
    }
}

/// A begin or an abort that was cut leaves an id that the next producer can use.
pub async fn a_cut_begin_or_abort_leaves_the_id_usable(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    for polls in CUTS {
        let id = harness.unique("id");
        drop(cut(
            polls,
            rig.transport
                .transactional_producer(&id, rig.harness.patience()),
        ));
        let mut producer = rig.transactional(&id).await;
        drop(cut(polls, producer.begin()));
        rig.within("aborting", producer.abort())
            .await
            .expect("it aborts");
        producer.begin().await.expect("a transaction begins");
        publish(&rig, &mut *producer, &partition, &[("a", "lost")]).await;
        drop(cut(polls, producer.abort()));
        drop(producer);
        let mut next = rig.transactional(&id).await;
        next.begin().await.expect("a transaction begins");
        publish(&rig, &mut *next, &partition, &[("a", &polls.to_string())]).await;
        let done = rig.within("committing", next.commit(&nobody, Vec::new()));
        done.await.expect("it commits");
    }
    let records = rig.read(&partition, 0, CUTS.len()).await;
    assert_eq!(values(&records), ["0", "1", "2", "3"]);
}

/// A member whose join was cut does not hold the others up longer than its session.
pub async fn a_cut_join_is_lost_by_the_session_timeout(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    for polls in CUTS {
        let group = harness.unique("group");
        let mut member = Member::new(&rig, &group).session_timeout(harness.session_timeout());
        member.settle_alone().await;
        let mut lost = Member::new(&rig, &group).session_timeout(harness.session_timeout());
        for _ in 0..2 {
            let joined = cut(polls, lost.coordinator.join(lost.request.clone()));
            if let Some(Err(crate::GroupError::MemberIdRequired(id))) = joined {
                lost.request.member = id;
            }
        }
        let alone = async {
            loop {
                member.join().await;
                let settled = member.sync().await.is_ok();
                if settled && member.leads() && member.joined().members.len() == 1 {
                    return;
                }
                rig.clock.sleep(PAUSE).await;
            }
        };
        rig.within("being alone again", alone).await;
    }
}

/// A sync that was cut may be made again in the same generation.
pub async fn a_cut_sync_may_be_repeated(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut members = [Member::new(&rig, &group), Member::new(&rig, &group)];
    settle(&mut members).await;
    for polls in CUTS {
        for member in &members {
            drop(cut(polls, member.coordinator.sync(member.sync_request())));
        }
        for member in &members {
            let assignment = member.sync().await.expect("it syncs");
            let id = &member.joined().member;
            assert_eq!(assignment, format!("for {id}").into_bytes());
        }
    }
}

/// A commit of offsets that was cut stored all of them or none.
pub async fn a_cut_commit_of_offsets_is_all_or_nothing(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let topic = rig.topic(2, TopicConfig::default()).await;
    let both = [0, 1].map(|n| crate::TopicPartition::new(topic.clone(), n));
    let mut member = Member::new(&rig, &harness.unique("group"));
    member.settle_alone().await;
    let coordinator = &member.coordinator;
    for polls in CUTS {
        let at = |offset| both.clone().map(|p| OffsetCommit::new(p, Offset(offset)));
        let number = i64::try_from(polls).expect("it is small");
        let commit = coordinator.commit_offsets(member.identity(), at(10 + number).into());
        drop(cut(polls, commit));
        let fetched = coordinator.fetch_offsets(&both, true).await;
        let fetched = fetched.expect("offsets can be fetched");
        assert_eq!(fetched[0], fetched[1], "after {polls} polls");
        let commit = coordinator.commit_offsets(member.identity(), at(number).into());
        commit.await.expect("it commits");
        let stored = rig.committed(&**coordinator, &both[1]).await;
        assert_eq!(stored.map(|offset| offset.offset), Some(Offset(number)));
    }
}

/// Opening a reader or waiting in one can be given up at any time.
pub async fn a_cut_read_leaves_no_trace(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let log = rig.transport.log();
    for polls in CUTS {
        drop(cut(
            polls,
            log.read(&partition, Offset::ZERO, ReadOptions::default()),
        ));
    }
    let mut reader = rig.reader(&partition, 0).await;
    for polls in CUTS {
        drop(cut(polls, fetch(&mut *reader)));
    }
    let mut producer = rig.producer().await;
    publish(&rig, &mut *producer, &partition, &[("a", "1")]).await;
    let reading = async {
        loop {
            let records = fetch(&mut *reader).await;
            if !records.is_empty() {
                return records;
            }
        }
    };
    let records = rig.within("a fetch", reading).await;
    assert_eq!(values(&records), ["1"]);
    assert_eq!(reader.position(), Offset(1));
}

/// Calls of the admin that were cut were made or not; later ones work.
pub async fn cut_calls_of_the_admin_leave_it_usable(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    for polls in CUTS {
        let name = TopicName::from(harness.unique("cut"));
        let new = NewTopic {
            name: name.clone(),
            partitions: 1,
            replicas: None,
            config: TopicConfig::default(),
        };
        let new = std::slice::from_ref(&new);
        drop(cut(polls, rig.admin.create_topics(new)));
        drop(cut(polls, rig.admin.list_topics()));
        let results = rig
            .within("making a topic", rig.admin.create_topics(new))
            .await;
        let result = &results.expect("topics can be made")[0];
        let exists = crate::TransportError::TopicExists(name.clone());
        assert!(result.is_ok() || *result == Err(exists), "{result:?}");
        let partition = crate::TopicPartition::new(name.clone(), 0);
        let one = std::slice::from_ref(&partition);
        drop(cut(polls, rig.admin.offsets(one, OffsetSpec::Earliest)));
        let mut producer = rig.producer().await;
        publish(&rig, &mut *producer, &partition, &[("a", "1")]).await;
        let before = [(partition.clone(), Offset(1))];
        drop(cut(polls, rig.admin.delete_records(&before)));
        rig.admin.delete_records(&before).await.expect("they go");
        drop(cut(polls, rig.admin.delete_topic(&name)));
    }
}
