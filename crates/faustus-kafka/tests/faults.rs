//! Brokers that die, pause and come back.

mod support;

use std::time::Duration;

use faustus_core::{
    CommittedOffset, Coordinator, GroupError, GroupIdentity, Offset, OffsetCommit, OffsetSpec,
    PublishError, TopicPartition, Transport, TransportError,
};
use faustus_kafka::{KafkaOptions, KafkaTransport};
use kafka_testbed::Cluster;
use support::{batch, connect, eventually, fetch, reader, to, topic, unique, values};

/// The committed offsets, once no transaction holds them back and a coordinator is there.
async fn committed_offsets(
    coordinator: &dyn Coordinator,
    partitions: &[TopicPartition],
) -> Vec<Option<Offset>> {
    let mut committed = Vec::new();
    eventually("committed offsets", async || {
        match coordinator.fetch_offsets(partitions, true).await {
            Ok(found) => committed = found,
            Err(GroupError::UnstableOffsets) => {}
            Err(GroupError::Transport(error)) if error.is_transient() => {}
            Err(error) => panic!("{error}"),
        }
        !committed.is_empty()
    })
    .await;
    let offset = |found: &Option<CommittedOffset>| found.as_ref().map(|found| found.offset);
    committed.iter().map(offset).collect()
}

#[tokio::test]
async fn everything_goes_on_after_the_broker_was_down() {
    let cluster = Cluster::start(1).unwrap();
    let options = KafkaOptions::default()
        .delivery_timeout(Duration::from_secs(3))
        .request_timeout(Duration::from_secs(3));
    let kafka = KafkaTransport::connect(&cluster.bootstrap(), options)
        .await
        .unwrap();
    let topic = topic(&kafka, 1, &[]).await;
    let group = unique("group");
    let mut producer = kafka.producer().await.unwrap();
    producer
        .publish(to(&topic, batch(["before"])))
        .await
        .unwrap();
    let mut reader = reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, 1).await, ["before"]);
    let coordinator = kafka.coordinator(&group);
    let partition = TopicPartition::new(topic.clone(), 0);
    let commit = OffsetCommit::new(partition.clone(), Offset(1));
    let nobody = GroupIdentity::none(&*group);
    coordinator
        .commit_offsets(nobody.clone(), vec![commit])
        .await
        .unwrap();

    cluster.kill(1).unwrap();
    let error = fetch(&mut *reader).await.unwrap_err();
    assert!(error.is_transient(), "the reader of a dead broker: {error}");
    let error = producer.publish(to(&topic, batch(["during"]))).await;
    assert!(
        matches!(
            error,
            Err(PublishError::Transport(
                TransportError::Unavailable(_) | TransportError::OutcomeUnknown(_)
            ))
        ),
        "{error:?}"
    );
    let error = kafka.admin().list_topics().await.unwrap_err();
    assert!(error.is_transient(), "{error}");

    cluster.start_node(1).unwrap();
    eventually("publishing again", async || {
        producer.publish(to(&topic, batch(["after"]))).await.is_ok()
    })
    .await;
    assert_eq!(values(&mut *reader, 1).await, ["after"]);
    let committed = committed_offsets(&*coordinator, &[partition]).await;
    assert_eq!(committed, [Some(Offset(1))]);
}

#[tokio::test]
async fn a_paused_broker_makes_calls_wait_and_not_fail() {
    let cluster = Cluster::start(1).unwrap();
    let kafka = connect(&cluster.bootstrap()).await;
    let topic = topic(&kafka, 1, &[]).await;
    let group = unique("group");
    let mut producer = kafka
        .transactional_producer(&unique("id"), Duration::from_secs(30))
        .await
        .unwrap();
    producer.begin().await.unwrap();
    producer.publish(to(&topic, batch(["a"]))).await.unwrap();
    cluster.pause(1).unwrap();
    let partition = TopicPartition::new(topic.clone(), 0);
    let commit = OffsetCommit::new(partition.clone(), Offset(7));
    let nobody = GroupIdentity::none(&*group);
    let mut committing = producer.commit(&nobody, vec![commit]);
    let ended = tokio::time::timeout(Duration::from_secs(3), &mut committing).await;
    assert!(ended.is_err(), "it did not wait for the broker: {ended:?}");
    cluster.resume(1).unwrap();
    committing.await.unwrap();
    drop(producer);
    let coordinator = kafka.coordinator(&group);
    assert_eq!(
        committed_offsets(&*coordinator, &[partition]).await,
        [Some(Offset(7))]
    );
}

#[tokio::test]
async fn a_cluster_that_lost_any_node_reads_writes_and_commits() {
    let cluster = Cluster::start(3).unwrap();
    let kafka = connect(&cluster.bootstrap()).await;
    let topic = topic(&kafka, 3, &[]).await;
    let group = unique("group");
    let coordinator = kafka.coordinator(&group);
    let nobody = GroupIdentity::none(&*group);
    let id = unique("id");
    let mut transactional = kafka
        .transactional_producer(&id, Duration::from_secs(30))
        .await
        .unwrap();
    let partitions: Vec<TopicPartition> = (0..3)
        .map(|p| TopicPartition::new(topic.clone(), p))
        .collect();
    for node in 1..=3 {
        cluster.kill(node).unwrap();
        let outgoing = || {
            let outgoing = |partition: &TopicPartition| faustus_core::Outgoing {
                partition: partition.clone(),
                batch: batch(["x"]),
            };
            partitions.iter().map(outgoing).collect::<Vec<_>>()
        };
        eventually("a transaction without a node", async || {
            let began = transactional.begin().await;
            if began.is_err() && transactional.abort().await.is_err() {
                let made = kafka.transactional_producer(&id, Duration::from_secs(30));
                transactional = made.await.unwrap();
                return false;
            }
            if transactional.publish(outgoing()).await.is_err() {
                let _ = transactional.abort().await;
                return false;
            }
            let offset = Offset(node as i64);
            let commits = partitions
                .iter()
                .map(|p| OffsetCommit::new(p.clone(), offset));
            transactional
                .commit(&nobody, commits.collect())
                .await
                .is_ok()
        })
        .await;
        let offsets = committed_offsets(&*coordinator, &partitions).await;
        assert_eq!(offsets, [Some(Offset(node as i64)); 3]);
        eventually("the end of the transaction", async || {
            let admin = kafka.admin();
            let ends = admin.offsets(&partitions, OffsetSpec::LastStable).await;
            ends.is_ok_and(|ends| ends.iter().all(|end| end.0 >= node as i64))
        })
        .await;
        cluster.start_node(node).unwrap();
    }
    for partition in &partitions {
        let options = faustus_core::ReadOptions::default();
        let mut reader = kafka
            .log()
            .read(partition, Offset(0), options)
            .await
            .unwrap();
        assert!(values(&mut *reader, 3).await.len() >= 3);
    }
}
