//! Records on a real broker, beyond the conformance suite: limits of the client, readers that come
//! and go, topics that are made anew.

mod support;

use std::time::{Duration, Instant};

use faustus_core::{
    BatchBuilder, Offset, Outgoing, PublishError, ReadOptions, Timestamp, TopicPartition,
    Transport, TransportError,
};
use faustus_kafka::{KafkaOptions, KafkaTransport};
use support::{batch, eventually, fetch, make, reader, to, topic, transport, unique, values};

#[tokio::test]
async fn many_records_of_many_calls_come_back_in_order() {
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[]).await;
    let mut producer = kafka.producer().await.unwrap();
    let mut expected = Vec::new();
    for call in 0..20 {
        let call: Vec<String> = (0..1000).map(|i| format!("{call}-{i}")).collect();
        let published = producer.publish(to(&topic, batch(&call))).await.unwrap();
        expected.extend(call);
        assert_eq!(published.ends, [Offset(expected.len() as i64)]);
    }
    let mut reader = reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, expected.len()).await, expected);
    assert_eq!(reader.position(), Offset(20_000));
}

#[tokio::test]
async fn calls_of_several_handles_do_not_disturb_each_other() {
    let kafka = transport().await;
    let topic = topic(&kafka, 4, &[]).await;
    let writers = (0..4).map(|partition| {
        let (kafka, topic) = (std::sync::Arc::clone(&kafka), topic.clone());
        tokio::spawn(async move {
            let mut producer = kafka.producer().await.unwrap();
            for call in 0..50 {
                let outgoing = vec![Outgoing {
                    partition: TopicPartition::new(topic.clone(), partition),
                    batch: batch(["x"; 10]),
                }];
                let published = producer.publish(outgoing).await.unwrap();
                assert_eq!(published.ends, [Offset((call + 1) * 10)]);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn records_of_all_compressions_come_back() {
    use faustus_kafka::Compression;
    let bootstrap = kafka_testbed::shared().bootstrap();
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let options = KafkaOptions::default().compression(compression);
        let kafka = KafkaTransport::connect(&bootstrap, options).await.unwrap();
        let topic = topic(&kafka, 1, &[]).await;
        let expected: Vec<String> = (0..1000).map(|i| format!("{compression:?} {i}")).collect();
        let mut producer = kafka.producer().await.unwrap();
        producer
            .publish(to(&topic, batch(&expected)))
            .await
            .unwrap();
        let mut reader = reader(&kafka, &topic, 0).await;
        assert_eq!(values(&mut *reader, expected.len()).await, expected);
    }
}

#[tokio::test]
async fn batches_keep_below_a_topic_limit_that_is_smaller_than_the_clients() {
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[("max.message.bytes", "2000")]).await;
    let mut producer = kafka.producer().await.unwrap();
    let expected: Vec<String> = (0..300).map(|i| format!("{i:0>100}")).collect();
    let published = producer.publish(to(&topic, batch(&expected))).await;
    assert_eq!(published.unwrap().ends, [Offset(300)]);
    let mut reader = reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, 300).await, expected);
}

#[tokio::test]
async fn a_record_as_large_as_its_topic_allows_is_stored() {
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[("max.message.bytes", "5000000")]).await;
    let mut producer = kafka.producer().await.unwrap();
    let large = "x".repeat(4_999_900);
    let records = batch(["before", &large, "after"]);
    producer.publish(to(&topic, records)).await.unwrap();
    let mut reader = reader(&kafka, &topic, 0).await;
    let lengths: Vec<usize> = values(&mut *reader, 3)
        .await
        .iter()
        .map(String::len)
        .collect();
    assert_eq!(lengths, [6, 4_999_900, 5]);
}

#[tokio::test]
async fn a_topic_made_stricter_meanwhile_refuses_the_guilty_and_stores_the_rest() {
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[("max.message.bytes", "100000")]).await;
    let mut producer = kafka.producer().await.unwrap();
    producer
        .publish(to(&topic, batch(["known"])))
        .await
        .unwrap();
    // The same name with a smaller limit, behind the back of the first transport.
    let other = transport().await;
    other.admin().delete_topic(&topic).await.unwrap();
    make(&other, &topic, 1, &[("max.message.bytes", "500")]).await;
    let large = "x".repeat(1000);
    let records = batch(["a", "b", &large, "c"]);
    let error = loop {
        match producer.publish(to(&topic, records.clone())).await {
            // librdkafka still looks for the topic's leader.
            Err(PublishError::Transport(TransportError::UnknownTopic(_))) => {}
            Err(error) => break error,
            Ok(published) => panic!("stored: {published:?}"),
        }
    };
    let PublishError::Refused(refusals) = error else {
        panic!("{error}");
    };
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!((refusals[0].outgoing, refusals[0].record), (0, 2));
    let mut reader = reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, 3).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_time_stamp_too_far_in_the_future_is_refused_and_others_are_stored() {
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[]).await;
    let mut producer = kafka.producer().await.unwrap();
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1_700_000_000_000), None, Some(b"past"));
    builder.push(Timestamp(9_000_000_000_000), None, Some(b"future"));
    let error = producer.publish(to(&topic, builder.build())).await;
    let Err(PublishError::Refused(refusals)) = error else {
        panic!("{error:?}");
    };
    assert_eq!((refusals.len(), refusals[0].record), (1, 1));
    let mut reader = reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, 1).await, ["past"]);
}

#[tokio::test]
async fn a_reader_of_a_topic_made_anew_ends() {
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[]).await;
    let mut producer = kafka.producer().await.unwrap();
    producer
        .publish(to(&topic, batch(["old"; 5])))
        .await
        .unwrap();
    let mut reader = reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, 5).await.len(), 5);
    kafka.admin().delete_topic(&topic).await.unwrap();
    make(&kafka, &topic, 1, &[]).await;
    let error = loop {
        match fetch(&mut *reader).await {
            Ok(fetched) => assert!(fetched.batch.is_empty(), "{fetched:?}"),
            Err(error) if error.is_transient() => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error, TransportError::UnknownTopic(topic.clone()));
    // It stays at its end, and a new reader reads the new topic.
    assert!(fetch(&mut *reader).await.is_err());
    drop(reader);
    eventually("a record of the new topic", async || {
        producer.publish(to(&topic, batch(["new"]))).await.is_ok()
    })
    .await;
    let mut reader = support::reader(&kafka, &topic, 0).await;
    assert_eq!(values(&mut *reader, 1).await, ["new"]);
}

#[tokio::test]
async fn a_partition_is_read_again_at_once_after_its_reader_was_dropped() {
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[]).await;
    let mut producer = kafka.producer().await.unwrap();
    let records: Vec<String> = (0..50).map(|i| i.to_string()).collect();
    producer.publish(to(&topic, batch(&records))).await.unwrap();
    for from in 0..50 {
        let mut reader = reader(&kafka, &topic, from).await;
        let values = values(&mut *reader, 1).await;
        assert_eq!(values[0], from.to_string());
    }
}

#[tokio::test]
async fn batches_keep_to_their_size_and_nothing_is_lost_between_them() {
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[]).await;
    let mut producer = kafka.producer().await.unwrap();
    let records: Vec<String> = (0..1000).map(|i| format!("{i:0>90}")).collect();
    producer.publish(to(&topic, batch(&records))).await.unwrap();
    let partition = TopicPartition::new(topic, 0);
    let options = ReadOptions::default().max_batch_bytes(1000);
    let mut reader = kafka
        .log()
        .read(&partition, Offset(0), options)
        .await
        .unwrap();
    let mut read = Vec::new();
    while read.len() < 1000 {
        let fetched = fetch(&mut *reader).await.unwrap();
        assert!(fetched.batch.bytes() <= 1000);
        let values = fetched
            .batch
            .iter()
            .map(|record| record.value().unwrap().to_vec());
        read.extend(values.map(|value| String::from_utf8(value).unwrap()));
        assert_eq!(fetched.position, Offset(read.len() as i64));
    }
    assert_eq!(read, records);
}

#[test]
fn it_works_without_an_async_runtime() {
    let bootstrap = kafka_testbed::shared().bootstrap();
    let name = unique("bare");
    let done = std::thread::spawn(move || {
        bare_block_on(async {
            let options = KafkaOptions::default();
            let kafka = KafkaTransport::connect(&bootstrap, options).await.unwrap();
            make(&kafka, &name.as_str().into(), 1, &[]).await;
            let topic = name.as_str().into();
            let mut producer = kafka.producer().await.unwrap();
            producer.publish(to(&topic, batch(["a"]))).await.unwrap();
            let mut reader = reader(&kafka, &topic, 0).await;
            let fetched = std::future::poll_fn(|cx| reader.poll_fetch(cx)).await;
            assert_eq!(fetched.unwrap().batch.len(), 1);
            let id = faustus_core::GroupIdentity::none(&*name);
            let mut producer = kafka
                .transactional_producer(&name, Duration::from_secs(10))
                .await
                .unwrap();
            producer.begin().await.unwrap();
            producer.commit(&id, Vec::new()).await.unwrap();
        });
    });
    done.join().unwrap();
}

/// Polls on this thread, which sleeps in between.
fn bare_block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(&waker);
    let began = Instant::now();
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        assert!(
            began.elapsed() < support::PATIENCE,
            "nothing woke the thread up"
        );
        std::thread::park_timeout(Duration::from_secs(1));
    }
}
