//! Topics that a pattern finds, made and deleted while workers run.

use std::{collections::BTreeMap, time::Duration};

use faustus::{Guarantee, Settings, TopicConfig, prelude::*};
use faustus_core::Transport;

use crate::{
    broker::{connect, create, settings},
    common::{Outside, Running, both, check, until},
};

async fn add(State(sums): State<Table<String, u64>>, mut values: Stream<u64>) -> faustus::Result {
    let sums = values.bind(&sums);
    while let Some(value) = values.next().await? {
        let key = String::from_utf8_lossy(value.key().unwrap_or_default()).into_owned();
        sums.update(&*key, |sum| *sum += *value)?;
    }
    Ok(())
}

/// Sums of what is in topics `<name>-in-…`, by key.
fn app(name: &str) -> App<Table<String, u64>> {
    let app = App::new(name);
    let (topics, sums) = (
        app.topic_pattern("ins", &format!("{name}-in-.*")),
        app.table("sums"),
    );
    app.with_state(sums.clone())
        .agent("add", &topics, |a| a.table(&sums).run(add))
}

async fn make(log: &dyn Transport, topic: &str, partitions: u32) {
    create(log, topic, partitions, TopicConfig::default()).await;
}

/// Sends each key `value` in a topic.
async fn send(outside: &Outside, topic: &str, value: u64) {
    let records = ["ann", "bob", "cem"].map(|key| (key, value.to_string()));
    outside.send(topic, records).await;
}

/// Waits until each key has this sum.
async fn summed(outside: &Outside, name: &str, guarantee: Guarantee, sum: u64) {
    let expected: BTreeMap<String, u64> = ["ann", "bob", "cem"]
        .map(|key| (key.to_owned(), sum))
        .into();
    until(async || {
        let sums = outside.changelog(name, "sums").await;
        let enough = sums.len() == 3 && sums.values().all(|value| *value >= sum);
        check(enough, &sums)
    })
    .await;
    if guarantee == Guarantee::ExactlyOnce {
        assert_eq!(outside.changelog(name, "sums").await, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_a_pattern_finds_join_and_leave_while_workers_run() {
    both("patterns", async |name, guarantee| {
        let log = connect().await;
        let outside = Outside::new(&connect().await);
        let [one, two, wrong] = ["one", "two", "wrong"].map(|topic| format!("{name}-in-{topic}"));
        make(&*log, &one, 3).await;
        let settings = Settings {
            topic_refresh: Duration::from_secs(1),
            ..settings(guarantee)
        };
        let workers = [
            Running::start(app(name), &log, settings.clone()).await,
            Running::start(app(name), &connect().await, settings).await,
        ];
        send(&outside, &one, 1).await;
        summed(&outside, name, guarantee, 1).await;
        make(&*log, &wrong, 2).await;
        make(&*log, &two, 3).await;
        send(&outside, &wrong, 1_000_000).await;
        send(&outside, &two, 10).await;
        summed(&outside, name, guarantee, 11).await;
        outside.settle(&[&workers[0], &workers[1]]).await;
        log.admin()
            .delete_topic(&one.as_str().into())
            .await
            .unwrap();
        send(&outside, &two, 100).await;
        summed(&outside, name, guarantee, 111).await;
        // Both workers have let it go, or it would be read from where the old one ended.
        until(async || {
            let mut read = Vec::new();
            for worker in &workers {
                read.extend(
                    worker
                        .status()
                        .await
                        .into_iter()
                        .flat_map(|task| task.sources),
                );
            }
            let left = read.iter().all(|source| source.topic.as_str() == two);
            check(left && read.len() == 3, read)
        })
        .await;
        make(&*log, &one, 3).await;
        send(&outside, &one, 1000).await;
        summed(&outside, name, guarantee, 1111).await;
        for worker in workers {
            assert_eq!(worker.parked().await, [], "{name}");
            worker.shutdown().await;
        }
    })
    .await;
}
