//! Workers that crash, leave and come at any moment.

use std::time::Duration;

use crate::scenario::{bank, for_seeds, sent, settings};

#[test]
fn a_worker_that_crashes_at_any_moment_loses_and_doubles_nothing() {
    for_seeds(async |cluster, guarantee| {
        let mut sent = sent();
        for round in 0..5 {
            let worker = cluster.worker(bank(), settings(guarantee));
            worker.faults().delay_all(Duration::from_millis(3));
            sent.more(&cluster, 40).await;
            // Some virtual milliseconds into the work, another number each time.
            let moment = (cluster.seed() * 911 + round * 3571) % 40_000;
            cluster.sleep(Duration::from_micros(moment)).await;
            worker.crash();
        }
        let _worker = cluster.worker(bank(), settings(guarantee));
        cluster.settle().await;
        sent.check(&cluster, guarantee).await;
    });
}

#[test]
fn graceful_restarts_double_nothing_even_at_least_once() {
    for_seeds(async |cluster, guarantee| {
        let mut sent = sent();
        for round in 0..4 {
            let worker = cluster.worker(bank(), settings(guarantee));
            worker.faults().delay_all(Duration::from_millis(2));
            sent.more(&cluster, 40).await;
            let moment = (cluster.seed() * 677 + round * 2711) % 30_000;
            cluster.sleep(Duration::from_micros(moment)).await;
            worker.shutdown().await.unwrap();
        }
        let worker = cluster.worker(bank(), settings(guarantee));
        cluster.settle().await;
        assert_eq!(worker.table::<String, u64>("totals").await, sent.sums);
        sent.check_exact(&cluster).await;
    });
}

#[test]
fn tasks_move_between_workers_that_come_and_go() {
    for_seeds(async |cluster, guarantee| {
        let first = cluster.worker(bank(), settings(guarantee));
        let mut sent = sent();
        sent.more(&cluster, 40).await;
        let second = cluster.worker(bank(), settings(guarantee));
        sent.more(&cluster, 40).await;
        cluster
            .sleep(Duration::from_millis(cluster.seed() * 13 % 100))
            .await;
        let third = cluster.worker(bank(), settings(guarantee));
        sent.more(&cluster, 40).await;
        first.shutdown().await.unwrap();
        sent.more(&cluster, 40).await;
        second.crash();
        cluster.settle().await;
        sent.check(&cluster, guarantee).await;
        let totals = third.table::<String, u64>("totals").await;
        assert_eq!(totals.len(), sent.sums.len());
    });
}
