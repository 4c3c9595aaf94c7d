//! Workers that crash, leave and come at any moment.

use std::{collections::BTreeMap, time::Duration};

use faustus::{Guarantee, testing::Cluster};

use crate::bank::{self, Total, app, for_seeds, settings};

fn merge(into: &mut BTreeMap<String, u64>, from: BTreeMap<String, u64>) {
    for (account, sum) in from {
        *into.entry(account).or_default() += sum;
    }
}

/// Exactly once: all sums are right. At least once: none is too small.
async fn check(cluster: &Cluster, guarantee: Guarantee, sums: &BTreeMap<String, u64>) {
    let seed = cluster.seed();
    let totals = cluster.changelog::<String, u64>("bank", "totals").await;
    let replies = cluster.records("order-totals").await;
    if guarantee == Guarantee::ExactlyOnce {
        assert_eq!(&totals, sums, "seed {seed}");
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for Total { account, total } in replies.iter().map(|record| record.json()) {
            seen.entry(account).or_default().push(total);
        }
        for (account, mut all) in seen {
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(
                all.len(),
                count,
                "seed {seed}: a running total of {account} came twice"
            );
        }
    } else {
        for (account, sum) in sums {
            let total = totals.get(account).copied().unwrap_or_default();
            assert!(
                total >= *sum,
                "seed {seed}: {account} is {total}, below {sum}"
            );
        }
    }
}

#[test]
fn a_worker_that_crashes_at_any_moment_loses_and_doubles_nothing() {
    for_seeds(async |cluster, guarantee| {
        let mut sums = BTreeMap::new();
        let mut sent = 1;
        for round in 0..5 {
            let worker = cluster.worker(app(), settings(guarantee));
            worker.faults().delay_all(Duration::from_millis(3));
            merge(&mut sums, bank::send(&cluster, sent, 40).await);
            sent += 40;
            // Some virtual milliseconds into the work, another number each time.
            cluster
                .sleep(Duration::from_micros(
                    (cluster.seed() * 911 + round * 3571) % 40_000,
                ))
                .await;
            worker.crash();
        }
        let _worker = cluster.worker(app(), settings(guarantee));
        cluster.settle().await;
        check(&cluster, guarantee, &sums).await;
        if guarantee == Guarantee::ExactlyOnce {
            assert_eq!(
                cluster.records("order-totals").await.len() as u64,
                2 * (sent - 1)
            );
        }
    });
}

#[test]
fn graceful_restarts_double_nothing_even_at_least_once() {
    for_seeds(async |cluster, guarantee| {
        let mut sums = BTreeMap::new();
        let mut sent = 1;
        for round in 0..4 {
            let worker = cluster.worker(app(), settings(guarantee));
            worker.faults().delay_all(Duration::from_millis(2));
            merge(&mut sums, bank::send(&cluster, sent, 40).await);
            sent += 40;
            cluster
                .sleep(Duration::from_micros(
                    (cluster.seed() * 677 + round * 2711) % 30_000,
                ))
                .await;
            worker.shutdown().await.unwrap();
        }
        let worker = cluster.worker(app(), settings(guarantee));
        cluster.settle().await;
        assert_eq!(
            worker.table::<String, u64>("totals").await,
            sums,
            "seed {}",
            cluster.seed()
        );
        assert_eq!(
            cluster.records("order-totals").await.len() as u64,
            2 * (sent - 1)
        );
    });
}

#[test]
fn tasks_move_between_workers_that_come_and_go() {
    for_seeds(async |cluster, guarantee| {
        let first = cluster.worker(app(), settings(guarantee));
        let mut sums = bank::send(&cluster, 1, 40).await;
        let second = cluster.worker(app(), settings(guarantee));
        merge(&mut sums, bank::send(&cluster, 41, 40).await);
        cluster
            .sleep(Duration::from_millis(cluster.seed() * 13 % 100))
            .await;
        let third = cluster.worker(app(), settings(guarantee));
        merge(&mut sums, bank::send(&cluster, 81, 40).await);
        first.shutdown().await.unwrap();
        merge(&mut sums, bank::send(&cluster, 121, 40).await);
        second.crash();
        cluster.settle().await;
        check(&cluster, guarantee, &sums).await;
        assert_eq!(third.table::<String, u64>("totals").await.len(), sums.len());
    });
}
