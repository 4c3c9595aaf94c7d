//! Sends that leave at once: one producer of the process, fed by everybody.
//!
//! Calls gather while a batch is under way and go with the next; the producer keeps their order.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use faustus_core::{
    Admin, BatchBuilder, Clock, Offset, OffsetSpec, Outgoing, Producer, PublishError, Published,
    TopicName, TopicPartition, Transport, TransportError,
};
use tokio::sync::{mpsc, oneshot};

use crate::{Error, ErrorKind, Result, ask::Replies, runtime::Meters};

/// How many sends may wait; more of them wait outside.
const QUEUE: usize = 4096;

struct Request {
    to: TopicPartition,
    /// One record.
    record: BatchBuilder,
    answer: oneshot::Sender<Result<Offset>>,
}

/// What goes to one partition, and who waits for each record of it.
type Gathered = (
    TopicPartition,
    BatchBuilder,
    Vec<oneshot::Sender<Result<Offset>>>,
);

/// A handle to send through.
#[derive(Clone)]
pub(crate) struct Client {
    requests: mpsc::Sender<Request>,
    admin: Arc<dyn Admin>,
    clock: Arc<dyn Clock>,
    spread: Arc<AtomicU64>,
    replies: Arc<Replies>,
    /// How long a reply is awaited if nothing else is said.
    ask_timeout: Duration,
    meters: Arc<Meters>,
}

impl Client {
    /// A client and the future that does its work until all handles are gone.
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        replies: Arc<Replies>,
        ask_timeout: Duration,
        meters: Arc<Meters>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (requests, queue) = mpsc::channel(QUEUE);
        let admin = transport.admin();
        let client = Self {
            requests,
            admin,
            clock: Arc::clone(&clock),
            spread: Arc::default(),
            replies,
            ask_timeout,
            meters: Arc::clone(&meters),
        };
        let sends = Sends { meters, clock };
        (client, send_all(transport, queue, sends))
    }

    /// A number that grows, to spread records without a key.
    pub(crate) fn spread(&self) -> u64 {
        self.spread.fetch_add(1, Ordering::Relaxed)
    }

    /// The clock of all that is sent.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// How long a reply is awaited if nothing else is said.
    pub(crate) fn ask_timeout(&self) -> Duration {
        self.ask_timeout
    }

    /// What is counted of what is sent and asked.
    pub(crate) fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// The replies to what is asked through this.
    pub(crate) fn replies(&self) -> &Arc<Replies> {
        &self.replies
    }

    pub(crate) async fn send(
        &self,
        to: TopicPartition,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Offset> {
        let mut record = BatchBuilder::new();
        record.push(self.clock.now(), key, value);
        self.send_record(to, record).await
    }

    /// Sends the one record that was built.
    pub(crate) async fn send_record(
        &self,
        to: TopicPartition,
        record: BatchBuilder,
    ) -> Result<Offset> {
        let (answer, answered) = oneshot::channel();
        let request = Request { to, record, answer };
        let ended = || Error::new(ErrorKind::Lost, "the application has ended");
        self.requests.send(request).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    pub(crate) async fn end_offsets(
        &self,
        topic: &TopicName,
        partitions: u32,
    ) -> Result<Vec<Offset>> {
        let partitions: Vec<_> = (0..partitions)
            .map(|p| TopicPartition::new(topic.clone(), p))
            .collect();
        Ok(self
            .admin
            .offsets(&partitions, OffsetSpec::HighWatermark)
            .await?)
    }
}

/// Counts what is sent, and tells sensors of it.
struct Sends {
    meters: Arc<Meters>,
    clock: Arc<dyn Clock>,
}

impl Sends {
    /// Hands `batches` to the log.
    async fn publish(
        &self,
        producer: &mut dyn Producer,
        batches: Vec<Outgoing>,
    ) -> Result<Published, PublishError> {
        let Meters { sensors, sends, .. } = &*self.meters;
        sensors.sending(&batches);
        let began = self.clock.monotonic();
        let published = producer.publish(batches.clone()).await;
        let took = self.clock.monotonic().saturating_sub(began);
        sends.publishing.record(took);
        sensors.sent(&batches, published.as_ref().map(drop), took);
        let records = batches.iter().map(|out| out.batch.len() as u64).sum();
        match &published {
            Ok(_) => {
                sends.sent.add(records);
                for out in &batches {
                    self.meters.stored(&out.partition.topic, &out.batch);
                }
            }
            Err(PublishError::Refused(refusals)) => {
                let refused = refusals.len() as u64;
                sends.failed.add(refused);
                sends.sent.add(records.saturating_sub(refused));
            }
            Err(PublishError::Transport(_)) => sends.failed.add(records),
        }
        published
    }
}

async fn send_all(transport: Arc<dyn Transport>, mut queue: mpsc::Receiver<Request>, sends: Sends) {
    let mut producer: Option<Box<dyn Producer>> = None;
    let mut requests = Vec::new();
    while queue.recv_many(&mut requests, QUEUE).await > 0 {
        let mut made = match producer.take() {
            Some(producer) => producer,
            None => match transport.producer().await {
                Ok(producer) => producer,
                Err(error) => {
                    for request in requests.drain(..) {
                        let _ = request.answer.send(Err(error.clone().into()));
                    }
                    continue;
                }
            },
        };
        if send_some(&mut *made, &mut requests, &sends).await {
            producer = Some(made);
        }
    }
}

/// Sends all `requests` and answers them. Whether the producer can go on.
async fn send_some(
    producer: &mut dyn Producer,
    requests: &mut Vec<Request>,
    sends: &Sends,
) -> bool {
    let mut place: HashMap<TopicPartition, usize> = HashMap::new();
    let mut batches: Vec<Gathered> = Vec::new();
    for Request { to, record, answer } in requests.drain(..) {
        let index = *place.entry(to).or_insert_with_key(|to| {
            batches.push((to.clone(), BatchBuilder::new(), Vec::new()));
            batches.len() - 1
        });
        let (_, records, answers) = &mut batches[index];
        records.push_record(record.get(0));
        answers.push(answer);
    }
    let mut outgoing = Vec::with_capacity(batches.len());
    let mut answers = Vec::with_capacity(batches.len());
    for (partition, records, waiting) in batches {
        outgoing.push(Outgoing {
            partition,
            batch: records.build(),
        });
        answers.push(waiting);
    }
    let published = sends.publish(producer, outgoing.clone()).await;
    if outgoing.len() > 1 && matches!(&published, Err(error) if is_of_one_topic(error)) {
        // The others need not suffer from it.
        let mut goes_on = true;
        for (outgoing, answers) in outgoing.into_iter().zip(answers) {
            let published = sends.publish(producer, vec![outgoing]).await;
            goes_on = answer(published, vec![answers]) && goes_on;
        }
        return goes_on;
    }
    answer(published, answers)
}

fn is_of_one_topic(error: &PublishError) -> bool {
    use TransportError::{UnknownPartition, UnknownTopic};
    let is_unknown = |error: &_| matches!(error, UnknownTopic(_) | UnknownPartition(_));
    matches!(error, PublishError::Transport(error) if is_unknown(error))
}

/// Tells all who wait what became of their records. Whether the producer can go on.
fn answer(
    published: Result<Published, PublishError>,
    answers: Vec<Vec<oneshot::Sender<Result<Offset>>>>,
) -> bool {
    match published {
        Ok(published) => {
            for (waiting, end) in answers.into_iter().zip(published.ends) {
                let first = end.0 - i64::try_from(waiting.len()).unwrap_or_default();
                for (offset, answer) in (first..).zip(waiting) {
                    let _ = answer.send(Ok(Offset(offset)));
                }
            }
            true
        }
        Err(PublishError::Refused(refusals)) => {
            for (index, waiting) in answers.into_iter().enumerate() {
                for (record, answer) in waiting.into_iter().enumerate() {
                    let refusal = refusals
                        .iter()
                        .find(|r| (r.outgoing, r.record) == (index, record));
                    let result = match refusal {
                        Some(refusal) => {
                            Err(Error::new(ErrorKind::Refused, refusal.reason.clone()))
                        }
                        // Stored, though beside a refused record nobody says where.
                        None => Ok(Offset(-1)),
                    };
                    let _ = answer.send(result);
                }
            }
            true
        }
        Err(PublishError::Transport(error)) => {
            for answer in answers.into_iter().flatten() {
                let _ = answer.send(Err(error.clone().into()));
            }
            error.is_transient() || is_of_one_topic(&error.into())
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
