//! The smallest application with a table whose events a test can hold in flight.

use std::{collections::BTreeMap, sync::Arc};

use faustus::{FailurePolicy, prelude::*, testing::Cluster};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Keys whose events wait, and what fails.
#[derive(Clone, Default)]
pub(crate) struct Controls {
    gates: Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>,
    failing: Arc<Mutex<BTreeMap<String, u32>>>,
    in_flight: Arc<Mutex<(usize, usize)>>,
}

impl Controls {
    /// Holds events of `key` until [`open`](Self::open).
    pub(crate) fn close(&self, key: &str) {
        self.gates
            .lock()
            .insert(key.to_owned(), Arc::new(Semaphore::new(0)));
    }

    pub(crate) fn open(&self, key: &str) {
        if let Some(gate) = self.gates.lock().remove(key) {
            gate.add_permits(1_000_000);
        }
    }

    /// Lets the next `times` events of `key` fail.
    pub(crate) fn fail(&self, key: &str, times: u32) {
        self.failing.lock().insert(key.to_owned(), times);
    }

    /// The most events that ever waited at the same time.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.in_flight.lock().1
    }

    async fn pass(&self, key: &str) {
        let gate = self.gates.lock().get(key).cloned();
        if let Some(gate) = gate {
            {
                let mut in_flight = self.in_flight.lock();
                in_flight.0 += 1;
                in_flight.1 = in_flight.1.max(in_flight.0);
            }
            let _ = gate.acquire().await;
            self.in_flight.lock().0 -= 1;
        }
    }

    fn check(&self, key: &str) -> faustus::Result {
        let mut failing = self.failing.lock();
        match failing.get_mut(key) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(std::io::Error::other("told to fail").into())
            }
            _ => Ok(()),
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
        let before = counts.update(&*key, |count| *count += 1)?;
        event.reply(before);
        flow.controls.pass(&key).await;
        if *event == "panic" {
            panic!("told to panic");
        }
        flow.controls.check(&key)?;
    }
    Ok(())
}

/// `events` → `counts` → `said`, one partition, `lanes` lanes.
pub(crate) fn app(controls: &Controls, lanes: u32, policy: FailurePolicy) -> App<Flow> {
    let app = App::new("flow");
    let events = app.topic::<String>("events").partitions(1);
    let said = app.topic::<u64>("said").partitions(1);
    let counts = app.table("counts");
    app.with_state(Flow {
        counts: counts.clone(),
        controls: controls.clone(),
    })
    .agent("count", &events, |a| {
        a.concurrency(lanes)
            .table(&counts)
            .sink(&said)
            .on_failure(policy)
            .run(count)
    })
}

/// Sends one event per key.
pub(crate) async fn send(cluster: &Cluster, keys: &[&str]) {
    for key in keys {
        cluster.send("events", key, &"event".to_owned()).await;
    }
}

/// The counts that a reader outside sees.
pub(crate) async fn counts(cluster: &Cluster) -> BTreeMap<String, u64> {
    cluster.changelog("flow", "counts").await
}

pub(crate) fn expect(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts
        .iter()
        .map(|(key, count)| ((*key).to_owned(), *count))
        .collect()
}
