//! What the cases share: making topics, writing, reading, waiting.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{Either, select};

use super::Harness;
use crate::{
    Admin, Batch, BatchBuilder, Clock, CommittedOffset, Coordinator, GroupError, NewTopic, Offset,
    OffsetSpec, Outgoing, PartitionReader, Producer, PublishError, Published, ReadOptions,
    Timestamp, TopicConfig, TopicName, TopicPartition, TransactionalProducer, Transport,
    TransportError,
};

/// A transport and its clock.
pub(super) struct Rig<'a> {
    pub(super) harness: &'a dyn Harness,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) admin: Arc<dyn Admin>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A record as the cases compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rec {
    pub(super) offset: i64,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
}

/// So long nothing may come where nothing is expected.
pub(super) const QUIET: Duration = Duration::from_millis(700);

/// How often something is looked at that is waited for.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

impl<'a> Rig<'a> {
    pub(super) async fn new(harness: &'a dyn Harness) -> Self {
        let transport = harness.transport().await;
        Self {
            harness,
            admin: transport.admin(),
            transport,
            clock: harness.clock(),
        }
    }

    /// Waits for `future` as long as the harness's patience reaches.
    pub(super) async fn within<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        match select(pin!(future), self.clock.sleep(self.harness.patience())).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => panic!("{what} took longer than {:?}", self.harness.patience()),
        }
    }

    /// Calls `look` until it gives something.
    pub(super) async fn eventually<T, F>(&self, what: &str, mut look: impl FnMut() -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        let found = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                self.clock.sleep(PAUSE).await;
            }
        };
        self.within(what, found).await
    }

    /// Nothing comes of `future` for a while.
    pub(super) async fn quiet<T>(&self, what: &str, future: impl Future<Output = T>) {
        if let Either::Left(_) = select(pin!(future), self.clock.sleep(QUIET)).await {
            panic!("{what} did not wait");
        }
    }

    /// Makes a topic and waits until it can be used. It keeps records for ever unless `config` says
    /// otherwise: those of the cases are years old, and a broker's default would delete them.
    pub(super) async fn topic(&self, partitions: u32, mut config: TopicConfig) -> TopicName {
        config.retention.get_or_insert(None);
        let name = TopicName::from(self.harness.unique("topic"));
        self.make(&name, partitions, config).await;
        name
    }

    pub(super) async fn make(&self, name: &TopicName, partitions: u32, config: TopicConfig) {
        let new = NewTopic {
            name: name.clone(),
            partitions,
            replicas: None,
            config,
        };
        let results = self.admin.create_topics(std::slice::from_ref(&new)).await;
        assert_eq!(results.expect("topics can be made"), [Ok(())]);
        self.wait_for(name).await;
    }

    /// Waits until a new topic can be used.
    pub(super) async fn wait_for(&self, name: &TopicName) {
        self.eventually("a new topic", || async {
            let described = self.admin.describe_topics(std::slice::from_ref(name)).await;
            described.ok()?.pop()?
        })
        .await;
    }

    /// A topic of one partition with the log's defaults.
    pub(super) async fn partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic(1, TopicConfig::default()).await, 0)
    }

    pub(super) async fn producer(&self) -> Box<dyn Producer> {
        let producer = self.within("a producer", self.transport.producer()).await;
        producer.expect("a producer can be made")
    }

    /// The producer of a transactional id with a timeout beyond all patience.
    pub(super) async fn transactional(&self, id: &str) -> Box<dyn TransactionalProducer> {
        self.timed(id, Duration::from_secs(600)).await
    }

    pub(super) async fn timed(
        &self,
        id: &str,
        timeout: Duration,
    ) -> Box<dyn TransactionalProducer> {
        let producer = self.transport.transactional_producer(id, timeout);
        let producer = self.within("a transactional producer", producer).await;
        producer.expect("a transactional producer can be made")
    }

    pub(super) async fn reader(&self, from: &TopicPartition, at: i64) -> Box<dyn PartitionReader> {
        let log = self.transport.log();
        let reader = log.read(from, Offset(at), ReadOptions::default());
        let reader = self.within("opening a reader", reader).await;
        reader.expect("a reader can be opened")
    }

    /// Reads from `at` on until `count` records came.
    pub(super) async fn read(&self, from: &TopicPartition, at: i64, count: usize) -> Vec<Rec> {
        let mut reader = self.reader(from, at).await;
        let mut records = Vec::new();
        let reading = async {
            while records.len() < count {
                records.extend(fetch(&mut *reader).await);
            }
        };
        self.within("reading", reading).await;
        records
    }

    /// Reads all from `at` up to the end that committed readers can get to.
    pub(super) async fn read_all(&self, from: &TopicPartition, at: i64) -> Vec<Rec> {
        let end = self.end(from, OffsetSpec::LastStable).await;
        let mut reader = self.reader(from, at).await;
        let mut records = Vec::new();
        let reading = async {
            while reader.position().0 < end {
                records.extend(fetch(&mut *reader).await);
            }
        };
        self.within("reading to the end", reading).await;
        records
    }

    pub(super) async fn end(&self, of: &TopicPartition, spec: OffsetSpec) -> i64 {
        let of = std::slice::from_ref(of);
        let ends = self.admin.offsets(of, spec).await;
        ends.expect("ends can be asked for")[0].0
    }

    pub(super) async fn committed(
        &self,
        coordinator: &dyn Coordinator,
        partition: &TopicPartition,
    ) -> Option<CommittedOffset> {
        let partition = std::slice::from_ref(partition);
        self.eventually("stable offsets", || async {
            match coordinator.fetch_offsets(partition, true).await {
                Ok(mut offsets) => Some(offsets.pop().expect("one answer a partition")),
                Err(GroupError::UnstableOffsets | GroupError::Transport(_)) => None,
                Err(error) => panic!("offsets cannot be fetched: {error}"),
            }
        })
        .await
    }
}

/// A batch of keys and values.
pub(super) fn batch(records: &[(&str, &str)]) -> Batch {
    let mut builder = BatchBuilder::new();
    for (key, value) in records {
        builder.push(
            Timestamp(1_700_000_000_000),
            Some(key.as_bytes()),
            Some(value.as_bytes()),
        );
    }
    builder.build()
}

/// A batch for one partition.
pub(super) fn to(partition: &TopicPartition, batch: Batch) -> Vec<Outgoing> {
    let partition = partition.clone();
    vec![Outgoing { partition, batch }]
}

/// Publishes keys with values, again while the log is unavailable.
pub(super) async fn publish<P: Producer + ?Sized>(
    rig: &Rig<'_>,
    producer: &mut P,
    partition: &TopicPartition,
    records: &[(&str, &str)],
) -> Published {
    let publishing = async {
        loop {
            match producer.publish(to(partition, batch(records))).await {
                Err(PublishError::Transport(TransportError::Unavailable(_))) => {
                    rig.clock.sleep(PAUSE).await;
                }
                result => return result.expect("records can be published"),
            }
        }
    };
    rig.within("publishing", publishing).await
}

/// The records of the next fetch; an error that passes gives none.
pub(super) async fn fetch(reader: &mut dyn PartitionReader) -> Vec<Rec> {
    let fetched = match poll_fn(|cx| reader.poll_fetch(cx)).await {
        Ok(fetched) => fetched,
        Err(error) if error.is_transient() => return Vec::new(),
        Err(error) => panic!("a fetch failed: {error}"),
    };
    let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
    let records = fetched.batch.iter().map(|record| Rec {
        offset: record.offset().0,
        key: text(record.key()),
        value: text(record.value()),
    });
    records.collect()
}

/// The values of records.
pub(super) fn values(records: &[Rec]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record.value.as_deref().unwrap_or_default())
        .collect()
}
