//! Where the replies of an agent go: topics, other agents, channels, functions.

use std::{future::Future, marker::PhantomData, sync::Arc};

use faustus_core::Timestamp;

use crate::{
    Agent, Channel, Result, Topic,
    runtime::{Call, Put, TopicIndex},
};

/// What [`AgentBuilder::sink`](crate::AgentBuilder::sink) takes for replies of type `R`.
///
/// It is implemented for
///
/// - `&Topic<R>` and `&Agent<R, _>`: the reply is stored in the topic, together with all else that its
///   event did;
/// - `&Channel<R>`: the reply is put into the channel when its event is complete;
/// - functions `Fn(R) -> faustus::Result` and `async Fn(R) -> faustus::Result`, and those that give `()`:
///   they are called when the agent is done with the event, one after the other in the order of replies,
///   and the event is complete when they are. If one fails, the event fails. As with all that
///   leaves at once, what a function did is not taken back, and is done again when the event is.
///
/// `M` only keeps them apart.
///
/// # Examples
///
/// ```
/// use faustus::prelude::*;
///
/// async fn length(mut names: Stream<String, usize>) -> faustus::Result {
///     while let Some(name) = names.next().await? {
///         name.reply(name.len());
///     }
///     Ok(())
/// }
///
/// async fn store(length: usize) -> faustus::Result {
///     // … into a database, say
///     Ok(())
/// }
///
/// let app = App::new("lengths");
/// let (names, lengths) = (app.topic("names"), app.topic("lengths"));
/// let app = app.agent("length", &names, |a| {
///     a.sink(&lengths)
///         .sink(|length| println!("{length}"))
///         .sink(store)
///         .run(length)
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot take the replies `{R}` of an agent",
    label = "not a sink of `{R}`",
    note = "a sink is `&topic`, `&agent` or `&channel` of the replies' type, or a function of a reply: `fn(R)`, \
            `fn(R) -> faustus::Result` or `async fn(R) -> faustus::Result`",
    note = "functions get a copy of the reply and may run on any worker thread: the reply must be `Clone + Send`, \
            the function `Send + Sync`"
)]
pub trait Sink<R, M> {
    /// What the framework keeps of it.
    #[doc(hidden)]
    fn target(self) -> Target<R>;
}

/// A sink as an agent keeps it.
#[doc(hidden)]
pub struct Target<R>(pub(crate) Kind<R>);

/// Makes of a reply, with key and time stamp of its event, what is put into a channel.
type PutInto<R> = dyn Fn(&R, Option<&[u8]>, Timestamp) -> Put + Send + Sync;

pub(crate) enum Kind<R> {
    Topic(Topic<R>),
    Channel {
        index: TopicIndex,
        put: Arc<PutInto<R>>,
    },
    Function(Arc<dyn Fn(&R) -> Call + Send + Sync>),
}

impl<R> Target<R> {
    /// The place of its topic or channel in the application.
    fn topic(topic: &Topic<R>) -> Self {
        topic.shared.used_in(topic.codec.name());
        Self(Kind::Topic(topic.clone()))
    }

    pub(crate) fn index(&self) -> Option<TopicIndex> {
        match &self.0 {
            Kind::Topic(topic) => Some(topic.shared.index),
            Kind::Channel { index, .. } => Some(*index),
            Kind::Function(_) => None,
        }
    }
}

impl<R> std::fmt::Debug for Target<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Kind::Topic(_) => "Topic",
            Kind::Channel { .. } => "Channel",
            Kind::Function(_) => "Function",
        })
    }
}

/// Tells the kinds of sinks apart.
#[derive(Debug)]
#[doc(hidden)]
pub struct Of<M>(PhantomData<M>);

impl<R> Sink<R, Of<Topic<R>>> for &Topic<R> {
    fn target(self) -> Target<R> {
        Target::topic(self)
    }
}

impl<R, A> Sink<R, Of<Agent<R, A>>> for &Agent<R, A> {
    fn target(self) -> Target<R> {
        Target::topic(self.topic())
    }
}

impl<R: Clone + Send + 'static> Sink<R, Of<Channel<R>>> for &Channel<R> {
    fn target(self) -> Target<R> {
        let channel = self.clone();
        Target(Kind::Channel {
            index: self.shared.index,
            put: Arc::new(move |value: &R, key, timestamp| {
                channel.later(value.clone(), key, timestamp)
            }),
        })
    }
}

impl<R, F, O> Sink<R, Of<fn(R) -> O>> for F
where
    R: Clone + Send + 'static,
    F: Fn(R) -> O + Send + Sync + 'static,
    O: Outcome,
{
    fn target(self) -> Target<R> {
        let function = Arc::new(self);
        Target(Kind::Function(Arc::new(move |value: &R| {
            let (function, value) = (Arc::clone(&function), value.clone());
            Box::new(move || Box::pin(async move { function(value).result() }))
        })))
    }
}

/// An async function, by what its future gives.
#[derive(Debug)]
#[doc(hidden)]
pub struct Async<O>(PhantomData<O>);

impl<R, F, Fut> Sink<R, Of<Async<Fut>>> for F
where
    R: Clone + Send + 'static,
    F: Fn(R) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Outcome> + 'static,
{
    fn target(self) -> Target<R> {
        let function = Arc::new(self);
        Target(Kind::Function(Arc::new(move |value: &R| {
            let (function, value) = (Arc::clone(&function), value.clone());
            Box::new(move || Box::pin(async move { function(value).await.result() }))
        })))
    }
}

/// What a function that is a sink gives: nothing, or whether it failed.
#[doc(hidden)]
pub trait Outcome {
    fn result(self) -> Result;
}

impl Outcome for () {
    fn result(self) -> Result {
        Ok(())
    }
}

impl Outcome for Result {
    fn result(self) -> Result {
        self
    }
}
