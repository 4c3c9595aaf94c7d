//! Agents of the framework's own, which bring records from one topic to another where the agent of a
//! program reads them.

use std::sync::Arc;

use faustus_core::Codec;

use super::{Decoder, Input, Source};
use crate::{
    AgentBuilder, AgentSpec, Result, Stream, Topic,
    runtime::{AgentDef, AppDef},
    topic::TopicShared,
};

/// Registers what the source of one agent needs.
pub(crate) struct Hops<'a> {
    def: &'a mut AppDef,
    agent: &'a str,
    added: Vec<Added>,
}

/// An agent that brings records along, by its place in the application.
struct Added {
    agent: usize,
    /// It waits for something else than the log.
    waits: bool,
}

impl<'a> Hops<'a> {
    /// For the source of `agent`.
    pub(crate) fn new(def: &'a mut AppDef, agent: &'a str) -> Self {
        Self {
            def,
            agent,
            added: Vec::new(),
        }
    }

    /// What is known once the agent is described: those on the way to it fail and wait as it does.
    pub(crate) fn finish(self, described: &AgentDef) {
        for Added { agent, waits } in self.added {
            let agent = &mut self.def.agents[agent];
            // Values of a channel are no records to be sent anywhere as they came.
            let of_channel = agent.sources.iter().any(|&source| {
                let topic: &TopicShared = &self.def.topics[source as usize];
                topic.channel.is_some()
            });
            if !of_channel || described.policy.letters().is_none() {
                agent.policy = described.policy.clone();
            }
            agent.on_error.clone_from(&described.on_error);
            if waits {
                agent.concurrency = described.concurrency;
            }
        }
    }

    /// The topic of the application's own that `from` is grouped in.
    fn own_topic<T>(&mut self, from: &Input<T>, name: &str) -> Arc<TopicShared> {
        let topic = format!("{}-{name}-repartition", from.topic.name);
        let topic = match from.owned {
            true => topic,
            false => format!("{}-{topic}", self.agent),
        };
        let topic = self.def.topic(&topic);
        if !self.def.repartitions.contains(&topic.index) {
            self.def.repartitions.push(topic.index);
        }
        topic
    }

    /// Adds the agent `name` that sends what it reads to `to`, under the keys that `route` appends.
    fn add<T, F>(&mut self, name: &str, from: Input<T>, to: &Arc<TopicShared>, by: Bring<T, F>)
    where
        T: 'static,
        F: AsyncFn(&T, Option<&[u8]>, &mut Vec<u8>) -> Result<bool> + Send + Sync + 'static,
    {
        let target = Arc::clone(to);
        let Bring {
            codec,
            route,
            waits,
        } = by;
        let run = move |mut stream: Stream<T>| {
            let (to, codec, route) = (Arc::clone(&target), codec.clone(), Arc::clone(&route));
            async move {
                let mut key = Vec::new();
                while let Some(event) = stream.next().await? {
                    key.clear();
                    let keyed = route(&event, event.key(), &mut key).await?;
                    event.pass_on(&to, keyed.then_some(&*key), codec.as_deref())?;
                }
                Ok(())
            }
        };
        let AgentSpec(mut agent) = AgentBuilder::<(), T, ()>::new(name, (), vec![from]).run(run);
        agent.outputs.push(to.index);
        agent.feeds = Some(self.agent.into());
        self.added.push(Added {
            agent: self.def.agents.len(),
            waits,
        });
        self.def.agents.push(agent);
    }
}

/// How records are brought along.
struct Bring<T, F> {
    /// Values are stored anew in it; `None`: as they came.
    codec: Option<Arc<dyn Codec<T>>>,
    /// Appends the new key of a value that had this one; whether it has any.
    route: Arc<F>,
    waits: bool,
}

impl<T: 'static> Source<T> {
    /// Brings records of equal keys together in a topic of the application's own.
    pub(super) fn group(
        self,
        name: &str,
        waits: bool,
        route: impl AsyncFn(&T, &mut Vec<u8>) -> Result<bool> + Send + Sync + 'static,
    ) -> Self {
        let name: Arc<str> = name.into();
        let route = Arc::new(
            async move |value: &T, _: Option<&[u8]>, key: &mut Vec<u8>| route(value, key).await,
        );
        self.each_with(move |from, hops| {
            let Some(codec) = from.codec.clone() else {
                return without_codec(from, hops, "group_by");
            };
            let to = hops.own_topic(&from, &name);
            let by = Bring {
                codec: (!from.raw).then(|| Arc::clone(&codec)),
                route: Arc::clone(&route),
                waits,
            };
            hops.add(to.name.as_str(), from, &to, by);
            Input {
                topic: to,
                decoder: Decoder::Plain(Arc::clone(&codec)),
                codec: Some(codec),
                raw: true,
                owned: true,
            }
        })
    }

    /// Sends all records through `topic`.
    pub(super) fn pass(self, topic: &Topic<T>) -> Self {
        let topic = topic.clone();
        let route = Arc::new(async |_: &T, key: Option<&[u8]>, out: &mut Vec<u8>| {
            out.extend_from_slice(key.unwrap_or_default());
            Ok(key.is_some())
        });
        self.each_with(move |from, hops| {
            let as_it_came = from.raw && same_codec(from.codec.as_ref(), &topic.codec);
            let by = Bring {
                codec: (!as_it_came).then(|| Arc::clone(&topic.codec)),
                route: Arc::clone(&route),
                waits: false,
            };
            let name = format!("{}-{}-{}", hops.agent, from.topic.name, topic.name());
            hops.add(&name, from, &topic.shared, by);
            Input::from(&topic)
        })
    }
}

fn same_codec<T>(one: Option<&Arc<dyn Codec<T>>>, other: &Arc<dyn Codec<T>>) -> bool {
    one.is_some_and(|one| one.name() == other.name())
}

/// There is nothing to store values with: said when the application is checked.
fn without_codec<T>(from: Input<T>, hops: &mut Hops<'_>, what: &str) -> Input<T> {
    hops.def.problems.push(format!(
        "agent {}: nothing says how {what} stores the values made of topic {}: add .codec(Json) before it",
        hops.agent, from.topic.name
    ));
    from
}
