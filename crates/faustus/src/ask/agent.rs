//! The handle of an agent for those who ask it.

use std::{fmt, future::Future, marker::PhantomData, sync::Arc, time::Duration};

use faustus_core::{BatchBuilder, Offset, TopicPartition};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;

use super::{Answers, Pending, pending::Request, wire::write_request};
use crate::{
    Error, MaybeKey, Result, SendOptions, Topic,
    client::Client,
    runtime::own_turn,
    send::{existing, record},
};

/// How many requests of one `map` or `join` are under way at most.
const OUTSTANDING: usize = 1000;

/// The agents that read a topic, to be sent to and asked: values are `T`, replies `R`.
///
/// Made by [`Topic::agent`]. It can be used once the application runs: in tasks, in agents, in tests,
/// anywhere in the process. Whatever it does leaves **at once**, outside of any event and transaction,
/// like a call of another service. The agents may be Python's Faust's, or those of another application
/// that knows the topic.
///
/// A reply is asked for in a record's headers, as Faust does, unless [`envelope`](Self::envelope) says
/// otherwise. Keys decide the partition, and `()` is no key. An agent that does not reply to an event
/// lets its asker run into the timeout.
///
/// # Examples
///
/// ```
/// use faustus::{prelude::*, testing::simulate, Settings};
///
/// async fn double(mut numbers: Stream<u64, u64>) -> faustus::Result {
///     while let Some(number) = numbers.next().await? {
///         number.reply(*number * 2);
///     }
///     Ok(())
/// }
///
/// simulate(1, async |cluster| {
///     let app = App::new("doubler");
///     let numbers = app.agent_topic::<u64>("double");
///     let doubler = numbers.agent::<u64>();
///     let worker = cluster.worker(app.agent("double", &numbers, |a| a.run(double)), Settings::default());
///     worker.handle().started().await.unwrap();
///     assert_eq!(doubler.ask("a", &21).await.unwrap(), 42);
///     assert_eq!(doubler.join([1, 2, 3]).await.unwrap(), [2, 4, 6]);
/// });
/// ```
pub struct Agent<T, R> {
    topic: Topic<T>,
    /// How long a reply is awaited; `None`: what the settings say.
    timeout: Option<Duration>,
    envelope: bool,
    reply: PhantomData<fn() -> R>,
}

impl<T> Topic<T> {
    /// The agents that read this topic, to be sent to and asked; their replies are `R`.
    #[must_use]
    pub fn agent<R>(&self) -> Agent<T, R> {
        Agent {
            topic: self.clone(),
            timeout: None,
            envelope: false,
            reply: PhantomData,
        }
    }
}

impl<T, R> Agent<T, R> {
    /// The same agents, awaited for `timeout` instead of what the [settings](crate::Settings::ask_timeout) say.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// The same agents, asked by an envelope around the value instead of headers, as Faust does with
    /// `use_reply_headers=False`. Values must be JSON.
    #[must_use]
    pub fn envelope(self) -> Self {
        Self {
            envelope: true,
            ..self
        }
    }

    /// The topic that the agents read.
    #[must_use]
    pub fn topic(&self) -> &Topic<T> {
        &self.topic
    }

    /// Sends `value` under `key` and wants no reply.
    ///
    /// # Errors
    ///
    /// As [`Topic::send`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take the record back once it was polled.
    pub fn cast<K: MaybeKey + ?Sized>(
        &self,
        key: &K,
        value: &T,
    ) -> impl Future<Output = Result> + Send + use<K, T, R> {
        let sent = self.send(key, value, &SendOptions::default());
        async { sent.await.map(drop) }
    }

    /// Sends `value` under `key` with what `options` say, such as where replies go. Gives where the
    /// record was stored.
    ///
    /// # Errors
    ///
    /// As [`Topic::send`]; of kind [`Configuration`](crate::ErrorKind::Configuration) for a partition
    /// that the topic does not have.
    ///
    /// # Cancel safety
    ///
    /// As [`cast`](Self::cast).
    pub fn send<K: MaybeKey + ?Sized>(
        &self,
        key: &K,
        value: &T,
        options: &SendOptions,
    ) -> impl Future<Output = Result<(TopicPartition, Offset)>> + Send + use<K, T, R> {
        let reply_to = options.answer_to();
        let prepared = self.client().and_then(|client| {
            let key = key.maybe_raw();
            let to = self.partition(&client, key.as_deref(), options.partition)?;
            let record = self.record(&client, key.as_deref(), value, options, reply_to)?;
            Ok((client, to, record))
        });
        async {
            let (client, to, record) = prepared?;
            let offset = client.send_record(to.clone(), record).await?;
            Ok((to, offset))
        }
    }

    fn client(&self) -> Result<Client> {
        self.topic.shared.client().cloned()
    }

    fn partition(
        &self,
        client: &Client,
        key: Option<&[u8]>,
        chosen: Option<u32>,
    ) -> Result<TopicPartition> {
        let topic = &self.topic.shared;
        let mut to = TopicPartition {
            topic: topic.name.clone(),
            partition: topic.partition(key, client.spread())?,
        };
        if let Some(chosen) = chosen {
            to.partition = existing(topic, chosen)?;
        } else if key.is_none() && own_turn(&to).is_some() {
            // Any will do but that one.
            to.partition = (to.partition + 1) % topic.partition_count()?;
        }
        Ok(to)
    }

    /// The record to be sent, which asks for a reply if it is known where to.
    fn record(
        &self,
        client: &Client,
        key: Option<&[u8]>,
        value: &T,
        options: &SendOptions,
        reply_to: Option<(&str, &str)>,
    ) -> Result<BatchBuilder> {
        let codec = &self.topic.codec;
        if self.envelope && codec.name() != "json" {
            return Err(Error::config(format!(
                "topic {} has the codec {}, and requests in envelopes must be JSON: ask by headers",
                self.topic.name(),
                codec.name()
            )));
        }
        let enveloped = reply_to.filter(|_| self.envelope);
        let encode = |out: &mut Vec<u8>| {
            let encode = |out: &mut Vec<u8>| Ok(codec.encode(value, out)?);
            match enveloped {
                Some(reply_to) => write_request(out, reply_to, encode),
                None => encode(out),
            }
        };
        let is_there = enveloped.is_some() || !codec.is_absent(value);
        let (topic, by_headers) = (&self.topic.shared, reply_to.filter(|_| !self.envelope));
        record(
            topic,
            client,
            key,
            options,
            by_headers,
            is_there.then_some(encode),
        )
    }

    fn request(&self, key: Option<&[u8]>, value: &T) -> Result<Request> {
        let client = self.client()?;
        let to = self.partition(&client, key, None)?;
        let replies = Arc::clone(client.replies());
        let id = replies.next_id();
        let mut buffer = uuid::Uuid::encode_buffer();
        let text: &str = id.hyphenated().encode_lower(&mut buffer);
        let reply_to = Some((replies.topic().as_str(), text));
        let record = self.record(&client, key, value, &SendOptions::default(), reply_to)?;
        let timeout = self.timeout.unwrap_or_else(|| client.ask_timeout());
        Ok(Request {
            client,
            replies,
            to,
            record,
            id,
            timeout,
        })
    }
}

impl<T: 'static, R: DeserializeOwned + Send + 'static> Agent<T, R> {
    /// Sends `value` under `key` and waits for the reply, at most for the [`timeout`](Self::timeout).
    ///
    /// # Errors
    ///
    /// As [`Topic::send`] and [`Pending`]; of kind [`Configuration`](crate::ErrorKind::Configuration),
    /// before anything is sent, from within an event that the reply would have to wait for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets the reply; what was asked for may happen.
    pub fn ask<K: MaybeKey + ?Sized>(
        &self,
        key: &K,
        value: &T,
    ) -> impl Future<Output = Result<R>> + Send + use<K, T, R> {
        let request = self.request(key.maybe_raw().as_deref(), value);
        async {
            let request = request?;
            request.check_turn()?;
            request.send::<R>().await?.await
        }
    }

    /// Sends `value` under `key` and gives what waits for the reply.
    ///
    /// Awaiting it within an event that the reply would have to wait for ends with the timeout.
    ///
    /// # Errors
    ///
    /// As [`Topic::send`]; of kind [`Timeout`](crate::ErrorKind::Timeout) if sending takes so long.
    ///
    /// # Cancel safety
    ///
    /// As [`ask`](Self::ask).
    pub fn ask_nowait<K: MaybeKey + ?Sized>(
        &self,
        key: &K,
        value: &T,
    ) -> impl Future<Output = Result<Pending<R>>> + Send + use<K, T, R> {
        let request = self.request(key.maybe_raw().as_deref(), value);
        async { request?.send().await }
    }

    /// Asks with each of `values`, without keys; the answers in the order in which they come.
    ///
    /// At most 1,000 requests are under way at once.
    pub fn map<I>(&self, values: I) -> Answers<Result<R>>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'static,
    {
        let agent = self.clone();
        let asked = stream::iter(values).map(move |value| agent.ask(&(), &value));
        Answers::new(asked.buffer_unordered(OUTSTANDING))
    }

    /// Asks with each key and value of `items`; each key's answer, in the order in which they come.
    ///
    /// At most 1,000 requests are under way at once.
    pub fn kvmap<K, I>(&self, items: I) -> Answers<(K, Result<R>)>
    where
        K: MaybeKey + Send + 'static,
        I: IntoIterator<Item = (K, T)>,
        I::IntoIter: Send + 'static,
    {
        let agent = self.clone();
        let asked = stream::iter(items).map(move |(key, value)| {
            let answer = agent.ask(&key, &value);
            async move { (key, answer.await) }
        });
        Answers::new(asked.buffer_unordered(OUTSTANDING))
    }

    /// Asks with each of `values`, without keys; all replies in the order of the values.
    ///
    /// At most 1,000 requests are under way at once.
    ///
    /// # Errors
    ///
    /// That of the first in order whose [`ask`](Self::ask) fails.
    ///
    /// # Cancel safety
    ///
    /// As [`ask`](Self::ask).
    pub fn join<I>(&self, values: I) -> impl Future<Output = Result<Vec<R>>> + Send + use<T, R, I>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'static,
    {
        let agent = self.clone();
        let asked = stream::iter(values).map(move |value| agent.ask(&(), &value));
        asked.buffered(OUTSTANDING).try_collect()
    }

    /// Asks with each key and value of `items`; all replies in the order of the items.
    ///
    /// At most 1,000 requests are under way at once.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cancel safety
    ///
    /// As [`ask`](Self::ask).
    pub fn kvjoin<K, I>(
        &self,
        items: I,
    ) -> impl Future<Output = Result<Vec<R>>> + Send + use<K, T, R, I>
    where
        K: MaybeKey,
        I: IntoIterator<Item = (K, T)>,
        I::IntoIter: Send + 'static,
    {
        let agent = self.clone();
        let asked = stream::iter(items).map(move |(key, value)| agent.ask(&key, &value));
        asked.buffered(OUTSTANDING).try_collect()
    }
}

impl<T, R> Clone for Agent<T, R> {
    fn clone(&self) -> Self {
        Self {
            topic: self.topic.clone(),
            ..*self
        }
    }
}

impl<T, R> fmt::Debug for Agent<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("topic", &self.topic.shared.name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
