//! An event in flight holds back what was completed after it.

use std::time::Duration;

use faustus::{
    FailurePolicy, Guarantee, Settings,
    testing::{Cluster, TestWorker},
};
use faustus_core::partition_for_key;
use faustus_log::{Call, Fault, Rule};

use crate::{
    common::flow::{self, Controls, expect},
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
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        let keys: Vec<String> = (0..20).map(|i| format!("k{i:02}")).collect();
        controls.close(&keys[3]);
        let worker = start(&cluster, &controls, guarantee);
        worker.faults().add(Rule::new(Call::Publish, Fault::full()));
        send(&cluster, &keys).await;
        cluster.sleep(Duration::from_secs(3)).await;
        assert_eq!(controls.in_flight(), [&*keys[3]]);
        let done = keys[4..].iter().filter(|key| controls.times(key) > 0);
        assert!(done.count() >= 5, "{:?}", controls.done());
        assert_eq!(controls.times(&keys[0]), 2, "it was rolled back once");
        flow::check_once(&cluster, "flow", &keys[..3]).await;
        controls.open(&keys[3]);
        cluster.settle().await;
        flow::check_once(&cluster, "flow", &keys).await;
        let table = worker.table::<String, u64>("counts").await;
        assert_eq!(table, counts(&cluster).await);
    });
}

/// Twelve keys of each of two partitions.
fn keys_of_two() -> [Vec<String>; 2] {
    let keys = |partition| {
        let keys = (0..).map(|i| format!("k{i:02}"));
        let keys = keys.filter(|key| partition_for_key(key.as_bytes(), 2) == partition);
        keys.take(12).collect()
    };
    [0, 1].map(keys)
}

/// A worker of two tasks, and a second one that came when in both tasks the first event had been in
/// flight for a while and at least five later ones were completed.
struct Joined {
    keys: [Vec<String>; 2],
    /// Of the events at each of the workers.
    controls: [Controls; 2],
    workers: [TestWorker; 2],
}

impl Joined {
    async fn new(cluster: &Cluster, settings: Settings) -> Self {
        let (keys, controls) = (keys_of_two(), [Controls::default(), Controls::default()]);
        for controls in &controls {
            keys.iter().for_each(|keys| controls.close(&keys[0]));
        }
        let start = |controls| cluster.worker(flow::app("flow", controls, 2, 4), settings.clone());
        let first = start(&controls[0]);
        send(cluster, &keys.concat()).await;
        // The next heartbeat, by which a member hears of a newcomer, is far or near.
        let moment = 3_000 + cluster.seed() * 700;
        cluster.sleep(Duration::from_millis(moment)).await;
        assert_eq!(controls[0].in_flight().len(), 2);
        for keys in &keys {
            let done = controls[0].count_done(keys);
            assert!(done >= 5, "{done}");
        }
        let workers = [first, start(&controls[1])];
        Self {
            keys,
            controls,
            workers,
        }
    }

    /// The keys of the task that moved, and of the one that stays.
    async fn moved(&self) -> [&[String]; 2] {
        let [task] = &self.workers[1].status().await[..] else {
            panic!("one task moves");
        };
        let moved = task.task.partition as usize;
        [moved, 1 - moved].map(|partition| &*self.keys[partition])
    }

    /// Everything is done and told once, the event that was in flight in the task that moved by
    /// `worker`, what stays by the first one without a break.
    async fn check(&self, cluster: &Cluster, worker: usize) {
        for (controls, keys) in self
            .controls
            .iter()
            .flat_map(|c| self.keys.each_ref().map(|k| (c, k)))
        {
            controls.open(&keys[0]);
        }
        cluster.settle().await;
        flow::check_once(cluster, "flow", &self.keys.concat()).await;
        let [moved, stays] = self.moved().await;
        assert_eq!(self.controls[worker].times(&moved[0]), 1);
        assert_eq!(self.controls[1 - worker].times(&moved[0]), 0);
        assert!(stays.iter().all(|key| self.controls[0].times(key) == 1));
        assert_eq!(self.controls[1].count_done(stays), 0);
    }
}

#[test]
fn a_newcomer_whose_task_has_an_event_in_flight_that_outlasts_the_drain() {
    for_seeds(async |cluster, guarantee| {
        // Much shorter than the time until a member hears of a rebalance.
        let settings = Settings {
            drain_timeout: Duration::from_secs(1),
            ..settings(guarantee)
        };
        let joined = Joined::new(&cluster, settings).await;
        cluster.sleep(Duration::from_secs(60)).await;
        // The event is abandoned and in flight at the newcomer, and nothing behind it is stored.
        let [moved, _] = joined.moved().await;
        assert_eq!(joined.controls[1].in_flight(), [&*moved[0]]);
        assert!(joined.controls[1].count_done(moved) >= 5);
        flow::check_once(&cluster, "flow", &[]).await;
        joined.check(&cluster, 1).await;
    });
}

#[test]
fn a_newcomer_that_waits_for_the_event_in_flight() {
    for_seeds(async |cluster, guarantee| {
        let joined = Joined::new(&cluster, settings(guarantee)).await;
        // Lanes without an event end, the one with the event has not.
        let mut waits = 0;
        while joined.controls[0].ended() == 0 {
            assert!(waits < 600, "no task is revoked");
            cluster.sleep(Duration::from_millis(100)).await;
            waits += 1;
        }
        assert_eq!(joined.controls[0].in_flight().len(), 2);
        joined.check(&cluster, 0).await;
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
