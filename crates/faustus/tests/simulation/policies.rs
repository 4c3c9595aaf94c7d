//! Every failure policy: what becomes of the event, of those beside it, and how to get out again.

mod dead_letters;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use faustus::{
    CleanupPolicy, FailurePolicy, Guarantee, TopicConfig, TopicPartition, Verdict, prelude::*,
    testing::Cluster,
};
use faustus_core::{Offset, Timestamp, Transport};
use parking_lot::Mutex;

use crate::{
    common::flow::expect,
    scenario::{check_parked, for_seeds, settings},
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What agents and tests share.
#[derive(Clone)]
struct Shop {
    counts: Table<String, u64>,
    compacted: Topic<String>,
    /// Nothing fails any more.
    mended: Arc<AtomicBool>,
}

/// Counts and repeats; fails, panics or sends what the log refuses if the event says so.
async fn work(State(shop): State<Shop>, mut events: Stream<String, String>) -> faustus::Result {
    let counts = events.bind(&shop.counts);
    while let Some(event) = events.next().await? {
        counts.update(&**event, |count| *count += 1)?;
        event.reply(event.value().clone());
        if shop.mended.load(Ordering::Relaxed) {
            continue;
        }
        match event.split('-').next() {
            Some("bad") => return Err(std::io::Error::other("told to fail").into()),
            Some("panic") => panic!("told to panic"),
            Some("refused") => event.send(&shop.compacted, &(), &event)?,
            _ => {}
        }
    }
    Ok(())
}

/// `events` → `counts` and `said`, by one agent with the policy that `policy` makes of the topic `dead`.
fn shop_with(
    mended: &Arc<AtomicBool>,
    policy: impl FnOnce(&Topic<String>) -> FailurePolicy,
) -> App<Shop> {
    let app = App::new("shop");
    let events = app.topic::<String>("events").partitions(1);
    let said = app.topic::<String>("said").partitions(1);
    let dead = app.topic::<String>("dead").partitions(1);
    let counts = app.table("counts");
    let compacted = app.topic::<String>("compacted").partitions(1);
    app.with_state(Shop {
        counts: counts.clone(),
        compacted,
        mended: Arc::clone(mended),
    })
    .agent("work", &events, |a| {
        a.table(&counts)
            .sink(&said)
            .on_failure(policy(&dead))
            .run(work)
    })
}

fn shop(policy: impl FnOnce(&Topic<String>) -> FailurePolicy) -> App<Shop> {
    shop_with(&Arc::default(), policy)
}

async fn compact(cluster: &Cluster, topic: &str) {
    let config = TopicConfig {
        cleanup: Some(CleanupPolicy::Compact),
        ..TopicConfig::default()
    };
    cluster.create_topic(topic, 1, config).await;
}

async fn send(cluster: &Cluster, values: &[&str]) {
    for value in values {
        cluster.send("events", value, &(*value).to_owned()).await;
    }
}

async fn counts(cluster: &Cluster) -> BTreeMap<String, u64> {
    cluster.changelog("shop", "counts").await
}

#[test]
fn stop_ends_the_worker_with_an_error_that_names_the_record_and_loses_nothing() {
    for_seeds(async |cluster, guarantee| {
        let policies = [
            FailurePolicy::stop(),
            FailurePolicy::retry(2, ms(50)).then_stop(),
        ];
        for (round, policy) in policies.into_iter().enumerate() {
            let worker = cluster.worker(shop(|_| policy), settings(guarantee));
            if round == 0 {
                send(&cluster, &["a", "bad", "b"]).await;
            }
            let error = worker.ended().await.unwrap_err().to_string();
            assert_eq!(error, "agent work failed at events/0@1: told to fail");
            assert_eq!(counts(&cluster).await, expect(&[("a", 1)]));
            let coordinator = cluster.log().coordinator("shop");
            let events = [TopicPartition::new("events", 0)];
            let committed = coordinator.fetch_offsets(&events, true).await.unwrap();
            assert_eq!(committed[0].as_ref().unwrap().offset, Offset(1));
        }
        let mended = Arc::new(AtomicBool::new(true));
        let _worker = cluster.worker(
            shop_with(&mended, |_| FailurePolicy::stop()),
            settings(guarantee),
        );
        cluster.settle().await;
        let all = expect(&[("a", 1), ("b", 1), ("bad", 1)]);
        assert_eq!(counts(&cluster).await, all);
        assert_eq!(cluster.records("said").await.len(), 3);
    });
}

/// Cannot even begin.
async fn hopeless(_: Stream<String>) -> faustus::Result {
    Err(std::io::Error::other("no connection").into())
}

#[test]
fn an_agent_that_fails_without_an_event_parks_its_task_or_stops_the_worker() {
    for_seeds(async |cluster, guarantee| {
        let app = |policy: FailurePolicy| {
            let app = App::new("hopeless");
            let events = app.topic::<String>("events").partitions(1);
            app.agent("hopeless", &events, |a| a.on_failure(policy).run(hopeless))
        };
        let worker = cluster.worker(app(FailurePolicy::skip()), settings(guarantee));
        send(&cluster, &["a"]).await;
        cluster.sleep(Duration::from_secs(30)).await;
        check_parked(&worker, "failed without an event: no connection").await;
        worker.shutdown().await.unwrap();
        let worker = cluster.worker(app(FailurePolicy::stop()), settings(guarantee));
        let error = worker.ended().await.unwrap_err().to_string();
        assert!(error.contains("failed without an event"), "{error}");
    });
}

/// A worker parked at the second of the events a, bad, b.
async fn parked_at_bad(
    cluster: &Cluster,
    guarantee: Guarantee,
    policy: FailurePolicy,
    mended: &Arc<AtomicBool>,
) -> faustus::testing::TestWorker {
    let worker = cluster.worker(shop_with(mended, |_| policy), settings(guarantee));
    send(cluster, &["a", "bad", "b"]).await;
    cluster.settle().await;
    check_parked(&worker, "told to fail").await;
    assert_eq!(counts(cluster).await, expect(&[("a", 1)]));
    worker
}

fn policies_that_park() -> [FailurePolicy; 3] {
    [
        FailurePolicy::park(),
        FailurePolicy::retry(2, ms(10)),
        FailurePolicy::skip().then_park(),
    ]
}

#[test]
fn resume_leads_out_of_parking_for_every_policy_that_parks() {
    for policy in policies_that_park() {
        for_seeds(async |cluster, guarantee| {
            let mended = Arc::default();
            let worker = parked_at_bad(&cluster, guarantee, policy.clone(), &mended).await;
            // What is not mended parks again, and loses nothing.
            worker.handle().resume();
            cluster.settle().await;
            check_parked(&worker, "told to fail").await;
            mended.store(true, Ordering::Relaxed);
            worker.handle().resume();
            cluster.settle().await;
            let all = expect(&[("a", 1), ("b", 1), ("bad", 1)]);
            assert_eq!(counts(&cluster).await, all);
        });
    }
}

#[test]
fn skip_leads_out_of_parking_for_every_policy_that_parks() {
    for policy in policies_that_park() {
        for_seeds(async |cluster, guarantee| {
            let mended = Arc::default();
            let worker = parked_at_bad(&cluster, guarantee, policy.clone(), &mended).await;
            let bad = TopicPartition::new("events", 0);
            worker.handle().skip(&bad, Offset(1));
            cluster.settle().await;
            assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        });
    }
}

#[test]
fn retries_may_end_in_a_skip() {
    for_seeds(async |cluster, guarantee| {
        let policy = FailurePolicy::retry(3, ms(1000)).then_skip();
        let _worker = cluster.worker(shop(|_| policy), settings(guarantee));
        send(&cluster, &["a", "bad", "b"]).await;
        cluster.sleep(ms(5000)).await;
        assert!(
            counts(&cluster).await.len() < 2,
            "it is tried for seven seconds"
        );
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
    });
}

#[test]
fn on_error_is_told_of_every_failure_and_can_break_nothing() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("shop");
        let events = app.topic::<String>("events").partitions(1);
        let counts_table = app.table("counts");
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let note = Arc::clone(&told);
        let state = Shop {
            counts: counts_table.clone(),
            compacted: app.topic("compacted"),
            mended: Arc::default(),
        };
        let app = app.with_state(state).agent("work", &events, |a| {
            a.table(&counts_table)
                .on_failure(FailurePolicy::retry(1, ms(10)).then_skip())
                .on_error(move |failure| {
                    let place = failure.record.map(|record| record.to_string());
                    let verdict = match failure.verdict {
                        Verdict::Retry { after } => format!("again after {after:?}"),
                        verdict => format!("{verdict:?}"),
                    };
                    note.lock().push(format!(
                        "{} at {}, {}, {}: {verdict}",
                        failure.agent,
                        place.unwrap_or_default(),
                        failure.failures,
                        failure.error,
                    ));
                    panic!("told to panic in on_error");
                })
                .run(work)
        });
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, &["a", "bad", "panic"]).await;
        let (poison, at) = (Some(&b"no json"[..]), Timestamp(1));
        cluster.send_bytes("events", None, poison, at).await;
        send(&cluster, &["b"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        let told = told.lock();
        assert_eq!(
            told[..4],
            [
                "work at events/0@1, 1, told to fail: again after 10ms",
                "work at events/0@1, 2, told to fail: Skip",
                "work at events/0@2, 1, panic: told to panic: again after 10ms",
                "work at events/0@2, 2, panic: told to panic: Skip",
            ]
        );
        assert!(told[4].starts_with("work at events/0@3, 1, value is no json"));
        assert!(told[4].ends_with(": Skip"), "{told:?}");
        assert_eq!(told.len(), 5);
    });
}
