//! `plan`: what a worker's start would make on the log, and what it would complain of.

use clap::Args;
use serde::Serialize;

use super::{
    output::{Kind, Row, say},
    session::{Missing, Session, Where},
};
use crate::{Error, Result, runtime::Preview};

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Serialize)]
struct Planned {
    topic: String,
    partitions: u32,
    cleanup: String,
    /// `exists` or `is made`.
    state: &'static str,
}

impl Row for Planned {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TOPIC", Kind::Text),
        ("PARTITIONS", Kind::Number),
        ("CLEANUP", Kind::Text),
        ("", Kind::Text),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.clone(),
            self.partitions.to_string(),
            self.cleanup.clone(),
            self.state.to_owned(),
        ]
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    topics: &'a [Planned],
    mistakes: &'a [String],
    hints: &'a [String],
}

pub(super) async fn plan(session: &Session, args: &PlanArgs) -> Result {
    let def = session.program()?;
    let preview = match session.log(Missing::Refuse).await {
        Ok(log) => Preview::of(def, &session.settings, &*log.admin()).await?,
        // A directory that is made with the first worker: all is missing.
        Err(_) if session.is_new_directory() => Preview::of_nothing(def, &session.settings),
        Err(error) => return Err(error),
    };
    let made = preview.made.iter().map(|topic| Planned {
        topic: topic.name.to_string(),
        partitions: topic.partitions,
        cleanup: topic
            .config
            .cleanup
            .map_or("default", |policy| policy.as_str())
            .to_owned(),
        state: "is made",
    });
    let exists = preview.existing.iter().map(|topic| Planned {
        topic: topic.name.to_string(),
        partitions: topic.partitions,
        cleanup: topic
            .config
            .get("cleanup.policy")
            .cloned()
            .unwrap_or_default(),
        state: "exists",
    });
    let mut topics: Vec<_> = made.chain(exists).collect();
    topics.sort_by(|a, b| a.topic.cmp(&b.topic));
    let output = args.at.output();
    if output.is_json() {
        output.line(&Whole {
            topics: &topics,
            mistakes: &preview.mistakes,
            hints: &preview.hints,
        })?;
    } else {
        output.rows(&topics, "the application has no topics")?;
        for hint in &preview.hints {
            say(&format!("hint: {hint}"));
        }
    }
    match preview.mistakes.as_slice() {
        [] => Ok(()),
        mistakes => Err(Error::config(format!(
            "application {} cannot start:\n  - {}",
            def.name,
            mistakes.join("\n  - ")
        ))),
    }
}
