//! Groups of workers: nobody hangs, and everybody has something to do.

use std::time::Duration;

use super::flow_of;
use crate::{
    common::flow::check_once,
    scenario::{for_seeds, send, settings},
};

/// With more of Faust's workers than partitions, those that got none hung and took the group with them.
#[test]
fn more_workers_than_partitions_hang_nobody() {
    for_seeds(async |cluster, guarantee| {
        let mut workers = Vec::new();
        for _ in 0..5 {
            workers.push(cluster.worker(flow_of(2), settings(guarantee)));
        }
        let keys: Vec<String> = (0..20).map(|i| format!("k{i}")).collect();
        send(&cluster, &keys[..10]).await;
        cluster.settle().await;
        let mut tasks = 0;
        for worker in &workers {
            tasks += worker.status().await.len();
        }
        assert_eq!(tasks, 2);
        // Those that had none take over.
        while workers.len() > 1 {
            workers.remove(0).shutdown().await.unwrap();
        }
        send(&cluster, &keys[10..]).await;
        cluster.settle().await;
        assert_eq!(workers[0].status().await.len(), 2);
        check_once(&cluster, "flow", &keys).await;
    });
}

/// After some of Faust's workers came and went, some had no partitions and others many.
#[test]
fn partitions_are_shared_out_evenly_again_after_workers_came_and_went() {
    for_seeds(async |cluster, guarantee| {
        let start = || cluster.worker(flow_of(8), settings(guarantee));
        let mut workers = vec![start(), start(), start()];
        send(&cluster, &["a", "b"]).await;
        cluster.settle().await;
        workers.remove(0).shutdown().await.unwrap();
        workers.remove(0).crash();
        cluster.sleep(Duration::from_secs(60)).await;
        workers.extend([start(), start()]);
        cluster.sleep(Duration::from_secs(60)).await;
        cluster.settle().await;
        let mut loads = Vec::new();
        for worker in &workers {
            loads.push(worker.status().await.len());
        }
        loads.sort_unstable();
        assert_eq!(loads, [2, 3, 3]);
    });
}
