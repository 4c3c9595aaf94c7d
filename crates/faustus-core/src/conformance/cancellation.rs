//! Calls to producers, readers and the admin that are dropped wherever they wait: what was promised
//! holds and the transport works on.

use super::{
    Harness,
    cuts::Cuts,
    rig::{Rig, batch, fetch, publish, to, values},
};
use crate::{
    GroupIdentity, NewTopic, Offset, OffsetCommit, OffsetSpec, Producer, ReadOptions, TopicConfig,
    TopicName, TopicPartition, TransportError,
};

/// Publishes two records, perhaps not to the end, and then one more.
async fn cut_and_publish<P: Producer + ?Sized>(
    rig: &Rig<'_>,
    cuts: &mut Cuts,
    producer: &mut P,
    partition: &TopicPartition,
) {
    let records = batch(&[("k", "cut a"), ("k", "cut b")]);
    if let Some(published) = cuts.cut(producer.publish(to(partition, records))).await {
        published.expect("records can be published");
    }
    publish(rig, producer, partition, &[("k", "whole")]).await;
}

/// There is each record at most once and in order, and all of the last call.
async fn check_published(rig: &Rig<'_>, partition: &TopicPartition, round: usize) {
    // A commit has an end before readers can see it.
    rig.eventually("the end of all transactions", || async {
        let stable = rig.end(partition, OffsetSpec::LastStable).await;
        (stable == rig.end(partition, OffsetSpec::HighWatermark).await).then_some(())
    })
    .await;
    let records = rig.read_all(partition, 0).await;
    let mut expected = vec!["cut a", "cut b", "whole"];
    expected.retain(|value| *value == "whole" || values(&records).contains(value));
    assert_eq!(values(&records), expected, "in round {round}");
}

/// Making a producer can be given up; the next one is made.
pub async fn a_producer_is_made_after_a_cut_making(harness: &dyn Harness) {
    let mut cuts = Cuts::new(&Rig::new(harness).await);
    while let Some(round) = cuts.round() {
        // What is made once for a transport is made anew.
        let rig = Rig::new(harness).await;
        let partition = rig.partition().await;
        let made = cuts.cut(rig.transport.producer()).await;
        let mut producers = vec![rig.producer().await];
        producers.extend(made.map(|producer| producer.expect("a producer can be made")));
        let mut expected = Vec::new();
        for (number, producer) in producers.iter_mut().enumerate() {
            let value = number.to_string();
            publish(&rig, &mut **producer, &partition, &[("k", &value)]).await;
            expected.push(value);
        }
        let records = rig.read_all(&partition, 0).await;
        assert_eq!(values(&records), expected, "in round {round}");
    }
}

/// A publish that was cut stores its records once or not at all, in order; later ones are stored.
pub async fn a_cut_publish_stores_each_record_at_most_once(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut producer = rig.producer().await;
    let mut cuts = Cuts::new(&rig);
    while let Some(round) = cuts.round() {
        let partition = rig.partition().await;
        cut_and_publish(&rig, &mut cuts, &mut *producer, &partition).await;
        check_published(&rig, &partition, round).await;
    }
}

/// The same holds within a transaction, which can be committed.
pub async fn a_cut_publish_in_a_transaction_stores_each_record_at_most_once(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    let mut producer = rig.transactional(&harness.unique("id")).await;
    let mut cuts = Cuts::new(&rig);
    while let Some(round) = cuts.round() {
        let partition = rig.partition().await;
        producer.begin().await.expect("a transaction begins");
        cut_and_publish(&rig, &mut cuts, &mut *producer, &partition).await;
        let done = rig.within("committing", producer.commit(&nobody, Vec::new()));
        done.await.expect("it commits");
        check_published(&rig, &partition, round).await;
    }
}

/// Records of a publish that was cut may be sent again: each call stores them at most once, the
/// second for certain, and no record of the first comes after it.
pub async fn records_of_a_cut_publish_can_be_sent_again(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut producer = rig.producer().await;
    let mut cuts = Cuts::new(&rig);
    while let Some(round) = cuts.round() {
        let partition = rig.partition().await;
        let both = [("k", "1"), ("k", "2")];
        let first = producer.publish(to(&partition, batch(&both)));
        let first = cuts.cut(first).await;
        publish(&rig, &mut *producer, &partition, &both).await;
        publish(&rig, &mut *producer, &partition, &[("k", "3")]).await;
        let records = rig.read_all(&partition, 0).await;
        let mut stored = values(&records);
        let again = stored.split_off(stored.len().saturating_sub(3));
        assert_eq!(again, ["1", "2", "3"], "in round {round}");
        let possible: &[&[&str]] = match first {
            Some(_) => &[&["1", "2"]],
            None => &[&[], &["1"], &["1", "2"]],
        };
        assert!(possible.contains(&&*stored), "{stored:?} in round {round}");
    }
}

/// A commit that was cut made records and offsets visible, or neither; the next producer can tell.
pub async fn a_cut_commit_is_all_or_nothing(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut cuts = Cuts::new(&rig);
    while let Some(round) = cuts.round() {
        let partition = rig.partition().await;
        let id = harness.unique("id");
        let group = harness.unique("group");
        let nobody = GroupIdentity::none(&group);
        let mut producer = rig.transactional(&id).await;
        producer.begin().await.expect("a transaction begins");
        publish(&rig, &mut *producer, &partition, &[("a", "cut")]).await;
        let offsets = vec![OffsetCommit::new(partition.clone(), Offset(7))];
        let done = cuts.cut(producer.commit(&nobody, offsets.clone())).await;
        drop(producer);
        let mut next = rig.transactional(&id).await;
        let coordinator = rig.transport.coordinator(&group);
        let committed = rig.committed(&*coordinator, &partition).await.is_some();
        match done {
            Some(done) => assert!(done.is_ok() && committed, "{done:?}"),
            None => assert!(round > 0 || !committed, "nothing was done"),
        }
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
        assert_eq!(values(&records), expected, "in round {round}");
    }
}

/// Whatever was cut that leads to a transaction or ends it, the next producer can use the id.
pub async fn a_cut_begin_or_abort_leaves_the_id_usable(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    let mut cuts = Cuts::new(&rig);
    let mut written = Vec::new();
    while let Some(round) = cuts.round() {
        let id = harness.unique("id");
        let patience = rig.harness.patience();
        let made = rig.transport.transactional_producer(&id, patience);
        drop(cuts.cut(made).await);
        let mut producer = rig.transactional(&id).await;
        drop(cuts.cut(producer.begin()).await);
        rig.within("aborting", producer.abort())
            .await
            .expect("it aborts");
        producer.begin().await.expect("a transaction begins");
        publish(&rig, &mut *producer, &partition, &[("a", "lost")]).await;
        drop(cuts.cut(producer.abort()).await);
        drop(producer);
        let mut next = rig.transactional(&id).await;
        next.begin().await.expect("a transaction begins");
        written.push(round.to_string());
        publish(&rig, &mut *next, &partition, &[("a", &round.to_string())]).await;
        let done = rig.within("committing", next.commit(&nobody, Vec::new()));
        done.await.expect("it commits");
    }
    let records = rig.read(&partition, 0, written.len()).await;
    assert_eq!(values(&records), written);
}

/// Opening a reader or waiting in one can be given up at any time, and no record is passed by.
pub async fn a_cut_read_leaves_no_trace(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut producer = rig.producer().await;
    let log = rig.transport.log();
    let mut cuts = Cuts::new(&rig);
    while cuts.round().is_some() {
        let partition = rig.partition().await;
        let options = ReadOptions::default();
        drop(cuts.cut(log.read(&partition, Offset::ZERO, options)).await);
        let mut reader = rig.reader(&partition, 0).await;
        let mut read = Vec::new();
        // There is nothing yet.
        read.extend(cuts.cut_waiting(fetch(&mut *reader)).await);
        publish(&rig, &mut *producer, &partition, &[("a", "1")]).await;
        publish(&rig, &mut *producer, &partition, &[("a", "2")]).await;
        read.extend(cuts.cut(fetch(&mut *reader)).await);
        let reading = async {
            while reader.position() < Offset(2) {
                read.push(fetch(&mut *reader).await);
            }
        };
        rig.within("reading", reading).await;
        assert_eq!(values(&read.concat()), ["1", "2"]);
    }
}

/// Calls that change topics were made or not if they were cut; later ones work.
pub async fn cut_calls_of_the_admin_leave_it_usable(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut producer = rig.producer().await;
    let mut cuts = Cuts::new(&rig);
    while cuts.round().is_some() {
        let name = TopicName::from(harness.unique("cut"));
        let new = NewTopic {
            name: name.clone(),
            partitions: 1,
            replicas: None,
            config: TopicConfig {
                retention: Some(None),
                ..TopicConfig::default()
            },
        };
        let new = std::slice::from_ref(&new);
        drop(cuts.cut(rig.admin.create_topics(new)).await);
        let made = rig.within("making a topic", rig.admin.create_topics(new));
        let result = &made.await.expect("topics can be made")[0];
        let exists = TransportError::TopicExists(name.clone());
        assert!(result.is_ok() || *result == Err(exists), "{result:?}");
        rig.wait_for(&name).await;
        let partition = TopicPartition::new(name.clone(), 0);
        publish(&rig, &mut *producer, &partition, &[("a", "1")]).await;
        let before = [(partition.clone(), Offset(1))];
        drop(cuts.cut(rig.admin.delete_records(&before)).await);
        let start = rig.end(&partition, OffsetSpec::Earliest).await;
        assert!(start <= 1, "{start}");
        rig.admin.delete_records(&before).await.expect("they go");
        assert_eq!(rig.end(&partition, OffsetSpec::Earliest).await, 1);
        drop(cuts.cut(rig.admin.delete_topic(&name)).await);
        match rig.admin.delete_topic(&name).await {
            Ok(()) => {}
            Err(error) => assert_eq!(error, TransportError::UnknownTopic(name)),
        }
    }
}

/// Questions to the admin that were cut are answered when they are asked again.
pub async fn cut_questions_to_the_admin_can_be_asked_again(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let topic = std::slice::from_ref(&partition.topic);
    let of = std::slice::from_ref(&partition);
    let mut cuts = Cuts::new(&rig);
    while cuts.round().is_some() {
        drop(cuts.cut(rig.admin.list_topics()).await);
        let names = rig.admin.list_topics().await.expect("they can be listed");
        assert!(names.contains(&partition.topic));
        drop(cuts.cut(rig.admin.describe_topics(topic)).await);
        let described = rig.admin.describe_topics(topic).await;
        let described = described.expect("they can be described");
        assert_eq!(described[0].as_ref().map(|found| found.partitions), Some(1));
        for spec in [
            OffsetSpec::Earliest,
            OffsetSpec::HighWatermark,
            OffsetSpec::LastStable,
        ] {
            drop(cuts.cut(rig.admin.offsets(of, spec)).await);
            assert_eq!(rig.end(&partition, spec).await, 0);
        }
    }
}
