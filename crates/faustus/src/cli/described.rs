//! The application's topics and agents by name, and what they are to each other.

use faustus_core::TopicName;

use crate::{
    Error, Result,
    near::did_you_mean,
    runtime::{AgentDef, AppDef, leader_topic},
};

impl AppDef {
    /// The agent of this name, which may begin with `@`.
    ///
    /// # Errors
    ///
    /// When there is none, with the name that may have been meant.
    pub(super) fn agent_named(&self, name: &str) -> Result<&AgentDef> {
        let name = name.strip_prefix('@').unwrap_or(name);
        let names = self.agents.iter().map(|agent| &*agent.name);
        self.agents
            .iter()
            .find(|agent| &*agent.name == name)
            .ok_or_else(|| Error::config(unknown("agent", name, names, &self.name)))
    }

    /// The name of a topic by its place.
    pub(super) fn topic_name(&self, index: u32) -> &TopicName {
        &self.topics[index as usize].name
    }

    /// The topics that agents read by name, in order.
    pub(super) fn source_topics(&self) -> Vec<TopicName> {
        let sources = self.agents.iter().flat_map(|agent| &agent.sources);
        let sources = sources.filter(|topic| self.topics[**topic as usize].is_in_log());
        let mut names: Vec<_> = sources
            .map(|&topic| self.topic_name(topic).clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// All topics that the application uses, with what each is to it.
    pub(super) fn used_topics(&self) -> Vec<(TopicName, String)> {
        let mut used = Vec::new();
        for topic in self.log_topics() {
            let agents = |uses: &dyn Fn(&AgentDef) -> bool| {
                let agents = self.agents.iter().filter(|agent| uses(agent));
                let names: Vec<&str> = agents.map(|agent| &*agent.name).collect();
                names.join(", ")
            };
            let letters = |agent: &AgentDef| {
                let letters = agent.policy.letters();
                letters.is_some_and(|to| to.index == topic.index)
            };
            let read = agents(&|agent| agent.sources.contains(&topic.index));
            let sent = agents(&|agent| agent.outputs.contains(&topic.index) && !letters(agent));
            let dead = agents(&letters);
            let roles = [
                ("read by", read),
                ("written by", sent),
                ("dead letters of", dead),
            ];
            let roles = roles.iter().filter(|(_, agents)| !agents.is_empty());
            let roles: Vec<_> = roles
                .map(|(role, agents)| format!("{role} {agents}"))
                .collect();
            let role = match roles.is_empty() {
                true if topic.name.as_str() == leader_topic(&self.name) => "leader".to_owned(),
                true => "named".to_owned(),
                false => roles.join("; "),
            };
            used.push((topic.name.clone(), role));
        }
        for table in 0..self.tables.len() {
            let role = format!("changelog of {}", self.tables[table].name);
            used.push((self.changelog(table).into(), role));
        }
        used.sort();
        used
    }
}

/// That something has no such name, and which one may have been meant.
pub(super) fn unknown<'a>(
    kind: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    app: &str,
) -> String {
    let near = did_you_mean(name, known.clone());
    let known: Vec<&str> = known.into_iter().collect();
    match (near.is_empty(), known.is_empty()) {
        (false, _) => format!("application {app} has no {kind} {name}{near}"),
        (true, true) => format!("application {app} has no {kind}s"),
        (true, false) => {
            let known = known.join(", ");
            format!("application {app} has no {kind} {name}; its {kind}s are {known}")
        }
    }
}
