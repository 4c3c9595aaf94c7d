//! What commands know of an application: from its program, or from what it left on the log.

mod found;

use std::{collections::BTreeMap, fmt, sync::Arc};

use faustus_core::{TopicName, Transport};

use super::described::unknown;
use crate::{Error, Result, form::Form, runtime::AppDef};

pub(super) use found::{letter_topics, letters_group};

/// What an application has on its log.
#[derive(Debug)]
pub(super) struct Known {
    app: String,
    /// The topics that it uses, and what each is to it.
    pub(super) topics: BTreeMap<TopicName, String>,
    /// Those that it reads, in order.
    pub(super) sources: Vec<TopicName>,
    /// Those of them that it fills and empties itself.
    pub(super) repartitions: Vec<TopicName>,
    /// In the order of their names.
    pub(super) tables: Vec<KnownTable>,
}

/// A table and its changelog.
#[derive(Debug)]
pub(super) struct KnownTable {
    pub(super) name: String,
    pub(super) changelog: TopicName,
    /// Another application that the changelog may be of, as far as names tell.
    pub(super) rival: Option<String>,
    /// What the program alone knows.
    pub(super) types: Option<Types>,
}

/// What a program knows of its table.
pub(super) struct Types {
    pub(super) keys: Box<dyn Form>,
    pub(super) values: Box<dyn Form>,
    /// The bytes that decide a key's partition, of those in the changelog.
    pub(super) raw_key: fn(&[u8]) -> Result<Vec<u8>>,
    pub(super) written_by: Vec<String>,
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Types").finish_non_exhaustive()
    }
}

impl Known {
    /// What the program says; the log is asked for what its patterns take.
    ///
    /// # Errors
    ///
    /// Those of the log.
    pub(super) async fn from_program(def: &Arc<AppDef>, log: &dyn Transport) -> Result<Self> {
        let mut sources = def.source_topics();
        if def.has_patterns() {
            sources.extend(def.matching(log.admin().list_topics().await?));
            sources.sort();
            sources.dedup();
        }
        let repartitions = def.repartitions.iter();
        let repartitions = repartitions.map(|&topic| def.topic_name(topic).clone());
        let tables = def.tables.iter().enumerate().map(|(index, table)| {
            let [keys, values] = (table.forms)();
            let agents = def.agents.iter();
            let writers = agents.filter(|agent| agent.tables.contains(&index));
            KnownTable {
                name: table.name.to_string(),
                changelog: def.changelog(index).into(),
                rival: None,
                types: Some(Types {
                    keys,
                    values,
                    raw_key: table.raw_key,
                    written_by: writers.map(|agent| agent.name.to_string()).collect(),
                }),
            }
        });
        let mut tables: Vec<_> = tables.collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            app: def.name.to_string(),
            topics: def.used_topics().into_iter().collect(),
            sources,
            repartitions: repartitions.collect(),
            tables,
        })
    }

    /// A table of which names do not tell whether it is of this application or of another one.
    pub(super) fn doubtful(&self) -> Option<(&KnownTable, &str)> {
        let mut tables = self.tables.iter();
        tables.find_map(|table| Some((table, table.rival.as_deref()?)))
    }

    /// The table of this name.
    ///
    /// # Errors
    ///
    /// When there is none, with the name that may have been meant.
    pub(super) fn table(&self, name: &str) -> Result<&KnownTable> {
        let known = self.tables.iter().map(|table| table.name.as_str());
        let table = self.tables.iter().find(|table| table.name == name);
        table.ok_or_else(|| Error::config(unknown("table", name, known, &self.app)))
    }
}
