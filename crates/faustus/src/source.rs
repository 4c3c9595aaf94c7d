//! What an agent reads: topics, and what becomes of their records on the way to it.
//!
//! A [`Source`] describes; nothing is registered before its agent is. Operators that only look at
//! values ([`filter`](Operators::filter), [`map`](Operators::map)) run where the record is decoded,
//! in the lane of the agent that reads it. Those that bring records elsewhere
//! ([`group_by`](Operators::group_by), [`through`](Operators::through)) end one agent and begin
//! another: what stands before them is done before the record is sent.

mod hop;
mod operators;

use std::{any::type_name, fmt, sync::Arc};

use faustus_core::{Codec, Offset};

use crate::{
    Error, Result, Topic,
    ask::{is_enveloped, unwrapped},
    runtime::InFlight,
    topic::TopicShared,
};

pub(crate) use hop::Hops;
use operators::read_key;
pub use operators::{Operators, RecordKey};

/// What an agent reads: a topic, or several, and what becomes of their records on the way.
///
/// A [`Topic`] is a source as it is; [`Operators`] make others of it.
pub struct Source<T> {
    inputs: Vec<MakeInput<T>>,
}

/// Registers what an input needs for its agent, and gives it.
type MakeInput<T> = Box<dyn FnOnce(&mut Hops<'_>) -> Input<T>>;

/// One topic that an agent reads, and how its records become values.
pub(crate) struct Input<T> {
    pub(crate) topic: Arc<TopicShared>,
    pub(crate) decoder: Decoder<T>,
    /// How values are stored if they must be stored anew.
    codec: Option<Arc<dyn Codec<T>>>,
    /// The record's own bytes are the value in `codec`.
    raw: bool,
    /// The topic's name begins with that of its agent.
    owned: bool,
}

impl<T> From<&Topic<T>> for Input<T> {
    fn from(topic: &Topic<T>) -> Self {
        Self::of(&topic.shared, &topic.codec)
    }
}

impl<T> Input<T> {
    /// A topic, or what stands for several, with values in `codec`.
    pub(crate) fn of(topic: &Arc<TopicShared>, codec: &Arc<dyn Codec<T>>) -> Self {
        topic.used_in(codec.name());
        Self {
            topic: Arc::clone(topic),
            decoder: Decoder::Plain(Arc::clone(codec)),
            codec: Some(Arc::clone(codec)),
            raw: true,
            owned: false,
        }
    }
}

/// How records become the values of an agent.
pub(crate) enum Decoder<T> {
    /// The record's value in the topic's codec.
    Plain(Arc<dyn Codec<T>>),
    /// What operators make of it.
    Made(Arc<Make<T>>),
}

/// A value made of an event's record; `None`: the agent does not see it.
type Make<T> = dyn Fn(&InFlight) -> Result<Option<T>> + Send + Sync;

impl<T> Decoder<T> {
    /// The value of an event, unless the agent is not to see it.
    #[inline]
    pub(crate) fn decode(&self, event: &InFlight) -> Result<Option<T>> {
        match self {
            Self::Plain(codec) => decode_value(&**codec, event).map(Some),
            Self::Made(make) => make(event),
        }
    }
}

impl<T: 'static> Decoder<T> {
    /// The same with the key of the record.
    pub(crate) fn keyed<K: RecordKey + 'static>(self) -> Decoder<(K, T)> {
        Decoder::Made(Arc::new(move |event| {
            let key = read_key(event.record())?;
            Ok(self.decode(event)?.map(|value| (key, value)))
        }))
    }
}

impl<T> Clone for Decoder<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Plain(codec) => Self::Plain(Arc::clone(codec)),
            Self::Made(make) => Self::Made(Arc::clone(make)),
        }
    }
}

#[inline]
fn decode_value<T>(codec: &dyn Codec<T>, event: &InFlight) -> Result<T> {
    let error = match event.record().value() {
        Some(bytes) if is_enveloped(bytes) => match decode_request(codec, bytes, event) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        },
        Some(bytes) => match codec.decode_within(bytes, event.memory()) {
            Ok(value) => return Ok(value),
            Err(error) => Error::from(error),
        },
        None => match codec.absent() {
            Some(value) => return Ok(value),
            None => Error::data("the record has no value"),
        },
    };
    let what = format!("value is no {} {}", codec.name(), type_name::<T>());
    Err(Error::data(format!("{what}: {error}")))
}

/// What somebody asks with, out of its envelope.
#[cold]
#[inline(never)]
fn decode_request<T>(codec: &dyn Codec<T>, bytes: &[u8], event: &InFlight) -> Result<T> {
    let value = unwrapped(bytes, codec)?;
    Ok(codec.decode_within(value, event.memory())?)
}

impl<T: 'static> Source<T> {
    /// The same source, whose values are stored in this codec where a `group_by` or `through` that
    /// follows must store them: what [`map`](Operators::map) makes has none of its own.
    #[must_use]
    pub fn codec(self, codec: impl Codec<T> + 'static) -> Self {
        let codec: Arc<dyn Codec<T>> = Arc::new(codec);
        self.each(move |input| Input {
            codec: Some(Arc::clone(&codec)),
            raw: false,
            ..input
        })
    }

    /// The source of one input.
    pub(crate) fn of(input: impl FnOnce() -> Input<T> + 'static) -> Self {
        Self {
            inputs: vec![Box::new(move |_| input())],
        }
    }

    /// The source of nothing.
    pub(crate) fn empty() -> Self {
        Self { inputs: Vec::new() }
    }

    /// The topics with their decoders, for the agent that `hops` is of.
    pub(crate) fn resolve(self, hops: &mut Hops<'_>) -> Vec<Input<T>> {
        self.inputs.into_iter().map(|make| make(hops)).collect()
    }

    /// The same source with `change` made to each of its inputs.
    fn each<U: 'static>(self, change: impl Fn(Input<T>) -> Input<U> + 'static) -> Source<U> {
        self.each_with(move |input, _| change(input))
    }

    fn each_with<U: 'static>(
        self,
        change: impl Fn(Input<T>, &mut Hops<'_>) -> Input<U> + 'static,
    ) -> Source<U> {
        let change = Arc::new(change);
        let changed = |make: MakeInput<T>| -> MakeInput<U> {
            let change = Arc::clone(&change);
            Box::new(move |hops| {
                let input = make(hops);
                change(input, hops)
            })
        };
        Source {
            inputs: self.inputs.into_iter().map(changed).collect(),
        }
    }
}

impl<T> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("inputs", &self.inputs.len())
            .finish_non_exhaustive()
    }
}

impl<T: 'static> Source<T> {
    /// A channel, the values of whose records are found by their offsets.
    pub(crate) fn of_channel(
        channel: Arc<TopicShared>,
        value: impl Fn(Offset) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        let make: Arc<Make<T>> = Arc::new(move |event| value(event.record().offset()).map(Some));
        Self {
            inputs: vec![Box::new(move |_| Input {
                topic: channel,
                decoder: Decoder::Made(make),
                codec: None,
                raw: false,
                owned: false,
            })],
        }
    }
}

impl<T: 'static> From<&Topic<T>> for Source<T> {
    fn from(topic: &Topic<T>) -> Self {
        let topic = topic.clone();
        Self::of(move || Input::from(&topic))
    }
}

impl<T: 'static> From<Topic<T>> for Source<T> {
    fn from(topic: Topic<T>) -> Self {
        Self::from(&topic)
    }
}
