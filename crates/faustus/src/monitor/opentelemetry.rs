//! Figures to an OpenTelemetry meter.
//!
//! [`observe`] gives a meter all counts and gauges of a worker's [`Monitor`]; [`Durations`] is a
//! [`Sensor`] that records durations as histograms, which a meter cannot take from a snapshot. Which SDK
//! and exporter stand behind the meter is the program's choice.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Histogram, Meter},
};
use parking_lot::Mutex;

use super::{
    Monitor,
    families::{Family, Labels, Unit, Values},
};
use crate::{
    CommitCompleted, EventEnd, EventOut, SendCompleted, SendFailed, Sensor, WorkerHandle,
    membership::TaskId,
};

/// Gives `meter` all counts and gauges of a worker, whenever it collects.
///
/// Names are those of [`Monitor::prometheus`] with dots, without units, which OpenTelemetry has beside
/// the name: `faustus.partition.lag` in `s`. Lag is that of the last
/// [`WorkerHandle::monitor`], since a collection cannot wait for the log: call it every now and then.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "opentelemetry")] {
/// use std::time::Duration;
/// use faustus::{WorkerHandle, opentelemetry::observe};
///
/// async fn export(worker: WorkerHandle, meter: opentelemetry::metrics::Meter) {
///     observe(&meter, &worker);
///     loop {
///         worker.monitor().await;
///         tokio::time::sleep(Duration::from_secs(15)).await;
///     }
/// }
/// # }
/// ```
pub fn observe(meter: &Meter, worker: &WorkerHandle) {
    let snapshots = Arc::new(Snapshots {
        worker: worker.clone(),
        last: Mutex::default(),
    });
    for family in Monitor::default().families() {
        let name = format!("faustus.{}", family.name);
        let (snapshots, of) = (Arc::clone(&snapshots), family.name);
        match family.values {
            Values::Counters(_) => {
                let _ = meter
                    .u64_observable_counter(name)
                    .with_description(family.help)
                    .with_unit(unit(family.unit))
                    .with_callback(move |instrument| snapshots.observe_counters(of, instrument))
                    .build();
            }
            Values::Gauges(_) => {
                let _ = meter
                    .f64_observable_gauge(name)
                    .with_description(family.help)
                    .with_unit(unit(family.unit))
                    .with_callback(move |instrument| snapshots.observe_gauges(of, instrument))
                    .build();
            }
            Values::Histogram(_) => {}
        }
    }
}

/// The figures of one collection, which all instruments have in common.
struct Snapshots {
    worker: WorkerHandle,
    last: Mutex<Snapshot>,
}

#[derive(Default)]
struct Snapshot {
    app: String,
    families: Vec<Family>,
    /// The families that have been seen of it: who comes a second time wants another one.
    seen: HashSet<&'static str>,
}

impl Snapshots {
    fn observe_counters(&self, name: &'static str, to: &dyn AsyncInstrument<u64>) {
        self.with(name, |app, values| {
            if let Values::Counters(series) = values {
                for (labels, value) in series {
                    to.observe(*value, &attributes(app, labels));
                }
            }
        });
    }

    fn observe_gauges(&self, name: &'static str, to: &dyn AsyncInstrument<f64>) {
        self.with(name, |app, values| {
            if let Values::Gauges(series) = values {
                for (labels, value) in series {
                    to.observe(*value, &attributes(app, labels));
                }
            }
        });
    }

    fn with(&self, name: &'static str, see: impl FnOnce(&str, &Values)) {
        let mut last = self.last.lock();
        if last.families.is_empty() || !last.seen.insert(name) {
            let monitor = self.worker.monitor_now();
            *last = Snapshot {
                families: monitor.families(),
                app: monitor.app,
                seen: HashSet::from([name]),
            };
        }
        let family = last.families.iter().find(|family| family.name == name);
        if let Some(family) = family {
            see(&last.app, &family.values);
        }
    }
}

fn attributes(app: &str, labels: &Labels) -> Vec<KeyValue> {
    let labels = labels.iter();
    let labels = labels.map(|(name, value)| KeyValue::new(*name, value.clone()));
    labels
        .chain([KeyValue::new("app", app.to_owned())])
        .collect()
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Named => "1",
        Unit::Bytes => "By",
        Unit::Seconds => "s",
    }
}

/// A [`Sensor`] that records how long things take, as histograms in seconds.
///
/// `faustus.commit.duration` (with `ok`), `faustus.send.duration` (with `topic` and `ok`),
/// `faustus.task.recovering`, `faustus.rebalance.assigning`, `faustus.rebalance.duration`, and,
/// [if it is asked to](Self::with_events), `faustus.event.duration` (with `agent` and `end`).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "opentelemetry")] {
/// use faustus::{App, opentelemetry::Durations};
///
/// let meter = opentelemetry::global::meter("shop");
/// let app = App::new("shop").sensor(Durations::new(&meter));
/// # }
/// ```
pub struct Durations {
    commits: Histogram<f64>,
    sends: Histogram<f64>,
    tasks: Histogram<f64>,
    assigning: Histogram<f64>,
    rebalances: Histogram<f64>,
    events: Option<Histogram<f64>>,
}

impl Durations {
    /// One that records to `meter`.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self {
            commits: histogram(meter, "commit.duration", "Storing an epoch"),
            sends: histogram(
                meter,
                "send.duration",
                "From a batch's hand-over to the answer",
            ),
            tasks: histogram(
                meter,
                "task.recovering",
                "From a task's assignment until it ran",
            ),
            assigning: histogram(
                meter,
                "rebalance.assigning",
                "From the beginning of a rebalance to the assignment",
            ),
            rebalances: histogram(
                meter,
                "rebalance.duration",
                "From the beginning of a rebalance until all tasks ran",
            ),
            events: None,
        }
    }

    /// The same, which also records how long agents have each event: two looks at the clock and a
    /// record of the meter's for each.
    #[must_use]
    pub fn with_events(mut self, meter: &Meter) -> Self {
        let events = histogram(meter, "event.duration", "How long an agent had an event");
        self.events = Some(events);
        self
    }
}

impl Sensor for Durations {
    fn wants_events(&self) -> bool {
        self.events.is_some()
    }

    fn on_event_out(&self, event: &EventOut<'_>) {
        if let Some(events) = &self.events {
            let end = match event.end {
                EventEnd::Completed => "completed",
                EventEnd::Failed => "failed",
                EventEnd::TakenAway => "taken away",
            };
            let agent = KeyValue::new("agent", event.agent.to_owned());
            events.record(
                event.took.as_secs_f64(),
                &[agent, KeyValue::new("end", end)],
            );
        }
    }

    fn on_commit_completed(&self, commit: &CommitCompleted<'_>) {
        let ok = KeyValue::new("ok", commit.error.is_none());
        self.commits.record(commit.took.as_secs_f64(), &[ok]);
    }

    fn on_send_completed(&self, sent: &SendCompleted<'_>) {
        self.sent(sent.send.partition.topic.as_str(), sent.took, true);
    }

    fn on_send_error(&self, failed: &SendFailed<'_>) {
        self.sent(failed.send.partition.topic.as_str(), failed.took, false);
    }

    fn on_assignment_completed(&self, _: &TaskId, took: Duration) {
        self.tasks.record(took.as_secs_f64(), &[]);
    }

    fn on_rebalance_return(&self, _: i32, took: Duration) {
        self.assigning.record(took.as_secs_f64(), &[]);
    }

    fn on_rebalance_end(&self, took: Duration) {
        self.rebalances.record(took.as_secs_f64(), &[]);
    }
}

impl Durations {
    fn sent(&self, topic: &str, took: Duration, ok: bool) {
        // Each asker has a topic of its own: they would be labels without end.
        let topic = if topic.starts_with("f-reply-") {
            "(replies)"
        } else {
            topic
        };
        let topic = KeyValue::new("topic", topic.to_owned());
        self.sends
            .record(took.as_secs_f64(), &[topic, KeyValue::new("ok", ok)]);
    }
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durations").finish_non_exhaustive()
    }
}

fn histogram(meter: &Meter, name: &str, about: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(format!("faustus.{name}"))
        .with_description(about)
        .with_unit("s")
        .with_boundaries(super::Histogram::BOUNDS.to_vec())
        .build()
}
