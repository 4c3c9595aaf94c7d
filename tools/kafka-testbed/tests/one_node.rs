//! One node: it answers, survives faults with its data, and ends with its cluster.

mod common;

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use common::{api_versions, create_topic, eventually, is_kafka, metadata, runs};
use kafka_testbed::{Cluster, Error, shared};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn answers_and_has_its_coordinators() {
    let before = Instant::now();
    let cluster = shared();
    eprintln!("one node was ready after {:?}", before.elapsed());
    let address = cluster.bootstrap();
    assert_eq!(address, cluster.address(1).unwrap());
    let versions = api_versions(&address, SECOND * 5).unwrap();
    assert!(
        versions.iter().any(|(key, ..)| *key == 0),
        "produce is there: {versions:?}"
    );
    // The consumer group protocol of Kafka 4: the storage was formatted with its features.
    assert!(versions.iter().any(|(key, ..)| *key == 68), "{versions:?}");
    assert_eq!(
        metadata(&address, "__consumer_offsets").unwrap(),
        (vec![1], true)
    );
    assert_eq!(
        metadata(&address, "__transaction_state").unwrap(),
        (vec![1], true)
    );
    assert_eq!(
        metadata(&address, "nobody-created-this").unwrap(),
        (vec![1], false)
    );
    assert_eq!(
        metadata(&address, "nobody-created-this").unwrap(),
        (vec![1], false)
    );
    assert!(std::ptr::eq(cluster, shared()));
}

#[test]
fn keeps_data_over_kill_and_start_on_the_same_port() {
    let cluster = Cluster::start(1).unwrap();
    let address = cluster.bootstrap();
    let pid = cluster.pid(1).unwrap().unwrap();
    assert!(is_kafka(pid));
    assert_eq!(create_topic(&address, "orders", 1).unwrap(), 0);

    cluster.kill(1).unwrap();
    assert!(!runs(pid));
    assert_eq!(cluster.pid(1).unwrap(), None);
    assert_eq!(
        api_versions(&address, SECOND).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    assert!(matches!(
        cluster.kill(1),
        Err(Error::NotRunning { node: 1 })
    ));
    assert!(matches!(
        cluster.pause(1),
        Err(Error::NotRunning { node: 1 })
    ));

    cluster.start_node(1).unwrap();
    assert_eq!(cluster.bootstrap(), address);
    assert!(matches!(
        cluster.start_node(1),
        Err(Error::AlreadyRunning { node: 1 })
    ));
    assert_eq!(metadata(&address, "orders").unwrap(), (vec![1], true));

    let pid = cluster.pid(1).unwrap().unwrap();
    cluster.restart(1).unwrap();
    assert!(!runs(pid));
    assert_eq!(metadata(&address, "orders").unwrap(), (vec![1], true));
    assert!(
        cluster
            .log_tail(1)
            .unwrap()
            .contains("Kafka Server started")
    );
}

#[test]
fn a_paused_node_is_silent_until_resumed() {
    let cluster = Cluster::start(1).unwrap();
    let address = cluster.bootstrap();
    cluster.pause(1).unwrap();
    // The port still accepts; nobody answers.
    let error = api_versions(&address, SECOND).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
    cluster.resume(1).unwrap();
    cluster.wait_ready().unwrap();
    assert!(api_versions(&address, SECOND * 5).is_ok());
    // A paused node can be killed.
    cluster.pause(1).unwrap();
    cluster.kill(1).unwrap();
    assert_eq!(cluster.pid(1).unwrap(), None);
}

#[test]
fn properties_can_be_set_and_numbers_are_checked() {
    let cluster = Cluster::builder()
        .heap_mb(256)
        .property("num.partitions", "3")
        .property("offsets.topic.num.partitions", "2")
        .start()
        .unwrap();
    let file = cluster.dir().join("node-1/server.properties");
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("num.partitions=3\n"), "{text}");
    assert!(
        cluster
            .dir()
            .join("node-1/data/__consumer_offsets-1")
            .exists()
    );
    assert!(
        !cluster
            .dir()
            .join("node-1/data/__consumer_offsets-2")
            .exists()
    );
    for node in [0, 2] {
        assert!(matches!(
            cluster.kill(node),
            Err(Error::NoSuchNode { nodes: 1, .. })
        ));
    }
    assert!(matches!(Cluster::start(0), Err(Error::NoNodes)));
}

#[test]
fn a_broker_that_cannot_start_shows_its_log() {
    let error = Cluster::builder()
        .property("log.retention.ms", "never")
        .start()
        .unwrap_err();
    assert!(error.to_string().contains("log.retention.ms"), "{error}");
    let error = Cluster::builder()
        .property("metric.reporters", "no.such.Reporter")
        .start();
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Died { node: 1, .. }), "{error}");
    assert!(error.to_string().contains("no.such.Reporter"), "{error}");
}

#[test]
fn a_drop_and_a_panic_leave_nothing() {
    let cluster = Cluster::start(1).unwrap();
    let (dir, pid) = (cluster.dir().to_owned(), cluster.pid(1).unwrap().unwrap());
    let panicked = std::thread::spawn(move || {
        assert_eq!(cluster.nodes(), 2, "on purpose");
    });
    assert!(panicked.join().is_err());
    assert!(!runs(pid));
    eventually("the directory is gone", SECOND, || !dir.exists());
}
