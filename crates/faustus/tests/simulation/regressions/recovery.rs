//! Changelogs in every state: recovery ends, and with what is there.

use std::{sync::Arc, time::Duration};

use faustus::{TaskState, Timestamp, TopicPartition, prelude::*};
use faustus_core::{BatchBuilder, Offset, Outgoing, Transport};
use faustus_log::{Call, Fault, Rule};
use faustus_store::MemoryStores;

use super::{ends, flow_of};
use crate::{
    common::flow::expect,
    scenario::{bank, check_parked, flow, for_seeds, send, sent, settings},
};

/// Faust's recovery never ended when a changelog did not begin at offset 0 any more.
#[test]
fn a_changelog_whose_beginning_was_deleted_is_recovered() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(flow(), settings(guarantee));
        for key in ["old", "a", "b"] {
            send(&cluster, &[key]).await;
            cluster.settle().await;
        }
        worker.crash();
        let changelog = TopicPartition::new("flow-counts-changelog", 0);
        let records = cluster.records("flow-counts-changelog").await;
        let second = records[1].offset;
        let admin = cluster.log().admin();
        admin.delete_records(&[(changelog, second)]).await.unwrap();
        let worker = cluster.worker(flow(), settings(guarantee));
        cluster.settle().await;
        let expected = expect(&[("a", 1), ("b", 1)]);
        assert_eq!(worker.table::<String, u64>("counts").await, expected);
    });
}

/// Faust waited for ever for records that were deleted while it recovered.
#[test]
fn records_deleted_while_a_table_is_recovered_keep_no_task_from_beginning() {
    for_seeds(async |cluster, guarantee| {
        for kept in [false, true] {
            let stores = Arc::new(MemoryStores::new());
            let start = || match kept {
                true => {
                    cluster.worker_with_stores(flow(), settings(guarantee), Arc::clone(&stores))
                }
                false => cluster.worker(flow(), settings(guarantee)),
            };
            let worker = cluster.worker(flow(), settings(guarantee));
            for key in ["old", "older", "a", "b"] {
                send(&cluster, &[key]).await;
                cluster.settle().await;
            }
            worker.shutdown().await.unwrap();
            let worker = start();
            let changelog = "flow-counts-changelog/0";
            let slow = Rule::new(Call::Fetch, Fault::Delay(Duration::from_secs(60)));
            worker
                .faults()
                .add(slow.when(move |site| site.subject == changelog));
            cluster.sleep(Duration::from_secs(30)).await;
            let records = cluster.records("flow-counts-changelog").await;
            let [.., a, _] = &records[..] else {
                panic!("four keys");
            };
            let before = [(TopicPartition::new("flow-counts-changelog", 0), a.offset)];
            let admin = cluster.log().admin();
            admin.delete_records(&before).await.unwrap();
            send(&cluster, &["a"]).await;
            cluster.sleep(Duration::from_secs(60)).await;
            cluster.settle().await;
            let again = 1 + u64::from(kept);
            let expected = expect(&[("a", 2 * again), ("b", again)]);
            assert_eq!(worker.table::<String, u64>("counts").await, expected);
            worker.shutdown().await.unwrap();
        }
    });
}

/// Faust's recovery wrote records of a changelog that it did not know into the table of the record
/// before.
#[test]
fn each_table_is_recovered_from_its_own_changelog() {
    #[derive(Clone)]
    struct Tables {
        sums: Table<String, u64>,
        times: Table<String, u64>,
    }
    async fn note(State(to): State<Tables>, mut numbers: Stream<u64>) -> faustus::Result {
        let (sums, times) = (numbers.bind(&to.sums), numbers.bind(&to.times));
        while let Some(number) = numbers.next().await? {
            let key = String::from_utf8_lossy(number.key().unwrap_or_default()).into_owned();
            sums.update(&*key, |sum| *sum += *number)?;
            times.update(&*key, |times| *times += 1)?;
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = || {
            let app = App::new("two");
            let numbers = app.topic::<u64>("numbers").partitions(4);
            let (sums, times) = (app.table("sums"), app.table("times"));
            let state = Tables {
                sums: sums.clone(),
                times: times.clone(),
            };
            app.with_state(state)
                .agent("note", &numbers, |a| a.table(&sums).table(&times).run(note))
        };
        let worker = cluster.worker(app(), settings(guarantee));
        for number in 0..40_u64 {
            let key = format!("k{}", number % 8);
            cluster.send("numbers", &key, &number).await;
        }
        cluster.settle().await;
        let tables = |worker: faustus::testing::TestWorker| async move {
            let sums = worker.table::<String, u64>("sums").await;
            (sums, worker.table::<String, u64>("times").await, worker)
        };
        let (sums, times, worker) = tables(worker).await;
        assert!(times.values().all(|times| *times == 5), "{times:?}");
        worker.shutdown().await.unwrap();
        let (again, times_again, _worker) = {
            let worker = cluster.worker(app(), settings(guarantee));
            cluster.settle().await;
            tables(worker).await
        };
        assert_eq!((again, times_again), (sums, times));
    });
}

/// Faust's recovery failed at a changelog that ended with an aborted transaction, and left partitions
/// without a position behind.
#[test]
fn an_aborted_transaction_at_the_end_of_a_changelog_harms_no_table() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(flow_of(3), settings(guarantee));
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        let log = cluster.log();
        let patience = Duration::from_secs(60);
        let mut writer = log.transactional_producer("w", patience).await.unwrap();
        writer.begin().await.unwrap();
        let aborted = (0..3).map(|partition| {
            let mut records = BatchBuilder::new();
            records.push(Timestamp(1), Some(b"\"a\""), Some(b"99"));
            Outgoing {
                partition: TopicPartition::new("flow-counts-changelog", partition),
                batch: records.build(),
            }
        });
        writer.publish(aborted.collect()).await.unwrap();
        writer.abort().await.unwrap();
        let worker = cluster.worker(flow_of(3), settings(guarantee));
        cluster.settle().await;
        assert_eq!(worker.status().await.len(), 3);
        let expected = expect(&[("a", 1)]);
        assert_eq!(worker.table::<String, u64>("counts").await, expected);
    });
}

/// Seen with Faust 0.15.3: the recovery of a changelog that ended with the marker of a transaction took
/// ten seconds.
#[test]
fn a_changelog_that_ends_with_the_marker_of_a_transaction_is_recovered_at_once() {
    for_seeds(async |cluster, _| {
        let settings = || settings(faustus::Guarantee::ExactlyOnce);
        let worker = cluster.worker(flow(), settings());
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        let last = cluster.records("flow-counts-changelog").await;
        let end = ends(&cluster, "flow-counts-changelog", 1).await[0];
        let marker = Offset(last.last().unwrap().offset.0 + 2);
        assert_eq!(end, marker, "a marker is the end");
        let clock = cluster.clock();
        let started = clock.monotonic();
        let worker = cluster.worker(flow(), settings());
        worker.handle().started().await.unwrap();
        while !matches!(
            worker.status().await.first(),
            Some(task) if task.state == TaskState::Idle
        ) {
            cluster.sleep(Duration::from_millis(10)).await;
        }
        // An empty group waits three seconds for more members.
        let took = clock.monotonic() - started;
        assert!(took < Duration::from_secs(4), "{took:?}");
    });
}

/// Another library went on somewhere when the next event of a source had expired, though it had state
/// of the events before.
#[test]
fn a_source_whose_next_event_expired_parks_its_task_that_has_state() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(flow(), settings(guarantee));
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        send(&cluster, &["b", "c"]).await;
        let end = ends(&cluster, "flow-events", 1).await[0];
        let before = [(TopicPartition::new("flow-events", 0), Offset(end.0 - 1))];
        let admin = cluster.log().admin();
        admin.delete_records(&before).await.unwrap();
        let worker = cluster.worker(flow(), settings(guarantee));
        cluster.sleep(Duration::from_secs(10)).await;
        check_parked(&worker, "retention").await;
    });
}

/// Another library's recovery failed for good when a rebalance came meanwhile.
#[test]
fn a_rebalance_while_tables_are_recovered_harms_none() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(bank(), settings(guarantee));
        let mut sent = sent();
        sent.more(&cluster, 60).await;
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        let slow = || {
            let slow = Rule::new(Call::Fetch, Fault::Delay(Duration::from_secs(5))).always();
            slow.when(|site| site.subject.contains("changelog"))
        };
        let first = cluster.worker(bank(), settings(guarantee));
        first.faults().add(slow());
        cluster.sleep(Duration::from_secs(4)).await;
        let second = cluster.worker(bank(), settings(guarantee));
        second.faults().add(slow());
        sent.more(&cluster, 20).await;
        cluster.sleep(Duration::from_secs(2)).await;
        let _third = cluster.worker(bank(), settings(guarantee));
        cluster.sleep(Duration::from_secs(3)).await;
        first.shutdown().await.unwrap();
        sent.more(&cluster, 20).await;
        cluster.settle().await;
        sent.check(&cluster, guarantee).await;
    });
}
