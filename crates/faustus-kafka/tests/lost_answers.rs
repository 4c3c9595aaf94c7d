//! Answers of the broker that get lost: the producer sends again, and the broker knows it.

mod proxy;
mod support;

use std::time::Duration;

use faustus_core::{GroupIdentity, OffsetSpec, Producer, TopicName, TopicPartition, Transport};
use faustus_kafka::KafkaTransport;
use kafka_testbed::Cluster;
use proxy::Proxy;
use support::{batch, connect, eventually, reader, to, topic, unique, values};

/// A broker whose clients all come through a proxy.
async fn start() -> (Cluster, Proxy) {
    let proxy = Proxy::start().await;
    let listeners = format!("PLAINTEXT://{}", proxy.address());
    let cluster = Cluster::builder().property("advertised.listeners", listeners);
    let cluster = cluster.start().expect("the broker starts");
    proxy.lead_to(cluster.bootstrap());
    (cluster, proxy)
}

/// Publishes records of which every answer is lost once; gives their values.
async fn publish(proxy: &Proxy, producer: &mut dyn Producer, topic: &TopicName) -> Vec<String> {
    let before = proxy.lost();
    let mut sent = Vec::new();
    for call in 0..10 {
        let records = [0, 1, 2].map(|record| format!("{call} {record}"));
        proxy.lose_next_answer();
        let published = producer.publish(to(topic, batch(&records))).await;
        published.expect("records can be published");
        sent.extend(records);
    }
    assert_eq!(proxy.lost() - before, 10);
    sent
}

async fn end(kafka: &KafkaTransport, topic: &TopicName, spec: OffsetSpec) -> i64 {
    let partition = [TopicPartition::new(topic.clone(), 0)];
    let ends = kafka.admin().offsets(&partition, spec).await;
    ends.expect("ends can be asked for")[0].0
}

#[tokio::test]
async fn a_record_whose_answer_is_lost_is_stored_once() {
    let (_cluster, proxy) = start().await;
    let kafka = connect(proxy.address()).await;
    let topic = topic(&kafka, 1, &[]).await;
    let mut producer = kafka.producer().await.unwrap();
    let sent = publish(&proxy, &mut *producer, &topic).await;
    let end = end(&kafka, &topic, OffsetSpec::HighWatermark).await;
    assert_eq!(end, 30, "records that are stored");
    let mut reader = reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, 30).await, sent);
}

#[tokio::test]
async fn a_record_of_a_transaction_whose_answer_is_lost_is_stored_once() {
    let (_cluster, proxy) = start().await;
    let kafka = connect(proxy.address()).await;
    let topic = topic(&kafka, 1, &[]).await;
    let id = unique("id");
    let producer = kafka.transactional_producer(&id, Duration::from_secs(60));
    let mut producer = producer.await.unwrap();
    producer.begin().await.unwrap();
    let sent = publish(&proxy, &mut *producer, &topic).await;
    let nobody = GroupIdentity::none(unique("group"));
    producer.commit(&nobody, Vec::new()).await.unwrap();
    // The marker of the commit is a record, too.
    eventually("the end of the transaction", async || {
        end(&kafka, &topic, OffsetSpec::LastStable).await == 31
    })
    .await;
    let end = end(&kafka, &topic, OffsetSpec::HighWatermark).await;
    assert_eq!(end, 31, "records that are stored");
    let mut reader = reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, 30).await, sent);
}
