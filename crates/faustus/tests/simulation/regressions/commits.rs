//! Offsets: nothing is committed that was not done, and what was done is committed.

use std::{collections::BTreeMap, time::Duration};

use faustus::{
    CleanupPolicy, FailurePolicy, Guarantee, Settings, Timestamp, TopicConfig, TopicPartition,
    prelude::*, testing::simulate,
};
use faustus_core::{BatchBuilder, GroupIdentity, Outgoing, Transport};

use super::{committed, ends, flow_of};
use crate::{
    common::flow::{Controls, app, check_once},
    scenario::{counts, flow, flow_with, for_seeds, said, send, settings},
};

/// Faust's list of acknowledged offsets did not get past an offset that was in it twice.
#[test]
fn an_event_that_was_done_twice_stops_no_commits() {
    for_seeds(async |cluster, _| {
        let slow = Settings {
            commit_interval: Duration::from_secs(60),
            ..settings(Guarantee::AtLeastOnce)
        };
        let worker = cluster.worker(flow(), slow);
        send(&cluster, &["a", "b"]).await;
        cluster.sleep(Duration::from_secs(5)).await;
        worker.crash();
        let _worker = cluster.worker(flow(), settings(Guarantee::AtLeastOnce));
        send(&cluster, &["c"]).await;
        cluster.settle().await;
        let [done] = committed(&cluster, "flow", "flow-events", 1).await[..] else {
            panic!("one partition");
        };
        assert_eq!([done], *ends(&cluster, "flow-events", 1).await);
    });
}

/// Faust waited for ever for offsets that compaction, tombstones and transactions had taken.
#[test]
fn holes_of_compaction_tombstones_and_markers_stop_no_commits() {
    for_seeds(async |cluster, guarantee| {
        let compacted = TopicConfig {
            cleanup: Some(CleanupPolicy::Compact),
            ..TopicConfig::default()
        };
        cluster.create_topic("prices", 1, compacted).await;
        let partition = TopicPartition::new("prices", 0);
        let log = cluster.log();
        let patience = Duration::from_secs(60);
        let mut writer = log.transactional_producer("w", patience).await.unwrap();
        let nobody = GroupIdentity::none("w");
        for round in 0..6 {
            let mut records = BatchBuilder::new();
            for key in [&b"tea"[..], b"milk"] {
                let value = (round != 4).then_some(&b"1"[..]);
                records.push(Timestamp(1), Some(key), value);
            }
            let batch = records.build();
            let partition = partition.clone();
            writer.begin().await.unwrap();
            let sent = writer.publish(vec![Outgoing { partition, batch }]);
            sent.await.unwrap();
            // The last of them is aborted, and its marker is the end of the topic.
            if round == 5 {
                writer.abort().await.unwrap();
            } else {
                writer.commit(&nobody, Vec::new()).await.unwrap();
            }
            log.clean();
        }
        async fn count(
            State(seen): State<Table<String, u64>>,
            mut prices: Stream<(String, Option<u64>), u64>,
        ) -> faustus::Result {
            let seen = prices.bind(&seen);
            while let Some(price) = prices.next().await? {
                let item = price.0.clone();
                let times = seen.update(&*item, |times| *times += 1)?;
                price.reply(times);
            }
            Ok(())
        }
        let app = || {
            let app = App::new("shop");
            let prices = app.topic::<u64>("prices").nullable();
            let (seen, heard) = (app.table("seen"), app.topic("heard").partitions(1));
            app.with_state(seen.clone())
                .agent("count", prices.keyed::<String>(), |a| {
                    a.table(&seen).sink(&heard).run(count)
                })
        };
        for _ in 0..2 {
            let worker = cluster.worker(app(), settings(guarantee));
            cluster.settle().await;
            worker.shutdown().await.unwrap();
        }
        let last = cluster.records("prices").await.last().unwrap().offset;
        let [done] = committed(&cluster, "shop", "prices", 1).await[..] else {
            panic!("one partition");
        };
        assert!(done > last, "{done} of {last}");
        let heard = cluster.records("heard").await;
        let heard: Vec<u64> = heard.iter().map(|record| record.json()).collect();
        assert!(heard.iter().all(|times| *times <= 6), "{heard:?}");
        let all = cluster.records("prices").await.len();
        assert!(all < 10, "compaction left holes");
        assert_eq!(heard.len(), all);
    });
}

/// Faust committed nothing more of a partition that it had lost and got back.
#[test]
fn commits_go_on_after_a_partition_left_and_came_back() {
    for_seeds(async |cluster, guarantee| {
        let keys: Vec<String> = (0..40).map(|i| format!("k{i}")).collect();
        let first = cluster.worker(flow_of(4), settings(guarantee));
        for keys in keys[..20].chunks(10) {
            let second = cluster.worker(flow_of(4), settings(guarantee));
            send(&cluster, keys).await;
            cluster.settle().await;
            second.shutdown().await.unwrap();
            cluster.settle().await;
        }
        send(&cluster, &keys[20..]).await;
        cluster.settle().await;
        assert_eq!(first.status().await.len(), 4);
        let done = committed(&cluster, "flow", "flow-events", 4).await;
        assert_eq!(done, ends(&cluster, "flow-events", 4).await);
        check_once(&cluster, "flow", &keys).await;
    });
}

/// In Faust an event that a filter had dropped was never acknowledged.
#[test]
fn what_a_filter_drops_is_committed() {
    async fn none(mut numbers: Stream<u64>) -> faustus::Result {
        match numbers.next().await? {
            None => Ok(()),
            Some(number) => panic!("{} was not dropped", *number),
        }
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("dropping");
        let numbers = app.topic::<u64>("numbers").partitions(2);
        let app = app.agent("none", numbers.filter(|_| false), |a| a.run(none));
        let _worker = cluster.worker(app, settings(guarantee));
        for number in 0..10_u64 {
            let key = number.to_string();
            cluster.send("numbers", &key, &number).await;
        }
        cluster.settle().await;
        let done = committed(&cluster, "dropping", "numbers", 2).await;
        assert_eq!(done, ends(&cluster, "numbers", 2).await);
    });
}

/// In Faust what was forwarded or regrouped had the time of its sending.
#[test]
fn a_forwarded_event_keeps_its_time() {
    async fn pass(State(to): State<Topic<u64>>, mut numbers: Stream<u64>) -> faustus::Result {
        while let Some(number) = numbers.next().await? {
            number.forward(&to, &())?;
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("passing");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let to = app.topic::<u64>("to").partitions(1);
        let by_value = numbers.group_by_key("value", |number: &u64| *number);
        let app = app
            .with_state(to.clone())
            .agent("pass", by_value, |a| a.run(pass));
        let _worker = cluster.worker(app, settings(guarantee));
        let at = Timestamp(1_700_000_000_000);
        cluster.send_bytes("numbers", None, Some(b"7"), at).await;
        cluster.settle().await;
        let times: Vec<_> = cluster.records("to").await;
        let times: Vec<_> = times.iter().map(|record| record.timestamp).collect();
        assert_eq!(times, [at]);
    });
}

/// Faust dropped what it had fetched for a partition whose buffer was full.
#[test]
fn what_was_fetched_when_a_task_became_full_is_delivered() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        controls.close("k0");
        let small = Settings {
            task_bytes: 64,
            ..settings(guarantee)
        };
        let app = flow_with(&controls, 1, FailurePolicy::default());
        let _worker = cluster.worker(app, small);
        let keys: Vec<String> = (0..60).map(|i| format!("k{i}")).collect();
        send(&cluster, &keys).await;
        cluster.sleep(Duration::from_secs(30)).await;
        assert_eq!(controls.done(), Vec::<String>::new());
        controls.open("k0");
        cluster.settle().await;
        assert_eq!(controls.done(), keys);
        check_once(&cluster, "flow", &keys).await;
    });
}

/// Seen with Faust 0.15.3: one event that waited on a partition without a committed offset was passed
/// over by the worker that came back.
#[test]
fn one_event_that_waits_on_a_partition_never_read_before_is_not_passed_over() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(flow_of(8), settings(guarantee));
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        let keys: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        send(&cluster, &keys[1..]).await;
        let _worker = cluster.worker(flow_of(8), settings(guarantee));
        cluster.settle().await;
        check_once(&cluster, "flow", &keys).await;
    });
}

/// Seen with Faust 0.15.3: after a clean restart with ten thousand events waiting, the last of each
/// fetched batch was counted twice.
#[test]
fn a_clean_restart_with_ten_thousand_events_waiting_doubles_nothing() {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        simulate(7, async |cluster| {
            cluster
                .create_topic("flow-events", 8, TopicConfig::default())
                .await;
            let keys: Vec<String> = (0..10_000).map(|i| format!("k{}", i % 97)).collect();
            send(&cluster, &keys).await;
            let controls = Controls::default();
            let small = Settings {
                task_bytes: 4096,
                ..settings(guarantee)
            };
            let worker = cluster.worker(app("flow", &controls, 8, 1), small);
            worker.faults().delay_all(Duration::from_millis(3));
            while controls.done().is_empty() {
                cluster.sleep(Duration::from_millis(1)).await;
            }
            worker.shutdown().await.unwrap();
            assert!(said(&cluster).await < keys.len(), "all was done before");
            let _worker = cluster.worker(flow_of(8), settings(guarantee));
            cluster.settle().await;
            let mut expected = BTreeMap::new();
            for key in &keys {
                *expected.entry(key.clone()).or_default() += 1;
            }
            assert_eq!(counts(&cluster).await, expected);
            assert_eq!(said(&cluster).await, keys.len());
        });
    }
}

/// Seen with Faust 0.15.3: a worker that had grouped by whole numbers never ended.
#[test]
fn a_worker_that_groups_by_whole_numbers_ends_at_once() {
    async fn pass(mut numbers: Stream<u64>) -> faustus::Result {
        while numbers.next().await?.is_some() {}
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("grouping");
        let numbers = app.topic::<u64>("numbers").partitions(4);
        let by_value = numbers.group_by_key("value", |number: &u64| *number);
        let app = app.agent("pass", by_value, |a| a.run(pass));
        let worker = cluster.worker(app, settings(guarantee));
        for number in 0..20_u64 {
            cluster.send("numbers", "", &number).await;
        }
        cluster.settle().await;
        let clock = cluster.clock();
        let asked = clock.monotonic();
        worker.shutdown().await.unwrap();
        let took = clock.monotonic() - asked;
        assert!(took < Duration::from_secs(2), "{took:?}");
    });
}
