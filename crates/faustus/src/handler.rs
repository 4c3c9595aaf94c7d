//! Which functions can be agents: from a stream, and perhaps the application's state, to a result.

use std::{collections::BTreeSet, future::Future};

use faustus_core::TopicPartition;

use crate::{Result, Stream};

/// The application's state as an argument of an agent or a task.
///
/// # Examples
///
/// ```
/// use faustus::prelude::*;
///
/// #[derive(Clone)]
/// struct Shop { name: String }
///
/// async fn print(State(shop): State<Shop>, mut orders: Stream<String>) -> faustus::Result {
///     while let Some(order) = orders.next().await? {
///         println!("{}: {}", shop.name, *order);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct State<S>(pub S);

/// A function that can be an agent of an application with state `S`, reading `T` and replying `R`.
///
/// It is implemented for `async fn(Stream<T, R>) -> faustus::Result` and
/// `async fn(State<S>, Stream<T, R>) -> faustus::Result`. `M` only keeps the two apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an agent that reads `{T}` in an application with state `{S}`",
    label = "not an agent of this source, these sinks and this state",
    note = "write `async fn(Stream<T, R>) -> faustus::Result`, or with the application's state before the stream \
            `async fn(State<S>, Stream<T, R>) -> faustus::Result`",
    note = "T is the type of the source: `{T}`; R that of the sinks: `{R}`; S what `App::with_state` was given: `{S}`; \
            `_` is not known at this place",
    note = "a function that is called with one value after the other goes to `.each(…)`"
)]
pub trait AgentFn<S, T, R, M>: Send + Sync + 'static {
    /// Starts an instance.
    fn start(&self, state: S, stream: Stream<T, R>) -> impl Future<Output = Result> + 'static;
}

impl<F, Fut, S, T, R> AgentFn<S, T, R, ()> for F
where
    F: Fn(Stream<T, R>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + 'static,
{
    fn start(&self, _: S, stream: Stream<T, R>) -> impl Future<Output = Result> + 'static {
        self(stream)
    }
}

impl<F, Fut, S, T, R> AgentFn<S, T, R, (S,)> for F
where
    F: Fn(State<S>, Stream<T, R>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + 'static,
{
    fn start(&self, state: S, stream: Stream<T, R>) -> impl Future<Output = Result> + 'static {
        self(State(state), stream)
    }
}

/// A function that can be called for each event of an agent: from the value to the reply.
///
/// It is implemented for `async fn(T) -> faustus::Result<R>` and
/// `async fn(State<S>, T) -> faustus::Result<R>`, and async closures of that form.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called for each `{T}` in an application with state `{S}`",
    label = "not a function of the values of this source, for these sinks and this state",
    note = "write `async fn(T) -> faustus::Result<R>`, or with the application's state before the value \
            `async fn(State<S>, T) -> faustus::Result<R>`",
    note = "T is the type of the source: `{T}`; R that of the sinks: `{R}`; S what `App::with_state` was given: `{S}`; \
            `_` is not known at this place",
    note = "a function with a loop over a `Stream` goes to `.run(…)`"
)]
pub trait EachFn<S, T, R, M>: Send + Sync + 'static {
    /// Makes the reply to a value.
    fn call(&self, state: &S, value: T) -> impl Future<Output = Result<R>>;
}

impl<F, Fut, S, T, R> EachFn<S, T, R, ()> for F
where
    F: Fn(T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R>> + 'static,
{
    fn call(&self, _: &S, value: T) -> impl Future<Output = Result<R>> {
        self(value)
    }
}

impl<F, Fut, S, T, R> EachFn<S, T, R, (S,)> for F
where
    F: Fn(State<S>, T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R>> + 'static,
    S: Clone,
{
    fn call(&self, state: &S, value: T) -> impl Future<Output = Result<R>> {
        self(State(state.clone()), value)
    }
}

/// A function that can be a task, timer, crontab or hook of an application with state `S`.
///
/// It is implemented for `async fn() -> faustus::Result` and `async fn(State<S>) -> faustus::Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task, timer, crontab or hook of an application with state `{S}`",
    label = "not a function that can run beside the agents of this application",
    note = "write `async fn() -> faustus::Result` or `async fn(State<S>) -> faustus::Result`; S is what \
            `App::with_state` was given: `{S}`",
    note = "it may run on any thread: what it keeps over an `.await` must be `Send`, so an `Arc` for an `Rc` and a \
            `Mutex` for a `RefCell`"
)]
pub trait TaskFn<S, M>: Send + Sync + 'static {
    /// Whether it runs on the leader alone, as [`on_leader`](crate::on_leader) says.
    const ON_LEADER: bool = false;

    /// Starts the task.
    fn start(&self, state: S) -> impl Future<Output = Result> + Send + 'static;
}

impl<F, Fut, S> TaskFn<S, ()> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
{
    fn start(&self, _: S) -> impl Future<Output = Result> + Send + 'static {
        self()
    }
}

impl<F, Fut, S> TaskFn<S, (S,)> for F
where
    F: Fn(State<S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
{
    fn start(&self, state: S) -> impl Future<Output = Result> + Send + 'static {
        self(State(state))
    }
}

/// What a [`TaskFn`] is that runs on every worker, as a hook does: any but those of
/// [`on_leader`](crate::on_leader).
#[diagnostic::on_unimplemented(
    message = "a hook runs on every worker: `on_leader` is for tasks, timers and crontabs",
    label = "leave out `on_leader`, or add a task"
)]
pub trait Everywhere {}

impl Everywhere for () {}
impl<S> Everywhere for (S,) {}

/// A function that is told partitions, in an application with state `S`.
///
/// It is implemented for `async fn(BTreeSet<TopicPartition>) -> faustus::Result` and
/// `async fn(State<S>, BTreeSet<TopicPartition>) -> faustus::Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be told partitions in an application with state `{S}`",
    label = "not a hook of partitions of this application",
    note = "write `async fn(BTreeSet<TopicPartition>) -> faustus::Result` or \
            `async fn(State<S>, BTreeSet<TopicPartition>) -> faustus::Result`; S is what `App::with_state` \
            was given: `{S}`",
    note = "it may run on any thread: what it keeps over an `.await` must be `Send`"
)]
pub trait PartitionsFn<S, M>: Send + Sync + 'static {
    /// Starts it.
    fn start(
        &self,
        state: S,
        partitions: BTreeSet<TopicPartition>,
    ) -> impl Future<Output = Result> + Send + 'static;
}

impl<F, Fut, S> PartitionsFn<S, ()> for F
where
    F: Fn(BTreeSet<TopicPartition>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
{
    fn start(
        &self,
        _: S,
        partitions: BTreeSet<TopicPartition>,
    ) -> impl Future<Output = Result> + Send + 'static {
        self(partitions)
    }
}

impl<F, Fut, S> PartitionsFn<S, (S,)> for F
where
    F: Fn(State<S>, BTreeSet<TopicPartition>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
{
    fn start(
        &self,
        state: S,
        partitions: BTreeSet<TopicPartition>,
    ) -> impl Future<Output = Result> + Send + 'static {
        self(State(state), partitions)
    }
}
