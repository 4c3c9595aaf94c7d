//! The application: topics, tables, agents and tasks as the program registers them.
//!
//! An [`App`] is a description. Nothing runs, and nothing is checked against a log, before a worker
//! is started with it.

mod background;
mod several;

use std::{fmt, sync::Arc};

use faustus_core::{Codec, TopicName};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    AgentBuilder, AgentSpec, Json, Key, Sensor, Settings, Source, Table, Topic,
    channel::AnyQueue,
    form::JsonForm,
    runtime::{AppDef, SensorDef, TopicIndex},
    source::Hops,
    topic::TopicShared,
};

/// An application of agents that share topics, tables and a consumer group of the application's name.
///
/// `S` is the state that agents and tasks get as [`State`](crate::State): handles of topics and
/// tables, clients, settings.
///
/// # Examples
///
/// ```
/// use faustus::prelude::*;
///
/// async fn shout(mut names: Stream<String, String>) -> faustus::Result {
///     while let Some(name) = names.next().await? {
///         name.reply(name.to_uppercase());
///     }
///     Ok(())
/// }
///
/// let app = App::new("shouter");
/// let (names, shouts) = (app.topic("names"), app.topic("shouts"));
/// let app = app.agent("shout", &names, |a| a.sink(&shouts).run(shout));
/// ```
pub struct App<S = ()> {
    pub(crate) def: Arc<Mutex<AppDef>>,
    pub(crate) state: S,
}

impl App<()> {
    /// An application without state. The name is its identity: that of its consumer group, and the
    /// beginning of the names of its changelogs.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            def: Arc::new(Mutex::new(AppDef::new(name))),
            state: (),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// A topic of JSON values. The same name gives the same topic.
    #[must_use]
    pub fn topic<T: Serialize + DeserializeOwned + 'static>(&self, name: &str) -> Topic<T> {
        let shared = self.def.lock().topic(name);
        Topic::new(shared, Arc::new(Json), Some(JsonForm::new()))
    }

    /// The topic `<app>-<agent>` of JSON values, for an agent that only is to be sent to and asked.
    ///
    /// # Examples
    ///
    /// ```
    /// let topic = faustus::App::new("doubler").agent_topic::<u64>("double");
    /// assert_eq!(topic.name(), "doubler-double");
    /// ```
    #[must_use]
    pub fn agent_topic<T: Serialize + DeserializeOwned + 'static>(&self, agent: &str) -> Topic<T> {
        self.topic(&format!("{}-{agent}", self.name()))
    }

    /// A topic of values that `codec` encodes, for types that have no JSON form. The same name gives the
    /// same topic.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use faustus::{Raw, prelude::*};
    ///
    /// let app = App::new("proxy");
    /// let packets: Topic<Bytes> = app.topic_with("packets", Raw);
    /// ```
    #[must_use]
    pub fn topic_with<T: 'static>(&self, name: &str, codec: impl Codec<T> + 'static) -> Topic<T> {
        let shared = self.def.lock().topic(name);
        Topic::new(shared, Arc::new(codec), None)
    }

    /// A table of keys `K` and values `V`, whose changelog is the topic `<app>-<name>-changelog`.
    #[must_use]
    pub fn table<K, V>(&self, name: &str) -> Table<K, V>
    where
        K: Key + Clone + Serialize + DeserializeOwned + 'static,
        V: Clone + Serialize + DeserializeOwned + 'static,
    {
        let mut def = self.def.lock();
        let (table, table_def) = Table::define(name, def.tables.len());
        def.tables.push(table_def);
        table
    }

    /// The same application with `state` for what is registered from now on.
    #[must_use]
    pub fn with_state<N: Clone + Send + Sync + 'static>(self, state: N) -> App<N> {
        App {
            def: self.def,
            state,
        }
    }

    /// Adds an agent: a function over the stream of `source`, described by `build`.
    ///
    /// The name is the agent's identity, also in names of repartition topics.
    #[must_use = "this gives the application back: `let app = app.agent(…)`"]
    pub fn agent<T, R>(
        self,
        name: &str,
        source: impl Into<Source<T>>,
        build: impl FnOnce(AgentBuilder<S, T, R>) -> AgentSpec,
    ) -> Self
    where
        T: 'static,
        R: 'static,
    {
        self.register(name, source, build);
        self
    }

    pub(crate) fn register<T, R>(
        &self,
        name: &str,
        source: impl Into<Source<T>>,
        build: impl FnOnce(AgentBuilder<S, T, R>) -> AgentSpec,
    ) where
        T: 'static,
        R: 'static,
    {
        let mut def = self.def.lock();
        let mut hops = Hops::new(&mut def, name);
        let inputs = source.into().resolve(&mut hops);
        let AgentSpec(agent) = build(AgentBuilder::new(name, self.state.clone(), inputs));
        hops.finish(&agent);
        def.agents.push(agent);
    }

    /// The same application with the settings that its program wants.
    ///
    /// `configure` is given the settings as they are before, and changes what the program is sure of.
    /// What the environment and the command line say holds over it; it holds over `faustus.toml` and
    /// the defaults. A later call is made after the ones before.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{Guarantee, prelude::*};
    ///
    /// let app = App::new("bank").configure(|settings| settings.guarantee = Guarantee::ExactlyOnce);
    /// ```
    #[must_use = "this gives the application back: `let app = app.configure(…)`"]
    pub fn configure(self, configure: impl Fn(&mut Settings) + Send + Sync + 'static) -> Self {
        self.def.lock().configure.push(Arc::new(configure));
        self
    }

    /// What the program wants other than in settings.
    #[cfg(feature = "cli")]
    pub(crate) fn configurations(&self) -> Vec<crate::runtime::Configure> {
        self.def.lock().configure.clone()
    }

    /// Has `sensor` told of what each worker of this description does.
    #[must_use = "this gives the application back: `let app = app.sensor(…)`"]
    pub fn sensor(self, sensor: impl Sensor) -> Self {
        self.def.lock().sensors.push(SensorDef::new(sensor));
        self
    }

    /// The application's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.def.lock().name.to_string()
    }

    pub(crate) fn into_def(self) -> AppDef {
        std::mem::replace(&mut *self.def.lock(), AppDef::new(""))
    }
}

impl<S> fmt::Debug for App<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.def.lock().name)
            .finish_non_exhaustive()
    }
}

impl AppDef {
    pub(crate) fn topic(&mut self, name: &str) -> Arc<TopicShared> {
        if let Some(topic) = self.log_topics().find(|topic| topic.name.as_str() == name) {
            return Arc::clone(topic);
        }
        self.add_topic(name, None)
    }

    /// Adds a channel, which stands among the topics but is not in the log.
    pub(crate) fn add_channel(&mut self, name: &str, queue: Arc<dyn AnyQueue>) -> Arc<TopicShared> {
        self.add_topic(name, Some(queue))
    }

    fn add_topic(&mut self, name: &str, channel: Option<Arc<dyn AnyQueue>>) -> Arc<TopicShared> {
        let index = TopicIndex::try_from(self.topics.len()).unwrap_or(TopicIndex::MAX);
        let topic = Arc::new(TopicShared {
            channel,
            ..TopicShared::new(TopicName::from(name), index)
        });
        self.topics.push(Arc::clone(&topic));
        topic
    }
}
