//! Channels: values that go from one part of a program to another, in memory and bounded.
//!
//! A channel is volatile. It has no log, no partitions and no bytes: its values are those of this process
//! and are gone with it. Within the process they are treated as records are. An agent that reads a channel
//! has lanes, policies and retries as any other; its task belongs to this worker alone, takes part in
//! epochs with what it sends, and commits no offsets. A value is kept until the epoch that covers its
//! event is stored, so that an epoch that fails repeats it.
//!
//! What an event puts into a channel is handed over when the event is complete, whatever becomes of its
//! epoch. Then the lane waits until there is room. For that to end, channels form no cycle: those that
//! the description shows are found at the start, others by the first value that would close one.

mod graph;
mod queue;
mod reader;

use std::{fmt, future::poll_fn, sync::Arc};

use faustus_core::Timestamp;

pub(crate) use graph::feed;
pub(crate) use queue::AnyQueue;
use queue::Queue;
pub(crate) use reader::ChannelLog;

use crate::{
    App, Error, ErrorKind, MaybeKey, Operators, Result, Source, runtime::Put, topic::TopicShared,
};

/// A bounded queue of values in memory, from anywhere in the program to agents or to whoever
/// [gets](Self::get) them.
///
/// Every agent that reads the channel gets each value. Where no agent reads it, each value goes to one
/// caller of [`get`](Self::get). It is cheap to clone; all clones are the same channel.
///
/// A channel is **volatile**: what is in it is lost when the process dies, though the event that put it there
/// may be committed. When the worker shuts down in order, agents finish what is in their channels,
/// within the [drain time](crate::Settings::drain_timeout). What must not be lost goes through a topic.
///
/// # Examples
///
/// ```
/// use faustus::{Settings, prelude::*, testing::simulate};
///
/// async fn split(State(words): State<Channel<String>>, mut lines: Stream<String>) -> faustus::Result {
///     while let Some(line) = lines.next().await? {
///         for word in line.split(' ') {
///             line.put(&words, word.to_owned())?;         // when the line is done
///         }
///     }
///     Ok(())
/// }
///
/// async fn length(mut words: Stream<String, usize>) -> faustus::Result {
///     while let Some(word) = words.next().await? {
///         word.reply(word.len());
///     }
///     Ok(())
/// }
///
/// simulate(1, async |cluster| {
///     let app = App::new("words");
///     let lines = app.topic("lines");
///     let (words, lengths) = (app.channel("words"), app.channel("lengths"));
///     let app = app
///         .with_state(words.clone())
///         .agent("split", &lines, |a| a.run(split))
///         .agent("length", &words, |a| a.sink(&lengths).run(length));
///     let worker = cluster.worker(app, Settings::default());
///     cluster.send("lines", "", &"a bird").await;
///     assert_eq!(lengths.get().await.unwrap(), Some(1));
///     assert_eq!(lengths.get().await.unwrap(), Some(4));
/// });
/// ```
pub struct Channel<T> {
    pub(crate) shared: Arc<TopicShared>,
    queue: Arc<Queue<T>>,
}

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// A channel for values of this process. The same name gives the same channel.
    ///
    /// It has room for 4,096 values, unless [`capacity`](Channel::capacity) says otherwise.
    #[must_use]
    pub fn channel<T: Clone + Send + 'static>(&self, name: &str) -> Channel<T> {
        let mut def = self.def.lock();
        let known = def.channels().find(|(_, queue)| queue.name() == name);
        if let Some((shared, queue)) = known {
            if let Ok(queue) = Arc::clone(queue).into_any().downcast() {
                let shared = Arc::clone(shared);
                return Channel { shared, queue };
            }
            def.problems.push(format!(
                "channel {name} is made twice, for values of different types: give each a name of its own"
            ));
        }
        let queue = Arc::new(Queue::new(name));
        let shared = def.add_channel(name, Arc::clone(&queue) as Arc<dyn AnyQueue>);
        Channel { shared, queue }
    }
}

impl<T: Clone + Send + 'static> Channel<T> {
    /// The name of the channel.
    #[must_use]
    pub fn name(&self) -> &str {
        self.shared.name.as_str()
    }

    /// The same channel with room for this many values; the first call decides.
    ///
    /// What agents still have to finish counts. Who puts more waits.
    #[must_use]
    pub fn capacity(self, values: usize) -> Self {
        self.queue.set_capacity(values);
        self
    }

    /// Puts `value` into the channel, without a key, once there is room.
    ///
    /// It is put at once, whatever becomes of an event that is being processed; see [`Event::put`](crate::Event::put) for
    /// what belongs to an event.
    ///
    /// # Errors
    ///
    /// When the application does not run yet, or has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the value is in the channel if and only if the future has ended well.
    pub async fn put(&self, value: T) -> Result {
        self.send(&(), value).await
    }

    /// Puts `value` into the channel under `key` (`()` for none), once there is room. The key decides which
    /// lane of an agent takes it.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    ///
    /// # Cancel safety
    ///
    /// As [`put`](Self::put).
    pub async fn send<K: MaybeKey + ?Sized>(&self, key: &K, value: T) -> Result {
        let key = key.maybe_raw().map(std::borrow::Cow::into_owned);
        let timestamp = self.shared.client()?.clock().now();
        let mut entry = Some((key, timestamp, value));
        poll_fn(|cx| self.queue.poll_put(&mut entry, cx)).await
    }

    /// The next value of a channel that no agent reads; `None` once the application has ended and nothing is
    /// left.
    ///
    /// Several callers share the values. What a caller got is not given again.
    ///
    /// # Errors
    ///
    /// When an agent reads the channel: it takes every value.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no value is lost.
    pub async fn get(&self) -> Result<Option<T>> {
        poll_fn(|cx| self.queue.poll_get(cx)).await
    }

    /// How many values wait: for room's sake, those count that agents have not finished.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.waiting()
    }

    /// Whether no value waits, nor is one being processed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What puts `value` into the channel when an event is complete.
    pub(crate) fn later(&self, value: T, key: Option<&[u8]>, timestamp: Timestamp) -> Put {
        let queue = Arc::clone(&self.queue);
        let key = key.map(<[u8]>::to_vec);
        Put {
            into: Arc::clone(&self.queue) as Arc<dyn AnyQueue>,
            put: Box::new(move || queue.push(key, timestamp, value)),
        }
    }

    pub(crate) fn any(&self) -> Arc<dyn AnyQueue> {
        Arc::clone(&self.queue) as Arc<dyn AnyQueue>
    }
}

impl<T: Clone + Send + 'static> From<&Channel<T>> for Source<T> {
    fn from(channel: &Channel<T>) -> Self {
        let queue = Arc::clone(&channel.queue);
        let value = move |offset| {
            let gone = || Error::new(ErrorKind::Lost, "the value has left its channel");
            queue.value(offset).ok_or_else(gone)
        };
        Self::of_channel(Arc::clone(&channel.shared), value)
    }
}

impl<T: Clone + Send + 'static> From<Channel<T>> for Source<T> {
    fn from(channel: Channel<T>) -> Self {
        Self::from(&channel)
    }
}

impl<T: Clone + Send + 'static> Operators<T> for &Channel<T> {}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            queue: Arc::clone(&self.queue),
        }
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
