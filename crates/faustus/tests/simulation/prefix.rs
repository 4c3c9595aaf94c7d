//! An event in flight holds back what was completed after it.

use std::time::Duration;

use faustus::{
    FailurePolicy, Guarantee,
    testing::{Cluster, TestWorker},
};
use faustus_log::{Call, Fault, Rule};

use crate::{
    common::flow::{Controls, expect},
    scenario::{counts, flow_with, for_seeds, said, send, settings},
};

/// Keys of six different events; with four lanes some overtake the first.
const KEYS: [&str; 6] = ["k0", "k1", "k2", "k3", "k4", "k5"];

fn once() -> Vec<(&'static str, u64)> {
    KEYS.iter().map(|key| (*key, 1)).collect()
}

/// Starts a worker with four lanes.
fn start(cluster: &Cluster, controls: &Controls, guarantee: Guarantee) -> TestWorker {
    let app = flow_with(controls, 4, FailurePolicy::default());
    cluster.worker(app, settings(guarantee))
}

/// A worker for which the first of six events has been in flight for a while.
async fn held(cluster: &Cluster, guarantee: Guarantee) -> (Controls, TestWorker) {
    let controls = Controls::default();
    controls.close("k0");
    let worker = start(cluster, &controls, guarantee);
    send(cluster, &KEYS).await;
    cluster.sleep(Duration::from_secs(3)).await;
    assert_eq!(
        counts(cluster).await,
        expect(&[]),
        "nothing behind the first is stored"
    );
    (controls, worker)
}

/// The next worker does everything once.
async fn check_successor(cluster: &Cluster, controls: &Controls, guarantee: Guarantee) {
    controls.open("k0");
    let _worker = start(cluster, controls, guarantee);
    cluster.settle().await;
    assert_eq!(counts(cluster).await, expect(&once()));
    assert_eq!(said(cluster).await, 6);
}

#[test]
fn a_crash_with_the_first_of_six_events_in_flight() {
    for_seeds(async |cluster, guarantee| {
        let (controls, worker) = held(&cluster, guarantee).await;
        worker.crash();
        check_successor(&cluster, &controls, guarantee).await;
    });
}

#[test]
fn a_graceful_revoke_with_the_first_of_six_events_in_flight() {
    for_seeds(async |cluster, guarantee| {
        let (controls, worker) = held(&cluster, guarantee).await;
        // The event does not end within the drain: it is abandoned, and nothing behind it is stored.
        worker.shutdown().await.unwrap();
        assert_eq!(counts(&cluster).await, expect(&[]));
        check_successor(&cluster, &controls, guarantee).await;
    });
}

#[test]
fn a_graceful_revoke_waits_for_the_event_in_flight() {
    for_seeds(async |cluster, guarantee| {
        let (controls, worker) = held(&cluster, guarantee).await;
        worker.handle().shutdown();
        cluster.sleep(Duration::from_secs(1)).await;
        controls.open("k0");
        worker.ended().await.unwrap();
        let seen = counts(&cluster).await;
        assert_eq!(seen.get("k0"), Some(&1), "{seen:?}");
        assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    });
}

#[test]
fn an_aborted_epoch_with_an_event_in_flight() {
    for_seeds(async |cluster, _| {
        let controls = Controls::default();
        controls.close("k3");
        let worker = start(&cluster, &controls, Guarantee::ExactlyOnce);
        worker.faults().add(Rule::new(Call::Publish, Fault::full()));
        send(&cluster, &KEYS).await;
        cluster.sleep(Duration::from_secs(2)).await;
        controls.open("k3");
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&once()));
        assert_eq!(worker.table::<String, u64>("counts").await, expect(&once()));
        assert_eq!(said(&cluster).await, 6);
    });
}

#[test]
fn one_partition_uses_all_of_its_four_lanes() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        let keys: Vec<String> = (0..40).map(|i| format!("key-{i}")).collect();
        keys.iter().for_each(|key| controls.close(key));
        let _worker = start(&cluster, &controls, guarantee);
        send(&cluster, &keys).await;
        cluster.sleep(Duration::from_secs(2)).await;
        // None of them has been let go: there never were more.
        assert_eq!(controls.in_flight().len(), 4);
    });
}
