//! Events that fail, records that do not decode, records that the log refuses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use faustus::{
    CleanupPolicy, FailurePolicy, Guarantee, TaskState, Timestamp, TopicConfig, prelude::*,
};

use crate::{
    common::flow::{Controls, expect},
    scenario::{check_parked, counts, flow_with, for_seeds, said, send, settings},
};

fn retry(max: u32) -> FailurePolicy {
    FailurePolicy::retry(max, Duration::from_millis(100))
}

#[test]
fn a_failed_event_is_undone_and_tried_again() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        controls.fail("b", 3);
        let _worker = cluster.worker(flow_with(&controls, 1, retry(5)), settings(guarantee));
        send(&cluster, &["a", "b", "a"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 2), ("b", 1)]));
        assert_eq!(said(&cluster).await, 3);
    });
}

#[test]
fn a_skipped_event_leaves_nothing_behind() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        controls.fail("b", 1);
        let _worker = cluster.worker(
            flow_with(&controls, 1, FailurePolicy::skip()),
            settings(guarantee),
        );
        send(&cluster, &["a", "b", "a"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 2)]));
        assert_eq!(said(&cluster).await, 2);
    });
}

#[test]
fn a_panic_is_a_failure_like_any_other() {
    for_seeds(async |cluster, guarantee| {
        let _worker = cluster.worker(
            flow_with(&Controls::default(), 1, FailurePolicy::skip()),
            settings(guarantee),
        );
        send(&cluster, &["a"]).await;
        cluster.send("flow-events", "b", &"panic".to_owned()).await;
        send(&cluster, &["c"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("c", 1)]));
    });
}

async fn double(mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        number.reply(*number * 2);
    }
    Ok(())
}

#[test]
fn a_poisoned_record_parks_its_task_while_the_others_go_on_and_skip_leads_out() {
    for_seeds(async |cluster, guarantee| {
        let doubler = || {
            let app = App::new("doubler");
            let numbers = app.topic::<u64>("numbers").partitions(4);
            let doubles = app.topic::<u64>("doubles").partitions(1);
            app.agent("double", &numbers, |a| a.sink(&doubles).run(double))
        };
        let worker = cluster.worker(doubler(), settings(guarantee));
        for key in 0..20 {
            cluster.send("numbers", &key.to_string(), &key).await;
        }
        let (partition, offset) = cluster
            .send_bytes("numbers", Some(b"0"), Some(b"not a number"), Timestamp(0))
            .await;
        for key in 0..20 {
            cluster.send("numbers", &key.to_string(), &key).await;
        }
        cluster.settle().await;
        let parked = |states: Vec<faustus::TaskStatus>| {
            let parked = states
                .into_iter()
                .filter(|status| matches!(status.state, TaskState::Parked(_)));
            parked
                .map(|status| status.task.partition)
                .collect::<Vec<_>>()
        };
        assert_eq!(parked(worker.status().await), [partition.partition]);
        let done = cluster.records("doubles").await.len();
        assert!(
            (21..40).contains(&done),
            "the others went on, the parked one not: {done}"
        );
        worker.handle().skip(&partition, offset);
        cluster.settle().await;
        assert!(parked(worker.status().await).is_empty());
        assert_eq!(cluster.records("doubles").await.len(), 40);
    });
}

#[test]
fn a_parked_event_goes_on_after_resume() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        controls.fail("b", u32::MAX);
        let worker = cluster.worker(flow_with(&controls, 1, retry(2)), settings(guarantee));
        send(&cluster, &["a", "b", "a"]).await;
        cluster.settle().await;
        assert_eq!(
            counts(&cluster).await,
            expect(&[("a", 1)]),
            "what came before is stored"
        );
        check_parked(&worker, "told to fail").await;
        controls.fail("b", 0);
        worker.handle().resume();
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 2), ("b", 1)]));
    });
}

/// Forwards without a key into a compacted topic, which the log refuses after the event completed.
async fn drop_key(
    State(compacted): State<Topic<String>>,
    mut events: Stream<String>,
) -> faustus::Result {
    while let Some(event) = events.next().await? {
        if *event == "bad" {
            event.send(&compacted, &(), &event)?;
        } else {
            event.send(&compacted, &**event, &event)?;
        }
    }
    Ok(())
}

fn dropper(policy: FailurePolicy) -> App<Topic<String>> {
    let app = App::new("dropper");
    let events = app.topic::<String>("events").partitions(1);
    let compacted = app.topic::<String>("compacted").partitions(1);
    app.with_state(compacted)
        .agent("drop", &events, |a| a.on_failure(policy).run(drop_key))
}

async fn kept(cluster: &faustus::testing::Cluster) -> Vec<String> {
    let mut kept: Vec<String> = cluster
        .records("compacted")
        .await
        .iter()
        .map(|r| r.json())
        .collect();
    kept.dedup();
    kept
}

async fn compacted(cluster: &faustus::testing::Cluster) {
    let config = TopicConfig {
        cleanup: Some(CleanupPolicy::Compact),
        ..TopicConfig::default()
    };
    cluster.create_topic("compacted", 1, config).await;
}

#[test]
fn an_event_whose_output_the_log_refuses_meets_its_policy_skip() {
    for_seeds(async |cluster, guarantee| {
        compacted(&cluster).await;
        let _worker = cluster.worker(dropper(FailurePolicy::skip()), settings(guarantee));
        for value in ["one", "bad", "two"] {
            cluster.send("events", "k", &value.to_owned()).await;
        }
        cluster.settle().await;
        let kept = kept(&cluster).await;
        assert_eq!(kept.last().map(String::as_str), Some("two"), "{kept:?}");
        assert!(kept.contains(&"one".to_owned()) && !kept.contains(&"bad".to_owned()));
    });
}

#[test]
fn an_event_whose_output_the_log_refuses_is_parked_after_its_retries() {
    for policy in [retry(3), FailurePolicy::park()] {
        for_seeds(async |cluster, guarantee| {
            compacted(&cluster).await;
            let worker = cluster.worker(dropper(policy.clone()), settings(guarantee));
            let mut bad = None;
            for value in ["one", "bad", "two"] {
                let json = format!("{value:?}");
                let sent = cluster
                    .send_bytes("events", Some(b"k"), Some(json.as_bytes()), Timestamp(1))
                    .await;
                if value == "bad" {
                    bad = Some(sent);
                }
            }
            cluster.settle().await;
            check_parked(&worker, "refused").await;
            if guarantee == Guarantee::ExactlyOnce {
                assert!(!kept(&cluster).await.contains(&"two".to_owned()));
            }
            let (partition, offset) = bad.unwrap();
            worker.handle().skip(&partition, offset);
            cluster.settle().await;
            assert_eq!(kept(&cluster).await.last().map(String::as_str), Some("two"));
        });
    }
}

async fn sleepy(_: Stream<String>) -> faustus::Result {
    Ok(())
}

#[test]
fn an_agent_that_returns_without_taking_events_is_parked() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("sleepy");
        let events = app.topic::<String>("events").partitions(1);
        let worker = cluster.worker(
            app.agent("sleepy", &events, |a| a.run(sleepy)),
            settings(guarantee),
        );
        cluster.send("events", "a", &"event".to_owned()).await;
        cluster.settle().await;
        check_parked(&worker, "without taking").await;
    });
}

#[test]
fn a_write_to_a_key_of_another_lane_is_explained() {
    async fn wrong(
        State(table): State<Table<String, u64>>,
        mut events: Stream<String>,
    ) -> faustus::Result {
        let table = events.bind(&table);
        while let Some(event) = events.next().await? {
            for other in 0..10 {
                table.set(&*format!("{}-{other}", *event), 1)?;
            }
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("wrong");
        let events = app.topic::<String>("events").partitions(1);
        let table = app.table("t");
        let app = app.with_state(table.clone());
        let app = app.agent("wrong", &events, |a| {
            a.concurrency(4).table(&table).run(wrong)
        });
        let worker = cluster.worker(app, settings(guarantee));
        cluster.send("events", "a", &"event".to_owned()).await;
        cluster.settle().await;
        check_parked(&worker, "belongs to lane").await;
    });
}

/// Replies with something too long, then goes on with the same event as if nothing had happened.
async fn boast(
    State(table): State<Table<String, u64>>,
    mut events: Stream<String, String>,
) -> faustus::Result {
    let counts = events.bind(&table);
    while let Some(event) = events.next().await? {
        let len = if *event == "long" { 2_000_000 } else { 1 };
        event.reply("x".repeat(len));
        tokio::time::sleep(Duration::from_millis(5)).await;
        counts.update(&**event, |count| *count += 1)?;
    }
    Ok(())
}

#[test]
fn an_event_whose_reply_is_too_long_fails_even_if_the_agent_goes_on() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("boast");
        let events = app.topic::<String>("events").partitions(1);
        let boasts = app.topic::<String>("boasts").partitions(1);
        let table = app.table("counts");
        let app = app.with_state(table.clone());
        let policy = FailurePolicy::skip();
        let app = app.agent("boast", &events, |a| {
            a.table(&table).sink(&boasts).on_failure(policy).run(boast)
        });
        let worker = cluster.worker(app, settings(guarantee));
        for value in ["a", "long", "b"] {
            cluster.send("events", "k", &value.to_owned()).await;
        }
        cluster.settle().await;
        assert_eq!(
            worker.table::<String, u64>("counts").await,
            expect(&[("a", 1), ("b", 1)])
        );
        assert_eq!(cluster.records("boasts").await.len(), 2);
    });
}

/// Ends whenever nothing came for a second; its first event sends what the log refuses, once.
async fn impatient(
    State((compacted, refused)): State<(Topic<String>, Arc<AtomicBool>)>,
    mut events: Stream<String>,
) -> faustus::Result {
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_secs(1)) => return Ok(()),
            event = events.next() => {
                let Some(event) = event? else { return Ok(()) };
                if refused.swap(true, Ordering::Relaxed) {
                    event.send(&compacted, &**event, &event)?;
                } else {
                    event.send(&compacted, &(), &event)?;
                }
            }
        }
    }
}

#[test]
fn an_event_to_be_tried_again_is_not_completed_by_an_instance_that_ends() {
    for_seeds(async |cluster, guarantee| {
        compacted(&cluster).await;
        let app = App::new("impatient");
        let events = app.topic::<String>("events").partitions(1);
        let topic = app.topic::<String>("compacted").partitions(1);
        let patient = FailurePolicy::retry(5, Duration::from_secs(3));
        let app = app
            .with_state((topic, Arc::default()))
            .agent("impatient", &events, |a| {
                a.on_failure(patient).run(impatient)
            });
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.send("events", "k", &"one".to_owned()).await;
        cluster.sleep(Duration::from_millis(1)).await;
        cluster.send("events", "k", &"two".to_owned()).await;
        cluster.settle().await;
        let mut kept = kept(&cluster).await;
        kept.sort();
        kept.dedup();
        assert_eq!(kept, ["one", "two"]);
    });
}
