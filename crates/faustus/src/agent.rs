//! How an agent is described: what it reads, writes and sends to, and what becomes of its failures.

use std::{any::type_name_of_val, fmt, future::poll_fn, rc::Rc, sync::Arc};

use serde::Serialize;

use crate::{
    Failure, FailurePolicy, Result, Sink, Stream, Table,
    failure::OnError,
    handler::{AgentFn, EachFn, State},
    runtime::{AgentDef, LaneCore, LocalFuture, TopicIndex},
    sink::Target,
    source::{Decoder, Input},
    stream::ReplyTo,
};

/// An agent, fully described.
pub struct AgentSpec(pub(crate) AgentDef);

impl fmt::Debug for AgentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentSpec")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

/// Describes an agent; [`run`](Self::run) ends it.
pub struct AgentBuilder<S, T, R> {
    name: Arc<str>,
    state: S,
    inputs: Vec<Input<T>>,
    concurrency: u32,
    unordered: bool,
    policy: FailurePolicy,
    on_error: Option<OnError>,
    tables: Vec<(usize, Arc<str>)>,
    sinks: Vec<Target<R>>,
}

impl<S, T, R> AgentBuilder<S, T, R>
where
    S: Clone + Send + Sync + 'static,
    T: 'static,
    R: 'static,
{
    pub(crate) fn new(name: &str, state: S, inputs: Vec<Input<T>>) -> Self {
        Self {
            name: name.into(),
            state,
            inputs,
            concurrency: 1,
            unordered: false,
            policy: FailurePolicy::default(),
            on_error: None,
            tables: Vec::new(),
            sinks: Vec::new(),
        }
    }

    /// How many events of one partition may be in flight at the same time, each with another key.
    ///
    /// This overlaps *waiting*; the cores are used by partitions. Events of one key keep their
    /// order. Agents that write the same table must have the same number.
    #[must_use]
    pub fn concurrency(mut self, lanes: u32) -> Self {
        self.concurrency = lanes;
        self
    }

    /// `lanes` events of one partition may be in flight at the same time, whatever their keys: each
    /// lane takes the next one as it comes.
    ///
    /// For work on each event that depends on no other: events of one key overtake one another. Sends
    /// and offsets are stored in the order of the log all the same. Not for agents that write tables.
    #[must_use]
    pub fn unordered(mut self, lanes: u32) -> Self {
        self.unordered = true;
        self.concurrency(lanes)
    }

    /// Names a table that the agent writes and [binds](Stream::bind).
    #[must_use]
    pub fn table<K, V>(mut self, table: &Table<K, V>) -> Self {
        self.tables.push((table.index, Arc::clone(&table.name)));
        self
    }

    /// Names what gets every [reply](crate::Event::reply): a topic, an agent, a channel or a function.
    ///
    /// Several sinks get each reply in the order in which they are named; see [`Sink`].
    #[must_use]
    pub fn sink<M>(mut self, sink: impl Sink<R, M>) -> Self {
        self.sinks.push(sink.target());
        self
    }

    /// What becomes of an event that failed, also where the source is brought to this agent's keys.
    #[must_use]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Has `tell` called with every failure of the agent and what becomes of it.
    ///
    /// It is told and decides nothing. It runs on the agent's thread, which waits for it, so it should
    /// be quick: count, log, or hand over to a channel. If it panics, that is logged and nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{Verdict, prelude::*};
    ///
    /// # async fn charge(mut orders: Stream<String>) -> faustus::Result { Ok(()) }
    /// let app = App::new("shop");
    /// let orders = app.topic::<String>("orders");
    /// let app = app.agent("charge", &orders, |a| {
    ///     a.on_error(|failure| {
    ///         if failure.verdict == Verdict::Park {
    ///             eprintln!("{} stands still: {}", failure.agent, failure.error);
    ///         }
    ///     })
    ///     .run(charge)
    /// });
    /// ```
    #[must_use]
    pub fn on_error(mut self, tell: impl Fn(&Failure<'_>) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(tell));
        self
    }

    /// The agent is this function, called with the value of each event; what it gives is the
    /// [reply](crate::Event::reply).
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn shout(name: String) -> faustus::Result<String> {
    ///     Ok(name.to_uppercase())
    /// }
    ///
    /// let app = App::new("shouter");
    /// let (names, shouts) = (app.topic::<String>("names"), app.topic::<String>("shouts"));
    /// let app = app.agent("shout", &names, |a| a.sink(&shouts).each(shout));
    /// ```
    #[must_use]
    pub fn each<M>(self, function: impl EachFn<S, T, R, M>) -> AgentSpec
    where
        R: Serialize,
    {
        let name = type_name_of_val(&function);
        let function = Arc::new(function);
        self.named(
            name,
            move |State(state): State<S>, mut stream: Stream<T, R>| {
                let function = Arc::clone(&function);
                async move {
                    while let Some((value, event)) = stream.next_value().await {
                        let reply = function.call(&state, value).await?;
                        stream.reply_to(&event, &reply)?;
                    }
                    Ok(())
                }
            },
        )
    }

    /// The function that is the agent.
    #[must_use]
    pub fn run<M>(self, agent: impl AgentFn<S, T, R, M>) -> AgentSpec
    where
        R: Serialize,
    {
        self.named(type_name_of_val(&agent), agent)
    }

    /// As [`run`](Self::run), for what has this name in the program.
    fn named<M>(self, function: &'static str, agent: impl AgentFn<S, T, R, M>) -> AgentSpec
    where
        R: Serialize,
    {
        let Self {
            name,
            state,
            inputs,
            concurrency,
            unordered,
            policy,
            on_error,
            tables,
            sinks,
        } = self;
        let letters = policy.letters().map(|topic| topic.index);
        let sent_to = sinks.iter().filter_map(Target::index);
        let outputs: Vec<TopicIndex> = sent_to.chain(letters).collect();
        let replies = ReplyTo::new(sinks);
        let names: Arc<[Arc<str>]> = tables.iter().map(|(_, name)| Arc::clone(name)).collect();
        let sources = inputs.iter().map(|input| input.topic.index).collect();
        let decoders: Arc<[Decoder<T>]> = inputs.into_iter().map(|input| input.decoder).collect();
        let calls = replies.calls();
        let start = move |lane: Rc<LaneCore>| -> LocalFuture<Result> {
            let ended = Rc::clone(&lane);
            let stream = Stream::new(
                lane,
                Arc::clone(&decoders),
                replies.clone(),
                Arc::clone(&names),
            );
            let instance = agent.start(state.clone(), stream);
            if !calls {
                return Box::pin(instance);
            }
            Box::pin(async move {
                instance.await?;
                // One that returns is done with its event, as one that asks for the next.
                poll_fn(|cx| ended.poll_calls(cx)).await
            })
        };
        AgentSpec(AgentDef {
            name,
            function,
            sources,
            feeds: None,
            concurrency,
            unordered,
            policy,
            on_error,
            tables: tables.into_iter().map(|(index, _)| index).collect(),
            outputs,
            start: Arc::new(start),
        })
    }
}

impl<S, T, R> fmt::Debug for AgentBuilder<S, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
