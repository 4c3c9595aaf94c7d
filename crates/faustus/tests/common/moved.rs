//! A second worker that comes while events in flight hold back what was completed after them.

use std::{sync::Arc, time::Duration};

use faustus::Settings;
use faustus_core::Transport;

use super::{
    Outside, Running, check,
    flow::{self, Controls},
    until,
};

/// A worker of two tasks, and a second one that came when in both tasks the first event was in
/// flight and at least five later ones were completed.
struct Joined {
    name: String,
    outside: Outside,
    /// The keys of each partition; the first of each is in flight.
    keys: [Vec<String>; 2],
    /// Of the events at each of the workers.
    controls: [Controls; 2],
    workers: [Running; 2],
}

impl Joined {
    async fn new(name: &str, logs: [&Arc<dyn Transport>; 2], settings: Settings) -> Self {
        // One thread, so that an epoch of one task is an epoch of both; and soon a heartbeat, by
        // which the first worker hears of the second.
        let settings = Settings {
            threads: 1,
            session_timeout: Duration::from_secs(6),
            ..settings
        };
        let outside = Outside::new(logs[0]);
        let controls = [Controls::default(), Controls::default()];
        let keys: [Vec<String>; 2] =
            ["a", "b"].map(|of| (0..20).map(|i| format!("{of}{i:02}")).collect());
        for controls in &controls {
            keys.iter().for_each(|keys| controls.close(&keys[0]));
        }
        let start = async |worker: usize| {
            let app = flow::app(name, &controls[worker], 2, 4);
            Running::start(app, logs[worker], settings.clone()).await
        };
        let first = start(0).await;
        let events = (0..).zip(&keys).flat_map(|(partition, keys)| {
            let event = move |key| (partition, key, r#""event""#);
            keys.iter().map(event)
        });
        outside.send_now(&format!("{name}-events"), events).await;
        until(async || {
            let held = controls[0].in_flight();
            let done = keys.each_ref().map(|keys| controls[0].count_done(keys));
            let holds = held.len() == 2 && done.iter().all(|done| *done >= 5);
            check(holds, (held, done))
        })
        .await;
        let second = start(1).await;
        Self {
            name: name.to_owned(),
            outside,
            keys,
            controls,
            workers: [first, second],
        }
    }

    /// The keys of the task that moved, and of the one that stays.
    async fn moved(&self) -> [&[String]; 2] {
        let statuses = self.workers[1].status().await;
        assert_eq!(statuses.len(), 1, "one task moves: {statuses:?}");
        let moved = statuses[0].task.partition as usize;
        [moved, 1 - moved].map(|partition| &*self.keys[partition])
    }

    /// Everything is done and told once, the event that was in flight in the task that moved by
    /// `worker`, what stays by the first one without a break.
    async fn check(&self, worker: usize) {
        let name = &self.name;
        for controls in &self.controls {
            self.keys.iter().for_each(|keys| controls.open(&keys[0]));
        }
        self.outside.settle(&self.workers.each_ref()).await;
        flow::check_once(&self.outside, name, &self.keys.concat()).await;
        let [moved, stays] = self.moved().await;
        assert_eq!(self.controls[worker].times(&moved[0]), 1, "{name}");
        assert_eq!(self.controls[1 - worker].times(&moved[0]), 0, "{name}");
        let without_a_break = stays.iter().all(|key| self.controls[0].times(key) == 1);
        assert!(without_a_break, "{name}: {:?}", self.controls[0].done());
        assert_eq!(self.controls[1].count_done(stays), 0, "{name}");
    }
}

/// The event in flight outlasts the drain: it is abandoned, and nothing behind it is stored.
pub(crate) async fn outlasts(name: &str, logs: [&Arc<dyn Transport>; 2], settings: Settings) {
    let settings = Settings {
        drain_timeout: Duration::from_secs(1),
        ..settings
    };
    let joined = Joined::new(name, logs, settings).await;
    let newcomer = &joined.controls[1];
    until(async || {
        let (held, done) = (newcomer.in_flight(), newcomer.done());
        check(held.len() == 1 && done.len() >= 5, (held, done))
    })
    .await;
    flow::check_once(&joined.outside, name, &[]).await;
    joined.check(1).await;
}

/// The event in flight ends within the drain.
pub(crate) async fn is_awaited(name: &str, logs: [&Arc<dyn Transport>; 2], settings: Settings) {
    let settings = Settings {
        drain_timeout: Duration::from_secs(30),
        ..settings
    };
    let joined = Joined::new(name, logs, settings).await;
    let first = &joined.controls[0];
    // Lanes without an event end, the one with the event has not.
    until(async || check(first.ended() > 0, "no task is revoked")).await;
    assert_eq!(first.in_flight().len(), 2, "{name}");
    joined.check(0).await;
}
