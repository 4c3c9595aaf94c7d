//! A worker with an event in flight that holds back what was completed after it.

use std::{sync::Arc, time::Duration};

use faustus::Settings;
use faustus_core::{Offset, TopicPartition, Transport};

use super::{
    Outside, Running, check,
    flow::{self, Controls},
    until,
};

/// The key of the event of another task.
pub(crate) const WITNESS: &str = "witness";

/// What a worker did that has an event in flight, and at least five later ones that are completed.
pub(crate) struct Held {
    name: String,
    pub(crate) controls: Controls,
    /// How to start another worker.
    settings: Settings,
    /// Of all events; the first is in flight.
    keys: Vec<String>,
}

impl Held {
    /// Starts the worker and brings it there; `k00` is in flight.
    pub(crate) async fn new(
        name: &str,
        log: &Arc<dyn Transport>,
        settings: Settings,
    ) -> (Self, Running) {
        // One thread, so that an epoch of one task is an epoch of all.
        let settings = Settings {
            threads: 1,
            drain_timeout: Duration::from_secs(1),
            ..settings
        };
        let outside = Outside::new(log);
        let controls = Controls::default();
        let mut keys: Vec<String> = (0..20).map(|i| format!("k{i:02}")).collect();
        controls.close(&keys[0]);
        let app = flow::app(name, &controls, 2, 4);
        let worker = Running::start(app, log, settings.clone()).await;
        let topic = format!("{name}-events");
        let send = async |partition, keys: &[String]| {
            let events = keys.iter().map(|key| (partition, key, r#""event""#));
            outside.send_now(&topic, events).await;
        };
        send(0, &keys).await;
        until(async || {
            let (held, done) = (controls.in_flight(), controls.done());
            check(held == ["k00"] && done.len() >= 5, (held, done))
        })
        .await;
        // An event of another task is committed by a later epoch of the same thread.
        let witness = [WITNESS.to_owned()];
        send(1, &witness).await;
        let at = |partition| TopicPartition::new(&*topic, partition);
        until(async || {
            let committed = outside.committed(name, &at(1)).await;
            check(committed == Offset(1), committed)
        })
        .await;
        assert_eq!(outside.committed(name, &at(0)).await, Offset(0));
        flow::check_once(&outside, name, &witness).await;
        keys.extend(witness);
        let held = Self {
            name: name.to_owned(),
            controls,
            settings,
            keys,
        };
        (held, worker)
    }

    /// A worker after this one does everything once.
    pub(crate) async fn check_successor(&self, log: &Arc<dyn Transport>) {
        self.controls.open("k00");
        let app = flow::app(&self.name, &self.controls, 2, 4);
        let worker = Running::start(app, log, self.settings.clone()).await;
        let outside = Outside::new(log);
        outside.settle(&[&worker]).await;
        flow::check_once(&outside, &self.name, &self.keys).await;
    }
}
