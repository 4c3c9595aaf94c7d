//! An event in flight holds back what was completed after it.

use std::collections::BTreeMap;

use faustus::{Ended, Guarantee};
use faustus_core::TransportError;
use faustus_log::{Call, Fault, Rule};

use crate::{
    broker::{connect, faulty, settings},
    common::{
        Outside, Running, both, check,
        flow::{self, Controls},
        held::{Held, WITNESS},
        moved, until,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_with_an_event_in_flight() {
    both("held-crash", async |name, guarantee| {
        let log = connect().await;
        let (held, worker) = Held::new(name, &log, settings(guarantee)).await;
        worker.crash().await;
        held.check_successor(&connect().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_that_an_event_in_flight_outlasts() {
    both("held-outlasts", async |name, guarantee| {
        let log = connect().await;
        let (held, worker) = Held::new(name, &log, settings(guarantee)).await;
        assert_eq!(worker.shutdown().await, Ended::Cut);
        // Nothing behind the event is stored.
        flow::check_once(&Outside::new(&log), name, &[WITNESS.to_owned()]).await;
        held.check_successor(&connect().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_that_waits_for_the_event_in_flight() {
    both("held-waits", async |name, guarantee| {
        let log = connect().await;
        let (held, worker) = Held::new(name, &log, settings(guarantee)).await;
        worker.handle.shutdown();
        held.controls.open("k00");
        assert_eq!(worker.ended().await, Ended::Drained);
        let stored = flow::counts(&Outside::new(&log), name).await;
        assert_eq!(stored.get("k00"), Some(&1), "{name}");
        held.check_successor(&connect().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_whose_task_has_an_event_in_flight_that_outlasts_the_drain() {
    both("newcomer-outlasted", async |name, guarantee| {
        let (one, other) = (connect().await, connect().await);
        moved::outlasts(name, [&one, &other], settings(guarantee)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_that_waits_for_the_event_in_flight() {
    both("newcomer-waits", async |name, guarantee| {
        let (one, other) = (connect().await, connect().await);
        moved::is_awaited(name, [&one, &other], settings(guarantee)).await;
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
    flow::send(&outside, name, &keys).await;
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
        // To the partitions that Kafka's own partitioner chooses.
        flow::send(&outside, name, &keys).await;
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
