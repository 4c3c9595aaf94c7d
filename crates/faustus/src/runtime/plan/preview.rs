//! What a start would find and make on a log, for people to see before it.

use std::collections::HashMap;

use faustus_core::{Admin, NewTopic, TopicDescription, TopicName};

use super::{Missing, describe};
use crate::{Result, Settings, runtime::AppDef};

/// What a start would find and make, without anything made.
#[derive(Debug)]
pub(crate) struct Preview {
    pub(crate) existing: Vec<TopicDescription>,
    pub(crate) made: Vec<NewTopic>,
    pub(crate) mistakes: Vec<String>,
    pub(crate) hints: Vec<String>,
}

impl Preview {
    /// What a start on this log would find.
    ///
    /// # Errors
    ///
    /// Those of the log.
    pub(crate) async fn of(def: &AppDef, settings: &Settings, admin: &dyn Admin) -> Result<Self> {
        let listed = admin.list_topics().await.unwrap_or_default();
        let mut names = all_topics(def);
        names.extend(def.matching(listed.clone()));
        names.sort();
        names.dedup();
        let found = describe(admin, &names).await?;
        Ok(Self::with(def, settings, &found, &listed))
    }

    /// What a start on a log would find on which nothing is.
    pub(crate) fn of_nothing(def: &AppDef, settings: &Settings) -> Self {
        Self::with(def, settings, &HashMap::new(), &[])
    }

    fn with(
        def: &AppDef,
        settings: &Settings,
        found: &HashMap<TopicName, TopicDescription>,
        listed: &[TopicName],
    ) -> Self {
        let (missing, mistakes) =
            Missing::and_mistakes(def, settings, &def.sub_topologies(), found);
        let Missing { topics, followers } = missing;
        let mut existing: Vec<TopicName> = found.keys().cloned().collect();
        existing.extend(listed.iter().cloned());
        Self {
            existing: found.values().cloned().collect(),
            made: topics.into_iter().chain(followers).collect(),
            mistakes,
            hints: def.hints(&existing),
        }
    }
}

/// The topics of the application and its changelogs.
fn all_topics(def: &AppDef) -> Vec<TopicName> {
    let topics = def.log_topics().map(|topic| topic.name.clone());
    let changelogs = (0..def.tables.len()).map(|table| def.changelog(table).into());
    topics.chain(changelogs).collect()
}
