//! How a transport begins and ends. The only test of its process, as it counts the threads.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use faustus_core::{GroupIdentity, Transport, TransportError};
use faustus_kafka::{KafkaOptions, KafkaTransport};
use support::{batch, eventually, fetch, reader, to, topic, transport};

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_transport_begins_and_ends_cleanly() {
    nobody_there_is_told_with_the_address_and_what_to_check().await;
    something_else_there_is_told().await;
    every_thread_ends().await;
}

async fn nobody_there_is_told_with_the_address_and_what_to_check() {
    let began = Instant::now();
    let error = KafkaTransport::connect("127.0.0.1:1", KafkaOptions::default()).await;
    let TransportError::Unavailable(text) = error.unwrap_err() else {
        panic!("not unavailable");
    };
    assert!(
        text.contains("127.0.0.1:1") && text.contains("check"),
        "{text}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));
}

async fn something_else_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let done = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&done);
    let server = std::thread::spawn(move || {
        for stream in listener.incoming() {
            if until.load(Ordering::Relaxed) {
                return;
            }
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let options = KafkaOptions::default().connect_timeout(Duration::from_secs(1));
    let error = KafkaTransport::connect(&address, options)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no Kafka broker"), "{error}");
    done.store(true, Ordering::Relaxed);
    drop(TcpStream::connect(address).unwrap());
    server.join().unwrap();
}

async fn every_thread_ends() {
    let _ = kafka_testbed::shared();
    let before = threads();
    let kafka = transport().await;
    let topic = topic(&kafka, 1, &[]).await;
    let mut producer = kafka.producer().await.unwrap();
    producer.publish(to(&topic, batch(["a"]))).await.unwrap();
    let mut first = reader(&kafka, &topic, 0).await;
    let second = reader(&kafka, &topic, 0).await;
    fetch(&mut *first).await.unwrap();
    let mut transactional = kafka
        .transactional_producer(&support::unique("id"), Duration::from_secs(10))
        .await
        .unwrap();
    transactional.begin().await.unwrap();
    let coordinator = kafka.coordinator("group");
    let _ = coordinator.heartbeat(GroupIdentity::none("group")).await;
    assert!(threads() > before + 4);
    drop((producer, first, second, transactional, coordinator, kafka));
    eventually("the end of all threads", async || threads() <= before).await;
}
