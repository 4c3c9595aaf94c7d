//! The librdkafka clients that fetch, and which partitions each of them reads.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock, Weak, mpsc},
    time::Duration,
};

use faustus_core::{Offset, ReadOptions, TopicPartition, TransportError};
use parking_lot::Mutex;
use rdkafka::{ClientConfig, types::RDKafkaErrorCode};
use tokio::sync::Notify;

use super::{reader::KafkaReader, signal::Signal, watch};
use crate::{
    background::Background,
    config,
    directory::{Directory, TopicInfo},
    native::{Client, Delivery, Events, Kind, Queue, Topic},
    net::Cluster,
    options::{Address, KafkaOptions},
    thread,
};

/// Fetches. Lives as long as the transport and every reader.
pub(crate) struct Fetcher {
    config: ClientConfig,
    pub(super) cluster: Arc<Cluster>,
    pub(super) background: Arc<Background>,
    directory: Arc<Directory>,
    consumers: Mutex<Vec<Arc<Consumer>>>,
    /// Woken when a partition was stopped and may be read again.
    stopped: Arc<Notify>,
    commands: mpsc::Sender<Command>,
}

/// One librdkafka client.
struct Consumer {
    client: Arc<Client>,
    active: Arc<Active>,
}

/// The partitions that a client reads, and how to reach their readers.
type Active = Mutex<HashMap<TopicPartition, Reading>>;

/// A partition of a client.
enum Reading {
    /// A reader has it.
    On(Arc<Signal>),
    /// The reader is gone, the client still stops.
    Stopping,
}

/// A partition being read; it stops when this is dropped.
pub(super) struct Running {
    partition: TopicPartition,
    consumer: Arc<Consumer>,
    /// There until it is handed to the thread.
    queue: Option<Queue>,
    commands: mpsc::Sender<Command>,
}

/// What the thread does.
enum Command {
    /// The client has something to say.
    Serve(Weak<Client>),
    /// The partition is read no more.
    Stop(TopicPartition, Queue, Arc<Consumer>),
    /// The transport and all readers are gone.
    End(Vec<Arc<Consumer>>),
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("consumers", &self.consumers.lock().len())
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Starts the thread; clients are made as they are needed.
    pub(crate) fn start(
        bootstrap: &[Address],
        options: &KafkaOptions,
        cluster: Arc<Cluster>,
        background: Arc<Background>,
        directory: Arc<Directory>,
    ) -> Result<Arc<Self>, TransportError> {
        let (commands, inbox) = mpsc::channel();
        let stopped = Arc::new(Notify::new());
        thread::spawn("faustus-kafka-fetch", {
            let stopped = Arc::clone(&stopped);
            move || serve(&inbox, &stopped)
        })?;
        let fetcher = Arc::new(Self {
            config: config::consumer(bootstrap, options),
            cluster,
            background,
            directory,
            consumers: Mutex::default(),
            stopped,
            commands,
        });
        let watch = watch::watch(Arc::downgrade(&fetcher), options.topic_check_interval);
        fetcher.background.spawn(watch);
        Ok(fetcher)
    }

    /// The readers that are open.
    pub(super) fn signals(&self) -> Vec<Arc<Signal>> {
        let mut signals = Vec::new();
        for consumer in self.consumers.lock().iter() {
            for reading in consumer.active.lock().values() {
                if let Reading::On(signal) = reading {
                    signals.push(Arc::clone(signal));
                }
            }
        }
        signals
    }

    /// Opens a reader. Runs on the background thread.
    pub(super) async fn open(
        self: Arc<Self>,
        partition: TopicPartition,
        from: Offset,
        options: ReadOptions,
    ) -> Result<KafkaReader, TransportError> {
        let topics = std::slice::from_ref(&partition.topic);
        let found = self.directory.look_up(topics).await?;
        let unknown = || Err(TransportError::UnknownTopic(partition.topic.clone()));
        let info = &found.into_iter().next().unwrap_or_else(unknown)?;
        info.native_partition(&partition)?;
        if from < Offset::ZERO {
            return Err(self.cluster.out_of_range(&partition, from).await);
        }
        let signal = Arc::new(Signal::new(partition, info.id));
        let consumer = self.consumer_for(&signal).await?;
        let running = self.run(consumer, &signal, info, from)?;
        Ok(KafkaReader::new(running, signal, from, options, self))
    }

    /// A client that did not read the partition of `signal` and from now on does.
    async fn consumer_for(&self, signal: &Arc<Signal>) -> Result<Arc<Consumer>, TransportError> {
        loop {
            // It hears of everything that is stopped from here on, polled or not.
            let stopped = self.stopped.notified();
            if let Some(consumer) = self.free_consumer(signal)? {
                return Ok(consumer);
            }
            stopped.await;
        }
    }

    /// As above; `None` if one will be free in a moment.
    fn free_consumer(&self, signal: &Arc<Signal>) -> Result<Option<Arc<Consumer>>, TransportError> {
        let mut stopping = false;
        let mut consumers = self.consumers.lock();
        for consumer in consumers.iter() {
            let mut active = consumer.active.lock();
            match active.get(&signal.partition) {
                Some(Reading::On(_)) => {}
                Some(Reading::Stopping) => stopping = true,
                None => {
                    let reading = Reading::On(Arc::clone(signal));
                    active.insert(signal.partition.clone(), reading);
                    return Ok(Some(Arc::clone(consumer)));
                }
            }
        }
        if stopping {
            return Ok(None);
        }
        let consumer = Arc::new(self.make_consumer()?);
        let reading = Reading::On(Arc::clone(signal));
        consumer
            .active
            .lock()
            .insert(signal.partition.clone(), reading);
        consumers.push(Arc::clone(&consumer));
        Ok(Some(consumer))
    }

    fn make_consumer(&self) -> Result<Consumer, TransportError> {
        let active = Arc::new(Active::default());
        let events = ConsumerEvents(Arc::clone(&active));
        let itself = Arc::new(OnceLock::<Weak<Client>>::new());
        let wake = {
            let (itself, commands) = (Arc::clone(&itself), self.commands.clone());
            move || {
                if let Some(client) = itself.get() {
                    // The thread ends after the last client.
                    let _ = commands.send(Command::Serve(Weak::clone(client)));
                }
            }
        };
        let client = Client::new(
            Kind::Consumer,
            &self.config,
            Box::new(events),
            Box::new(wake),
        )
        .map_err(|error| TransportError::Unavailable(format!("no consumer: {error}")))?;
        let client = Arc::new(client);
        let _ = itself.set(Arc::downgrade(&client));
        // For what it said before it was known.
        let _ = self.commands.send(Command::Serve(Arc::downgrade(&client)));
        Ok(Consumer { client, active })
    }

    fn run(
        &self,
        consumer: Arc<Consumer>,
        signal: &Arc<Signal>,
        info: &TopicInfo,
        from: Offset,
    ) -> Result<Running, TransportError> {
        let mut running = Running {
            partition: signal.partition.clone(),
            consumer,
            queue: None,
            commands: self.commands.clone(),
        };
        let number = info.native_partition(&running.partition)?;
        let client = &running.consumer.client;
        let wake = Arc::clone(signal);
        let queue = Topic::new(client, &info.name).and_then(|topic| {
            let queue = Queue::new(client, topic, number, Box::new(move || wake.wake()));
            queue.start(from).map(|()| queue)
        });
        let queue = queue.map_err(|error| {
            TransportError::Unavailable(format!("{}: {error}", running.partition))
        })?;
        running.queue = Some(queue);
        Ok(running)
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        let consumers = std::mem::take(&mut *self.consumers.lock());
        // It only fails if the thread panicked.
        let _ = self.commands.send(Command::End(consumers));
    }
}

impl Running {
    /// The partition's queue.
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let partition = self.partition.clone();
        let mut active = self.consumer.active.lock();
        match self.queue.take() {
            None => drop(active.remove(&partition)),
            Some(queue) => {
                active.insert(partition.clone(), Reading::Stopping);
                drop(active);
                let consumer = Arc::clone(&self.consumer);
                // It only fails if the thread panicked; the client then stops when it is destroyed.
                let _ = self
                    .commands
                    .send(Command::Stop(partition, queue, consumer));
            }
        }
    }
}

/// The thread: everything that blocks.
fn serve(inbox: &mpsc::Receiver<Command>, stopped: &Notify) {
    while let Ok(command) = inbox.recv() {
        match command {
            Command::Serve(client) => {
                if let Some(client) = client.upgrade() {
                    client.serve(Duration::ZERO);
                }
            }
            Command::Stop(partition, queue, consumer) => {
                queue.stop();
                drop(queue);
                consumer.active.lock().remove(&partition);
                stopped.notify_waiters();
            }
            Command::End(consumers) => {
                drop(consumers);
                return;
            }
        }
    }
}

/// Passes a client's troubles on to its readers.
struct ConsumerEvents(Arc<Active>);

impl Events for ConsumerEvents {
    fn delivered(&self, _: Delivery) {}

    fn error(&self, code: RDKafkaErrorCode, reason: &str) {
        tracing::debug!(%code, error = reason, "a consumer has an error");
        if code != RDKafkaErrorCode::AllBrokersDown {
            return;
        }
        for reading in self.0.lock().values() {
            if let Reading::On(signal) = reading {
                signal.trouble(TransportError::Unavailable(format!(
                    "{}: no broker can be reached ({reason})",
                    signal.partition
                )));
            }
        }
    }
}
