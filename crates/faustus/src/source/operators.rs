//! What can stand between a topic and the agent that reads it.

use std::{any::type_name, sync::Arc};

use faustus_core::RecordRef;

use super::{Decoder, Input, Make, Source};
use crate::{Error, Field, Key, MaybeKey, Record, Result, Topic};

/// What can stand between a topic and the agent that reads it.
///
/// It is implemented for `&Topic<T>` and [`Source<T>`](Source), so that operators follow one another.
/// They are done in the order in which they are written: what stands before a `group_by` or
/// `through` is done before the record is sent there.
///
/// A closure of an operator that panics fails the event, which then meets the policy of the agent.
///
/// # Examples
///
/// ```
/// use faustus::prelude::*;
///
/// #[derive(Record, Serialize, Deserialize)]
/// struct Order { account: String, amount: u64 }
///
/// #[derive(Record, Serialize, Deserialize)]
/// struct Refund { account: String, amount: u64 }
///
/// async fn total(mut amounts: Stream<(String, i64)>) -> faustus::Result {
///     while let Some(event) = amounts.next().await? {
///         let (account, amount) = &*event;
///         println!("{account}: {amount}");
///     }
///     Ok(())
/// }
///
/// let app = App::new("bank");
/// let orders = app.topic::<Order>("orders")
///     .filter(|order| order.amount > 0)               // zero orders are not even sent on
///     .group_by(Order::ACCOUNT)                       // through a topic of the application's own
///     .map(|order| (order.account, order.amount as i64));
/// let refunds = app.topic::<Refund>("refunds")
///     .group_by(Refund::ACCOUNT)
///     .map(|refund| (refund.account, -(refund.amount as i64)));
/// let app = app.agent("total", orders.combine(refunds), |a| a.run(total));
/// ```
pub trait Operators<T: 'static>: Into<Source<T>> {
    /// The values for which `keep` is true; the agent does not see the others, which count as done.
    #[must_use]
    fn filter(self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> Source<T> {
        let keep = Arc::new(keep);
        self.into().each(move |input| {
            let (decoder, keep) = (input.decoder, Arc::clone(&keep));
            let make: Arc<Make<T>> =
                Arc::new(move |event| Ok(decoder.decode(event)?.filter(|value| keep(value))));
            Input {
                decoder: Decoder::Made(make),
                ..input
            }
        })
    }

    /// What `change` makes of each value.
    #[must_use]
    fn map<U: 'static>(self, change: impl Fn(T) -> U + Send + Sync + 'static) -> Source<U> {
        self.filter_map(move |value| Some(change(value)))
    }

    /// What `change` makes of each value, without those of which it makes nothing.
    #[must_use]
    fn filter_map<U: 'static>(
        self,
        change: impl Fn(T) -> Option<U> + Send + Sync + 'static,
    ) -> Source<U> {
        let change = Arc::new(change);
        self.into().each(move |input| {
            let (decoder, change) = (input.decoder, Arc::clone(&change));
            let make: Arc<Make<U>> =
                Arc::new(move |event| Ok(decoder.decode(event)?.and_then(|value| change(value))));
            Input {
                topic: input.topic,
                decoder: Decoder::Made(make),
                codec: None,
                raw: false,
                owned: input.owned,
            }
        })
    }

    /// Each value with the key of its record, read as a `K`: text, a number, bytes, or an `Option`
    /// of one where records may come without a key.
    ///
    /// A key that cannot be read is a failure of the event, as a value that cannot be read is.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn print(mut lines: Stream<(String, u32)>) -> faustus::Result {
    ///     while let Some(line) = lines.next().await? {
    ///         let (name, count) = &*line;
    ///         println!("{name} {count}");
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("counts");
    /// let counts = app.topic::<u32>("counts");
    /// let app = app.agent("print", counts.keyed::<String>(), |a| a.run(print));
    /// ```
    #[must_use]
    fn keyed<K: RecordKey + 'static>(self) -> Source<(K, T)> {
        self.into().each(|input| Input {
            topic: input.topic,
            decoder: input.decoder.keyed(),
            codec: None,
            raw: false,
            owned: input.owned,
        })
    }

    /// The records of this source and of `other`, each in the order of its own partition.
    ///
    /// Topics that are read together have the same number of partitions.
    #[must_use]
    fn combine(self, other: impl Into<Source<T>>) -> Source<T> {
        let mut all = self.into();
        all.inputs.extend(other.into().inputs);
        all
    }

    /// The records brought together by a field, so that equal ones meet in one partition: each is
    /// sent through a topic of the application's own, under the field's value as its key.
    ///
    /// The topic is called `<agent>-<topic>-<Record>.<field>-repartition`. Value, headers and time
    /// stamp are kept.
    #[must_use]
    fn group_by<K: Key + 'static>(self, field: Field<T, K>) -> Source<T>
    where
        T: Record,
    {
        let name = format!("{}.{}", T::NAMESPACE, field.name());
        self.into().group(&name, false, async move |value, key| {
            key.extend_from_slice(&field.get(value).raw());
            Ok(true)
        })
    }

    /// As [`group_by`](Self::group_by), by what `key` makes of each value; `name` stands in the
    /// topic's name in place of record and field.
    #[must_use]
    fn group_by_key<K: MaybeKey>(
        self,
        name: &str,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Source<T> {
        self.into().group(name, false, async move |value, raw| {
            Ok(append(&key(value), raw))
        })
    }

    /// As [`group_by_key`](Self::group_by_key), where it takes waiting to find the key: a look into a
    /// database, say. It waits for as many records at a time as the agent has
    /// [lanes](crate::AgentBuilder::concurrency).
    ///
    /// An error fails the event.
    #[must_use]
    fn group_by_async<K: MaybeKey>(
        self,
        name: &str,
        key: impl AsyncFn(&T) -> Result<K> + Send + Sync + 'static,
    ) -> Source<T> {
        self.into().group(name, true, async move |value, raw| {
            Ok(append(&key(value).await?, raw))
        })
    }

    /// The records sent through `topic` under the keys they have: to be read there by others too, or
    /// to be spread over another number of partitions.
    #[must_use]
    fn through(self, topic: &Topic<T>) -> Source<T> {
        self.into().pass(topic)
    }
}

impl<T: 'static> Operators<T> for &Topic<T> {}
impl<T: 'static> Operators<T> for Source<T> {}

/// The key of a record as an agent reads it: a [`Key`], or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "the key of a record cannot be read as `{Self}`",
    label = "not text, bytes or an integer",
    note = "read it as `String`, a number, `Vec<u8>`, a `faustus::JsonKey`, or an `Option` of one where records may \
            come without a key"
)]
pub trait RecordKey: Sized {
    /// Reads the key of a record, which may have none.
    ///
    /// # Errors
    ///
    /// When there is none and there must be one, or it is not of this type.
    fn read(raw: Option<&[u8]>) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<K: Key> RecordKey for K {
    fn read(raw: Option<&[u8]>) -> Result<Self> {
        match raw {
            Some(raw) => Ok(K::from_raw(raw)?),
            None => Err(Error::data("the record has no key")),
        }
    }
}

impl<K: Key> RecordKey for Option<K> {
    fn read(raw: Option<&[u8]>) -> Result<Self> {
        Ok(raw.map(K::from_raw).transpose()?)
    }
}

/// Appends a key; whether there is one.
fn append(key: &impl MaybeKey, out: &mut Vec<u8>) -> bool {
    let key = key.maybe_raw();
    out.extend_from_slice(key.as_deref().unwrap_or_default());
    key.is_some()
}

pub(super) fn read_key<K: RecordKey>(record: RecordRef<'_>) -> Result<K> {
    K::read(record.key())
        .map_err(|error| Error::data(format!("key is no {}: {error}", type_name::<K>())))
}
