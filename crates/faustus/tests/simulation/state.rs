//! Tables and where they are kept: recovery from changelogs and stores.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use faustus::{Guarantee, Raw, Settings, TaskState, TopicConfig, TopicPartition, prelude::*};
use faustus_core::{
    BatchBuilder, Change, Checkpoint, Offset, OffsetSpec, Outgoing, Store, StoreError,
    StoreProvider, Timestamp, TopicName, Transport,
};
use faustus_log::{Call, Fault, Rule};
use faustus_store::MemoryStores;

use crate::{
    common::flow::expect,
    scenario::{bank, check_parked, counts, flow, for_seeds, send, sent, settings},
};

const KEYS: [&str; 4] = ["a", "b", "a", "c"];

fn after_once() -> Vec<(&'static str, u64)> {
    vec![("a", 2), ("b", 1), ("c", 1)]
}

fn after_twice() -> Vec<(&'static str, u64)> {
    vec![("a", 4), ("b", 2), ("c", 2)]
}

#[test]
fn a_recovered_table_holds_what_lies_above_a_dead_workers_open_transaction() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(flow(), settings(guarantee));
        send(&cluster, &KEYS).await;
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        // A dead worker's transaction in the changelog, and a later one that was committed.
        let log = cluster.log();
        let changelog = TopicPartition::new("flow-counts-changelog", 0);
        let record = |key: &[u8], value: &[u8]| {
            let mut records = BatchBuilder::new();
            records.push(Timestamp(1), Some(key), Some(value));
            vec![Outgoing {
                partition: changelog.clone(),
                batch: records.build(),
            }]
        };
        let mut dead = log
            .transactional_producer("dead", Duration::from_secs(60))
            .await
            .unwrap();
        dead.begin().await.unwrap();
        dead.publish(record(b"\"a\"", b"99")).await.unwrap();
        drop(dead);
        let mut alive = log.producer().await.unwrap();
        alive.publish(record(b"\"later\"", b"7")).await.unwrap();
        let admin = log.admin();
        let partition = std::slice::from_ref(&changelog);
        let stable = admin
            .offsets(partition, OffsetSpec::LastStable)
            .await
            .unwrap();
        let high = admin
            .offsets(partition, OffsetSpec::HighWatermark)
            .await
            .unwrap();
        assert!(stable < high, "the open transaction holds readers back");
        let worker = cluster.worker(flow(), settings(guarantee));
        cluster.settle().await;
        let mut expected = expect(&after_once());
        expected.insert("later".to_owned(), 7);
        assert_eq!(worker.table::<String, u64>("counts").await, expected);
    });
}

#[test]
fn a_topic_with_another_number_of_partitions_than_its_table_is_refused() {
    for_seeds(async |cluster, guarantee| {
        cluster
            .create_topic("flow-counts-changelog", 3, TopicConfig::default())
            .await;
        let worker = cluster.worker(flow(), settings(guarantee));
        let error = worker.ended().await.unwrap_err().to_string();
        assert!(
            error.contains("changelog flow-counts-changelog of 3 partitions"),
            "{error}"
        );
    });
}

#[test]
fn a_changelog_follows_a_topic_that_somebody_makes_while_a_worker_starts() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(bank(), settings(guarantee));
        let late = Fault::Delay(Duration::from_secs(1));
        worker.faults().add(Rule::new(Call::Change, late));
        cluster.sleep(Duration::from_millis(500)).await;
        // The worker found no topic, and is about to make them with 8 partitions.
        for topic in ["bank-orders", "bank-refunds"] {
            cluster.create_topic(topic, 3, TopicConfig::default()).await;
        }
        let mut sent = sent();
        sent.more(&cluster, 30).await;
        cluster.settle().await;
        sent.check_exact(&cluster).await;
        let admin = cluster.log().admin();
        let changelog = [TopicName::from("bank-totals-changelog")];
        let found = admin.describe_topics(&changelog).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().partitions, 3);
    });
}

#[test]
fn a_changelog_record_that_does_not_decode_parks_the_task() {
    for_seeds(async |cluster, guarantee| {
        cluster
            .create_topic("flow-counts-changelog", 1, TopicConfig::default())
            .await;
        cluster
            .send_bytes(
                "flow-counts-changelog",
                Some(b"\"a\""),
                Some(b"garbage"),
                Timestamp(1),
            )
            .await;
        let worker = cluster.worker(flow(), settings(guarantee));
        cluster.sleep(Duration::from_secs(5)).await;
        check_parked(&worker, "does not decode").await;
    });
}

#[test]
fn a_source_that_was_made_again_parks_the_task() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(flow(), settings(guarantee));
        send(&cluster, &KEYS).await;
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        let coordinator = cluster.log().coordinator("flow");
        let events = [TopicPartition::new("flow-events", 0)];
        let committed = coordinator.fetch_offsets(&events, true).await.unwrap()[0]
            .clone()
            .unwrap();
        cluster
            .log()
            .admin()
            .delete_topic(&TopicName::from("flow-events"))
            .await
            .unwrap();
        cluster
            .create_topic("flow-events", 1, TopicConfig::default())
            .await;
        // A broker may keep the offset of the old topic.
        let mut commit = faustus_core::OffsetCommit::new(events[0].clone(), Offset(0));
        commit.metadata = committed.metadata;
        let nobody = faustus_core::GroupIdentity::none("flow");
        coordinator
            .commit_offsets(nobody, vec![commit])
            .await
            .unwrap();
        let worker = cluster.worker(flow(), settings(guarantee));
        cluster.sleep(Duration::from_secs(5)).await;
        check_parked(&worker, "made again").await;
    });
}

#[test]
fn old_events_survive_the_way_through_group_by() {
    for_seeds(async |cluster, guarantee| {
        let forever = || TopicConfig {
            retention: Some(None),
            ..TopicConfig::default()
        };
        cluster.create_topic("bank-orders", 8, forever()).await;
        let year_2001 = Timestamp(1_000_000_000_000);
        for i in 0..50_u64 {
            let order = format!(r#"{{"account":"a{}","amount":{i}}}"#, i % 5);
            cluster
                .send_bytes(
                    "bank-orders",
                    Some(&i.to_be_bytes()),
                    Some(order.as_bytes()),
                    year_2001,
                )
                .await;
        }
        // The worker is slow to come: whatever broker retention does, it has done.
        let grouping = cluster.worker(bank(), settings(guarantee));
        cluster.sleep(Duration::from_millis(20)).await;
        grouping.crash();
        cluster.sleep(Duration::from_secs(30 * 24 * 3600)).await;
        cluster.log().clean();
        let worker = cluster.worker(bank(), settings(guarantee));
        cluster.settle().await;
        let total: u64 = worker.table::<String, u64>("totals").await.values().sum();
        let exact = (0..50).sum::<u64>();
        if guarantee == Guarantee::ExactlyOnce {
            assert_eq!(total, exact);
        } else {
            assert!(total >= exact);
        }
        let replies = cluster.records("bank-audit").await;
        assert!(
            replies.iter().all(|reply| reply.timestamp == year_2001),
            "outputs have the event's time"
        );
    });
}

#[test]
fn a_disk_that_is_full_stops_nothing_for_ever() {
    for_seeds(async |cluster, guarantee| {
        let stores = Arc::new(MemoryStores::new());
        let provider = Arc::clone(&stores);
        let worker = cluster.worker_with_stores(flow(), settings(guarantee), provider);
        send(&cluster, &["first"]).await;
        cluster.settle().await;
        stores.set_full(true);
        send(&cluster, &KEYS).await;
        cluster.sleep(Duration::from_secs(5)).await;
        check_parked(&worker, "store").await;
        stores.set_full(false);
        worker.handle().resume();
        send(&cluster, &KEYS).await;
        cluster.settle().await;
        let mut expected = expect(&after_twice());
        expected.insert("first".to_owned(), 1);
        assert_eq!(counts(&cluster).await, expected);
        assert_eq!(worker.table::<String, u64>("counts").await, expected);
    });
}

#[test]
fn a_task_that_comes_back_waits_until_its_old_epoch_lets_go_of_the_store() {
    for_seeds(async |cluster, guarantee| {
        let stores = Arc::new(MemoryStores::new());
        let settings = || Settings {
            session_timeout: Duration::from_secs(2),
            ..settings(guarantee)
        };
        let worker = cluster.worker_with_stores(bank(), settings(), Arc::clone(&stores));
        let mut sent = sent();
        sent.more(&cluster, 20).await;
        cluster.settle().await;
        // An epoch is on its way for longer than the session, while no heartbeat gets through.
        worker
            .faults()
            .add(Rule::new(Call::Publish, Fault::Delay(Duration::from_secs(8))).times(2));
        sent.more(&cluster, 20).await;
        cluster.sleep(Duration::from_millis(500)).await;
        worker
            .faults()
            .add(Rule::new(Call::Heartbeat, Fault::unavailable()).times(5));
        cluster.sleep(Duration::from_secs(20)).await;
        cluster.settle().await;
        let parked = |state: &TaskState| matches!(state, TaskState::Parked(_));
        let status = worker.status().await;
        assert!(!status.iter().any(|task| parked(&task.state)), "{status:?}");
        let totals = worker.table::<String, u64>("totals").await;
        if guarantee == Guarantee::ExactlyOnce {
            assert_eq!(totals, sent.sums);
        } else {
            sent.check_not_below(&totals);
        }
    });
}

/// Stores whose writes panic.
#[derive(Debug)]
struct Broken(MemoryStores);

#[derive(Debug)]
struct BrokenStore(Box<dyn Store>);

impl StoreProvider for Broken {
    fn open(&self, table: &str, partition: u32) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(BrokenStore(self.0.open(table, partition)?)))
    }

    fn destroy(&self, table: &str, partition: u32) -> Result<(), StoreError> {
        self.0.destroy(table, partition)
    }
}

impl Store for BrokenStore {
    fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.0.checkpoint()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.0.get(key)
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.0.scan(visit)
    }

    fn apply(&self, _: &[Change], _: &Checkpoint) -> Result<(), StoreError> {
        panic!("told to panic")
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()
    }
}

#[test]
fn a_committer_that_dies_takes_its_worker_with_it() {
    for_seeds(async |cluster, guarantee| {
        let broken = Arc::new(Broken(MemoryStores::new()));
        let worker = cluster.worker_with_stores(flow(), settings(guarantee), broken);
        send(&cluster, &KEYS).await;
        let ended = tokio::time::timeout(Duration::from_secs(100), worker.ended()).await;
        assert!(ended.unwrap().is_err());
        let _next = cluster.worker(flow(), settings(guarantee));
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&after_once()));
    });
}

async fn append(
    State(texts): State<Table<String, Vec<u8>>>,
    mut events: Stream<String>,
) -> faustus::Result {
    let texts = events.bind(&texts);
    while let Some(event) = events.next().await? {
        texts.update("all", |text| text.extend_from_slice(event.as_bytes()))?;
    }
    Ok(())
}

#[test]
fn a_tables_values_are_in_the_codec_it_was_given_wherever_they_are_kept() {
    for_seeds(async |cluster, guarantee| {
        let app = || {
            let app = App::new("texts");
            let events = app.topic("events").partitions(1);
            let texts: Table<String, Vec<u8>> = app.table("texts").codec(Raw);
            app.with_state(texts.clone())
                .agent("append", &events, |a| a.table(&texts).run(append))
        };
        let stores = Arc::new(MemoryStores::new());
        // Twice with a store, which the second finds, then from the changelog alone.
        for (kept, all) in [(true, "a"), (true, "ab"), (false, "abc")] {
            let worker = if kept {
                cluster.worker_with_stores(app(), settings(guarantee), Arc::clone(&stores))
            } else {
                cluster.worker(app(), settings(guarantee))
            };
            let event = all[all.len() - 1..].to_owned();
            cluster.send("events", "", &event).await;
            cluster.settle().await;
            worker.shutdown().await.unwrap();
            let records = cluster.records("texts-texts-changelog").await;
            let last = records
                .last()
                .map(|r| (r.key.as_deref(), r.value.as_deref()));
            let expected = (Some(&b"\"all\""[..]), Some(all.as_bytes()));
            assert_eq!(last, Some(expected), "seed {}", cluster.seed());
        }
        let store = stores.open("texts", 0).unwrap();
        assert_eq!(store.get(b"\"all\"").unwrap().as_deref(), Some(&b"ab"[..]));
    });
}
