//! Events that leave the loop, and whose verdicts the program tells itself.

use std::{fmt, ops::Deref, sync::Arc};

use faustus_core::{Batch, Headers, Offset, RecordRef, Timestamp, TopicName};

use super::{Event, ReplyTo, Stream, is_record, value_as_it_came, value_of, write};
use crate::{
    Channel, Error, MaybeKey, Result, Topic,
    channel::{AnyQueue, feed},
    runtime::{EventOutputs, Number, Verdicts},
    topic::TopicShared,
};

/// The events of a stream, each of which the program acknowledges itself: [`Stream::manual`].
pub struct ManualStream<T, R = ()> {
    stream: Stream<T, R>,
}

/// An event that may go anywhere, to another thread too, and ends with a verdict.
///
/// [`ack`](Self::ack) completes it, with what it sent; [`nack`](Self::nack) fails it, and then the
/// policy of the agent decides. An event that is dropped without a verdict has failed. Events may end
/// in any order; offsets are committed and sends stored in the order of the log.
///
/// What a task holds without a verdict is bounded in bytes, as all that is in flight: when it is full
/// no more events come until one has ended.
#[must_use = "an event that is dropped without a verdict has failed: `ack` it, or `nack` it"]
pub struct ManualEvent<T, R = ()> {
    value: T,
    /// The batch of the record, and its place there.
    batch: Batch,
    place: usize,
    number: Number,
    topic: TopicName,
    partition: u32,
    outputs: EventOutputs,
    replies: ReplyTo<R>,
    /// The channels that its agent reads, if that is what it reads.
    channels: Option<Arc<[Arc<dyn AnyQueue>]>>,
    /// Why it fails even if it is acknowledged: a reply that could not be sent.
    error: Option<Error>,
    /// Until the verdict is told.
    verdicts: Option<Arc<Verdicts>>,
}

impl<T, R> Stream<T, R> {
    /// The events of this stream one by one, without waiting for the end of those before: each ends
    /// when the program says so.
    ///
    /// For work that is done elsewhere and overlaps: in tasks that were spawned, in a client that
    /// calls back. Where overlapping is all that is wanted,
    /// [`unordered`](crate::AgentBuilder::unordered) is simpler.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn fetch(urls: Stream<String, usize>) -> faustus::Result {
    ///     let mut urls = urls.manual();
    ///     while let Some(mut url) = urls.next().await? {
    ///         tokio::spawn(async move {
    ///             match download(&url).await {
    ///                 Ok(length) => {
    ///                     url.reply(length);
    ///                     url.ack();
    ///                 }
    ///                 Err(error) => url.nack(error),
    ///             }
    ///         });
    ///     }
    ///     Ok(())
    /// }
    /// # async fn download(url: &str) -> faustus::Result<usize> { Ok(url.len()) }
    /// ```
    #[must_use]
    pub fn manual(self) -> ManualStream<T, R> {
        ManualStream { stream: self }
    }
}

impl<T, R> ManualStream<T, R> {
    /// The next event; those before stay in flight until they have verdicts.
    ///
    /// `None`: end the loop and return. Events that are still in flight then may end for a while.
    ///
    /// # Errors
    ///
    /// When the agent has tables: see [`Event::detach`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Option<ManualEvent<T, R>>> {
        match self.stream.next().await? {
            Some(event) => Ok(Some(event.detach()?)),
            None => Ok(None),
        }
    }
}

impl<T, R> Event<'_, T, R> {
    /// Takes the event out of the loop, with what it sent so far: asking for the next event does not
    /// complete it, [`ManualEvent::ack`] does.
    ///
    /// # Errors
    ///
    /// When the agent has tables, whose changes could not be undone one event at a time; and when the
    /// event is one of several that were taken together.
    pub fn detach(self) -> Result<ManualEvent<T, R>> {
        let Self {
            value,
            event,
            stream,
        } = self;
        let lane = &stream.lane;
        if let Some(table) = stream.tables.first() {
            return Err(Error::config(format!(
                "agent {} writes table {table}, so its events end in the loop, in order: let another agent \
                 do what is to overlap",
                lane.agent
            )));
        }
        let Some((outputs, verdicts)) = lane.detach(&event) else {
            return Err(Error::config(format!(
                "agent {} took this event together with others, and they end together: use next()",
                lane.agent
            )));
        };
        let (batch, place) = event.place();
        Ok(ManualEvent {
            value,
            batch: batch.clone(),
            place,
            number: event.number(),
            topic: lane.task.topic(event.source()).clone(),
            partition: lane.task.id.partition,
            outputs,
            replies: stream.replies.clone(),
            channels: lane.task.shared_channels(),
            error: None,
            verdicts: Some(verdicts),
        })
    }
}

impl<T, R> ManualEvent<T, R> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The raw key of the record, if it has one.
    pub fn key(&self) -> Option<&[u8]> {
        self.record().key()
    }

    /// The headers of the record, in order.
    pub fn headers(&self) -> Headers<'_> {
        self.record().headers()
    }

    /// The record's position in its partition.
    pub fn offset(&self) -> Offset {
        self.record().offset()
    }

    /// The name of the topic that the record is of.
    pub fn topic(&self) -> &str {
        self.topic.as_str()
    }

    /// The number of the task's partition.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// The time of the event, in milliseconds since 1970.
    pub fn timestamp(&self) -> Timestamp {
        self.record().timestamp()
    }

    /// Completes the event: what it sent is stored, and its offset committed once all before it have
    /// ended.
    pub fn ack(mut self) {
        let verdict = match self.error.take() {
            None => Ok(std::mem::take(&mut self.outputs)),
            Some(error) => Err(error),
        };
        self.tell(verdict);
    }

    /// Fails the event: what it sent is dropped, and the policy of the agent decides whether it comes
    /// again.
    pub fn nack(mut self, error: impl Into<Error>) {
        self.tell(Err(error.into()));
    }

    /// Sends `value` to every sink of the agent and to who asked, as [`Event::reply`] does; one that cannot be sent
    /// fails the event when it is acknowledged.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a reply is handed over, as it reads"
    )]
    pub fn reply(&mut self, value: R) {
        let record = self.batch.get(self.place);
        let sent = self
            .replies
            .write(&mut self.outputs, record, self.number, &value);
        if let Err(error) = sent {
            self.error.get_or_insert_with(|| error.context("reply"));
        }
    }

    /// Sends `value` to `topic` under `key` (`()` for none) as a part of this event.
    ///
    /// # Errors
    ///
    /// As [`Event::send`].
    pub fn send<U, K: MaybeKey + ?Sized>(
        &mut self,
        topic: &Topic<U>,
        key: &K,
        value: &U,
    ) -> Result {
        let at = (self.number, self.timestamp());
        let (key, value) = (key.maybe_raw(), value_of(&*topic.codec, value));
        write(
            &mut self.outputs,
            &topic.shared,
            at,
            key.as_deref(),
            value,
            None,
        )
    }

    /// Puts `value` into `channel`, with the event's key and time stamp, once the event is complete.
    ///
    /// # Errors
    ///
    /// As [`Event::put`].
    pub fn put<U: Clone + Send + 'static>(&mut self, channel: &Channel<U>, value: U) -> Result {
        feed(self.channels.as_deref().unwrap_or_default(), &channel.any())?;
        let put = channel.later(value, self.key(), self.timestamp());
        self.outputs.beside().puts.push(put);
        Ok(())
    }

    /// Sends the record as it came, bytes and headers, to `topic` under `key` as a part of this event.
    ///
    /// # Errors
    ///
    /// As [`Event::forward`].
    pub fn forward<U, K: MaybeKey + ?Sized>(&mut self, topic: &Topic<U>, key: &K) -> Result {
        self.copy_to(&topic.shared, key.maybe_raw().as_deref())
    }

    fn copy_to(&mut self, topic: &TopicShared, key: Option<&[u8]>) -> Result {
        is_record(self.channels.as_deref().unwrap_or_default())?;
        let record = self.batch.get(self.place);
        let at = (self.number, record.timestamp());
        let (value, headers) = (value_as_it_came(record), Some(record.headers()));
        write(&mut self.outputs, topic, at, key, value, headers)
    }

    fn record(&self) -> RecordRef<'_> {
        self.batch.get(self.place)
    }

    fn tell(&mut self, verdict: Result<EventOutputs>) {
        if let Some(verdicts) = self.verdicts.take() {
            verdicts.tell(self.number, verdict);
        }
    }
}

impl<T, R> Drop for ManualEvent<T, R> {
    fn drop(&mut self) {
        if self.verdicts.is_some() {
            self.tell(Err(Error::new(
                crate::ErrorKind::Application,
                "the event was dropped without ack or nack",
            )));
        }
    }
}

impl<T, R> Deref for ManualEvent<T, R> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug, R> fmt::Debug for ManualEvent<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualEvent")
            .field("offset", &self.offset().0)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

impl<T, R> fmt::Debug for ManualStream<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualStream")
            .field("stream", &self.stream)
            .finish()
    }
}
