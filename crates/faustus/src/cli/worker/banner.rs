//! What a worker says of itself when it starts.

use std::{fmt::Write as _, path::Path};

use crate::{
    Guarantee, Settings,
    runtime::{AgentDef, AppDef, leader_topic},
};

/// Who starts, and with what.
#[derive(Debug)]
pub(super) struct Banner {
    app: String,
    worker: String,
    log: String,
    guarantee: Guarantee,
    threads: usize,
    stores: Option<String>,
    /// Those that the program named.
    topics: Vec<String>,
    agents: Vec<String>,
    tables: Vec<String>,
}

impl Banner {
    /// That of a worker of `def` with these settings, on the log of this name.
    pub(super) fn new(def: &AppDef, settings: &Settings, log: &str) -> Self {
        let leader = leader_topic(&def.name);
        let mut topics: Vec<String> = def
            .log_topics()
            .filter(|topic| !def.repartitions.contains(&topic.index))
            .filter(|topic| topic.name.as_str() != leader)
            .map(|topic| topic.name.to_string())
            .collect();
        topics.sort();
        topics.dedup();
        let agents = def.agents.iter().filter(|agent| !is_hop(def, agent));
        let tables = def.tables.iter();
        Self {
            app: def.name.to_string(),
            worker: settings.worker_id.clone(),
            log: log.to_owned(),
            guarantee: settings.guarantee,
            threads: settings.threads,
            stores: settings
                .stores
                .as_deref()
                .map(Path::display)
                .map(|path| path.to_string()),
            topics,
            agents: agents.map(|agent| agent.name.to_string()).collect(),
            tables: tables.map(|table| table.name.to_string()).collect(),
        }
    }

    /// For a terminal that is so many columns wide.
    pub(super) fn text(&self, width: usize) -> String {
        let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
        let guarantee = self.guarantee();
        let stores = self.stores.as_deref().unwrap_or("memory");
        let threads = match self.threads {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        };
        let mut text = String::new();
        for (head, value) in [
            ("app", format!("{}, on faustus {version}", self.app)),
            (
                "worker",
                format!("{}, process {pid}, {threads}", self.worker),
            ),
            ("log", format!("{}, {guarantee}", self.log)),
            ("stores", stores.to_owned()),
            ("topics", list(&self.topics, width)),
            ("agents", list(&self.agents, width)),
            ("tables", list(&self.tables, width)),
        ] {
            if !value.is_empty() {
                let _ = writeln!(text, "{head:>INDENT$}  {value}");
            }
        }
        text
    }

    /// As a message in the log.
    pub(super) fn tell(&self) {
        tracing::info!(
            app = self.app,
            worker = self.worker,
            version = env!("CARGO_PKG_VERSION"),
            log = self.log,
            guarantee = self.guarantee(),
            threads = self.threads,
            stores = self.stores.as_deref().unwrap_or("memory"),
            agents = self.agents.len(),
            topics = self.topics.len(),
            tables = self.tables.len(),
            "worker starts"
        );
    }

    fn guarantee(&self) -> &'static str {
        match self.guarantee {
            Guarantee::ExactlyOnce => "exactly once",
            Guarantee::AtLeastOnce => "at least once",
        }
    }
}

/// How far what is told stands from the left, less the gap.
const INDENT: usize = 8;

/// As many of these names as have room in a line, and how many there are besides.
fn list(names: &[String], width: usize) -> String {
    let room = width.saturating_sub(INDENT + 2 + " and 1000 more".len());
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 && text.len() + name.len() + 2 > room {
            let _ = write!(text, " and {} more", names.len() - index);
            break;
        }
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(name);
    }
    text
}

/// Whether an agent was made to bring keys together for another one.
fn is_hop(def: &AppDef, agent: &AgentDef) -> bool {
    let mut outputs = agent.outputs.iter();
    outputs.any(|topic| def.repartitions.contains(topic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{App, Operators, Stream};

    async fn nothing(mut names: Stream<String>) -> crate::Result {
        while names.next().await?.is_some() {}
        Ok(())
    }

    fn banner() -> Banner {
        let app = App::new("bank");
        let orders = app.topic::<String>("orders");
        let totals = app.table::<String, u64>("totals");
        let grouped = orders.group_by_key("name", |name: &String| name.clone());
        let app = app.agent("count", grouped, |a| a.table(&totals).run(nothing));
        let settings = Settings {
            worker_id: "east-1".to_owned(),
            guarantee: Guarantee::ExactlyOnce,
            threads: 2,
            ..Settings::default()
        };
        Banner::new(&app.into_def(), &settings, "directory bank-data")
    }

    #[test]
    fn it_tells_who_starts_and_with_what() {
        let text = banner().text(80);
        let pid = std::process::id().to_string();
        insta::assert_snapshot!(text.replace(&pid, "[pid]"));
    }

    #[test]
    fn names_that_have_no_room_are_counted() {
        let names: Vec<_> = (0..100).map(|number| format!("topic-{number}")).collect();
        let text = list(&names, 60);
        insta::assert_snapshot!(text, @"topic-0, topic-1, topic-2, topic-3 and 96 more");
        assert_eq!(list(&names[..1], 0), "topic-0", "one is always named");
    }
}
