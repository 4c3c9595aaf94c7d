//! The replies to all who ask in this process: their topic, its reader, and who waits for which.
//!
//! The topic `f-reply-<uuid>` is made at the first ask and read from its end, both before that request
//! is sent, so that no reply is missed; an orderly end deletes it. Whoever waits is forgotten when it
//! was answered, gave up or was dropped. A reply that nobody waits for disturbs nobody.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use faustus_core::{
    CleanupPolicy, Clock, NewTopic, OffsetSpec, PartitionReader, ReadOptions, TopicConfig,
    TopicName, TopicPartition, Transport, TransportError,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use uuid::{Builder, Uuid};

use super::wire;
use crate::{Error, ErrorKind, Result};

/// How long the reader waits after a failure that may pass.
const AGAIN: Duration = Duration::from_millis(50);

/// What came for a request: its value as JSON, or the text of an error.
pub(super) type Answer = Result<Bytes, String>;

pub(crate) struct Replies {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    partition: TopicPartition,
    /// How long replies are kept that nobody reads.
    retention: Duration,
    seed: u64,
    /// How many ids were given.
    given: AtomicU64,
    /// `None` once the application ends.
    waiting: Mutex<Option<HashMap<Uuid, oneshot::Sender<Answer>>>>,
    /// Held by who makes the topic ready.
    gate: tokio::sync::Mutex<()>,
    /// Replies are read.
    reading: AtomicBool,
    /// The topic was made, or may have been.
    made: AtomicBool,
    readers: mpsc::UnboundedSender<Box<dyn PartitionReader>>,
    /// Replies that nobody waited for.
    strays: AtomicU64,
}

impl Replies {
    /// The replies of a process, and the future that reads them; `seed` is no other process's.
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        retention: Duration,
        seed: u64,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let (readers, opened) = mpsc::unbounded_channel();
        let topic = format!("f-reply-{}", uuid(seed, 0).hyphenated());
        let replies = Arc::new(Self {
            transport,
            clock,
            partition: TopicPartition::new(topic, 0),
            retention,
            seed,
            given: AtomicU64::new(1),
            waiting: Mutex::new(Some(HashMap::new())),
            gate: tokio::sync::Mutex::default(),
            reading: AtomicBool::new(false),
            made: AtomicBool::new(false),
            readers,
            strays: AtomicU64::new(0),
        });
        let reading = Arc::clone(&replies).read_all(opened);
        (replies, reading)
    }

    /// The name of the topic.
    pub(super) fn topic(&self) -> &TopicName {
        &self.partition.topic
    }

    /// An id that no other request has.
    pub(super) fn next_id(&self) -> Uuid {
        uuid(self.seed, self.given.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits until replies to what is sent from now on will be read.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(super) async fn open(&self) -> Result {
        if self.reading.load(Ordering::Acquire) {
            return Ok(());
        }
        let _gate = self.gate.lock().await;
        if self.reading.load(Ordering::Acquire) {
            return Ok(());
        }
        if self.waiting.lock().is_none() {
            return Err(ended());
        }
        let opened = self.make_topic().await;
        let reader = opened.map_err(|error| {
            Error::from(error).context(format!("replies in {} cannot be read", self.topic()))
        })?;
        self.reading.store(true, Ordering::Release);
        self.readers.send(reader).map_err(|_| ended())
    }

    async fn make_topic(&self) -> Result<Box<dyn PartitionReader>, TransportError> {
        self.made.store(true, Ordering::Release);
        let topic = NewTopic {
            name: self.topic().clone(),
            partitions: 1,
            replicas: None,
            config: TopicConfig {
                cleanup: Some(CleanupPolicy::Delete),
                retention: Some(Some(self.retention)),
                ..TopicConfig::default()
            },
        };
        let admin = self.transport.admin();
        for made in admin.create_topics(&[topic]).await? {
            match made {
                Ok(()) | Err(TransportError::TopicExists(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let partition = std::slice::from_ref(&self.partition);
        let ends = admin.offsets(partition, OffsetSpec::LastStable).await?;
        let end = ends.first().copied().unwrap_or_default();
        let log = self.transport.log();
        log.read(&self.partition, end, ReadOptions::default()).await
    }

    /// Who waits for the reply to request `id` from now on.
    pub(super) fn expect(self: &Arc<Self>, id: Uuid) -> Result<Waiter> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        waiting.as_mut().ok_or_else(ended)?.insert(id, sender);
        Ok(Waiter {
            answer,
            id,
            replies: Arc::clone(self),
        })
    }

    /// No request is answered from now on; the topic is deleted if there is one.
    pub(crate) async fn close(&self) {
        // Those who wait hear of it.
        let waiting = self.waiting.lock().take();
        drop(waiting);
        let _gate = self.gate.lock().await;
        if !self.made.load(Ordering::Acquire) {
            return;
        }
        match self.transport.admin().delete_topic(self.topic()).await {
            Ok(()) | Err(TransportError::UnknownTopic(_)) => {}
            Err(error) => {
                tracing::warn!(topic = %self.topic(), %error, "the topic of replies stays")
            }
        }
    }

    /// Reads with one reader after the other.
    async fn read_all(
        self: Arc<Self>,
        mut opened: mpsc::UnboundedReceiver<Box<dyn PartitionReader>>,
    ) {
        while let Some(reader) = opened.recv().await {
            let error = self.read(reader).await;
            // The next who asks opens another reader.
            self.reading.store(false, Ordering::Release);
            if self.waiting.lock().is_some() {
                tracing::warn!(topic = %self.topic(), %error, "replies cannot be read any more");
            }
        }
    }

    /// Reads until that is of no use any more.
    async fn read(&self, mut reader: Box<dyn PartitionReader>) -> TransportError {
        loop {
            match poll_fn(|cx| reader.poll_fetch(cx)).await {
                Ok(fetched) => {
                    for index in 0..fetched.batch.len() {
                        let value = fetched.batch.value_bytes(index).unwrap_or_default();
                        self.deliver(&value);
                    }
                }
                Err(error) if error.is_transient() => self.clock.sleep(AGAIN).await,
                Err(error) => return error,
            }
        }
    }

    /// Gives a reply to who waits for it.
    fn deliver(&self, bytes: &Bytes) {
        let reply = match wire::read_reply(bytes) {
            Ok(reply) => reply,
            Err(error) => return self.stray(format_args!("it is none: {error}")),
        };
        let Some(id) = reply.correlation_id.as_deref() else {
            return self.stray(format_args!("it does not say to which request"));
        };
        let waiter = Uuid::try_parse(id).ok().and_then(|id| {
            let mut waiting = self.waiting.lock();
            waiting.as_mut().and_then(|waiting| waiting.remove(&id))
        });
        let Some(waiter) = waiter else {
            return self.stray(format_args!(
                "nobody waits for {id:?} (any more): it is late, doubled or foreign"
            ));
        };
        let answer = match reply.answer {
            // What stands for no value is no part of the record.
            Ok("null") => Ok(Bytes::from_static(b"null")),
            Ok(value) => Ok(bytes.slice_ref(value.as_bytes())),
            Err(error) => Err(error.into_owned()),
        };
        // Who does not wait any more is about to forget it.
        let _ = waiter.send(answer);
    }

    fn stray(&self, why: std::fmt::Arguments<'_>) {
        let strays = self.strays.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::debug!(topic = %self.topic(), replies = strays, reason = %why, "a reply is passed over");
    }
}

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies")
            .field("topic", self.topic())
            .finish_non_exhaustive()
    }
}

/// Waits for a reply; forgotten when it is dropped.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) answer: oneshot::Receiver<Answer>,
    id: Uuid,
    replies: Arc<Replies>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(waiting) = &mut *self.replies.waiting.lock() {
            waiting.remove(&self.id);
        }
    }
}

pub(super) fn ended() -> Error {
    Error::new(ErrorKind::Lost, "the application has ended")
}

/// The `count`th id of a process.
fn uuid(seed: u64, count: u64) -> Uuid {
    let (high, low) = (mix(seed ^ mix(count)), mix(seed.wrapping_add(count)));
    let bytes = (u128::from(high) << 64) | u128::from(low);
    Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid()
}

/// SplitMix64: neighbours have nothing in common any more.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use faustus_log::MemoryLog;

    use super::*;
    use crate::TokioClock;

    fn replies() -> Arc<Replies> {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
        let log = MemoryLog::new(Arc::clone(&clock), 0);
        Replies::new(Arc::new(log), clock, Duration::from_secs(60), 7).0
    }

    fn waiting(replies: &Replies) -> usize {
        replies.waiting.lock().as_ref().map_or(0, HashMap::len)
    }

    fn reply(id: &str) -> Bytes {
        format!(r#"{{"value":1,"correlation_id":"{id}"}}"#).into()
    }

    #[tokio::test]
    async fn nobody_is_kept_who_was_answered_or_waits_no_more() {
        let replies = replies();
        let ids: Vec<Uuid> = (0..3).map(|_| replies.next_id()).collect();
        let mut waiters: Vec<_> = ids.iter().map(|id| replies.expect(*id).unwrap()).collect();
        assert_eq!(waiting(&replies), 3);
        waiters.pop();
        assert_eq!(waiting(&replies), 2);
        for _ in 0..2 {
            replies.deliver(&reply(&ids[0].to_string()));
            assert_eq!(waiting(&replies), 1);
        }
        assert_eq!(
            waiters[0].answer.try_recv(),
            Ok(Ok(Bytes::from_static(b"1")))
        );
        drop(waiters);
        assert_eq!(waiting(&replies), 0);
        assert_eq!(replies.strays.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn all_hear_of_the_end() {
        let replies = replies();
        let mut waiter = replies.expect(replies.next_id()).unwrap();
        replies.close().await;
        assert!(waiter.answer.try_recv().is_err());
        assert!(replies.expect(replies.next_id()).is_err());
        assert!(replies.open().await.is_err());
    }

    #[test]
    fn ids_differ_and_are_random_ones_in_form() {
        let ids: HashSet<Uuid> = (0..10_000)
            .flat_map(|count| [uuid(7, count), uuid(8, count)])
            .collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
    }
}
