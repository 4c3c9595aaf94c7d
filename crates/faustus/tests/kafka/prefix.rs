//! An event in flight holds back what was completed after it.

use std::{collections::BTreeMap, time::Duration};

use faustus::{Ended, Guarantee, Settings};
use faustus_core::{Offset, TopicPartition, TransportError};
use faustus_log::{Call, Fault, Rule};

use crate::{
    broker::{connect, faulty, settings},
    common::{
        Outside, Running, both, check,
        flow::{self, Controls},
        until,
    },
};

/// What a worker did that has an event in flight, and at least five later ones that are completed.
struct Held {
    name: String,
    outside: Outside,
    controls: Controls,
    /// How to start another worker.
    settings: Settings,
    /// Of all events; the first is in flight.
    keys: Vec<String>,
}

impl Held {
    async fn new(name: &str, guarantee: Guarantee) -> (Self, Running) {
        // One thread, so that an epoch of one task is an epoch of all.
        let settings = Settings {
            threads: 1,
            drain_timeout: Duration::from_secs(1),
            ..settings(guarantee)
        };
        let outside = Outside::new(&connect().await);
        let controls = Controls::default();
        let mut keys: Vec<String> = (0..20).map(|i| format!("k{i:02}")).collect();
        controls.close(&keys[0]);
        let app = flow::app(name, &controls, 2, 4);
        let worker = Running::start(app, &connect().await, settings.clone()).await;
        flow::send(&outside, name, 0, &keys).await;
        until(async || {
            let (held, done) = (controls.in_flight(), controls.done());
            check(held == ["k00"] && done.len() >= 5, (held, done))
        })
        .await;
        // An event of another task is committed by a later epoch of the same thread.
        let witness = ["witness".to_owned()];
        flow::send(&outside, name, 1, &witness).await;
        let at = |partition| TopicPartition::new(format!("{name}-events"), partition);
        until(async || {
            let committed = outside.committed(name, &at(1)).await;
            check(committed == Offset(1), committed)
        })
        .await;
        assert_eq!(outside.committed(name, &at(0)).await, Offset(0));
        flow::check_once(&outside, name, &witness).await;
        keys.extend(witness);
        let held = Self {
            name: name.to_owned(),
            outside,
            controls,
            settings,
            keys,
        };
        (held, worker)
    }

    /// A worker after this one does everything once.
    async fn check_successor(&self) {
        self.controls.open("k00");
        let app = flow::app(&self.name, &self.controls, 2, 4);
        let log = connect().await;
        let worker = Running::start(app, &log, self.settings.clone()).await;
        self.outside.settle(&[&worker]).await;
        flow::check_once(&self.outside, &self.name, &self.keys).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_with_an_event_in_flight() {
    both("held-crash", async |name, guarantee| {
        let (held, worker) = Held::new(name, guarantee).await;
        worker.crash().await;
        held.check_successor().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_that_an_event_in_flight_outlasts() {
    both("held-outlasts", async |name, guarantee| {
        let (held, worker) = Held::new(name, guarantee).await;
        assert_eq!(worker.shutdown().await, Ended::Cut);
        // Nothing behind the event is stored.
        flow::check_once(&held.outside, name, &["witness".to_owned()]).await;
        held.check_successor().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_that_waits_for_the_event_in_flight() {
    both("held-waits", async |name, guarantee| {
        let (held, worker) = Held::new(name, guarantee).await;
        worker.handle.shutdown();
        held.controls.open("k00");
        assert_eq!(worker.ended().await, Ended::Drained);
        let stored = flow::counts(&held.outside, name).await;
        assert_eq!(stored.get("k00"), Some(&1), "{name}");
        held.check_successor().await;
    })
    .await;
}

/// Three events retire, one is in flight, others are completed behind it, and the first epoch fails.
/// Gives how often the first event was done.
async fn epoch_fails(name: &str, guarantee: Guarantee, rule: Rule) -> usize {
    let (log, faults) = faulty().await;
    let outside = Outside::new(&connect().await);
    let controls = Controls::default();
    let keys: Vec<String> = (0..20).map(|i| format!("k{i:02}")).collect();
    controls.close("k03");
    let app = flow::app(name, &controls, 1, 4);
    faults.add(rule);
    let worker = Running::start(app, &log, settings(guarantee)).await;
    flow::send(&outside, name, 0, &keys).await;
    let expected: BTreeMap<String, u64> = keys[..3].iter().map(|k| (k.clone(), 1)).collect();
    until(async || {
        let stored = flow::counts(&outside, name).await;
        check(stored == expected, stored)
    })
    .await;
    controls.open("k03");
    outside.settle(&[&worker]).await;
    flow::check_once(&outside, name, &keys).await;
    controls
        .done()
        .iter()
        .filter(|key| **key == keys[0])
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_fails_with_an_event_in_flight() {
    both("held-full", async |name, guarantee| {
        let rule = Rule::new(Call::Publish, Fault::full());
        let done = epoch_fails(name, guarantee, rule).await;
        assert_eq!(done, 2, "{name}: it was rolled back once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_transaction_with_an_event_in_flight() {
    let aborted = TransportError::Aborted("injected".into());
    let rule = Rule::new(Call::Commit, Fault::Before(aborted));
    // The same epoch goes with the next transaction.
    let done = epoch_fails("held-aborted", Guarantee::ExactlyOnce, rule).await;
    assert_eq!(done, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_partitions_use_all_of_their_four_lanes() {
    both("lanes", async |name, guarantee| {
        let outside = Outside::new(&connect().await);
        let controls = Controls::default();
        let keys: Vec<String> = (0..400).map(|i| format!("key-{i}")).collect();
        keys.iter().for_each(|key| controls.close(key));
        let app = flow::app(name, &controls, 8, 4);
        let worker = Running::start(app, &connect().await, settings(guarantee)).await;
        let events = keys.iter().map(|key| (key, r#""event""#));
        // To the partitions that Kafka's own partitioner chooses.
        outside.send(&format!("{name}-events"), events).await;
        until(async || {
            let held = controls.in_flight().len();
            check(held == 8 * 4, held)
        })
        .await;
        keys.iter().for_each(|key| controls.open(key));
        outside.settle(&[&worker]).await;
        flow::check_once(&outside, name, &keys).await;
    })
    .await;
}
