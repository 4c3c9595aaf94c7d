//! Commits that fail, and commits of which nobody knows whether they did.

use std::time::Duration;

use faustus::{FailurePolicy, Guarantee, Settings};
use faustus_core::{GroupError, TransportError};
use faustus_log::{Call, Fault, Rule};

use crate::{
    bank::{self, for_seeds, settings},
    flow::{Controls, app, counts, expect, send},
};

#[test]
fn a_commit_of_unknown_outcome_is_neither_lost_nor_doubled() {
    let faults = [
        Fault::unknown_with_effect(),
        Fault::unknown_without_effect(),
    ];
    for fault in faults {
        for_seeds(async |cluster, _| {
            let guarantee = Guarantee::ExactlyOnce;
            let worker = cluster.worker(bank::app(), settings(guarantee));
            for skip in 0..4 {
                worker
                    .faults()
                    .add(Rule::new(Call::Commit, fault.clone()).skip(skip * 3));
            }
            let sums = bank::send(&cluster, 1, 60).await;
            cluster.settle().await;
            let seed = cluster.seed();
            assert_eq!(
                worker.table::<String, u64>("totals").await,
                sums,
                "seed {seed} {fault:?}"
            );
            assert_eq!(
                cluster.changelog::<String, u64>("bank", "totals").await,
                sums
            );
            assert_eq!(cluster.records("order-totals").await.len(), 120);
        });
    }
}

#[test]
fn a_commit_of_unknown_outcome_that_cannot_be_found_out_is_neither_lost_nor_doubled() {
    let lost = TransportError::OutcomeUnknown("connection lost".into());
    let down = Fault::unavailable();
    let troubles = [
        // The answer to the question gets lost too.
        Rule::new(Call::FetchOffsets, Fault::Before(lost)).times(3),
        // No question can be asked until some of the tasks belong to the other worker.
        Rule::new(Call::Producer, down).always(),
    ];
    for trouble in troubles {
        for_seeds(async |cluster, _| {
            let settings = Settings {
                threads: 1,
                ..settings(Guarantee::ExactlyOnce)
            };
            let first = cluster.worker(bank::app(), settings.clone());
            let mut sums = bank::send(&cluster, 1, 30).await;
            cluster.settle().await;
            let unknown = Fault::unknown_with_effect();
            first.faults().add(Rule::new(Call::Commit, unknown));
            first.faults().add(trouble.clone());
            let more = bank::send(&cluster, 31, 30).await;
            more.into_iter()
                .for_each(|(account, sum)| *sums.entry(account).or_default() += sum);
            let second = cluster.worker(bank::app(), settings);
            cluster.sleep(Duration::from_secs(60)).await;
            first.faults().clear();
            cluster.settle().await;
            let mut seen = first.table::<String, u64>("totals").await;
            seen.extend(second.table::<String, u64>("totals").await);
            assert_eq!(seen, sums, "seed {} {trouble:?}", cluster.seed());
            assert_eq!(cluster.records("order-totals").await.len(), 120);
        });
    }
}

#[test]
fn every_call_of_the_log_may_fail_now_and_then() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(bank::app(), settings(guarantee));
        let unavailable = |call| {
            Rule::new(call, Fault::unavailable())
                .always()
                .per_mille(100)
        };
        for call in [
            Call::Publish,
            Call::Commit,
            Call::Begin,
            Call::Fetch,
            Call::Read,
            Call::Heartbeat,
            Call::CommitOffsets,
            Call::FetchOffsets,
        ] {
            worker.faults().add(unavailable(call));
        }
        worker.faults().delay_all(Duration::from_millis(2));
        let sums = bank::send(&cluster, 1, 60).await;
        cluster.settle().await;
        assert_eq!(
            worker.table::<String, u64>("totals").await,
            sums,
            "seed {}",
            cluster.seed()
        );
        assert_eq!(cluster.records("order-totals").await.len(), 120);
    });
}

#[test]
fn what_is_sent_while_an_epoch_commits_goes_with_the_next() {
    for_seeds(async |cluster, _| {
        let worker = cluster.worker(
            app(&Controls::default(), 1, FailurePolicy::default()),
            settings(Guarantee::ExactlyOnce),
        );
        worker.faults().add(Rule::new(
            Call::Commit,
            Fault::Delay(Duration::from_secs(2)),
        ));
        send(&cluster, &["a"]).await;
        cluster.sleep(Duration::from_millis(500)).await;
        send(&cluster, &["b"]).await;
        cluster.sleep(Duration::from_millis(500)).await;
        assert_eq!(
            counts(&cluster).await,
            expect(&[]),
            "the first epoch is still open"
        );
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        assert!(
            worker.faults().seen(Call::Commit) >= 2,
            "not all in one transaction"
        );
        assert_eq!(cluster.records("said").await.len(), 2);
    });
}

#[test]
fn a_new_generation_during_a_commit_rolls_back_nothing() {
    for_seeds(async |cluster, guarantee| {
        let first = cluster.worker(bank::app(), settings(guarantee));
        let slow = match guarantee {
            Guarantee::ExactlyOnce => Call::Commit,
            Guarantee::AtLeastOnce => Call::CommitOffsets,
        };
        first
            .faults()
            .add(Rule::new(slow, Fault::Delay(Duration::from_secs(3))).always());
        let sums = bank::send(&cluster, 1, 30).await;
        cluster
            .sleep(Duration::from_millis(100 + cluster.seed() * 50))
            .await;
        let second = cluster.worker(bank::app(), settings(guarantee));
        cluster.sleep(Duration::from_secs(20)).await;
        first.faults().clear();
        cluster.settle().await;
        let mut seen = first.table::<String, u64>("totals").await;
        seen.extend(second.table::<String, u64>("totals").await);
        assert_eq!(seen, sums, "seed {}", cluster.seed());
        assert_eq!(cluster.records("order-totals").await.len(), 60);
    });
}

#[test]
fn an_aborted_transaction_is_made_again() {
    for_seeds(async |cluster, _| {
        let worker = cluster.worker(
            app(&Controls::default(), 1, FailurePolicy::default()),
            settings(Guarantee::ExactlyOnce),
        );
        let aborted = TransportError::Aborted("injected".into());
        worker
            .faults()
            .add(Rule::new(Call::Commit, Fault::Before(aborted)));
        send(&cluster, &["a", "b"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
    });
}

#[test]
fn a_rejected_offset_commit_leaves_the_task_where_it_was() {
    for_seeds(async |cluster, _| {
        let worker = cluster.worker(
            app(&Controls::default(), 1, FailurePolicy::default()),
            settings(Guarantee::AtLeastOnce),
        );
        let stale = Fault::Answer(GroupError::IllegalGeneration);
        worker.faults().add(Rule::new(Call::CommitOffsets, stale));
        send(&cluster, &["a", "b"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        assert_eq!(cluster.records("said").await.len(), 2);
    });
}

#[test]
fn a_successor_ends_the_transaction_of_a_dead_worker_and_does_not_wait_for_its_timeout() {
    for_seeds(async |cluster, _| {
        let settings = || Settings {
            session_timeout: Duration::from_secs(2),
            ..settings(Guarantee::ExactlyOnce)
        };
        let flow = || app(&Controls::default(), 1, FailurePolicy::default());
        let worker = cluster.worker(flow(), settings());
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        // It dies between the two halves of a commit: offsets are pending, the transaction is open.
        worker.faults().add(Rule::new(Call::Commit, Fault::Cut(1)));
        worker.faults().add(Rule::new(
            Call::Producer,
            Fault::Delay(Duration::from_secs(60)),
        ));
        send(&cluster, &["b"]).await;
        cluster.sleep(Duration::from_millis(100)).await;
        worker.crash();
        let died = cluster.clock().monotonic();
        let _successor = cluster.worker(flow(), settings());
        cluster.settle().await;
        let took = cluster.clock().monotonic() - died;
        assert!(
            took < Duration::from_secs(5),
            "seed {}: {took:?}",
            cluster.seed()
        );
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
    });
}

#[test]
fn what_retires_while_a_commit_hangs_is_bounded() {
    for_seeds(async |cluster, guarantee| {
        let settings = Settings {
            task_bytes: 100,
            ..settings(guarantee)
        };
        let flow = app(&Controls::default(), 1, FailurePolicy::default());
        let worker = cluster.worker(flow, settings);
        for call in [Call::Commit, Call::CommitOffsets] {
            let hang = Fault::Delay(Duration::from_secs(120));
            worker.faults().add(Rule::new(call, hang));
        }
        let keys: Vec<String> = (0..2000).map(|i| format!("key-{i:04}")).collect();
        send(
            &cluster,
            &keys.iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .await;
        cluster.sleep(Duration::from_secs(30)).await;
        let retired = worker.status().await[0].retired;
        assert!(
            retired < 1000,
            "seed {}: {retired} events retired",
            cluster.seed()
        );
        cluster.settle().await;
        assert_eq!(counts(&cluster).await.len(), 2000);
    });
}
