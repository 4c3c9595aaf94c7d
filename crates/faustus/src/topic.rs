//! Topics as the application names them.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
};

use faustus_core::{Codec, Offset, TopicName, TopicPartition, partition_for_key};

use parking_lot::Mutex;

use crate::{
    Error, MaybeKey, Nullable, Result,
    channel::AnyQueue,
    client::Client,
    form::{Form, JsonForm, Typed},
    pattern::Pattern,
    runtime::TopicIndex,
};

/// What all handles of one topic share.
pub(crate) struct TopicShared {
    pub(crate) name: TopicName,
    /// Its place in the application's list.
    pub(crate) index: TopicIndex,
    /// How many partitions it gets if it must be made.
    pub(crate) wanted: OnceLock<u32>,
    /// How many partitions it has, known once the application runs.
    pub(crate) partitions: OnceLock<u32>,
    /// The longest record it takes, in bytes, known once the application runs.
    pub(crate) max_bytes: OnceLock<usize>,
    /// What sends that leave at once go through, once the application runs; or why it does not.
    pub(crate) client: OnceLock<Result<Client>>,
    /// It is no topic of the log, but a channel.
    pub(crate) channel: Option<Arc<dyn AnyQueue>>,
    /// It stands for all topics that this takes.
    pub(crate) pattern: Option<Pattern>,
    /// Its values as the program named them last, without their type.
    pub(crate) form: Mutex<Option<Arc<dyn Form>>>,
    /// The codecs in which agents read it and reply to it.
    pub(crate) codecs: Mutex<BTreeSet<String>>,
}

impl TopicShared {
    pub(crate) fn new(name: TopicName, index: TopicIndex) -> Self {
        Self {
            name,
            index,
            wanted: OnceLock::new(),
            partitions: OnceLock::new(),
            max_bytes: OnceLock::new(),
            client: OnceLock::new(),
            channel: None,
            pattern: None,
            form: Mutex::default(),
            codecs: Mutex::default(),
        }
    }

    /// Whether it is a topic, and neither a channel nor a pattern.
    pub(crate) fn is_in_log(&self) -> bool {
        self.channel.is_none() && self.pattern.is_none()
    }

    /// The partition of `key`; records without one are spread by `spread`.
    pub(crate) fn partition(&self, key: Option<&[u8]>, spread: u64) -> Result<u32> {
        let partitions = self.partition_count()?;
        Ok(match key {
            Some(key) => partition_for_key(key, partitions),
            None => u32::try_from(spread % u64::from(partitions)).unwrap_or_default(),
        })
    }

    /// How many partitions it has.
    pub(crate) fn partition_count(&self) -> Result<u32> {
        let partitions = self.partitions.get().copied();
        partitions.ok_or_else(|| self.not_running())
    }

    /// Refuses a record that the log would refuse for its length.
    pub(crate) fn check_len(&self, bytes: usize) -> Result<()> {
        match self.max_bytes.get() {
            Some(&max) if bytes > max => Err(Error::new(
                crate::ErrorKind::Refused,
                format!(
                    "a record of {bytes} bytes is longer than the {max} that topic {} takes",
                    self.name
                ),
            )),
            _ => Ok(()),
        }
    }

    /// What sends that leave at once go through.
    pub(crate) fn client(&self) -> Result<&Client> {
        match self.client.get() {
            Some(Ok(client)) => Ok(client),
            Some(Err(error)) => Err(error.clone().context(format!(
                "topic {} cannot be used, as the application did not start",
                self.name
            ))),
            None => Err(self.not_running()),
        }
    }

    /// Sends go through `client` from now on.
    pub(crate) fn open(&self, client: &Client) {
        self.client.get_or_init(|| Ok(client.clone()));
    }

    /// The application ended with `error`, which says why nothing can be sent if it never ran.
    pub(crate) fn refuse(&self, error: &Error) {
        self.client.get_or_init(|| Err(error.clone()));
    }

    /// An agent reads it, or replies to it, in a codec of this name.
    pub(crate) fn used_in(&self, codec: &str) {
        self.codecs.lock().insert(codec.to_owned());
    }

    fn not_running(&self) -> Error {
        Error::config(format!(
            "topic {} can be used once the application runs",
            self.name
        ))
    }
}

/// A topic of values of type `T`: a source of agents, and a place to send to.
///
/// A handle is cheap to clone. Values are JSON unless [`codec`](Self::codec) says otherwise; keys are
/// the raw bytes of [`Key`](crate::Key).
pub struct Topic<T> {
    pub(crate) shared: Arc<TopicShared>,
    pub(crate) codec: Arc<dyn Codec<T>>,
    /// Its values as JSON, if they have such a form.
    pub(crate) json: Option<JsonForm<T>>,
}

impl<T: 'static> Topic<T> {
    /// A handle whose values are known by this codec and form from now on.
    pub(crate) fn new(
        shared: Arc<TopicShared>,
        codec: Arc<dyn Codec<T>>,
        json: Option<JsonForm<T>>,
    ) -> Self {
        *shared.form.lock() = Some(Arc::new(Typed {
            codec: Arc::clone(&codec),
            json: json.clone(),
        }));
        Self {
            shared,
            codec,
            json,
        }
    }
}

impl<T> Topic<T> {
    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.shared.name.as_str()
    }

    /// The same topic with `partitions` partitions if it must be made; the first call decides.
    ///
    /// A topic that exists keeps what it has.
    #[must_use]
    pub fn partitions(self, partitions: u32) -> Self {
        self.shared.wanted.get_or_init(|| partitions.max(1));
        self
    }

    /// The same topic with values encoded by `codec`.
    #[must_use]
    pub fn codec(self, codec: impl Codec<T> + 'static) -> Self
    where
        T: 'static,
    {
        Self::new(self.shared, Arc::new(codec), self.json)
    }

    /// The same topic with records that may have no value: `None` is sent and read as a *tombstone*,
    /// which in a compacted topic deletes its key.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn print(mut prices: Stream<(String, Option<u64>)>) -> faustus::Result {
    ///     while let Some(event) = prices.next().await? {
    ///         match &*event {
    ///             (item, Some(price)) => println!("{item} costs {price}"),
    ///             (item, None) => println!("{item} is not sold any more"),
    ///         }
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("shop");
    /// let prices = app.topic::<u64>("prices").nullable();
    /// let app = app.agent("print", prices.keyed::<String>(), |a| a.run(print));
    /// ```
    #[must_use]
    pub fn nullable(self) -> Topic<Option<T>>
    where
        T: 'static,
    {
        let json = self.json.map(JsonForm::nullable);
        Topic::new(self.shared, Arc::new(Nullable(self.codec)), json)
    }

    /// Sends `value` under `key` (`()` for none) **at once**: outside of any event and transaction,
    /// like a call of another service. Gives where the record was stored.
    ///
    /// It waits until the record is stored. To send many, begin them together, with `join_all` for
    /// instance: those of one key arrive in the order in which they were first polled.
    ///
    /// Inside an agent, what belongs to the event is sent with [`Event::send`](crate::Event::send).
    /// [`send_with`](Self::send_with) also says the partition, the time stamp and headers.
    ///
    /// # Errors
    ///
    /// When the value does not encode, the log refuses the record, or cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take the record back.
    pub async fn send<K: MaybeKey + ?Sized>(
        &self,
        key: &K,
        value: &T,
    ) -> Result<(TopicPartition, Offset)> {
        let client = self.shared.client()?;
        let mut bytes = Vec::new();
        let absent = self.codec.is_absent(value);
        if !absent {
            self.codec.encode(value, &mut bytes)?;
        }
        let key = key.maybe_raw();
        self.shared
            .check_len(bytes.len() + key.as_ref().map_or(0, |key| key.len()))?;
        let partition = self.shared.partition(key.as_deref(), client.spread())?;
        let to = TopicPartition {
            topic: self.shared.name.clone(),
            partition,
        };
        let offset = client
            .send(to.clone(), key.as_deref(), (!absent).then_some(&bytes))
            .await?;
        Ok((to, offset))
    }

    /// The position after the last record of each partition.
    ///
    /// # Errors
    ///
    /// When the log cannot be reached, or the application does not run yet.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn end_offsets(&self) -> Result<Vec<Offset>> {
        let client = self.shared.client()?;
        let count = *self
            .shared
            .partitions
            .get()
            .ok_or_else(|| self.shared.not_running())?;
        client.end_offsets(&self.shared.name, count).await
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            codec: Arc::clone(&self.codec),
            json: self.json.clone(),
        }
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
