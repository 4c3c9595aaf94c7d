//! Several agents that read one topic, and what agents write outside of events.

use std::{sync::Arc, time::Duration};

use faustus::{FailurePolicy, TaskState, TopicConfig, prelude::*};
use faustus_core::{CleanupPolicy, Timestamp};
use faustus_log::{Call, Fault, Rule};
use parking_lot::Mutex;

use crate::scenario::{for_seeds, settings};

#[derive(Clone)]
struct Two {
    left: Table<String, u64>,
    right: Table<String, u64>,
    compacted: Topic<String>,
    /// Failures that the right agent still has to give.
    failures: Arc<Mutex<u32>>,
}

async fn left(State(two): State<Two>, mut events: Stream<String>) -> faustus::Result {
    let table = events.bind(&two.left);
    while let Some(event) = events.next().await? {
        table.update(&**event, |count| *count += 1)?;
    }
    Ok(())
}

async fn right(State(two): State<Two>, mut events: Stream<String>) -> faustus::Result {
    let table = events.bind(&two.right);
    while let Some(event) = events.next().await? {
        table.update(&**event, |count| *count += 1)?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        if *event == "refused" {
            event.send(&two.compacted, &(), &event)?;
        }
        let mut failures = two.failures.lock();
        if *failures > 0 {
            *failures -= 1;
            return Err(std::io::Error::other("told to fail").into());
        }
    }
    Ok(())
}

/// Two agents read `events`; `same`: they write the same table.
fn two(failures: u32, same: bool, [one, other]: [FailurePolicy; 2]) -> App<Two> {
    let app = App::new("two");
    let events = app.topic::<String>("events").partitions(1);
    let compacted = app.topic::<String>("compacted").partitions(1);
    let left_table = app.table("left");
    let right_table = if same {
        left_table.clone()
    } else {
        app.table("right")
    };
    app.with_state(Two {
        left: left_table.clone(),
        right: right_table.clone(),
        compacted,
        failures: Arc::new(Mutex::new(failures)),
    })
    .agent("left", &events, |a| {
        a.table(&left_table).on_failure(one).run(left)
    })
    .agent("right", &events, |a| {
        a.table(&right_table).on_failure(other).run(right)
    })
}

#[test]
fn an_agent_that_fails_undoes_nothing_of_another_that_reads_the_same_topic() {
    for same in [false, true] {
        for_seeds(async |cluster, guarantee| {
            let policies = Default::default();
            let worker = cluster.worker(two(2, same, policies), settings(guarantee));
            for _ in 0..3 {
                cluster.send("events", "k", &"a".to_owned()).await;
            }
            cluster.settle().await;
            let left = worker.table::<String, u64>("left").await;
            assert_eq!(left["a"], if same { 6 } else { 3 });
            assert_eq!(cluster.changelog::<String, u64>("two", "left").await, left);
            if !same {
                assert_eq!(worker.table::<String, u64>("right").await["a"], 3);
            }
        });
    }
}

#[test]
fn a_refused_record_is_blamed_on_the_agent_that_sent_it() {
    for_seeds(async |cluster, guarantee| {
        let config = TopicConfig {
            cleanup: Some(CleanupPolicy::Compact),
            ..TopicConfig::default()
        };
        cluster.create_topic("compacted", 1, config).await;
        let policies = [FailurePolicy::park(), FailurePolicy::skip()];
        let worker = cluster.worker(two(0, false, policies), settings(guarantee));
        for value in ["a", "refused", "b"] {
            cluster.send("events", "k", &value.to_owned()).await;
        }
        cluster.settle().await;
        let left = worker.table::<String, u64>("left").await;
        let right = worker.table::<String, u64>("right").await;
        assert_eq!(left.len(), 3, "{left:?}");
        assert_eq!(right.keys().collect::<Vec<_>>(), ["a", "b"]);
    });
}

/// Writes into the key that its next event will write too.
async fn alone(
    State(table): State<Table<String, u64>>,
    mut events: Stream<String>,
) -> faustus::Result {
    let table = events.bind(&table);
    while let Some(event) = events.next().await? {
        if *event == "end" {
            break;
        }
        table.update("k", |count| *count += 1)?;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    // The last event is still in flight; the next instance begins behind it.
    Ok(())
}

async fn starts(
    State(table): State<Table<String, u64>>,
    events: Stream<String>,
) -> faustus::Result {
    events.bind(&table).update("k", |count| *count += 100)?;
    alone(State(table), events).await
}

#[test]
fn a_write_outside_of_events_hides_no_event_from_an_epoch() {
    for_seeds(async |cluster, guarantee| {
        let app = || {
            let app = App::new("alone");
            let events = app.topic::<String>("events").partitions(1);
            let table = app.table("t");
            app.with_state(table.clone())
                .agent("alone", &events, |a| a.table(&table).run(starts))
        };
        // All of it is delivered before the second instance begins.
        cluster
            .create_topic("events", 1, TopicConfig::default())
            .await;
        for value in ["end", "one", "two", "three"] {
            let json = format!("{value:?}");
            cluster
                .send_bytes("events", Some(b"k"), Some(json.as_bytes()), Timestamp(1))
                .await;
        }
        let worker = cluster.worker(app(), settings(guarantee));
        cluster.sleep(Duration::from_millis(20)).await;
        for _ in 0..100 {
            cluster.sleep(Duration::from_millis(50)).await;
            let seen = cluster.changelog::<String, u64>("alone", "t").await;
            let retired = worker.status().await[0].retired;
            if retired >= 2 && seen.is_empty() {
                let partition = faustus::TopicPartition::new("events", 0);
                let log = faustus_core::Transport::coordinator(cluster.log(), "alone");
                let committed = log.fetch_offsets(&[partition], true).await.unwrap();
                let committed = committed[0].as_ref().map_or(0, |c| c.offset.0);
                assert!(committed < 2, "events are hidden");
            }
        }
        worker.crash();
        let worker = cluster.worker(app(), settings(guarantee));
        cluster.settle().await;
        let seen = worker.table::<String, u64>("t").await["k"] % 100;
        assert_eq!(seen, 3);
    });
}

#[test]
fn a_source_that_could_not_be_read_is_read_again_after_resume() {
    for call in [Call::Read, Call::Fetch] {
        for_seeds(async |cluster, guarantee| {
            let worker = cluster.worker(two(0, false, Default::default()), settings(guarantee));
            let forbidden = Rule::new(call, Fault::forbidden());
            worker
                .faults()
                .add(forbidden.when(|site| site.subject == "events/0"));
            cluster.send("events", "k", &"a".to_owned()).await;
            cluster.sleep(Duration::from_secs(5)).await;
            let status = &worker.status().await[0];
            assert!(matches!(status.state, TaskState::Parked(_)), "{status:?}");
            worker.handle().resume();
            cluster.settle().await;
            assert_eq!(worker.table::<String, u64>("left").await["a"], 1);
        });
    }
}

#[test]
fn a_log_that_cannot_be_read_for_long_is_asked_now_and_then() {
    for call in [Call::Read, Call::Fetch] {
        for_seeds(async |cluster, guarantee| {
            let worker = cluster.worker(two(0, false, Default::default()), settings(guarantee));
            cluster.send("events", "k", &"a".to_owned()).await;
            cluster.settle().await;
            // Wakes the reader, and leaves it nothing but failures.
            worker
                .faults()
                .add(Rule::new(Call::Fetch, Fault::unavailable()));
            worker
                .faults()
                .add(Rule::new(call, Fault::unavailable()).always());
            cluster.send("events", "k", &"a".to_owned()).await;
            let before = worker.faults().seen(Call::Read);
            cluster.sleep(Duration::from_secs(10)).await;
            let asked = worker.faults().seen(Call::Read) - before;
            assert!((2..1000).contains(&asked), "{asked} times in ten seconds");
            worker.faults().clear();
            cluster.settle().await;
            assert_eq!(worker.table::<String, u64>("left").await["a"], 2);
        });
    }
}
