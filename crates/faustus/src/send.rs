//! Records that leave at once with more to them than key and value, and how all such records are made.

use faustus_core::{BatchBuilder, Offset, Timestamp, TopicPartition};

use crate::{
    Error, MaybeKey, Result, Topic,
    ask::{CORRELATION_ID, REPLY_TO},
    client::Client,
    topic::TopicShared,
};

/// What can be said of a record beside key and value, for [`Topic::send_with`] and
/// [`Agent::send`](crate::Agent::send).
///
/// # Examples
///
/// ```
/// use faustus::{SendOptions, Timestamp};
///
/// let options = SendOptions::default()
///     .timestamp(Timestamp(1_767_225_600_000))
///     .header("origin", "shop")
///     .reply_to("answers", "order-7");
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) partition: Option<u32>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) reply_to: Option<(String, String)>,
}

impl SendOptions {
    /// The time of the event; without: now.
    #[must_use]
    pub fn timestamp(self, timestamp: Timestamp) -> Self {
        Self {
            timestamp: Some(timestamp),
            ..self
        }
    }

    /// The partition, counted from 0; without: that of the key.
    #[must_use]
    pub fn partition(self, partition: u32) -> Self {
        Self {
            partition: Some(partition),
            ..self
        }
    }

    /// A header more; names may repeat.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Where the agent's replies go, and the id that they repeat: any topic, which somebody else reads.
    #[must_use]
    pub fn reply_to(self, topic: &str, correlation_id: &str) -> Self {
        Self {
            reply_to: Some((topic.to_owned(), correlation_id.to_owned())),
            ..self
        }
    }
}

impl<T> Topic<T> {
    /// As [`send`](Self::send), with what `options` say: a partition, a time stamp, headers, where an agent's
    /// replies go.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); of kind [`Configuration`](crate::ErrorKind::Configuration) for a partition that
    /// the topic does not have.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take the record back.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{SendOptions, Timestamp, prelude::*};
    ///
    /// async fn replay(State(orders): State<Topic<String>>) -> faustus::Result {
    ///     let options = SendOptions::default()
    ///         .partition(3)
    ///         .timestamp(Timestamp(1_767_225_600_000))
    ///         .header("origin", "backup");
    ///     orders.send_with("ann", &"tea".to_owned(), &options).await?;
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("shop");
    /// let orders = app.topic("orders");
    /// let app = app.with_state(orders).task("replay", replay);
    /// ```
    pub async fn send_with<K: MaybeKey + ?Sized>(
        &self,
        key: &K,
        value: &T,
        options: &SendOptions,
    ) -> Result<(TopicPartition, Offset)> {
        let client = self.shared.client()?;
        let key = key.maybe_raw();
        let to = TopicPartition {
            topic: self.shared.name.clone(),
            partition: match options.partition {
                Some(chosen) => existing(&self.shared, chosen)?,
                None => self.shared.partition(key.as_deref(), client.spread())?,
            },
        };
        let reply_to = options.answer_to();
        let encode = |out: &mut Vec<u8>| Ok(self.codec.encode(value, out)?);
        let encode = (!self.codec.is_absent(value)).then_some(encode);
        let record = record(
            &self.shared,
            client,
            key.as_deref(),
            options,
            reply_to,
            encode,
        )?;
        let offset = client.send_record(to.clone(), record).await?;
        Ok((to, offset))
    }
}

impl SendOptions {
    /// The topic of replies, and the id that they repeat.
    pub(crate) fn answer_to(&self) -> Option<(&str, &str)> {
        let reply_to = self.reply_to.as_ref();
        reply_to.map(|(topic, id)| (topic.as_str(), id.as_str()))
    }
}

/// The partition `chosen` of `topic`, if it has that.
///
/// # Errors
///
/// When it does not, or is not known to yet.
pub(crate) fn existing(topic: &TopicShared, chosen: u32) -> Result<u32> {
    let count = topic.partition_count()?;
    if chosen < count {
        return Ok(chosen);
    }
    Err(Error::config(format!(
        "topic {} has no partition {chosen}: it has {count}",
        topic.name
    )))
}

/// A record for `topic`, which headers ask to be replied to at `reply_to`; `value` writes its value, if it
/// has one.
///
/// # Errors
///
/// What `value` returns, and when the topic takes no record so long.
pub(crate) fn record(
    topic: &TopicShared,
    client: &Client,
    key: Option<&[u8]>,
    options: &SendOptions,
    reply_to: Option<(&str, &str)>,
    value: Option<impl FnOnce(&mut Vec<u8>) -> Result>,
) -> Result<BatchBuilder> {
    let timestamp = options.timestamp.unwrap_or_else(|| client.clock().now());
    let mut records = BatchBuilder::new();
    let mut record = records.record(timestamp);
    if let Some(key) = key {
        record = record.key(key);
    }
    if let Some(value) = value {
        record = record.value_with(value)?;
    }
    for (name, value) in &options.headers {
        record = record.header(name, Some(value));
    }
    if let Some((topic, id)) = reply_to {
        record = record.header(REPLY_TO, Some(topic.as_bytes()));
        record = record.header(CORRELATION_ID, Some(id.as_bytes()));
    }
    topic.check_len(record.bytes())?;
    record.finish();
    Ok(records)
}
