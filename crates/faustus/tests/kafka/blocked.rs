//! Worker threads that user code blocks.

use std::time::Duration;

use faustus::{Guarantee, Settings, TaskState};

use crate::{
    broker::{connect, settings},
    common::{
        Outside, Running, both, check,
        flow::{self, Controls},
        until,
    },
};

/// An event of one of two partitions blocks the only thread of a worker until long after another
/// worker has taken one of its tasks over.
async fn blocked(name: &str, guarantee: Guarantee, partition: u32) {
    let outside = Outside::new(&connect().await);
    let settings = Settings {
        threads: 1,
        drain_timeout: Duration::from_secs(1),
        ..settings(guarantee)
    };
    let (blocking, free) = (Controls::default(), Controls::default());
    let app = |controls| flow::app(name, controls, 2, 4);
    let first = Running::start(app(&blocking), &connect().await, settings.clone()).await;
    let mut keys = Vec::new();
    let mut send = async |of: &str| {
        let events = (0..40).map(|i| format!("{of}{i:02}"));
        let events: Vec<String> = events.collect();
        flow::send(&outside, name, &events).await;
        keys.extend(events);
    };
    send("before").await;
    outside.settle(&[&first]).await;
    blocking.block("wall");
    let wall = [(partition, "wall", r#""event""#)];
    let topic = format!("{name}-events");
    send("with").await;
    outside.send_now(&topic, wall).await;
    until(async || {
        let held = blocking.in_flight();
        check(held == ["wall"], held)
    })
    .await;
    send("behind").await;
    // The first thread does not answer: it is cut off after twice the time for the drain.
    let second = Running::start(app(&free), &connect().await, settings).await;
    until(async || {
        let tasks = second.status().await;
        let through = |t: &faustus::TaskStatus| t.state == TaskState::Idle && !t.uncommitted;
        let works = !free.done().is_empty() && tasks.iter().all(through);
        check(works, tasks)
    })
    .await;
    assert_eq!(blocking.in_flight(), ["wall"], "{name}: it still is");
    send("after").await;
    blocking.unblock("wall");
    outside.settle(&[&first, &second]).await;
    keys.push("wall".to_owned());
    match guarantee {
        Guarantee::ExactlyOnce => flow::check_once(&outside, name, &keys).await,
        Guarantee::AtLeastOnce => {
            let counts = flow::counts(&outside, name).await;
            let lost: Vec<_> = keys
                .iter()
                .filter(|key| !counts.contains_key(*key))
                .collect();
            assert!(lost.is_empty(), "{name}: {lost:?}");
            assert!(flow::said(&outside, name).await >= keys.len(), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_is_blocked_during_a_revoke_is_cut_off() {
    // One of the two tasks moves, which the group decides.
    both("blocked-0", async |name, guarantee| {
        blocked(name, guarantee, 0).await
    })
    .await;
    both("blocked-1", async |name, guarantee| {
        blocked(name, guarantee, 1).await
    })
    .await;
}
