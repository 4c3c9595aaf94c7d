//! The values of a channel: a queue whose places are counted, with what of it is done.
//!
//! Values below `retired` are done and make room; they are kept until they are `committed`, as an epoch
//! that fails takes its task back there. A reader runs at most twice the channel's capacity ahead of
//! what is committed, which bounds what is kept.

use std::{
    any::Any,
    collections::VecDeque,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use faustus_core::{Batch, BatchBuilder, Fetched, Offset, Timestamp};
use parking_lot::Mutex;

use crate::{Error, ErrorKind, Result};

/// How many values wait for agents if nothing else is said.
const CAPACITY: usize = 4096;

/// How many values one fetch gives.
const FETCH: usize = 256;

/// A value with its key and time.
pub(super) type Entry<T> = (Option<Vec<u8>>, Timestamp, T);

pub(crate) struct Queue<T> {
    name: Arc<str>,
    capacity: OnceLock<usize>,
    state: Mutex<State<T>>,
    /// Channels whose agents put something into this one.
    feeders: Mutex<Vec<Arc<dyn AnyQueue>>>,
    /// An agent that reads it.
    read_by: OnceLock<Arc<str>>,
}

struct State<T> {
    entries: VecDeque<Entry<T>>,
    /// The place of the first entry: all below is committed.
    first: i64,
    /// All below is done.
    retired: i64,
    closed: bool,
    /// Who waits for values.
    readers: Wakers,
    /// Who waits for room.
    senders: Wakers,
    /// Who waits for the end of all there is.
    waiters: Wakers,
}

impl<T> State<T> {
    fn end(&self) -> i64 {
        self.first + i64::try_from(self.entries.len()).unwrap_or(i64::MAX)
    }

    fn waiting(&self) -> usize {
        usize::try_from(self.end() - self.retired).unwrap_or_default()
    }

    fn push(&mut self, entry: Entry<T>) {
        if !self.closed {
            self.entries.push_back(entry);
            self.readers.wake();
        }
    }
}

/// Tasks that wait for one thing.
#[derive(Default)]
struct Wakers(Vec<Waker>);

impl Wakers {
    fn add(&mut self, cx: &Context<'_>) {
        if !self.0.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.0.push(cx.waker().clone());
        }
    }

    fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

/// A channel without the type of its values.
pub(crate) trait AnyQueue: Send + Sync {
    fn name(&self) -> &str;

    /// The same, to find its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// An agent reads it.
    fn read_by(&self, agent: &Arc<str>);

    /// Where to begin to read.
    fn begin(&self) -> Offset;

    /// What comes from `from` on, as records without values.
    fn poll_fetch(&self, from: Offset, cx: &Context<'_>) -> Poll<Fetched>;

    /// All below is done.
    fn retired(&self, below: Offset);

    /// All below is done for good.
    fn committed(&self, below: Offset);

    /// Whether there is room.
    fn has_room(&self) -> bool;

    /// Ready when there is room.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()>;

    /// Ready when nothing waits nor is being processed.
    fn poll_drained(&self, cx: &Context<'_>) -> Poll<()>;

    /// How many values wait or are being processed.
    fn waiting(&self) -> usize;

    /// Whether so much is done that it should be committed soon.
    fn is_heavy(&self) -> bool;

    /// Nothing more comes.
    fn close(&self);

    /// The channels whose agents put something into it.
    fn feeders(&self) -> Vec<Arc<dyn AnyQueue>>;

    fn is_fed_by(&self, channel: &str) -> bool;

    fn add_feeder(&self, channel: Arc<dyn AnyQueue>);
}

impl<T> Queue<T> {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            capacity: OnceLock::new(),
            state: Mutex::new(State {
                entries: VecDeque::new(),
                first: 0,
                retired: 0,
                closed: false,
                readers: Wakers::default(),
                senders: Wakers::default(),
                waiters: Wakers::default(),
            }),
            feeders: Mutex::default(),
            read_by: OnceLock::new(),
        }
    }

    pub(super) fn set_capacity(&self, values: usize) {
        self.capacity.get_or_init(|| values.max(1));
    }

    fn capacity(&self) -> usize {
        *self.capacity.get().unwrap_or(&CAPACITY)
    }

    /// Puts the entry once there is room.
    pub(super) fn poll_put(&self, entry: &mut Option<Entry<T>>, cx: &Context<'_>) -> Poll<Result> {
        let mut state = self.state.lock();
        if state.closed {
            return Poll::Ready(Err(Error::new(
                ErrorKind::Lost,
                format!("channel {}: the application has ended", self.name),
            )));
        }
        if state.waiting() >= self.capacity() {
            state.senders.add(cx);
            return Poll::Pending;
        }
        if let Some(entry) = entry.take() {
            state.push(entry);
        }
        Poll::Ready(Ok(()))
    }

    /// Puts a value whether there is room or not.
    pub(super) fn push(&self, key: Option<Vec<u8>>, timestamp: Timestamp, value: T) {
        self.state.lock().push((key, timestamp, value));
    }

    /// Takes the first value, if no agent takes them.
    pub(super) fn poll_get(&self, cx: &Context<'_>) -> Poll<Result<Option<T>>> {
        if let Some(agent) = self.read_by.get() {
            return Poll::Ready(Err(Error::config(format!(
                "channel {} is read by agent {agent}, which takes all its values: get() is for channels that \
                 no agent reads; let the agent have a channel as its sink",
                self.name
            ))));
        }
        let mut state = self.state.lock();
        let Some((_, _, value)) = state.entries.pop_front() else {
            if state.closed {
                return Poll::Ready(Ok(None));
            }
            state.readers.add(cx);
            return Poll::Pending;
        };
        state.first += 1;
        state.retired = state.first;
        state.senders.wake();
        if state.waiting() == 0 {
            state.waiters.wake();
        }
        Poll::Ready(Ok(Some(value)))
    }
}

impl<T: Clone> Queue<T> {
    /// A copy of the value at this place.
    pub(super) fn value(&self, offset: Offset) -> Option<T> {
        let state = self.state.lock();
        let place = usize::try_from(offset.0 - state.first).ok()?;
        state.entries.get(place).map(|(_, _, value)| value.clone())
    }
}

impl<T: Send + 'static> AnyQueue for Queue<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn read_by(&self, agent: &Arc<str>) {
        self.read_by.get_or_init(|| Arc::clone(agent));
    }

    fn begin(&self) -> Offset {
        Offset(self.state.lock().first)
    }

    fn poll_fetch(&self, from: Offset, cx: &Context<'_>) -> Poll<Fetched> {
        let mut state = self.state.lock();
        let ahead = usize::try_from(from.0 - state.first).unwrap_or_default();
        let most = (self.capacity() * 2).saturating_sub(ahead).min(FETCH);
        let count = most.min(state.entries.len().saturating_sub(ahead));
        if count == 0 {
            state.readers.add(cx);
            return Poll::Pending;
        }
        let mut records = BatchBuilder::new();
        for (key, timestamp, _) in state.entries.range(ahead..ahead + count) {
            records.push(*timestamp, key.as_deref(), None);
        }
        let batch: Batch = records.build().at(from);
        let position = Offset(from.0 + i64::try_from(count).unwrap_or_default());
        Poll::Ready(Fetched { batch, position })
    }

    fn retired(&self, below: Offset) {
        let mut state = self.state.lock();
        if below.0 <= state.retired {
            return;
        }
        state.retired = below.0;
        if state.waiting() < self.capacity() {
            state.senders.wake();
        }
        if state.waiting() == 0 {
            state.waiters.wake();
        }
    }

    fn committed(&self, below: Offset) {
        let mut state = self.state.lock();
        let count = usize::try_from(below.0 - state.first).unwrap_or_default();
        if count == 0 {
            return;
        }
        let done: Vec<Entry<T>> = state.entries.drain(..count).collect();
        state.first = below.0;
        // It may have run ahead as far as it may.
        state.readers.wake();
        drop(state);
        // Whatever it takes to drop values, nobody waits for it.
        drop(done);
    }

    fn has_room(&self) -> bool {
        self.waiting() < self.capacity()
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.closed || state.waiting() < self.capacity() {
            return Poll::Ready(());
        }
        state.senders.add(cx);
        Poll::Pending
    }

    fn poll_drained(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.waiting() == 0 {
            return Poll::Ready(());
        }
        state.waiters.add(cx);
        Poll::Pending
    }

    fn waiting(&self) -> usize {
        self.state.lock().waiting()
    }

    fn is_heavy(&self) -> bool {
        let state = self.state.lock();
        usize::try_from(state.retired - state.first).unwrap_or_default() >= self.capacity()
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.readers.wake();
        state.senders.wake();
        state.waiters.wake();
    }

    fn feeders(&self) -> Vec<Arc<dyn AnyQueue>> {
        self.feeders.lock().clone()
    }

    fn is_fed_by(&self, channel: &str) -> bool {
        self.feeders
            .lock()
            .iter()
            .any(|feeder| feeder.name() == channel)
    }

    fn add_feeder(&self, channel: Arc<dyn AnyQueue>) {
        self.feeders.lock().push(channel);
    }
}
