//! What is wrong with an application as it is described, and what is only suspicious.
//!
//! All mistakes are found at once, each with what to do about it; with one of them an application does
//! not start. A hint is about what may be meant as it is: it is logged, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use faustus_core::TopicName;

use super::{
    outputs::TopicIndex,
    topology::{AgentDef, AppDef},
};
use crate::{channel::feed, near::are_confusable};

const VALID: &str = "use 1 to 249 letters, digits, '.', '_' and '-'";

impl AppDef {
    /// All mistakes that can be seen without a log.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut found = self.problems.clone();
        found.extend(self.wrong_names());
        found.extend(self.names_given_twice());
        found.extend(self.colliding_topics());
        found.extend(self.patterns_named_as_topics());
        found.extend(self.agents.iter().flat_map(|agent| self.wrong_agent(agent)));
        found.extend(self.own_topics_used());
        found.extend(self.background.mistakes());
        found.extend(self.unequal_writers());
        found.extend(self.wrong_channels());
        found
    }

    /// What may be a mistake, as the application is started on a log that has the topics `existing`.
    pub(crate) fn hints(&self, existing: &[TopicName]) -> Vec<String> {
        let exists = |name: &TopicName| existing.contains(name);
        let mut known: BTreeSet<&str> = existing.iter().map(TopicName::as_str).collect();
        let mut found = Vec::new();
        // Those that exist first: what is made is compared to them, and to what was made before it.
        let made = self.log_topics().filter(|topic| !exists(&topic.name));
        let own = |topic: TopicIndex| self.repartitions.contains(&topic);
        for topic in made.filter(|topic| !own(topic.index)) {
            let name = topic.name.as_str();
            if let Some(like) = known.iter().find(|known| are_confusable(name, known)) {
                found.push(format!(
                    "topic {name} does not exist and is made now, and there is a topic {like}: if that \
                     was meant, correct the name and delete {name}"
                ));
            }
            known.insert(name);
        }
        for topic in self.log_topics() {
            let codecs = topic.codecs.lock();
            // Whoever takes the bytes as they are can read all of them.
            let codecs = codecs
                .iter()
                .filter(|name| !["raw", "binary"].contains(&name.as_str()));
            let codecs: Vec<_> = codecs.map(String::as_str).collect();
            if codecs.len() > 1 {
                found.push(format!(
                    "agents use topic {} in the codecs {}: what one of them writes does not decode in another; give \
                     all handles of the topic the same",
                    topic.name,
                    codecs.join(" and ")
                ));
            }
        }
        let written: BTreeSet<_> = self.agents.iter().flat_map(|agent| &agent.tables).collect();
        for (index, table) in self.tables.iter().enumerate() {
            if !self.agents.is_empty() && !written.contains(&index) {
                found.push(format!(
                    "no agent writes table {}, so it stays empty: add .table(&{0}) to the agent that binds it",
                    table.name
                ));
            }
        }
        found
    }

    fn wrong_names(&self) -> Vec<String> {
        let mut found = Vec::new();
        let app = TopicName::from(&*self.name);
        if !app.is_valid() {
            found.push(format!(
                "application name {:?}: {VALID}{}",
                self.name,
                corrected(&self.name)
            ));
        }
        for topic in self.log_topics() {
            let (name, own) = (&topic.name, self.repartitions.contains(&topic.index));
            if name.as_str().starts_with("__") {
                found.push(format!(
                    "topic name {name:?}: names that begin with \"__\" are those of the log itself; choose another one"
                ));
            }
            match name.is_valid() {
                true => {}
                false if own && name.as_str().len() > TopicName::MAX_LEN => found.push(format!(
                    "topic name {name:?} of a group_by: it has {} characters, and {} are allowed; give the agent \
                     a shorter name, or group by a name of your own with group_by_key",
                    name.as_str().len(),
                    TopicName::MAX_LEN,
                )),
                // It is so because of the name of the topic that is grouped, or of the agent.
                false if own => found.push(format!(
                    "topic name {name:?} of a group_by: it is made of the names of the agent, the topic and \
                     the key; in each of them {VALID}"
                )),
                false => found.push(format!(
                    "topic name {name:?}: {VALID}{}",
                    corrected(name.as_str())
                )),
            }
        }
        let changelogs = (0..self.tables.len()).map(|table| (table, self.changelog(table)));
        for (table, changelog) in changelogs.filter(|_| app.is_valid()) {
            if !TopicName::from(&*changelog).is_valid() {
                let name = &self.tables[table].name;
                found.push(format!(
                    "table name {name:?}: its changelog would be the topic {changelog:?}, and that is no name of a topic: {VALID}{}",
                    corrected(name)
                ));
            }
        }
        found
    }

    fn names_given_twice(&self) -> Vec<String> {
        let agents = twice(self.agents.iter().map(|agent| &*agent.name)).into_iter();
        let agents = agents.map(|name| {
            format!("two agents are named {name:?}: names are identities, give each its own")
        });
        let tables = twice(self.tables.iter().map(|table| &*table.name)).into_iter();
        let tables = tables.map(|name| {
            format!("two tables are named {name:?}: make the table once and clone the handle")
        });
        agents.chain(tables).collect()
    }

    /// Kafka refuses a topic whose name differs from that of another one in nothing but these.
    fn colliding_topics(&self) -> Vec<String> {
        let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for topic in self.log_topics() {
            let name = topic.name.as_str();
            alike.entry(name.replace('.', "_")).or_default().push(name);
        }
        let several = alike.into_values().filter(|names| names.len() > 1);
        let each = several.map(|names| {
            format!(
                "topics {}: Kafka takes only one of them, as '.' and '_' are the same to it; rename the others",
                names.join(" and ")
            )
        });
        each.collect()
    }

    /// Repartition topics could not tell them apart.
    fn patterns_named_as_topics(&self) -> Vec<String> {
        let patterns = self.topics.iter().filter(|topic| topic.pattern.is_some());
        let named = patterns.map(|topic| topic.name.as_str());
        let others = self.topics.iter().filter(|topic| topic.pattern.is_none());
        let others: BTreeSet<&str> = others.map(|topic| topic.name.as_str()).collect();
        let each = named.filter(|name| others.contains(name)).map(|name| {
            format!("a topic and a pattern are both named {name:?}: give the pattern another name")
        });
        each.collect()
    }

    fn wrong_agent(&self, agent: &AgentDef) -> Vec<String> {
        let mut found = Vec::new();
        let (name, topic) = (&agent.name, |index: TopicIndex| {
            let topic = &self.topics[index as usize];
            let kind = if topic.channel.is_some() {
                "channel"
            } else {
                "topic"
            };
            format!("{kind} {}", topic.name)
        });
        if agent.concurrency == 0 {
            found.push(format!(
                "agent {name} has a concurrency of 0: it would take no event; give it 1, or as many as are to be in flight"
            ));
        }
        if agent.unordered && !agent.tables.is_empty() {
            found.push(format!(
                "agent {name} is unordered and writes tables, whose changes have an order: use concurrency, \
                 which keeps that of each key"
            ));
        }
        for source in twice(agent.sources.iter()) {
            found.push(format!(
                "agent {name} combines {} with itself: it would read each record twice",
                topic(*source)
            ));
        }
        let letters = agent.policy.letters().map(|topic| topic.index);
        for &source in agent.sources.iter().collect::<BTreeSet<_>>() {
            let to = agent.outputs.iter().filter(|output| **output == source);
            if letters == Some(source) {
                found.push(format!(
                    "agent {name} sends its dead letters to {}, which it reads: what fails would come \
                     back for ever; give them a topic of their own",
                    topic(source)
                ));
            }
            let is_channel = self.channel(source).is_some();
            if to.count() > usize::from(letters == Some(source)) && !is_channel {
                found.push(format!(
                    "agent {name} sends all it has to say to {}, which it reads: it would never come \
                     to an end; give it another topic, or send what is to come back with event.send",
                    topic(source)
                ));
            }
            found.extend(self.taken_back(agent, source));
        }
        found
    }

    /// What a pattern takes that its agent, or the one it is grouped for, sends.
    fn taken_back(&self, agent: &AgentDef, source: TopicIndex) -> Vec<String> {
        let Some(pattern) = self.pattern(source) else {
            return Vec::new();
        };
        let topic = |index: TopicIndex| &self.topics[index as usize];
        let brings = |to: &TopicIndex| self.repartitions.contains(to) && agent.outputs.contains(to);
        let fed = self
            .agents
            .iter()
            .filter(|fed| fed.sources.iter().any(brings));
        let sent = std::iter::once(agent).chain(fed).flat_map(|agent| {
            let to = agent.outputs.iter().collect::<BTreeSet<_>>().into_iter();
            to.map(move |&to| (&agent.name, to))
        });
        let back = sent.filter(|(_, to)| {
            let taken = topic(*to).is_in_log() && self.takes(pattern, topic(*to).name.as_str());
            taken && !agent.sources.contains(to)
        });
        let each = back.map(|(name, to)| {
            format!(
                "agent {name} sends to topic {}, which its pattern {} takes: what it sends would come back for \
                 ever; make the pattern narrower, or give that topic another name",
                topic(to).name,
                topic(source).name
            )
        });
        each.collect()
    }

    /// Topics that the application makes, empties and compacts as it needs, used as if they were others.
    fn own_topics_used(&self) -> Vec<String> {
        let mut found = Vec::new();
        for table in 0..self.tables.len() {
            let changelog = self.changelog(table);
            if self
                .topics
                .iter()
                .any(|topic| topic.name.as_str() == changelog)
            {
                found.push(format!(
                    "topic {changelog} is the changelog of table {}: read the table by its handle, or give \
                     the topic another name",
                    self.tables[table].name
                ));
            }
        }
        for &own in &self.repartitions {
            let topic = self.topics[own as usize].name.as_str();
            // Those that bring records there, and the agent that they are brought to.
            let writes = |agent: &AgentDef| agent.outputs.contains(&own) && *agent.name != *topic;
            let reads = |agent: &AgentDef| {
                let belongs =
                    topic.starts_with(&format!("{}-", agent.name)) || agent.name.contains(topic);
                agent.sources.contains(&own) && !belongs
            };
            for agent in self
                .agents
                .iter()
                .filter(|agent| writes(agent) || reads(agent))
            {
                found.push(format!(
                    "agent {} uses topic {topic}, which the application makes for a group_by and empties as \
                     it is read: group the source of this agent too, or use through with a topic of your own",
                    agent.name
                ));
            }
        }
        found
    }

    /// What cannot be done with channels.
    fn wrong_channels(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (channel, _) in self.channels() {
            let name = &channel.name;
            if self.log_topics().any(|topic| topic.name == *name) {
                found.push(format!(
                    "a channel and a topic are both named {name:?}: give one of them another name"
                ));
            }
        }
        for agent in &self.agents {
            let name = &agent.name;
            let sources = agent.sources.iter();
            let channels: Vec<_> = sources.filter_map(|&source| self.channel(source)).collect();
            let Some(channel) = channels.first().map(|queue| queue.name()) else {
                continue;
            };
            if channels.len() < agent.sources.len() {
                found.push(format!(
                    "agent {name} reads channel {channel} together with a topic: every worker has a channel of \
                     its own, and partitions of a topic are shared; give each an agent, or put what is in the \
                     topic into the channel"
                ));
            }
            if let Some(&table) = agent.tables.first() {
                found.push(format!(
                    "agent {name} reads channel {channel} and writes table {}: what is in a channel belongs to \
                     no partition and is gone after a crash; send it through a topic with group_by or through",
                    self.tables[table].name
                ));
            }
            if let Some(letters) = agent.policy.letters() {
                found.push(format!(
                    "agent {name} reads channel {channel} and sends dead letters to topic {}: values of a channel \
                     are no records; skip what fails and tell of it in on_error, or send it on in the agent",
                    letters.name
                ));
            }
            let outputs = agent.outputs.iter();
            for into in outputs.filter_map(|&output| self.channel(output)) {
                let sources: Vec<_> = channels.iter().map(|&queue| Arc::clone(queue)).collect();
                if let Err(cycle) = feed(&sources, into) {
                    found.push(format!("agent {name}: {cycle}"));
                }
            }
        }
        found
    }

    fn unequal_writers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (index, table) in self.tables.iter().enumerate() {
            let mut lanes: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
            let writers = self.agents.iter();
            for agent in writers.filter(|agent| agent.tables.contains(&index)) {
                let alike = lanes.entry(agent.concurrency).or_default();
                alike.push(&agent.name);
            }
            if lanes.len() > 1 {
                let each = lanes
                    .iter()
                    .map(|(n, agents)| format!("{} with {n}", agents.join(", ")));
                found.push(format!(
                    "agents that write table {} must have the same concurrency: {}",
                    table.name,
                    each.collect::<Vec<_>>().join("; ")
                ));
            }
        }
        found
    }
}

/// What comes more than once.
pub(super) fn twice<T: Copy + Ord>(each: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    each.filter(|one| !seen.insert(*one)).collect()
}

/// `, as in …`: a name with the characters that are allowed, unless it would have none of its own.
fn corrected(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words = name.split(|c| !allowed(c)).filter(|word| !word.is_empty());
    let corrected = words.collect::<Vec<_>>().join("-");
    match TopicName::from(&*corrected).is_valid() && corrected != name {
        true => format!(", as in {corrected:?}"),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests;
