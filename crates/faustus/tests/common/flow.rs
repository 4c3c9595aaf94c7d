//! The smallest application with a table, whose events a test can hold in flight and let fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use faustus::{FailurePolicy, prelude::*};
use parking_lot::{Condvar, Mutex};
use tokio::sync::Semaphore;

use super::View;

/// Keys whose events wait, block or fail, and what became of events.
#[derive(Clone, Default)]
pub(crate) struct Controls {
    gates: Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>,
    walls: Arc<(Mutex<BTreeSet<String>>, Condvar)>,
    failing: Arc<Mutex<BTreeMap<String, u32>>>,
    in_flight: Arc<Mutex<Vec<String>>>,
    done: Arc<Mutex<Vec<String>>>,
    ended: Arc<Mutex<usize>>,
}

/// After so long a blocked thread goes on, lest a test that failed never ends.
const LONGEST_BLOCK: Duration = Duration::from_secs(120);

impl Controls {
    /// Holds events of `key` until [`open`](Self::open).
    pub(crate) fn close(&self, key: &str) {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.lock().insert(key.to_owned(), gate);
    }

    pub(crate) fn open(&self, key: &str) {
        if let Some(gate) = self.gates.lock().remove(key) {
            gate.close();
        }
    }

    /// Lets events of `key` block their thread until [`unblock`](Self::unblock).
    pub(crate) fn block(&self, key: &str) {
        self.walls.0.lock().insert(key.to_owned());
    }

    pub(crate) fn unblock(&self, key: &str) {
        self.walls.0.lock().remove(key);
        self.walls.1.notify_all();
    }

    /// Lets the next `times` events of `key` fail.
    pub(crate) fn fail(&self, key: &str, times: u32) {
        self.failing.lock().insert(key.to_owned(), times);
    }

    /// The keys of the events that are held now.
    pub(crate) fn in_flight(&self) -> Vec<String> {
        self.in_flight.lock().clone()
    }

    /// The keys of the events whose agent was through with them, in that order.
    pub(crate) fn done(&self) -> Vec<String> {
        self.done.lock().clone()
    }

    /// How often an agent was through with an event of `key`.
    pub(crate) fn times(&self, key: &str) -> usize {
        self.done.lock().iter().filter(|done| *done == key).count()
    }

    /// How many of `keys` an agent was through with.
    pub(crate) fn count_done(&self, keys: &[String]) -> usize {
        let done = self.done.lock();
        keys.iter().filter(|key| done.contains(key)).count()
    }

    /// How many instances of the agent have come to the end of their stream.
    pub(crate) fn ended(&self) -> usize {
        *self.ended.lock()
    }

    async fn pass(&self, key: &str) {
        let gate = self.gates.lock().get(key).cloned();
        if let Some(gate) = gate {
            self.in_flight.lock().push(key.to_owned());
            let _held = Held(self, key);
            let _ = gate.acquire().await;
        }
    }

    fn climb(&self, key: &str) {
        let (walls, gone) = &*self.walls;
        let mut walls = walls.lock();
        if walls.contains(key) {
            self.in_flight.lock().push(key.to_owned());
            let _held = Held(self, key);
            gone.wait_while_for(&mut walls, |walls| walls.contains(key), LONGEST_BLOCK);
        }
    }

    fn check(&self, key: &str) -> faustus::Result {
        match self.failing.lock().get_mut(key) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(std::io::Error::other("told to fail").into())
            }
            _ => Ok(()),
        }
    }
}

/// An event that is held, until it goes on or is dropped.
struct Held<'a>(&'a Controls, &'a str);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.0.in_flight.lock();
        if let Some(index) = in_flight.iter().position(|key| key == self.1) {
            in_flight.remove(index);
        }
    }
}

/// Counts events by key, and says each count.
#[derive(Clone)]
pub(crate) struct Flow {
    counts: Table<String, u64>,
    controls: Controls,
}

async fn count(State(flow): State<Flow>, mut events: Stream<String, u64>) -> faustus::Result {
    let counts = events.bind(&flow.counts);
    while let Some(event) = events.next().await? {
        let key = String::from_utf8_lossy(event.key().unwrap_or_default()).into_owned();
        let count = counts.update(&*key, |count| *count += 1)?;
        event.reply(count);
        flow.controls.pass(&key).await;
        flow.controls.climb(&key);
        assert!(*event != "panic", "told to panic");
        flow.controls.check(&key)?;
        flow.controls.done.lock().push(key);
    }
    *flow.controls.ended.lock() += 1;
    Ok(())
}

/// The flow `name`: `<name>-events` → table `counts` → `<name>-said`.
pub(crate) fn app(name: &str, controls: &Controls, partitions: u32, lanes: u32) -> App<Flow> {
    app_that(FailurePolicy::default(), name, controls, partitions, lanes)
}

/// As [`app`], with another answer to events that fail.
pub(crate) fn app_that(
    policy: FailurePolicy,
    name: &str,
    controls: &Controls,
    partitions: u32,
    lanes: u32,
) -> App<Flow> {
    let app = App::new(name);
    let events = app.topic::<String>(&format!("{name}-events"));
    let events = events.partitions(partitions);
    let said = app.topic::<u64>(&format!("{name}-said")).partitions(1);
    let counts = app.table("counts");
    app.with_state(Flow {
        counts: counts.clone(),
        controls: controls.clone(),
    })
    .agent(&format!("{name}-count"), &events, |a| {
        a.concurrency(lanes)
            .table(&counts)
            .sink(&said)
            .on_failure(policy)
            .run(count)
    })
}

/// Sends one event per key.
pub(crate) async fn send(view: &impl View, name: &str, keys: &[impl AsRef<str>]) {
    let event = |key: &str| (key.to_owned(), "event");
    let events = keys.iter().map(|key| event(key.as_ref()));
    view.tell(&format!("{name}-events"), events.collect()).await;
}

/// The counts that a reader outside sees.
pub(crate) async fn counts(view: &impl View, name: &str) -> BTreeMap<String, u64> {
    view.numbers(name, "counts").await
}

/// How often something was said, which is once an event.
pub(crate) async fn said(view: &impl View, name: &str) -> usize {
    view.told::<u64>(&format!("{name}-said")).await.len()
}

/// Each of `keys` was counted and told exactly once.
pub(crate) async fn check_once(view: &impl View, name: &str, keys: &[String]) {
    let expected: BTreeMap<String, u64> = keys.iter().map(|key| (key.clone(), 1)).collect();
    assert_eq!(counts(view, name).await, expected, "{name}");
    assert_eq!(said(view, name).await, keys.len(), "{name}");
}

/// Counts as they should be.
pub(crate) fn expect(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts
        .iter()
        .map(|(key, count)| ((*key).to_owned(), *count))
        .collect()
}
