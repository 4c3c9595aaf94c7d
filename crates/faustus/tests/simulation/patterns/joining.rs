//! Topics that come and go while workers run: whatever workers know at a moment, and whichever of them
//! end then, what is in a topic has its effect, and once if that is promised.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use faustus::{
    Guarantee, Settings, TaskState, Transport,
    prelude::*,
    testing::{Call, Cluster, Fault, Rule, TestWorker},
};

use super::{Seen, create, look, see, sorted, sums};
use crate::scenario::{for_seeds, settings};

const KEYS: [&str; 5] = ["ann", "bob", "cem", "dee", "eve"];

/// Sends each key `value` in a topic.
async fn send(cluster: &Cluster, topic: &str, value: u64) {
    for key in KEYS {
        cluster.send(topic, key, &value).await;
    }
}

/// Each key has this sum, in tables and in what a reader outside sees; nothing was said twice.
async fn check(
    cluster: &Cluster,
    workers: &[TestWorker],
    guarantee: Guarantee,
    sum: u64,
    events: usize,
) {
    let expected: BTreeMap<String, u64> =
        KEYS.iter().map(|key| (String::from(*key), sum)).collect();
    let mut read = BTreeMap::new();
    for worker in workers {
        read.extend(worker.table::<String, u64>("sums").await);
    }
    let stored = cluster.changelog::<String, u64>("sums", "sums").await;
    if guarantee == Guarantee::ExactlyOnce {
        assert_eq!(read, expected);
        assert_eq!(stored, expected);
        assert_eq!(cluster.records("said").await.len(), events);
    }
    let at_least = |sums: &BTreeMap<String, u64>| {
        sums.len() == KEYS.len() && sums.values().all(|value| *value >= sum)
    };
    assert!(at_least(&read) && at_least(&stored), "{read:?} {stored:?}");
}

#[test]
fn a_topic_that_appears_while_workers_run_is_read_from_its_start() {
    for_seeds(async |cluster, guarantee| {
        create(&cluster, "in-1", 4).await;
        let start = || cluster.worker(sums(), settings(guarantee));
        let workers = [start(), start(), start()];
        send(&cluster, "in-1", 1).await;
        cluster.settle().await;
        create(&cluster, "in-2", 4).await;
        // What is sent before anybody reads counts too.
        send(&cluster, "in-2", 10).await;
        look(&cluster).await;
        send(&cluster, "in-1", 100).await;
        send(&cluster, "in-2", 1000).await;
        cluster.settle().await;
        check(&cluster, &workers, guarantee, 1111, 20).await;
        let read: Vec<_> = states(&workers).await;
        assert_eq!(read.len(), 4, "{read:?}");
        assert!(
            read.iter().all(|sources| *sources == ["in-1", "in-2"]),
            "{read:?}"
        );
        assert_eq!(cluster.records("said").await.len(), 20, "no worker failed");
    });
}

/// The topics that each task of `workers` reads.
async fn states(workers: &[TestWorker]) -> Vec<Vec<String>> {
    let mut read = Vec::new();
    for worker in workers {
        for status in worker.status().await {
            let topics = status.sources.iter().map(|source| source.topic.to_string());
            read.push(topics.collect());
        }
    }
    read
}

#[test]
fn agents_whose_pattern_finds_nothing_wait_for_the_first_topic() {
    for_seeds(async |cluster, guarantee| {
        let start = || cluster.worker(sums(), settings(guarantee));
        let workers = [start(), start()];
        cluster.sleep(secs(100)).await;
        assert_eq!(states(&workers).await, Vec::<Vec<String>>::new());
        create(&cluster, "in-1", 3).await;
        send(&cluster, "in-1", 1).await;
        look(&cluster).await;
        check(&cluster, &workers, guarantee, 1, 5).await;
        assert_eq!(cluster.records("said").await.len(), 5, "no worker failed");
    });
}

#[test]
fn a_topic_that_is_deleted_leaves_and_its_successor_is_read_from_the_start() {
    for_seeds(async |cluster, guarantee| {
        create(&cluster, "in-1", 4).await;
        create(&cluster, "in-2", 4).await;
        let workers = [
            cluster.worker(sums(), settings(guarantee)),
            cluster.worker(sums(), settings(guarantee)),
        ];
        send(&cluster, "in-1", 1).await;
        send(&cluster, "in-2", 10).await;
        cluster.settle().await;
        let name = "in-2".into();
        cluster.log().admin().delete_topic(&name).await.unwrap();
        look(&cluster).await;
        send(&cluster, "in-1", 100).await;
        cluster.settle().await;
        let read = states(&workers).await;
        assert!(read.iter().all(|sources| *sources == ["in-1"]), "{read:?}");
        create(&cluster, "in-2", 4).await;
        send(&cluster, "in-2", 1000).await;
        look(&cluster).await;
        check(&cluster, &workers, guarantee, 1111, 20).await;
    });
}

#[test]
fn the_only_topic_of_a_table_may_go_and_come_while_the_table_stays() {
    for_seeds(async |cluster, guarantee| {
        create(&cluster, "in-1", 4).await;
        let workers = [
            cluster.worker(sums(), settings(guarantee)),
            cluster.worker(sums(), settings(guarantee)),
        ];
        send(&cluster, "in-1", 1).await;
        cluster.settle().await;
        cluster
            .log()
            .admin()
            .delete_topic(&"in-1".into())
            .await
            .unwrap();
        look(&cluster).await;
        check(&cluster, &workers, guarantee, 1, 5).await;
        let states = states(&workers).await;
        assert_eq!(
            states,
            vec![Vec::<String>::new(); 4],
            "tasks of the table, without sources"
        );
        create(&cluster, "in-2", 4).await;
        send(&cluster, "in-2", 10).await;
        look(&cluster).await;
        check(&cluster, &workers, guarantee, 11, 10).await;
    });
}

#[test]
fn a_worker_that_does_not_know_of_a_topic_yet_waits_with_the_tasks_that_it_is_given_for_it() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = || {
            let app = App::new("several");
            let topics = app.topic_pattern("ins", "in-.*");
            app.with_state(Arc::clone(&seen))
                .agent("see", &topics, |a| a.run(see))
        };
        create(&cluster, "in-1", 1).await;
        let workers = [
            cluster.worker(app(), settings(guarantee)),
            cluster.worker(app(), settings(guarantee)),
        ];
        cluster.settle().await;
        let blind = Rule::new(Call::Ask, Fault::unavailable()).always();
        workers[1].faults().add(blind);
        create(&cluster, "in-8", 8).await;
        send(&cluster, "in-8", 1).await;
        cluster.sleep(minutes(5)).await;
        let status = workers[1].status().await;
        let waits = |status: &&faustus::TaskStatus| status.state == TaskState::Recovering;
        assert!(status.iter().filter(waits).count() >= 3, "{status:?}");
        workers[1].faults().clear();
        look(&cluster).await;
        assert_eq!(sorted(&seen), ["in-8 1"; 5]);
    });
}

#[test]
fn workers_that_end_while_a_topic_joins_neither_lose_nor_double_its_events() {
    for_seeds(async |cluster, guarantee| {
        create(&cluster, "in-1", 4).await;
        let fast = Settings {
            topic_refresh: secs(1),
            session_timeout: secs(10),
            ..settings(guarantee)
        };
        let start = || cluster.worker(sums(), fast.clone());
        let mut workers = vec![start(), start(), start()];
        send(&cluster, "in-1", 1).await;
        cluster.settle().await;
        let mut expected = 1;
        for round in 2..8_u64 {
            let topic = format!("in-{round}");
            create(&cluster, &topic, 4).await;
            let value = 10_u64.pow(u32::try_from(round).unwrap() - 1);
            expected += value;
            // Somewhere between that the topic is there and that all have long read it.
            let when = (cluster.seed() * 7919 + round * 104_729) % 1500;
            let (ends, sends) = (Duration::from_millis(when), Duration::from_millis(when / 2));
            cluster.sleep(sends).await;
            send(&cluster, &topic, value).await;
            cluster.sleep(ends.saturating_sub(sends)).await;
            workers.remove(usize::try_from(when % 3).unwrap()).crash();
            workers.push(start());
        }
        cluster.sleep(secs(30)).await;
        cluster.settle().await;
        check(&cluster, &workers, guarantee, expected, 35).await;
    });
}

#[test]
fn a_topic_joins_a_table_also_when_the_worker_ends_before_its_first_offset_is_stored() {
    for_seeds(async |cluster, guarantee| {
        create(&cluster, "in-1", 2).await;
        let worker = cluster.worker(sums(), settings(guarantee));
        send(&cluster, "in-1", 1).await;
        cluster.settle().await;
        worker.crash();
        create(&cluster, "in-2", 2).await;
        send(&cluster, "in-2", 10).await;
        // Found by the start of a worker, too.
        let workers = [cluster.worker(sums(), settings(guarantee))];
        cluster.settle().await;
        check(&cluster, &workers, guarantee, 11, 10).await;
    });
}
