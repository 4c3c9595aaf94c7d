//! What the application is made of, and how it is cut into sub-topologies.
//!
//! Agents that share a topic or a table, transitively, form a *sub-topology*: partition p of all
//! its topics and tables is one task. The cut is pure: it looks at names and patterns alone, so that
//! every worker of an application finds the same one, whatever topics there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

use super::{background::BackgroundDef, lane::LaneCore, outputs::TopicIndex, sensors::SensorDef};
use crate::{
    FailurePolicy, OwnWorker, Result, Settings, channel::AnyQueue, failure::OnError,
    table::TableDef, topic::TopicShared,
};

/// A boxed future that stays on its thread.
pub(crate) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Changes settings.
pub(crate) type Configure = Arc<dyn Fn(&mut Settings) + Send + Sync>;

/// What the program registered.
pub(crate) struct AppDef {
    pub(crate) name: Arc<str>,
    pub(crate) topics: Vec<Arc<TopicShared>>,
    pub(crate) tables: Vec<TableDef>,
    pub(crate) agents: Vec<AgentDef>,
    pub(crate) background: BackgroundDef,
    /// Are told of what a worker does.
    pub(crate) sensors: Vec<SensorDef>,
    /// Where the program looks for its own worker, if it does.
    pub(crate) own_worker: Option<OwnWorker>,
    /// Topics that only this application writes and reads, to bring keys together.
    pub(crate) repartitions: Vec<TopicIndex>,
    /// Mistakes found while the program registered.
    pub(crate) problems: Vec<String>,
    /// What the program wants other than in the settings it is given.
    pub(crate) configure: Vec<Configure>,
    /// The program's own commands.
    #[cfg(feature = "cli")]
    pub(crate) commands: Vec<crate::command::CommandDef>,
}

/// An agent without its types.
pub(crate) struct AgentDef {
    pub(crate) name: Arc<str>,
    /// The name of its function in the program.
    pub(crate) function: &'static str,
    /// The topics it reads, and the patterns, in the order of its inputs.
    pub(crate) sources: Vec<TopicIndex>,
    /// The agent that this one brings records to, if it is one of the framework's own.
    pub(crate) feeds: Option<Arc<str>>,
    pub(crate) concurrency: u32,
    /// Its lanes take events as they come, not by key.
    pub(crate) unordered: bool,
    pub(crate) policy: FailurePolicy,
    /// Is told of its failures.
    pub(crate) on_error: Option<OnError>,
    /// The tables it writes, by their place in the application.
    pub(crate) tables: Vec<usize>,
    /// The topics it is known to send to.
    pub(crate) outputs: Vec<TopicIndex>,
    /// Starts an instance on a lane.
    pub(crate) start: Arc<dyn Fn(Rc<LaneCore>) -> LocalFuture<Result> + Send + Sync>,
}

/// Agents whose partitions belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubTopologyDef {
    /// The name of its first agent in order of names.
    pub(crate) name: Arc<str>,
    /// By their place in the application.
    pub(crate) agents: Vec<usize>,
    /// The topics that its agents read, and the patterns.
    pub(crate) sources: Vec<TopicIndex>,
    /// The tables that its agents write.
    pub(crate) tables: Vec<usize>,
}

impl AppDef {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            topics: Vec::new(),
            tables: Vec::new(),
            agents: Vec::new(),
            background: BackgroundDef::default(),
            sensors: Vec::new(),
            own_worker: None,
            repartitions: Vec::new(),
            problems: Vec::new(),
            configure: Vec::new(),
            #[cfg(feature = "cli")]
            commands: Vec::new(),
        }
    }

    /// The topics that are in the log.
    pub(crate) fn log_topics(&self) -> impl Iterator<Item = &Arc<TopicShared>> {
        self.topics.iter().filter(|topic| topic.is_in_log())
    }

    /// The channels.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (&Arc<TopicShared>, &Arc<dyn AnyQueue>)> {
        self.topics
            .iter()
            .filter_map(|topic| topic.channel.as_ref().map(|queue| (topic, queue)))
    }

    /// The channel at this place among the topics, if it is one.
    pub(crate) fn channel(&self, topic: TopicIndex) -> Option<&Arc<dyn AnyQueue>> {
        self.topics[topic as usize].channel.as_ref()
    }

    /// Whether a sub-topology reads channels: it is this worker's own, with one task.
    pub(crate) fn is_local(&self, sub: &SubTopologyDef) -> bool {
        sub.sources
            .iter()
            .any(|&source| self.channel(source).is_some())
    }

    /// The name of a table's changelog topic.
    pub(crate) fn changelog(&self, table: usize) -> String {
        format!("{}-{}-changelog", self.name, self.tables[table].name)
    }

    /// The lanes of each task of `sub`, in their order: the agent, and which of its lanes.
    pub(crate) fn lanes(&self, sub: &SubTopologyDef) -> Vec<(&Arc<str>, u32)> {
        let agents = sub.agents.iter().map(|&agent| &self.agents[agent]);
        let lanes = agents.flat_map(|agent| (0..agent.concurrency).map(|lane| (&agent.name, lane)));
        lanes.collect()
    }

    /// Cuts the application into sub-topologies, in the order of their names.
    pub(crate) fn sub_topologies(&self) -> Vec<SubTopologyDef> {
        let mut group: Vec<usize> = (0..self.agents.len()).collect();
        for a in 0..self.agents.len() {
            for b in a + 1..self.agents.len() {
                let (one, other) = (&self.agents[a], &self.agents[b]);
                let shared = self.read_alike(one, other)
                    || one.tables.iter().any(|table| other.tables.contains(table));
                if shared && group[a] != group[b] {
                    let (from, to) = (group[b], group[a]);
                    group
                        .iter_mut()
                        .filter(|g| **g == from)
                        .for_each(|g| *g = to);
                }
            }
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (agent, group) in group.into_iter().enumerate() {
            groups.entry(group).or_default().push(agent);
        }
        let mut cut: Vec<_> = groups
            .into_values()
            .map(|agents| self.sub_topology(agents))
            .collect();
        cut.sort_by(|a, b| a.name.cmp(&b.name));
        cut
    }

    fn sub_topology(&self, agents: Vec<usize>) -> SubTopologyDef {
        let all = || agents.iter().map(|&agent| &self.agents[agent]);
        let name = all()
            .map(|agent| &agent.name)
            .min()
            .map_or_else(|| "".into(), Arc::clone);
        let sources: BTreeSet<_> = all()
            .flat_map(|agent| agent.sources.iter().copied())
            .collect();
        let tables: BTreeSet<_> = all()
            .flat_map(|agent| agent.tables.iter().copied())
            .collect();
        SubTopologyDef {
            name,
            sources: sources.into_iter().collect(),
            tables: tables.into_iter().collect(),
            agents,
        }
    }
}

impl fmt::Debug for AppDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppDef")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{App, Stream, Table, runtime::AppDef};

    async fn nothing(_: Stream<u32>) -> crate::Result {
        Ok(())
    }

    fn names(def: &AppDef) -> Vec<(String, usize)> {
        def.sub_topologies()
            .iter()
            .map(|sub| (sub.name.to_string(), sub.agents.len()))
            .collect()
    }

    #[test]
    fn agents_stay_together_if_a_pattern_may_find_what_another_one_reads() {
        let app = App::new("app");
        let eu = app.topic_pattern("eu", "orders-eu-.*");
        let all = app.topic_pattern("all", "orders-.*");
        let clicks = app.topic_pattern("clicks", "clicks-.*");
        let named = app.topic("clicks-1");
        let def = app
            .agent("all", &all, |x| x.run(nothing))
            .agent("clicks", &clicks, |x| x.run(nothing))
            .agent("eu", &eu, |x| x.run(nothing))
            .agent("one", &named, |x| x.run(nothing))
            .into_def();
        let expected = [("all", 2), ("clicks", 2)].map(|(n, c)| (n.to_owned(), c));
        assert_eq!(names(&def), expected);
    }

    #[test]
    fn agents_that_share_a_topic_or_a_table_stay_together() {
        let app = App::new("app");
        let (a, b, c, d) = (
            app.topic("a"),
            app.topic("b"),
            app.topic("c"),
            app.topic("d"),
        );
        let shared: Table<String, u32> = app.table("shared");
        let def = app
            .agent("one", &a, |x| x.table(&shared).run(nothing))
            .agent("two", &b, |x| x.table(&shared).run(nothing))
            .agent("three", &b, |x| x.run(nothing))
            .agent("four", &c, |x| x.run(nothing))
            .agent("five", &d, |x| x.run(nothing))
            .into_def();
        let expected = [("five", 1), ("four", 1), ("one", 3)].map(|(n, c)| (n.to_owned(), c));
        assert_eq!(names(&def), expected);
        assert_eq!(def.mistakes(), Vec::<String>::new());
    }
}
