//! How an agent is described: what it reads, writes and sends to, and what becomes of its failures.

use std::{fmt, rc::Rc, sync::Arc};

use crate::{
    FailurePolicy, Result, Stream, Table, Topic,
    handler::AgentFn,
    runtime::{AgentDef, LaneCore, LocalFuture, TopicIndex},
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
    source: Topic<T>,
    concurrency: u32,
    policy: FailurePolicy,
    tables: Vec<(usize, Arc<str>)>,
    sinks: Vec<Topic<R>>,
}

impl<S, T, R> AgentBuilder<S, T, R>
where
    S: Clone + Send + Sync + 'static,
    T: 'static,
    R: 'static,
{
    pub(crate) fn new(name: &str, state: S, source: Topic<T>) -> Self {
        Self {
            name: name.into(),
            state,
            source,
            concurrency: 1,
            policy: FailurePolicy::default(),
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
        self.concurrency = lanes.max(1);
        self
    }

    /// Names a table that the agent writes and [binds](Stream::bind).
    #[must_use]
    pub fn table<K, V>(mut self, table: &Table<K, V>) -> Self {
        self.tables.push((table.index, Arc::clone(&table.name)));
        self
    }

    /// Names a topic that gets every [reply](crate::Event::reply).
    #[must_use]
    pub fn sink(mut self, topic: &Topic<R>) -> Self {
        self.sinks.push(topic.clone());
        self
    }

    /// What becomes of an event that failed.
    #[must_use]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The function that is the agent.
    #[must_use]
    pub fn run<M>(self, agent: impl AgentFn<S, T, R, M>) -> AgentSpec {
        let Self {
            name,
            state,
            source,
            concurrency,
            policy,
            tables,
            sinks,
        } = self;
        let outputs: Vec<TopicIndex> = sinks.iter().map(|sink| sink.shared.index).collect();
        let sinks: Arc<[Topic<R>]> = sinks.into();
        let names: Arc<[Arc<str>]> = tables.iter().map(|(_, name)| Arc::clone(name)).collect();
        let codec = source.codec;
        let start = move |lane: Rc<LaneCore>| -> LocalFuture<Result> {
            let stream = Stream::new(
                lane,
                Arc::clone(&codec),
                Arc::clone(&sinks),
                Arc::clone(&names),
            );
            Box::pin(agent.start(state.clone(), stream))
        };
        AgentSpec(AgentDef {
            name,
            source: source.shared.index,
            concurrency,
            policy,
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
