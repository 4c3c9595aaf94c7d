//! What the integration tests share: a real broker, a transport to it, a real clock, short ways to
//! write and read.
#![expect(dead_code, reason = "each test file uses a part of it")]

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use faustus_core::{
    Batch, BatchBuilder, BoxFuture, Clock, Fetched, NewTopic, Offset, Outgoing, PartitionReader,
    ReadOptions, Timestamp, TopicConfig, TopicName, TopicPartition, Transport, TransportError,
};
use faustus_kafka::{KafkaOptions, KafkaTransport};

/// How long a test waits for what should come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A transport to the broker that all tests of a process share.
///
/// # Panics
///
/// If the broker cannot be started: the tests fail then, they are not skipped.
pub(crate) async fn transport() -> Arc<KafkaTransport> {
    connect(&kafka_testbed::shared().bootstrap()).await
}

/// A transport to the brokers at `bootstrap` that notices quickly what becomes of topics.
pub(crate) async fn connect(bootstrap: &str) -> Arc<KafkaTransport> {
    let options = KafkaOptions::default().topic_check_interval(Duration::from_secs(1));
    let transport = KafkaTransport::connect(bootstrap, options).await;
    transport.expect("the broker can be reached")
}

/// A name that no other test uses.
pub(crate) fn unique(stem: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{}-{count}", std::process::id())
}

/// A new topic that keeps everything, with these settings.
pub(crate) async fn topic(
    transport: &KafkaTransport,
    partitions: u32,
    settings: &[(&str, &str)],
) -> TopicName {
    let name = TopicName::from(unique("topic"));
    make(transport, &name, partitions, settings).await;
    name
}

/// Makes the topic `name`.
pub(crate) async fn make(
    transport: &KafkaTransport,
    name: &TopicName,
    partitions: u32,
    settings: &[(&str, &str)],
) {
    let settings = settings
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let new = NewTopic {
        name: name.clone(),
        partitions,
        replicas: None,
        config: TopicConfig {
            retention: Some(None),
            other: settings.collect(),
            ..TopicConfig::default()
        },
    };
    let made = transport.admin().create_topics(&[new]).await;
    assert_eq!(made.expect("topics can be made"), [Ok(())]);
}

/// A batch of records with these values, without keys.
pub(crate) fn batch<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Batch {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(Timestamp(1_700_000_000_000), None, Some(value.as_ref()));
    }
    builder.build()
}

/// A batch for partition 0 of `topic`.
pub(crate) fn to(topic: &TopicName, batch: Batch) -> Vec<Outgoing> {
    vec![Outgoing {
        partition: TopicPartition::new(topic.clone(), 0),
        batch,
    }]
}

/// A reader of partition 0 of `topic`.
pub(crate) async fn reader(
    transport: &KafkaTransport,
    topic: &TopicName,
    from: i64,
) -> Box<dyn PartitionReader> {
    let partition = TopicPartition::new(topic.clone(), 0);
    let log = transport.log();
    let reader = log.read(&partition, Offset(from), ReadOptions::default());
    reader.await.expect("a reader can be opened")
}

/// The next fetch.
pub(crate) async fn fetch(reader: &mut dyn PartitionReader) -> Result<Fetched, TransportError> {
    let fetching = poll_fn(|cx| reader.poll_fetch(cx));
    let fetched = tokio::time::timeout(PATIENCE, fetching).await;
    fetched.expect("a fetch gives something in time")
}

/// The values of the next `count` records; errors that pass are waited out.
pub(crate) async fn values(reader: &mut dyn PartitionReader, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    while values.len() < count {
        match fetch(reader).await {
            Ok(fetched) => values.extend(fetched.batch.iter().map(|record| {
                String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned()
            })),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    values
}

/// Looks until `look` is true.
pub(crate) async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !look().await {
        assert!(
            Instant::now() < deadline,
            "{what} took longer than {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The real clock.
#[derive(Debug)]
pub(crate) struct RealClock(Instant);

impl RealClock {
    /// A clock that begins now.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
