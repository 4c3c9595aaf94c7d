//! `tables` and `table`: what is in tables, as it is committed in their changelogs.

use std::{cmp::Ordering, collections::HashMap};

use clap::Args;
use comfy_table::Cell;
use faustus_core::{TopicName, Transport};
use serde::Serialize;
use serde_json::Value;

use super::{
    filter::{Filter, compare},
    output::{Row, maybe, say, state},
    reading::{Go, bounds, read, text},
    session::{Missing, Session, Where, join, partitions},
};
use crate::{Error, Result, form::Form};

#[derive(Args, Debug)]
pub(super) struct TablesArgs {
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  table totals --key ann
  table totals --filter 'value.amount >= 10' --filter 'key ~ ann' --limit 20
  table totals --json | jq '.[].value.amount'

A condition begins with key or value and perhaps the names of fields after dots, goes on with =, !=, <, <=, >, >= or ~ \
(contains), and ends with JSON or plain text. What is shown is what is committed, of all workers together.")]
pub(super) struct TableArgs {
    /// The table's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Only the entry of this key: text, or JSON where keys are no texts
    #[arg(short, long)]
    key: Option<String>,
    /// Only entries of which this is true, as 'value.amount >= 10' or 'key ~ ann'; may be repeated
    #[arg(short, long, value_name = "CONDITION")]
    filter: Vec<Filter>,
    /// At most so many entries
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Serialize)]
struct TableRow {
    table: String,
    keys: String,
    values: String,
    codec: String,
    written_by: Vec<String>,
    changelog: String,
    partitions: Option<u32>,
}

impl Row for TableRow {
    const HEADS: &'static [&'static str] = &[
        "TABLE",
        "KEYS",
        "VALUES",
        "WRITTEN BY",
        "PARTITIONS",
        "CHANGELOG",
    ];

    fn cells(&self) -> Vec<Cell> {
        let partitions = match self.partitions {
            None => state("missing"),
            known => maybe(known),
        };
        vec![
            Cell::new(&self.table),
            Cell::new(&self.keys),
            Cell::new(&self.values),
            Cell::new(join(&self.written_by)),
            partitions,
            Cell::new(&self.changelog),
        ]
    }
}

pub(super) async fn tables(session: &Session, args: &TablesArgs) -> Result {
    let def = &session.def;
    let log = session.log(Missing::Refuse).await?;
    let changelogs = (0..def.tables.len()).map(|table| TopicName::from(def.changelog(table)));
    let changelogs: Vec<_> = changelogs.collect();
    let found = session.describe(&*log, &changelogs).await?;
    let mut rows = Vec::new();
    for (index, (table, found)) in def.tables.iter().zip(found).enumerate() {
        let [key, value] = (table.forms)();
        let writers = def
            .agents
            .iter()
            .filter(|agent| agent.tables.contains(&index));
        rows.push(TableRow {
            table: table.name.to_string(),
            keys: key.type_name(),
            values: value.type_name(),
            codec: value.codec(),
            written_by: writers.map(|agent| agent.name.to_string()).collect(),
            changelog: changelogs[index].to_string(),
            partitions: found.map(|topic| topic.partitions),
        });
    }
    rows.sort_by(|a, b| a.table.cmp(&b.table));
    args.at
        .output()
        .rows(&rows, "the application has no tables")
}

#[derive(Serialize)]
struct Entry {
    key: Value,
    value: Value,
}

impl Row for Entry {
    const HEADS: &'static [&'static str] = &["KEY", "VALUE"];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::new(plain(&self.key)), Cell::new(plain(&self.value))]
    }
}

/// A text without its quotes, anything else as JSON; nothing that would tell a terminal what to do.
fn plain(value: &Value) -> String {
    match value {
        Value::String(plain) => text(plain.as_bytes()),
        other => other.to_string(),
    }
}

pub(super) async fn table(session: &Session, args: &TableArgs) -> Result {
    let (index, table) = session.def.table_named(&args.name)?;
    let [keys, values] = (table.forms)();
    let key = args.key.as_ref().map(|key| encode_key(&*keys, key));
    let key = key.transpose()?;
    let log = session.log(Missing::Refuse).await?;
    let changelog = TopicName::from(session.def.changelog(index));
    let stored = stored(session, &*log, &changelog, key.as_deref()).await?;
    let mut entries = Vec::with_capacity(stored.len());
    for (key, value) in stored {
        let what =
            |error: Error| error.context(format!("changelog {changelog} is not of this program"));
        let (key, value) = (
            keys.show(&key).map_err(what)?,
            values.show(&value).map_err(what)?,
        );
        if args.filter.iter().all(|filter| filter.takes(&key, &value)) {
            entries.push(Entry { key, value });
        }
    }
    entries.sort_by(|a, b| compare(&a.key, &b.key).unwrap_or_else(|| by_text(&a.key, &b.key)));
    let all = entries.len();
    entries.truncate(args.limit.unwrap_or(all));
    let none = match (&args.key, args.filter.is_empty()) {
        (Some(key), _) => format!("table {} has no key {key}", args.name),
        (None, true) => format!("table {} is empty", args.name),
        (None, false) => format!("table {} has no such entry", args.name),
    };
    let output = args.at.output();
    if args.key.is_some() && all == 0 && !output.is_json() {
        return Err(Error::config(none));
    }
    output.rows(&entries, &none)?;
    if entries.len() < all && !output.is_json() {
        say(&format!("{} of {all} entries", entries.len()));
    }
    match (&args.key, all) {
        (Some(_), 0) if output.is_json() => Err(Error::config(none)),
        _ => Ok(()),
    }
}

fn by_text(a: &Value, b: &Value) -> Ordering {
    a.to_string().cmp(&b.to_string())
}

/// The key as the changelog has it. What is no JSON of a key may be a text that is one.
fn encode_key(keys: &dyn Form, given: &str) -> Result<Vec<u8>> {
    let as_text = Value::String(given.to_owned()).to_string();
    let encoded = keys.encode(&as_text).or_else(|_| keys.encode(given));
    let encoded = encoded.map_err(|_| {
        Error::config(format!(
            "key {given:?} is not of the type {} that the table's keys have; write it as JSON",
            keys.type_name()
        ))
    })?;
    Ok(encoded.unwrap_or_default())
}

/// The last committed value of each key, or of one.
async fn stored(
    session: &Session,
    log: &dyn Transport,
    changelog: &TopicName,
    only: Option<&[u8]>,
) -> Result<HashMap<Vec<u8>, Vec<u8>>> {
    let found = session
        .describe(log, std::slice::from_ref(changelog))
        .await?;
    let Some(topic) = found.into_iter().flatten().next() else {
        return Err(Error::config(format!(
            "topic {changelog} does not exist on log {}: no worker has run there yet",
            session.address()
        )));
    };
    let mut stored = HashMap::new();
    let partitions = partitions(&topic);
    let bounds = bounds(log, &partitions).await?;
    for (partition, (from, end)) in partitions.iter().zip(bounds) {
        read(log, partition, from, end, |record| {
            let Some(key) = record.key() else {
                return Ok(Go::On);
            };
            if only.is_none_or(|only| only == key) {
                match record.value() {
                    Some(value) => stored.insert(key.to_vec(), value.to_vec()),
                    None => stored.remove(key),
                };
            }
            Ok(Go::On)
        })
        .await?;
    }
    Ok(stored)
}
