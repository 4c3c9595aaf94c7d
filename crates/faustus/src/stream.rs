//! What an agent reads: the endless stream of its lane, and the event in hand.

mod adapters;
mod manual;
mod replies;
mod take;

use std::{
    fmt,
    future::poll_fn,
    hash::Hash,
    ops::Deref,
    panic::resume_unwind,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use faustus_core::{Codec, Headers, Offset, RecordRef, Timestamp};

pub use adapters::Enumerate;
pub use manual::{ManualEvent, ManualStream};
pub(crate) use replies::ReplyTo;

use crate::{
    Channel, Error, EventEnd, MaybeKey, Result, Shard, Table, Topic,
    ask::is_enveloped,
    channel::{AnyQueue, feed},
    near::did_you_mean,
    runtime::{EventOutputs, InFlight, LaneCore, Number, TypedShard},
    source::Decoder,
    topic::TopicShared,
};

/// The events of one lane of an agent, of type `T`; replies are of type `R`.
///
/// Asking for the next event completes the one before. A stream never ends by itself: `next` gives
/// `None` when the lane is to stop, because its partition moves to another worker or this one shuts
/// down.
pub struct Stream<T, R = ()> {
    lane: Rc<LaneCore>,
    decoders: Arc<[Decoder<T>]>,
    replies: ReplyTo<R>,
    /// The tables the agent was registered with, by their place in the task.
    tables: Arc<[Arc<str>]>,
    /// Topics that get every record as it is taken.
    echoes: Vec<Arc<TopicShared>>,
    /// The events of a batch that is being collected.
    batch: Vec<(T, InFlight)>,
}

impl<T, R> Stream<T, R> {
    pub(crate) fn new(
        lane: Rc<LaneCore>,
        decoders: Arc<[Decoder<T>]>,
        replies: ReplyTo<R>,
        tables: Arc<[Arc<str>]>,
    ) -> Self {
        Self {
            lane,
            decoders,
            replies,
            tables,
            echoes: Vec::new(),
            batch: Vec::new(),
        }
    }

    /// The next event; the one before is thereby complete, and what it did will be stored.
    ///
    /// `None`: end the loop and return. An event in hand must not be kept over this call, which the
    /// borrow says.
    ///
    /// # Errors
    ///
    /// None at present; the `Result` leaves room for reasons to end the agent.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost, though the one before is complete once the future was polled.
    pub async fn next(&mut self) -> Result<Option<Event<'_, T, R>>> {
        let next = self.next_value().await;
        let stream = &*self;
        Ok(next.map(move |(value, event)| Event {
            value,
            event,
            stream,
        }))
    }

    /// The value of the next event, and the event.
    pub(crate) async fn next_value(&mut self) -> Option<(T, InFlight)> {
        if !self.batch.is_empty() {
            // Somebody stopped collecting.
            self.batch.clear();
            self.lane.give_back(EventEnd::TakenAway);
        }
        poll_fn(|cx| self.poll_decoded(cx)).await
    }

    /// Replies `value` to `event`, which is in flight.
    pub(crate) fn reply_to(&self, event: &InFlight, value: &R) -> Result {
        if self.replies.calls() {
            self.lane.owe_calls();
        }
        let mut outputs = self.lane.outputs(event);
        self.replies
            .write(&mut outputs, event.record(), event.number(), value)
    }

    /// This lane's part of `table`, which the agent was registered with.
    ///
    /// # Panics
    ///
    /// If the agent was registered without [`table(&table)`](crate::AgentBuilder::table). That is a
    /// mistake of the program, which no other try mends: the agent's tasks are parked at once, and tell
    /// what to add.
    #[must_use]
    pub fn bind<K, V>(&self, table: &Table<K, V>) -> Shard<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let named = self.tables.iter().any(|name| **name == *table.name);
        let shard = named.then(|| self.lane.task.shard(&table.name)).flatten();
        let shard = shard.and_then(|shard| shard.into_any().downcast::<TypedShard<K, V>>().ok());
        match shard {
            Some(shard) => Shard::new(shard, Rc::clone(&self.lane)),
            // It is told where the failure of the agent is, and not as a panic, too.
            None => resume_unwind(Box::new(Error::config(format!(
                "agent {} binds table {} but is not registered with it: add .table(&{1}) to the agent{}",
                self.lane.agent,
                table.name,
                did_you_mean(&table.name, self.tables.iter().map(|name| &**name)),
            )))),
        }
    }

    fn poll_decoded(&mut self, cx: &Context<'_>) -> Poll<Option<(T, InFlight)>> {
        loop {
            let Some(event) = ready!(self.lane.poll_next(cx)) else {
                return Poll::Ready(None);
            };
            if let Some(value) = self.plain_value(&event) {
                return Poll::Ready(Some((value, event)));
            }
            match self.value(&event) {
                Ok(Some(value)) => return Poll::Ready(Some((value, event))),
                // Asking for the next one completes it.
                Ok(None) => {}
                Err(error) => {
                    self.lane.refuse_event(error);
                    return Poll::Pending;
                }
            }
        }
    }

    /// The value of an event as most are: of one topic, without operators, as it was sent.
    #[inline]
    fn plain_value(&self, event: &InFlight) -> Option<T> {
        let [Decoder::Plain(codec)] = &*self.decoders else {
            return None;
        };
        let bytes = event.record().value()?;
        if is_enveloped(bytes) || !self.echoes.is_empty() {
            return None;
        }
        codec.decode_within(bytes, event.memory()).ok()
    }

    /// The value of an event that was taken, unless the agent is not to see it.
    #[inline(never)]
    fn value(&self, event: &InFlight) -> Result<Option<T>> {
        let decoder = match &*self.decoders {
            [only] => only,
            many => &many[self.lane.input(event)],
        };
        let value = decoder.decode(event)?;
        if !self.echoes.is_empty() && value.is_some() {
            self.echo_record(event)?;
        }
        Ok(value)
    }
}

impl<T, R> fmt::Debug for Stream<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

/// An event in hand: its value (the event dereferences to it), its record, and what is sent with it.
///
/// What is sent with the event is stored when the event is complete and everything before it in its
/// partition is, and is taken back if it fails.
pub struct Event<'a, T, R = ()> {
    value: T,
    event: InFlight,
    stream: &'a Stream<T, R>,
}

impl<T, R> Event<'_, T, R> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The value itself; the event is still in flight.
    pub fn into_value(self) -> T {
        self.value
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
        self.stream.lane.task.topic(self.event.source()).as_str()
    }

    /// The number of the task's partition.
    pub fn partition(&self) -> u32 {
        self.stream.lane.task.id.partition
    }

    /// The time of the event, in milliseconds since 1970.
    pub fn timestamp(&self) -> Timestamp {
        self.record().timestamp()
    }

    /// Sends `value` to every sink of the agent, under the event's key and time stamp, and to who
    /// [asked](crate::Agent::ask), if somebody did.
    ///
    /// Who asks hears the first reply to its event. If its topic is gone, the reply is dropped.
    ///
    /// # Errors
    ///
    /// When the value does not encode, or is longer than a sink takes.
    pub fn try_reply(&self, value: &R) -> Result {
        self.stream.reply_to(&self.event, value)
    }

    /// Sends `value` to every sink of the agent and to who asked: see [`try_reply`](Self::try_reply).
    ///
    /// If that cannot be done, because the value does not encode or is longer than a sink takes,
    /// the event fails; [`try_reply`](Self::try_reply) gives the error instead.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a reply is handed over, as it reads"
    )]
    pub fn reply(&self, value: R) {
        if let Err(error) = self.try_reply(&value) {
            self.stream.lane.fail_event(error.context("reply"));
        }
    }

    /// Sends `value` to `topic` under `key` (`()` for none) as a part of this event.
    ///
    /// # Errors
    ///
    /// When the value does not encode, or is longer than the topic takes.
    pub fn send<U, K: MaybeKey + ?Sized>(&self, topic: &Topic<U>, key: &K, value: &U) -> Result {
        let key = key.maybe_raw();
        let encode = value_of(&*topic.codec, value);
        self.write(&topic.shared, key.as_deref(), encode, None)
    }

    /// Puts `value` into `channel`, with the event's key and time stamp, once the event is complete.
    ///
    /// From then on it is the channel's: it is not taken back if the event's epoch fails, and the event,
    /// done again, puts it again. The agent's next event comes when there is room in the channel.
    ///
    /// # Errors
    ///
    /// When the agent reads a channel that gets something from this one.
    pub fn put<U: Clone + Send + 'static>(&self, channel: &Channel<U>, value: U) -> Result {
        let lane = &self.stream.lane;
        feed(lane.task.channels(), &channel.any())?;
        let put = channel.later(value, self.key(), self.timestamp());
        lane.outputs(&self.event).beside().puts.push(put);
        Ok(())
    }

    /// Sends the record as it came, bytes and headers, to `topic` under `key` as a part of this event.
    ///
    /// # Errors
    ///
    /// When the record is longer than the topic takes; when the event comes from a channel, whose
    /// values are no records.
    pub fn forward<U, K: MaybeKey + ?Sized>(&self, topic: &Topic<U>, key: &K) -> Result {
        self.forward_raw(&topic.shared, key.maybe_raw().as_deref())
    }

    pub(crate) fn forward_raw(&self, topic: &TopicShared, key: Option<&[u8]>) -> Result {
        self.pass_on(topic, key, None)
    }

    /// Sends the record on with its headers; its value in `codec`, or as it came.
    pub(crate) fn pass_on(
        &self,
        topic: &TopicShared,
        key: Option<&[u8]>,
        codec: Option<&dyn Codec<T>>,
    ) -> Result {
        let record = self.record();
        let headers = Some(record.headers());
        if codec.is_none() {
            is_record(self.stream.lane.task.channels())?;
        }
        match codec {
            Some(codec) => self.write(topic, key, value_of(codec, &self.value), headers),
            None => self.write(topic, key, value_as_it_came(record), headers),
        }
    }

    fn write(
        &self,
        topic: &TopicShared,
        key: Option<&[u8]>,
        encode: Option<impl FnOnce(&mut Vec<u8>) -> Result>,
        headers: Option<Headers<'_>>,
    ) -> Result {
        let mut outputs = self.stream.lane.outputs(&self.event);
        let (number, timestamp) = (self.event.number(), self.timestamp());
        write(
            &mut outputs,
            topic,
            (number, timestamp),
            key,
            encode,
            headers,
        )
    }

    fn record(&self) -> RecordRef<'_> {
        self.event.record()
    }
}

/// What writes `value` in `codec`; nothing if it stands for a record without a value.
fn value_of<'a, T>(
    codec: &'a dyn Codec<T>,
    value: &'a T,
) -> Option<impl FnOnce(&mut Vec<u8>) -> Result + 'a> {
    (!codec.is_absent(value)).then_some(move |out: &mut Vec<u8>| Ok(codec.encode(value, out)?))
}

/// Refuses what comes from channels to be sent on as it came.
fn is_record(channels: &[Arc<dyn AnyQueue>]) -> Result {
    match channels {
        [] => Ok(()),
        [channel, ..] => Err(Error::config(format!(
            "a value of channel {} is no record that could be forwarded: use send",
            channel.name()
        ))),
    }
}

/// What writes the bytes of a record's value, if it has one.
fn value_as_it_came(record: RecordRef<'_>) -> Option<impl FnOnce(&mut Vec<u8>) -> Result + '_> {
    let value = record.value()?;
    Some(move |out: &mut Vec<u8>| {
        out.extend_from_slice(value);
        Ok(())
    })
}

/// Adds a record to what an event of this number and time stamp sends; without a value, a tombstone.
fn write(
    outputs: &mut EventOutputs,
    topic: &TopicShared,
    (number, timestamp): (Number, Timestamp),
    key: Option<&[u8]>,
    encode: Option<impl FnOnce(&mut Vec<u8>) -> Result>,
    headers: Option<Headers<'_>>,
) -> Result {
    let partition = topic.partition(key, number)?;
    outputs.push(topic.index, partition, timestamp, |record| {
        let record = match key {
            Some(key) => record.key(key),
            None => record,
        };
        let record = match encode {
            Some(encode) => record.value_with(encode)?,
            None => record,
        };
        let record = match headers {
            Some(headers) => record.headers(headers),
            None => record,
        };
        topic.check_len(record.bytes())?;
        record.finish();
        Ok(())
    })
}

impl<T, R> Deref for Event<'_, T, R> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug, R> fmt::Debug for Event<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("offset", &self.offset().0)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}
