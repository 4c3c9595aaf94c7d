//! The thread of one librdkafka producer.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use faustus_core::{
    GroupIdentity, OffsetCommit, Outgoing, PublishError, Published, RecordRef, TopicName,
    TopicPartition, TransportError,
};
use parking_lot::Mutex;
use rdkafka::{ClientConfig, types::RDKafkaErrorCode};
use tokio::sync::oneshot;

use super::{
    calls::{Calls, Failed, MAX_RECORDS},
    limits,
    outcome::{Meaning, answer, meaning},
    overdue::Calling,
    transaction::{self, Transaction},
};
use crate::{
    config::BATCH_BYTES,
    directory::{Directory, Found},
    native::{Client, Delivery, Events, Kind, NativeError, Topic, Undelivered},
    thread,
};

/// How long the thread waits at once for room or reports.
const WAIT: Duration = Duration::from_millis(50);
/// How long a producer that can never be used again may take to report its records.
const PURGE_LIMIT: Duration = Duration::from_secs(5);

/// What the thread does.
pub(super) enum Command {
    /// The client has something to say.
    Serve,
    /// Store records.
    Publish(Publish),
    /// Begin or end a transaction.
    Step(Step, oneshot::Sender<Result<(), TransportError>>),
    /// The last handle is gone.
    End,
}

/// Records to be stored.
pub(super) struct Publish {
    pub outgoing: Vec<Outgoing>,
    /// The topic of each, with its partition looked up.
    pub topics: Vec<Found>,
    pub reply: oneshot::Sender<Result<Published, PublishError>>,
}

/// A step of a transaction.
pub(super) enum Step {
    Begin,
    Commit(GroupIdentity, Vec<OffsetCommit>),
    Abort,
}

/// Gives commands to the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Handle(mpsc::Sender<Command>);

impl Handle {
    pub(super) fn send(&self, command: Command) -> Result<(), TransportError> {
        self.0.send(command).map_err(|_| TransportError::Closed)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // It only fails if the thread panicked.
        let _ = self.0.send(Command::End);
    }
}

/// What the thread has.
pub(super) struct Worker {
    pub(super) client: Arc<Client>,
    config: ClientConfig,
    commands: mpsc::Sender<Command>,
    /// Whether a `Serve` is in the inbox already.
    serving: Arc<AtomicBool>,
    topics: HashMap<TopicName, Arc<Topic>>,
    /// Shared with the client's callback, which runs on this thread.
    pub(super) calls: Arc<Mutex<Calls>>,
    pending: HashMap<usize, Pending>,
    /// Bytes handed over since nothing was open, by partition; only of topics whose batches are
    /// smaller than librdkafka's.
    unreported: HashMap<TopicPartition, usize>,
    directory: Arc<Directory>,
    pub(super) transaction: Option<Transaction>,
    /// For whoever waits: which blocking call the thread is in.
    pub(super) calling: Calling,
}

/// A publish that waits for reports.
struct Pending {
    publish: Publish,
    /// What was refused before it was sent, by batch and record.
    refused: BTreeMap<(usize, usize), String>,
    /// Records of refused requests, to be sent each in a request of its own.
    alone: VecDeque<Failed>,
    /// Whether `alone` was filled before.
    isolated: bool,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts the thread of a producer; the receiver hears when it is ready.
    pub(super) fn start(
        config: ClientConfig,
        directory: Arc<Directory>,
        transaction: Option<Transaction>,
        calling: Calling,
    ) -> Result<(Handle, oneshot::Receiver<Result<(), TransportError>>), TransportError> {
        let (commands, inbox) = mpsc::channel();
        let (ready, is_ready) = oneshot::channel();
        let handle = Handle(commands.clone());
        thread::spawn("faustus-kafka-produce", move || {
            let serving = Arc::new(AtomicBool::new(false));
            let calls = Arc::new(Mutex::new(Calls::default()));
            let client = make_client(&config, &calls, &serving, &commands);
            let started = client
                .map_err(|error| no_producer(&error))
                .and_then(|client| {
                    let mut worker = Self {
                        client,
                        config,
                        commands,
                        serving,
                        topics: HashMap::new(),
                        calls,
                        pending: HashMap::new(),
                        unreported: HashMap::new(),
                        directory,
                        transaction,
                        calling,
                    };
                    worker.init_transactions()?;
                    Ok(worker)
                });
            match started {
                // The producer is wanted no more if nobody hears that it is ready; its handle is
                // dropped then, too.
                Ok(mut worker) => {
                    let _ = ready.send(Ok(()));
                    worker.run(&inbox);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
        Ok((handle, is_ready))
    }

    fn run(&mut self, inbox: &mpsc::Receiver<Command>) {
        while let Ok(command) = inbox.recv() {
            match command {
                Command::Serve => {
                    self.serving.store(false, Ordering::Release);
                    self.client.serve(Duration::ZERO);
                }
                Command::Publish(publish) => self.publish(publish),
                Command::Step(step, reply) => {
                    let result = self.step(step);
                    // A caller that went away left the outcome unknown to itself.
                    let _ = reply.send(result);
                }
                Command::End => return,
            }
            self.finish();
            if self.transaction.is_none() && self.client.fatal_error().is_some() {
                self.renew();
            }
        }
    }

    fn publish(&mut self, publish: Publish) {
        if let Err(error) = self.may_publish() {
            let _ = publish.reply.send(Err(error.into()));
            return;
        }
        let lengths = publish.outgoing.iter().map(|outgoing| outgoing.batch.len());
        let total: usize = lengths.clone().sum();
        if total > MAX_RECORDS {
            let text = format!("{total} records in one call, at most {MAX_RECORDS} can be");
            let _ = publish
                .reply
                .send(Err(TransportError::Invalid(text).into()));
            return;
        }
        let slot = self.calls.lock().begin(lengths);
        let mut refused = BTreeMap::new();
        let mut number = 0;
        let now = limits::now();
        for (index, (outgoing, info)) in publish.outgoing.iter().zip(&publish.topics).enumerate() {
            let lane = self.lane(&outgoing.partition, info);
            for (record_index, record) in outgoing.batch.iter().enumerate() {
                if let Some(reason) = limits::refuse(record, info, now) {
                    refused.insert((index, record_index), reason);
                } else {
                    self.hand_over(&lane, record, slot, number);
                }
                number += 1;
            }
        }
        if let (Some(transaction), Some(reason)) = (&mut self.transaction, refused.values().next())
        {
            transaction.poison(reason);
        }
        let pending = Pending {
            publish,
            refused,
            alone: VecDeque::new(),
            isolated: false,
        };
        self.pending.insert(slot, pending);
        self.calls.lock().filled(slot);
    }

    /// Hands record `number` of the call over; waits while librdkafka's queue is full.
    fn hand_over(
        &mut self,
        lane: &Result<Lane, Undelivered>,
        record: RecordRef<'_>,
        slot: usize,
        number: usize,
    ) {
        if let Ok(lane) = lane {
            self.make_room(lane, record);
        }
        // Before, as the report may come before the call returns.
        self.calls.lock().handing_over(slot);
        let handed = lane.as_ref().map_err(|why| *why).and_then(|lane| {
            loop {
                match lane
                    .topic
                    .produce(lane.number, record, Calls::opaque(slot, number))
                {
                    Ok(()) => return Ok(()),
                    Err(RDKafkaErrorCode::QueueFull) => self.client.serve(WAIT),
                    Err(code) => {
                        return Err(Undelivered {
                            code,
                            perhaps_stored: false,
                        });
                    }
                }
            }
        });
        if let Err(why) = handed {
            let failed = Failed {
                record: number,
                why,
            };
            self.calls.lock().not_taken(slot, failed);
        }
    }

    /// Waits until `record` cannot make a batch larger than its topic takes: whatever is unreported
    /// may share a batch with it.
    fn make_room(&mut self, lane: &Lane, record: RecordRef<'_>) {
        let Some(room) = lane.room else {
            return;
        };
        let size = limits::at_most(record);
        let unreported = self.unreported.get(&lane.partition).copied().unwrap_or(0);
        if unreported > 0 && unreported + size > room {
            self.wait_for_reports(Duration::MAX);
        }
        *self.unreported.entry(lane.partition.clone()).or_default() += size;
    }

    /// The way to `partition`.
    fn lane(&mut self, partition: &TopicPartition, found: &Found) -> Result<Lane, Undelivered> {
        let lost = |code| Undelivered {
            code,
            perhaps_stored: false,
        };
        let info = found
            .as_ref()
            .map_err(|_| lost(RDKafkaErrorCode::TopicAuthorizationFailed))?;
        let number = info
            .native_partition(partition)
            .map_err(|_| lost(RDKafkaErrorCode::UnknownPartition))?;
        let topic = match self.topics.get(&partition.topic) {
            Some(topic) => Arc::clone(topic),
            None => {
                let topic = Topic::new(&self.client, &partition.topic)
                    .map_err(|_| lost(RDKafkaErrorCode::InvalidTopic))?;
                let topic = Arc::new(topic);
                self.topics
                    .insert(partition.topic.clone(), Arc::clone(&topic));
                topic
            }
        };
        let max = info.limits.max_batch;
        Ok(Lane {
            topic,
            number,
            partition: partition.clone(),
            room: (max < BATCH_BYTES).then(|| max.saturating_sub(limits::BATCH_HEAD)),
        })
    }

    /// Serves reports until none is open; false if that takes longer than `limit`.
    pub(super) fn wait_for_reports(&mut self, limit: Duration) -> bool {
        let began = Instant::now();
        while self.calls.lock().open() > 0 {
            if began.elapsed() >= limit {
                return false;
            }
            self.client.serve(WAIT.min(limit));
        }
        self.unreported.clear();
        true
    }

    /// Answers all calls of which everything was reported.
    pub(super) fn finish(&mut self) {
        loop {
            let Some(slot) = self.calls.lock().next_finished() else {
                return;
            };
            let Some(mut pending) = self.pending.remove(&slot) else {
                self.calls.lock().end(slot);
                continue;
            };
            self.isolate(slot, &mut pending);
            if let Some(failed) = pending.alone.pop_front() {
                self.send_alone(slot, &pending, failed);
                self.pending.insert(slot, pending);
                self.calls.lock().filled(slot);
                continue;
            }
            let Some(call) = self.calls.lock().end(slot) else {
                continue;
            };
            let mut answer = answer(
                &call,
                &pending.publish.outgoing,
                pending.refused,
                self.transaction.is_some(),
            );
            if let Err(error) = &mut answer {
                self.learn(error);
            }
            // A caller that went away left the outcome unknown to itself.
            let _ = pending.publish.reply.send(answer);
        }
    }

    /// Finds the records that a broker refused together with others; they are sent again each by
    /// itself, to tell the guilty from the innocent and to store the latter. In a transaction that
    /// would be in vain: it is to be aborted.
    fn isolate(&mut self, slot: usize, pending: &mut Pending) {
        if pending.isolated || self.transaction.is_some() {
            return;
        }
        pending.isolated = true;
        let suspect = |failed: &mut Failed| match failed.why.code {
            RDKafkaErrorCode::TopicAuthorizationFailed => false,
            code => matches!(meaning(code), Meaning::Refused | Meaning::Innocent),
        };
        let mut suspects = self.calls.lock().refill(slot, suspect);
        suspects.sort_by_key(|failed| failed.record);
        pending.alone = suspects.into();
    }

    fn send_alone(&mut self, slot: usize, pending: &Pending, failed: Failed) {
        // Nothing else must be on its way that could share the batch.
        self.wait_for_reports(Duration::MAX);
        let Some((index, record_index)) = self
            .calls
            .lock()
            .get(slot)
            .map(|call| call.place(failed.record))
        else {
            return;
        };
        let outgoing = &pending.publish.outgoing[index];
        let record = outgoing.batch.get(record_index);
        let lane = self.lane(&outgoing.partition, &pending.publish.topics[index]);
        self.hand_over(&lane, record, slot, failed.record);
        self.wait_for_reports(Duration::MAX);
    }

    /// What a failed publish says about topics and the transaction.
    fn learn(&mut self, error: &mut PublishError) {
        match &*error {
            PublishError::Transport(TransportError::UnknownTopic(topic)) => {
                self.directory.forget(topic);
            }
            PublishError::Transport(TransportError::UnknownPartition(partition)) => {
                self.directory.forget(&partition.topic);
            }
            PublishError::Refused(_) | PublishError::Transport(_) => {}
        }
        if let Some(transaction) = &mut self.transaction {
            // The records of a fenced producer fail for all kinds of reasons.
            if let Some((code, text)) = self.client.fatal_error() {
                *error = transaction::dead(code, &text).into();
            }
            transaction.failed(error);
        }
    }

    /// Makes the client anew after an error that it never recovers from.
    fn renew(&mut self) {
        if let Some((code, text)) = self.client.fatal_error() {
            tracing::warn!(%code, error = %text, "the producer is made anew");
        }
        self.client.purge();
        self.wait_for_reports(PURGE_LIMIT);
        self.finish();
        match make_client(&self.config, &self.calls, &self.serving, &self.commands) {
            Ok(client) => {
                self.topics.clear();
                self.client = client;
            }
            // The next command tries again.
            Err(error) => tracing::error!(%error, "no producer can be made"),
        }
    }
}

/// The way of records to one partition.
struct Lane {
    topic: Arc<Topic>,
    number: i32,
    partition: TopicPartition,
    /// The largest batch without its head, where that is smaller than librdkafka's batches.
    room: Option<usize>,
}

fn make_client(
    config: &ClientConfig,
    calls: &Arc<Mutex<Calls>>,
    serving: &Arc<AtomicBool>,
    commands: &mpsc::Sender<Command>,
) -> Result<Arc<Client>, NativeError> {
    let (serving, commands) = (Arc::clone(serving), commands.clone());
    let wake = move || {
        if !serving.swap(true, Ordering::AcqRel) {
            // It only fails if the thread ended.
            let _ = commands.send(Command::Serve);
        }
    };
    let events = ProducerEvents(Arc::clone(calls));
    Client::new(Kind::Producer, config, Box::new(events), Box::new(wake)).map(Arc::new)
}

/// Counts reports.
struct ProducerEvents(Arc<Mutex<Calls>>);

impl Events for ProducerEvents {
    fn delivered(&self, delivery: Delivery) {
        self.0.lock().delivered(delivery);
    }

    fn error(&self, code: RDKafkaErrorCode, reason: &str) {
        tracing::debug!(%code, error = reason, "a producer has an error");
    }
}

fn no_producer(error: &NativeError) -> TransportError {
    TransportError::Invalid(format!("no producer can be made: {error}"))
}
