//! How far a worker has fetched ahead of what it has handled.
//!
//! [`Watched`] is a log that counts what readers of one topic were given; all else goes through.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use faustus_core::{
    Admin, BoxFuture, Coordinator, Fetched, Log, Offset, PartitionReader, Producer, ReadOptions,
    TopicPartition, TransactionalProducer, Transport, TransportError, TransportTraits,
};

/// What was fetched, what was handled.
#[derive(Debug)]
pub(super) struct Ahead {
    topic: String,
    fetched: AtomicU64,
    fetched_bytes: AtomicU64,
    /// The most records that were fetched and not handled at a time.
    most: AtomicU64,
    /// How many events of each partition agents have handled.
    pub(super) handled: Vec<AtomicU64>,
    /// The sum of their amounts.
    pub(super) sum: AtomicI64,
}

impl Ahead {
    pub(super) fn new(topic: &str, partitions: u32) -> Self {
        Self {
            topic: topic.to_owned(),
            fetched: AtomicU64::default(),
            fetched_bytes: AtomicU64::default(),
            most: AtomicU64::default(),
            handled: (0..partitions).map(|_| AtomicU64::default()).collect(),
            sum: AtomicI64::default(),
        }
    }

    /// How many events were handled.
    pub(super) fn handled(&self) -> u64 {
        let handled = self.handled.iter().map(|n| n.load(Ordering::Relaxed));
        handled.sum()
    }

    /// The most that was fetched and not handled at a time: records, and bytes of keys and values
    /// if they were of middle length.
    pub(super) fn most(&self) -> (u64, u64) {
        let most = self.most.load(Ordering::Relaxed);
        let bytes = self.fetched_bytes.load(Ordering::Relaxed);
        let fetched = self.fetched.load(Ordering::Relaxed).max(1);
        (most, bytes * most / fetched)
    }

    fn fetch(&self, fetched: &Fetched) {
        let (records, bytes) = (fetched.batch.len() as u64, fetched.batch.bytes() as u64);
        let before = self.fetched.fetch_add(records, Ordering::Relaxed);
        self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
        let ahead = (before + records).saturating_sub(self.handled());
        self.most.fetch_max(ahead, Ordering::Relaxed);
    }
}

/// A log whose readers are counted.
#[derive(Clone)]
pub(super) struct Watched {
    log: Arc<dyn Transport>,
    ahead: Arc<Ahead>,
}

impl Watched {
    pub(super) fn new(log: Arc<dyn Transport>, ahead: Arc<Ahead>) -> Self {
        Self { log, ahead }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.log.fmt(f)
    }
}

impl Transport for Watched {
    fn traits(&self) -> TransportTraits {
        self.log.traits()
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.clone())
    }

    fn admin(&self) -> Arc<dyn Admin> {
        self.log.admin()
    }

    fn coordinator(&self, group: &str) -> Arc<dyn Coordinator> {
        self.log.coordinator(group)
    }

    fn producer(&self) -> BoxFuture<'_, Result<Box<dyn Producer>, TransportError>> {
        self.log.producer()
    }

    fn transactional_producer<'a>(
        &'a self,
        transactional_id: &'a str,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalProducer>, TransportError>> {
        self.log.transactional_producer(transactional_id, timeout)
    }
}

impl Log for Watched {
    fn read<'a>(
        &'a self,
        partition: &'a TopicPartition,
        from: Offset,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Box<dyn PartitionReader>, TransportError>> {
        Box::pin(async move {
            let reader = self.log.log().read(partition, from, options).await?;
            if partition.topic.as_str() != self.ahead.topic {
                return Ok(reader);
            }
            let ahead = Arc::clone(&self.ahead);
            Ok(Box::new(Counted { reader, ahead }) as Box<dyn PartitionReader>)
        })
    }
}

struct Counted {
    reader: Box<dyn PartitionReader>,
    ahead: Arc<Ahead>,
}

impl PartitionReader for Counted {
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fetched, TransportError>> {
        let polled = self.reader.poll_fetch(cx);
        if let Poll::Ready(Ok(fetched)) = &polled {
            self.ahead.fetch(fetched);
        }
        polled
    }

    fn position(&self) -> Offset {
        self.reader.position()
    }
}
