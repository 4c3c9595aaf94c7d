//! Commits that fail, and commits of which nobody knows whether they did.

use std::{collections::BTreeMap, time::Duration};

use faustus::{
    Ended, Guarantee, Settings,
    testing::{Cluster, TestWorker},
};
use faustus_core::{
    BatchBuilder, GroupError, Outgoing, Timestamp, TopicPartition, Transport, TransportError,
};
use faustus_log::{Call, Fault, Rule};

use crate::{
    common::{bank::Sent, flow::expect},
    scenario::{bank, counts, flow, for_seeds, said, send, sent, settings},
};

/// The tables of two workers are right together, and so is what was told.
async fn check_both(cluster: &Cluster, sent: &Sent, workers: [&TestWorker; 2]) {
    let mut seen = BTreeMap::new();
    for worker in workers {
        seen.extend(worker.table::<String, u64>("totals").await);
    }
    assert_eq!(seen, sent.sums);
    sent.check_exact(cluster).await;
}

#[test]
fn a_commit_of_unknown_outcome_is_neither_lost_nor_doubled() {
    let faults = [
        Fault::unknown_with_effect(),
        Fault::unknown_without_effect(),
    ];
    for fault in faults {
        for_seeds(async |cluster, _| {
            let worker = cluster.worker(bank(), settings(Guarantee::ExactlyOnce));
            for skip in 0..4 {
                worker
                    .faults()
                    .add(Rule::new(Call::Commit, fault.clone()).skip(skip * 3));
            }
            let mut sent = sent();
            sent.more(&cluster, 60).await;
            cluster.settle().await;
            let totals = worker.table::<String, u64>("totals").await;
            assert_eq!(totals, sent.sums, "{fault:?}");
            sent.check_exact(&cluster).await;
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
            let first = cluster.worker(bank(), settings.clone());
            let mut sent = sent();
            sent.more(&cluster, 30).await;
            cluster.settle().await;
            let unknown = Fault::unknown_with_effect();
            first.faults().add(Rule::new(Call::Commit, unknown));
            first.faults().add(trouble.clone());
            sent.more(&cluster, 30).await;
            let second = cluster.worker(bank(), settings);
            cluster.sleep(Duration::from_secs(60)).await;
            first.faults().clear();
            cluster.settle().await;
            check_both(&cluster, &sent, [&first, &second]).await;
        });
    }
}

#[test]
fn every_call_of_the_log_may_fail_now_and_then() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(bank(), settings(guarantee));
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
        let mut sent = sent();
        sent.more(&cluster, 60).await;
        cluster.settle().await;
        assert_eq!(worker.table::<String, u64>("totals").await, sent.sums);
        sent.check_exact(&cluster).await;
    });
}

#[test]
fn what_is_sent_while_an_epoch_commits_goes_with_the_next() {
    for_seeds(async |cluster, _| {
        let worker = cluster.worker(flow(), settings(Guarantee::ExactlyOnce));
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
        assert_eq!(said(&cluster).await, 2);
    });
}

#[test]
fn what_a_worker_committed_can_be_read_when_it_ended() {
    for_seeds(async |cluster, _| {
        let worker = cluster.worker(flow(), settings(Guarantee::ExactlyOnce));
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        // As long as this transaction is open, readers see nothing behind its record.
        let log = cluster.log();
        let other = log.transactional_producer("other", Duration::from_secs(60));
        let mut other = other.await.unwrap();
        other.begin().await.unwrap();
        let mut batch = BatchBuilder::new();
        batch.push(Timestamp(1), Some(b"\"z\""), Some(b"1"));
        let changelog = TopicPartition::new("flow-counts-changelog", 0);
        let outgoing = Outgoing {
            partition: changelog,
            batch: batch.build(),
        };
        other.publish(vec![outgoing]).await.unwrap();
        send(&cluster, &["b"]).await;
        cluster.sleep(Duration::from_millis(500)).await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1)]));
        let abort = async {
            cluster.sleep(Duration::from_millis(500)).await;
            other.abort().await.unwrap();
        };
        let end = async {
            assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
            counts(&cluster).await
        };
        let (seen, ()) = tokio::join!(end, abort);
        assert_eq!(seen, expect(&[("a", 1), ("b", 1)]));
    });
}

#[test]
fn a_worker_that_ends_does_not_wait_long_for_readers_to_see_everything() {
    for_seeds(async |cluster, _| {
        let worker = cluster.worker(flow(), settings(Guarantee::ExactlyOnce));
        send(&cluster, &["a"]).await;
        let unavailable = TransportError::Unavailable("injected".into());
        cluster.settle().await;
        let fault = Rule::new(Call::Ask, Fault::Before(unavailable)).always();
        worker.faults().add(fault);
        let began = cluster.clock().monotonic();
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
        assert!(cluster.clock().monotonic() - began < Duration::from_secs(5));
    });
}

#[test]
fn the_time_that_commits_take_is_a_part_of_the_transaction_interval() {
    for_seeds(async |cluster, _| {
        let settings = Settings {
            transaction_interval: Some(Duration::from_millis(100)),
            ..settings(Guarantee::ExactlyOnce)
        };
        let worker = cluster.worker(flow(), settings);
        let slow = Fault::Delay(Duration::from_millis(20));
        worker.faults().add(Rule::new(Call::Commit, slow).always());
        // It learns how long they take.
        for _ in 0..20 {
            send(&cluster, &["a"]).await;
            cluster.sleep(Duration::from_millis(200)).await;
        }
        send(&cluster, &["b"]).await;
        cluster.sleep(Duration::from_millis(110)).await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 20), ("b", 1)]));
    });
}

#[test]
fn a_new_generation_during_a_commit_rolls_back_nothing() {
    for_seeds(async |cluster, guarantee| {
        let first = cluster.worker(bank(), settings(guarantee));
        let slow = match guarantee {
            Guarantee::ExactlyOnce => Call::Commit,
            Guarantee::AtLeastOnce => Call::CommitOffsets,
        };
        first
            .faults()
            .add(Rule::new(slow, Fault::Delay(Duration::from_secs(3))).always());
        let mut sent = sent();
        sent.more(&cluster, 30).await;
        cluster
            .sleep(Duration::from_millis(100 + cluster.seed() * 50))
            .await;
        let second = cluster.worker(bank(), settings(guarantee));
        cluster.sleep(Duration::from_secs(20)).await;
        first.faults().clear();
        cluster.settle().await;
        check_both(&cluster, &sent, [&first, &second]).await;
    });
}

#[test]
fn an_aborted_transaction_is_made_again() {
    for_seeds(async |cluster, _| {
        let worker = cluster.worker(flow(), settings(Guarantee::ExactlyOnce));
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
        let worker = cluster.worker(flow(), settings(Guarantee::AtLeastOnce));
        let stale = Fault::Answer(GroupError::IllegalGeneration);
        worker.faults().add(Rule::new(Call::CommitOffsets, stale));
        send(&cluster, &["a", "b"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        assert_eq!(said(&cluster).await, 2);
    });
}

#[test]
fn a_successor_ends_the_transaction_of_a_dead_worker_and_does_not_wait_for_its_timeout() {
    for_seeds(async |cluster, _| {
        let settings = || Settings {
            session_timeout: Duration::from_secs(2),
            ..settings(Guarantee::ExactlyOnce)
        };
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
        assert!(took < Duration::from_secs(5), "{took:?}");
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
        let worker = cluster.worker(flow(), settings);
        for call in [Call::Commit, Call::CommitOffsets] {
            let hang = Fault::Delay(Duration::from_secs(120));
            worker.faults().add(Rule::new(call, hang));
        }
        let keys: Vec<String> = (0..2000).map(|i| format!("key-{i:04}")).collect();
        send(&cluster, &keys).await;
        cluster.sleep(Duration::from_secs(30)).await;
        let retired = worker.status().await[0].retired;
        assert!(retired < 1000, "{retired} events retired");
        cluster.settle().await;
        assert_eq!(counts(&cluster).await.len(), 2000);
    });
}
