//! Applications in one process, on virtual time, with injected faults.
//!
//! [`simulate`] runs a scenario on a single thread whose clock only moves when nothing else can
//! happen. The scenario gets a [`Cluster`]: a log in memory that behaves as a broker does, and any
//! number of workers on it, which are the workers that run in production. A seed decides the order
//! in which lanes are polled and how long calls of the log take, so that a failure can be repeated.
//!
//! # Examples
//!
//! ```
//! use faustus::{prelude::*, testing::simulate, Settings};
//!
//! #[derive(Record, Serialize, Deserialize)]
//! struct Order { account: String, amount: u64 }
//!
//! async fn count(State(totals): State<Table<String, u64>>, mut orders: Stream<Order>) -> faustus::Result {
//!     let totals = orders.bind(&totals);
//!     while let Some(order) = orders.next().await? {
//!         totals.update(&*order.account, |total| *total += order.amount)?;
//!     }
//!     Ok(())
//! }
//!
//! fn app() -> App<Table<String, u64>> {
//!     let app = App::new("bank");
//!     let (orders, totals) = (app.topic("orders"), app.table("totals"));
//!     app.with_state(totals.clone()).agent("count", &orders, |a| a.table(&totals).run(count))
//! }
//!
//! simulate(1, async |cluster| {
//!     let worker = cluster.worker(app(), Settings::default());
//!     cluster.send("orders", "ann", &Order { account: "ann".into(), amount: 5 }).await;
//!     cluster.settle().await;
//!     worker.crash();
//!     let worker = cluster.worker(app(), Settings::default());
//!     cluster.settle().await;
//!     assert_eq!(worker.table::<String, u64>("totals").await["ann"], 5);
//! });
//! ```

mod one_thread;
mod worker;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use faustus_core::{
    BatchBuilder, Clock, NewTopic, Offset, OffsetSpec, Outgoing, ReadOptions, StoreProvider,
    Timestamp, TopicConfig, TopicName, TopicPartition, Transport, partition_for_key,
};
pub use faustus_log::{Call, Fault, Faults, Rule};
use faustus_log::{FaultyTransport, MemoryLog};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::{
    App, Codec, Json, Settings, TaskState, TaskStatus, TokioClock, Worker, codec::encode_json,
};

use one_thread::{OneThread, freezable};
pub use worker::TestWorker;
use worker::WorkerState;

/// When virtual wall time begins: 2026-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp(1_767_225_600_000);

/// How long the clock may run on until a scenario that does not come to rest is given up.
const PATIENCE: Duration = Duration::from_secs(900);

/// Runs `scenario` on a cluster of its own.
///
/// # Panics
///
/// As the scenario does; it should name the seed in its messages.
pub fn simulate<R>(seed: u64, scenario: impl AsyncFnOnce(Cluster) -> R) -> R {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .enable_time()
        .start_paused(true)
        .build_local(Default::default());
    #[expect(
        clippy::expect_used,
        reason = "a test without a runtime has nothing to go on with"
    )]
    let runtime = runtime.expect("a runtime for the simulation");
    runtime.block_on(async move {
        let cluster = Cluster::new(seed);
        scenario(cluster).await
    })
}

/// A log in memory, faults to inject, and workers.
#[derive(Clone)]
pub struct Cluster {
    inner: Rc<Inner>,
}

struct Inner {
    seed: u64,
    clock: Arc<dyn Clock>,
    log: MemoryLog,
    workers: RefCell<Vec<Rc<WorkerState>>>,
    started: Cell<u64>,
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::beginning_at(BEGINNING));
        let log = MemoryLog::new(Arc::clone(&clock), seed);
        let inner = Inner {
            seed,
            clock,
            log,
            workers: RefCell::default(),
            started: Cell::new(0),
        };
        Self {
            inner: Rc::new(inner),
        }
    }

    /// The scenario's seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// The log itself, without faults.
    #[must_use]
    pub fn log(&self) -> &MemoryLog {
        &self.inner.log
    }

    /// The virtual clock.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// Starts a worker of `app` with these settings, instead of what [`App::configure`] says.
    pub fn worker<S: Clone + Send + Sync + 'static>(
        &self,
        app: App<S>,
        settings: Settings,
    ) -> TestWorker {
        self.start(app, settings, None)
    }

    /// Starts a worker of `app` that keeps its tables in `stores`, which outlives it.
    pub fn worker_with_stores<S: Clone + Send + Sync + 'static>(
        &self,
        app: App<S>,
        settings: Settings,
        stores: Arc<impl StoreProvider + 'static>,
    ) -> TestWorker {
        self.start(app, settings, Some(stores))
    }

    fn start<S: Clone + Send + Sync + 'static>(
        &self,
        app: App<S>,
        settings: Settings,
        stores: Option<Arc<dyn StoreProvider>>,
    ) -> TestWorker {
        let inner = &self.inner;
        inner.started.set(inner.started.get() + 1);
        let seed = inner
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(inner.started.get());
        let faults = Faults::new(seed);
        let log: Arc<dyn Transport> = Arc::new(inner.log.clone());
        let transport = Arc::new(FaultyTransport::new(
            log,
            Arc::clone(&inner.clock),
            faults.clone(),
        ));
        let spawned = Arc::new(OneThread::default());
        let groups = app.name();
        let spawn = Arc::clone(&spawned);
        let def = app.into_def();
        let subs = def.sub_topologies();
        let reads_topics = subs.iter().any(|sub| !def.is_local(sub));
        let (worker, handle) =
            Worker::with_environment(def, transport, Arc::clone(&inner.clock), spawn, seed);
        let worker = worker.settings(settings).seeded_order();
        let worker = match stores {
            Some(stores) => worker.stores(stores),
            None => worker,
        };
        let (end, ended) = oneshot::channel();
        let alive = Rc::new(Cell::new(true));
        let stopped = Rc::clone(&alive);
        let run = worker.run();
        let run = async move {
            let result = run.await;
            stopped.set(false);
            let _ = end.send(result);
        };
        spawned.spawn(freezable(spawned.all(), run));
        let state = Rc::new(WorkerState {
            handle,
            spawned,
            ended: RefCell::new(Some(ended)),
            alive,
            groups,
            reads_topics,
        });
        inner.workers.borrow_mut().push(Rc::clone(&state));
        TestWorker::new(state, faults)
    }

    /// Makes a topic before a worker does.
    ///
    /// # Panics
    ///
    /// If it exists already.
    pub async fn create_topic(&self, name: &str, partitions: u32, config: TopicConfig) {
        let topic = NewTopic {
            name: name.into(),
            partitions,
            replicas: None,
            config,
        };
        let made = self.inner.log.admin().create_topics(&[topic]).await;
        assert!(
            matches!(made.as_deref(), Ok([Ok(())])),
            "topic {name}: {made:?}"
        );
    }

    /// Sends a JSON value under a key, as another program would; waits for the topic to exist.
    ///
    /// # Panics
    ///
    /// If the log refuses it.
    pub async fn send<T: Serialize + ?Sized>(&self, topic: &str, key: &str, value: &T) {
        let mut bytes = Vec::new();
        let encoded = encode_json(value, &mut bytes);
        assert!(encoded.is_ok(), "the value encodes: {encoded:?}");
        self.send_bytes(
            topic,
            Some(key.as_bytes()),
            Some(&bytes),
            self.inner.clock.now(),
        )
        .await;
    }

    /// Sends a record, as another program would; waits for the topic to exist. Gives where it went.
    ///
    /// # Panics
    ///
    /// If the log refuses it.
    pub async fn send_bytes(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: Timestamp,
    ) -> (TopicPartition, Offset) {
        let partitions = self.partitions(topic).await;
        let partition = key.map_or(0, |key| partition_for_key(key, partitions));
        let partition = TopicPartition::new(topic, partition);
        let mut records = BatchBuilder::new();
        records.push(timestamp, key, value);
        let outgoing = vec![Outgoing {
            partition: partition.clone(),
            batch: records.build(),
        }];
        let published = match self.inner.log.producer().await {
            Ok(mut producer) => producer.publish(outgoing).await,
            Err(error) => Err(error.into()),
        };
        match published {
            Ok(published) => (partition, Offset(published.ends[0].0 - 1)),
            Err(error) => panic!("{partition} does not take a record: {error}"),
        }
    }

    async fn partitions(&self, topic: &str) -> u32 {
        let name = [TopicName::from(topic)];
        let deadline = self.inner.clock.monotonic() + PATIENCE;
        while self.inner.clock.monotonic() < deadline {
            if let Ok(found) = self.inner.log.admin().describe_topics(&name).await
                && let Some(Some(topic)) = found.first()
            {
                return topic.partitions;
            }
            self.sleep(Duration::from_millis(10)).await;
        }
        panic!("topic {topic} never appeared (seed {})", self.inner.seed)
    }

    /// Lets virtual time pass.
    pub async fn sleep(&self, duration: Duration) {
        self.inner.clock.sleep(duration).await;
    }

    /// Waits until every worker that runs has processed and committed all there is, or stands still
    /// because all its other tasks are parked.
    ///
    /// # Panics
    ///
    /// If that does not come to pass within fifteen virtual minutes.
    pub async fn settle(&self) {
        let deadline = self.inner.clock.monotonic() + PATIENCE;
        loop {
            // Nothing moves at an instant: a pause lets records on their way arrive.
            self.sleep(Duration::from_millis(20)).await;
            let statuses = self.statuses().await;
            if self.is_settled(&statuses).await {
                return;
            }
            assert!(
                self.inner.clock.monotonic() < deadline,
                "the cluster does not come to rest (seed {}); if something is sent all the time, as by a \
                 timer, wait by `sleep`: {statuses:?}",
                self.inner.seed
            );
        }
    }

    async fn statuses(&self) -> Vec<(String, TaskStatus)> {
        let workers = self.inner.workers.borrow().clone();
        let mut statuses = Vec::new();
        for worker in workers {
            if worker.is_awake()
                && let Ok(status) = worker.handle.status().await
            {
                statuses.extend(
                    status
                        .into_iter()
                        .map(|status| (worker.groups.clone(), status)),
                );
            }
        }
        statuses
    }

    /// Everything is idle or parked, and what is not parked is committed up to its end.
    async fn is_settled(&self, statuses: &[(String, TaskStatus)]) -> bool {
        let still = |state: &TaskState| matches!(state, TaskState::Idle | TaskState::Parked(_));
        if statuses.is_empty()
            || !statuses
                .iter()
                .all(|(_, status)| still(&status.state) && !status.uncommitted)
            || !self.are_assigned_some(statuses)
        {
            return false;
        }
        for (group, status) in statuses.iter().filter(|(_, s)| s.state == TaskState::Idle) {
            let partitions: Vec<TopicPartition> = status.sources.clone();
            let coordinator = self.inner.log.coordinator(group);
            let committed = coordinator.fetch_offsets(&partitions, true).await;
            let stable = self
                .inner
                .log
                .admin()
                .offsets(&partitions, OffsetSpec::HighWatermark)
                .await;
            let (Ok(committed), Ok(ends)) = (committed, stable) else {
                return false;
            };
            for (committed, end) in committed.into_iter().zip(ends) {
                let at = committed.map_or(Offset::ZERO, |committed| committed.offset);
                if at < end {
                    return false;
                }
            }
        }
        self.all_assigned(statuses).await
    }

    /// Every application with agents that read topics has some of their tasks.
    fn are_assigned_some(&self, statuses: &[(String, TaskStatus)]) -> bool {
        let has_some = |group: &String| {
            let mut of_topics = statuses.iter().filter(|(_, status)| !status.local);
            of_topics.any(|(of, _)| of == group)
        };
        let workers = self.inner.workers.borrow();
        let mut reading = workers
            .iter()
            .filter(|worker| worker.reads_topics && worker.is_awake());
        reading.all(|worker| has_some(&worker.groups))
    }

    /// Every partition of every topic that some task reads is read by a task.
    async fn all_assigned(&self, statuses: &[(String, TaskStatus)]) -> bool {
        let mut read: BTreeMap<&TopicName, BTreeSet<u32>> = BTreeMap::new();
        for source in statuses.iter().flat_map(|(_, status)| &status.sources) {
            // Two workers may read one while it moves.
            read.entry(&source.topic)
                .or_default()
                .insert(source.partition);
        }
        for (topic, partitions) in read {
            if partitions.len() < self.partitions(topic.as_str()).await as usize {
                return false;
            }
        }
        true
    }

    /// All committed records of a topic, partition by partition.
    ///
    /// # Panics
    ///
    /// If the topic cannot be read.
    pub async fn records(&self, topic: &str) -> Vec<TestRecord> {
        let partitions = self.partitions(topic).await;
        let mut records = Vec::new();
        for partition in (0..partitions).map(|p| TopicPartition::new(topic, p)) {
            self.read(&partition, &mut records).await;
        }
        records
    }

    async fn read(&self, partition: &TopicPartition, records: &mut Vec<TestRecord>) {
        let log = self.inner.log.log();
        let ends = async |spec| {
            let ends = self
                .inner
                .log
                .admin()
                .offsets(std::slice::from_ref(partition), spec)
                .await;
            ends.unwrap_or_else(|error| panic!("{partition}: {error}"))[0]
        };
        let (start, end) = (
            ends(OffsetSpec::Earliest).await,
            ends(OffsetSpec::LastStable).await,
        );
        let reader = log.read(partition, start, ReadOptions::default()).await;
        let mut reader = reader.unwrap_or_else(|error| panic!("{partition}: {error}"));
        while reader.position() < end {
            let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await;
            let fetched = fetched.unwrap_or_else(|error| panic!("{partition}: {error}"));
            records.extend(fetched.batch.iter().map(|record| TestRecord {
                partition: partition.partition,
                offset: record.offset(),
                timestamp: record.timestamp(),
                key: record.key().map(Bytes::copy_from_slice),
                value: record.value().map(Bytes::copy_from_slice),
            }));
        }
    }

    /// What the changelog of `app`'s table says, as another program would read it.
    ///
    /// # Panics
    ///
    /// If the changelog cannot be read or holds other types.
    pub async fn changelog<K, V>(&self, app: &str, table: &str) -> BTreeMap<K, V>
    where
        K: Ord + Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        let mut state = BTreeMap::new();
        for record in self.records(&format!("{app}-{table}-changelog")).await {
            let key: K = decode(record.key.as_deref().unwrap_or_default());
            match &record.value {
                Some(value) => state.insert(key, decode(value)),
                None => state.remove(&key),
            };
        }
        state
    }
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> T {
    Json.decode(bytes)
        .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(bytes)))
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("seed", &self.inner.seed)
            .finish_non_exhaustive()
    }
}

/// A record as a reader outside the application sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRecord {
    /// The number of its partition.
    pub partition: u32,
    /// Its position there.
    pub offset: Offset,
    /// Its time.
    pub timestamp: Timestamp,
    /// Its raw key.
    pub key: Option<Bytes>,
    /// Its raw value.
    pub value: Option<Bytes>,
}

impl TestRecord {
    /// The value, decoded from JSON.
    ///
    /// # Panics
    ///
    /// If it is none of this type.
    #[must_use]
    pub fn json<T: Serialize + DeserializeOwned>(&self) -> T {
        decode(self.value.as_deref().unwrap_or_default())
    }
}
