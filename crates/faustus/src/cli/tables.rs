//! `tables` and `table`: what is in tables, as it is committed in their changelogs.

use std::{
    cmp::Ordering,
    collections::{HashMap, hash_map::Entry as Place},
};

use clap::Args;
use faustus_core::{TopicDescription, TopicName, Transport, partition_for_key};
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{
    bytes::{json, plain, shown},
    filter::Filter,
    known::{KnownTable, Types},
    output::{Kind, Row, say},
    reading::{Go, bounds, read},
    session::{Missing, Session, Where, join, partitions},
    topics::partitions_of,
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
  table totals --json | jq .value.amount

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

/// A table; what only programs know is `None` without one.
#[derive(Serialize)]
struct TableRow {
    table: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    codec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_by: Option<Vec<String>>,
    changelog: String,
    partitions: Option<u32>,
    /// Another application that it may be of.
    #[serde(skip_serializing_if = "Option::is_none")]
    or_of: Option<String>,
}

impl Row for TableRow {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TABLE", Kind::Text),
        ("KEYS", Kind::Prose),
        ("VALUES", Kind::Prose),
        ("WRITTEN BY", Kind::Prose),
        ("PARTITIONS", Kind::Number),
        ("CHANGELOG", Kind::Text),
        ("OR OF", Kind::Prose),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.table.clone(),
            self.keys.clone().unwrap_or_default(),
            self.values.clone().unwrap_or_default(),
            self.written_by.as_ref().map(join).unwrap_or_default(),
            partitions_of(self.partitions),
            self.changelog.clone(),
            self.or_of.clone().unwrap_or_default(),
        ]
    }
}

pub(super) async fn tables(session: &Session, args: &TablesArgs) -> Result {
    let log = session.log(Missing::Refuse).await?;
    let known = session.known(&*log).await?;
    let changelogs = known.tables.iter().map(|table| table.changelog.clone());
    let changelogs: Vec<_> = changelogs.collect();
    let found = session.describe(&*log, &changelogs).await?;
    let rows = known.tables.into_iter().zip(found).map(|(table, found)| {
        let types = table.types;
        let of = |what: fn(&Types) -> String| types.as_ref().map(what);
        TableRow {
            table: table.name,
            keys: of(|types| types.keys.type_name()),
            values: of(|types| types.values.type_name()),
            codec: of(|types| types.values.codec()),
            written_by: types.map(|types| types.written_by),
            changelog: table.changelog.to_string(),
            partitions: found.map(|topic| topic.partitions),
            or_of: table.rival,
        }
    });
    let rows: Vec<_> = rows.collect();
    args.at
        .output()
        .rows(&rows, "the application has no tables")
}

#[derive(Serialize)]
struct Entry {
    partition: u32,
    /// Of the record that says so.
    offset: i64,
    key: Box<RawValue>,
    value: Box<RawValue>,
    #[serde(skip)]
    plain: [String; 2],
    /// What entries are sorted by.
    #[serde(skip)]
    order: Value,
}

impl Row for Entry {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("PARTITION", Kind::Number),
        ("OFFSET", Kind::Number),
        ("KEY", Kind::Long),
        ("VALUE", Kind::Long),
    ];

    fn cells(&self) -> Vec<String> {
        let place = [self.partition.to_string(), self.offset.to_string()];
        place.into_iter().chain(self.plain.clone()).collect()
    }
}

/// Where an entry is, its key and its value.
type Stored = (u32, i64, Vec<u8>, Vec<u8>);

/// An entry if it is wanted.
fn entry(table: &KnownTable, stored: &Stored, filters: &[Filter]) -> Result<Option<Entry>> {
    let (partition, offset, key_bytes, value_bytes) = stored;
    let wanted = |key: &Value, value: &Value| filters.iter().all(|filter| filter.takes(key, value));
    let entry = |key, value, plain, order| Entry {
        partition: *partition,
        offset: *offset,
        key,
        value,
        plain,
        order,
    };
    let Some(types) = &table.types else {
        let (key, value) = (json(Some(key_bytes)), json(Some(value_bytes)));
        let read = |raw: &RawValue| serde_json::from_str(raw.get());
        let (order, read): (Value, Value) = (read(&key)?, read(&value)?);
        let plain = [of_json(&order, key_bytes), shown(Some(value_bytes))];
        return Ok(wanted(&order, &read).then(|| entry(key, value, plain, order)));
    };
    let what = |error: Error| {
        let changelog = &table.changelog;
        error.context(format!("changelog {changelog} is not of this program"))
    };
    let key = types.keys.show(key_bytes).map_err(what)?;
    let value = types.values.show(value_bytes).map_err(what)?;
    if !wanted(&key, &value) {
        return Ok(None);
    }
    let plain = [&key, &value].map(|shown| match shown {
        Value::String(text) => plain(text),
        other => other.to_string(),
    });
    Ok(Some(entry(
        to_raw_value(&key)?,
        to_raw_value(&value)?,
        plain,
        key,
    )))
}

/// A key for people: a text in JSON without its quotes, all else as it is stored.
fn of_json(key: &Value, stored: &[u8]) -> String {
    match key {
        Value::String(text) => plain(text),
        _ => shown(Some(stored)),
    }
}

pub(super) async fn table(session: &Session, args: &TableArgs) -> Result {
    let log = session.log(Missing::Refuse).await?;
    let known = session.known(&*log).await?;
    let table = known.table(&args.name)?;
    let key = args.key.as_ref().map(|key| Wanted::new(table, key));
    let key = key.transpose()?;
    let topic = existing(session, &*log, &table.changelog).await?;
    let stored = match &key {
        None => all_of(&*log, &topic).await?,
        Some(key) => one_of(&*log, &topic, key).await?.into_iter().collect(),
    };
    let mut entries = Vec::new();
    for stored in &stored {
        entries.extend(entry(table, stored, &args.filter)?);
    }
    entries.sort_by(|a, b| {
        let places = (a.partition, a.offset).cmp(&(b.partition, b.offset));
        by_kind(&a.order, &b.order).then(places)
    });
    let all = entries.len();
    entries.truncate(args.limit.unwrap_or(all));
    let none = match (&args.key, args.filter.is_empty()) {
        (Some(key), _) => format!("table {} has no key {key}", args.name),
        (None, true) => format!("table {} is empty", args.name),
        (None, false) => format!("table {} has no such entry", args.name),
    };
    if args.key.is_some() && all == 0 {
        return Err(Error::config(none));
    }
    if !entries.is_empty() || all == 0 {
        args.at.output().rows(&entries, &none)?;
    }
    if entries.len() < all {
        say(&format!("{} of {all} entries", entries.len()));
    }
    Ok(())
}

/// The order of keys: numbers, texts, then all others.
fn by_kind(a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::INFINITY);
    let numbers = number(a).total_cmp(&number(b));
    let texts = || match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (a, b) => b.is_string().cmp(&a.is_string()),
    };
    let same = || a.to_string().cmp(&b.to_string());
    numbers.then_with(texts).then_with(same)
}

/// A key that is looked for.
struct Wanted {
    /// The bytes that it may have in the changelog.
    stored: Vec<Vec<u8>>,
    /// Those that decide its partition.
    raw: Vec<u8>,
}

impl Wanted {
    fn new(table: &KnownTable, given: &str) -> Result<Self> {
        let as_text = Value::String(given.to_owned()).to_string();
        let Some(types) = &table.types else {
            return Ok(Self {
                stored: vec![as_text.into_bytes(), given.as_bytes().to_vec()],
                raw: given.as_bytes().to_vec(),
            });
        };
        let stored = encode_key(&*types.keys, given, &as_text)?;
        Ok(Self {
            raw: (types.raw_key)(&stored)?,
            stored: vec![stored],
        })
    }
}

/// The key as the changelog has it. What is no JSON of a key may be a text that is one.
fn encode_key(keys: &dyn Form, given: &str, as_text: &str) -> Result<Vec<u8>> {
    let encoded = keys.encode(as_text).or_else(|_| keys.encode(given));
    let encoded = encoded.map_err(|_| {
        Error::config(format!(
            "key {given:?} is not of the type {} that the table's keys have; write it as JSON",
            keys.type_name()
        ))
    })?;
    Ok(encoded.unwrap_or_default())
}

/// A changelog that must be there.
async fn existing(
    session: &Session,
    log: &dyn Transport,
    changelog: &TopicName,
) -> Result<TopicDescription> {
    let found = session
        .describe(log, std::slice::from_ref(changelog))
        .await?;
    found.into_iter().flatten().next().ok_or_else(|| {
        Error::config(format!(
            "topic {changelog} does not exist on log {}: no worker has run there yet",
            session.address()
        ))
    })
}

/// The last committed value of each key in each partition.
async fn all_of(log: &dyn Transport, changelog: &TopicDescription) -> Result<Vec<Stored>> {
    let partitions = partitions(changelog);
    let bounds = bounds(log, &partitions).await?;
    let mut stored = Vec::new();
    for (partition, (from, end)) in partitions.iter().zip(bounds) {
        let mut last: HashMap<Vec<u8>, (i64, Vec<u8>)> = HashMap::new();
        read(log, partition, from, end, |record| {
            let Some(key) = record.key() else {
                return Ok(Go::On);
            };
            match (last.entry(key.to_vec()), record.value()) {
                (Place::Occupied(mut there), Some(value)) => {
                    let (offset, before) = there.get_mut();
                    *offset = record.offset().0;
                    before.clear();
                    before.extend_from_slice(value);
                }
                (Place::Vacant(free), Some(value)) => {
                    free.insert((record.offset().0, value.to_vec()));
                }
                (Place::Occupied(there), None) => drop(there.remove()),
                (Place::Vacant(_), None) => {}
            }
            Ok(Go::On)
        })
        .await?;
        let number = partition.partition;
        let last = last.into_iter();
        stored.extend(last.map(|(key, (offset, value))| (number, offset, key, value)));
    }
    Ok(stored)
}

/// The last committed value of one key.
///
/// The partition that it routes to is read, and others only if nothing is said of it there: an agent
/// without `concurrency` may write any key where it is.
async fn one_of(
    log: &dyn Transport,
    changelog: &TopicDescription,
    wanted: &Wanted,
) -> Result<Option<Stored>> {
    let mut partitions = partitions(changelog);
    let home = partition_for_key(&wanted.raw, changelog.partitions.max(1));
    partitions.sort_by_key(|partition| partition.partition != home);
    for partition in partitions {
        let (from, end) = bounds(log, std::slice::from_ref(&partition)).await?[0];
        let mut last = None;
        read(log, &partition, from, end, |record| {
            if let Some(key) = record.key()
                && wanted.stored.iter().any(|wanted| wanted == key)
            {
                last = Some(record.value().map(|value| {
                    let offset = record.offset().0;
                    (partition.partition, offset, key.to_vec(), value.to_vec())
                }));
            }
            Ok(Go::On)
        })
        .await?;
        if let Some(last) = last {
            return Ok(last);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use faustus_core::{BatchBuilder, NewTopic, Outgoing, Timestamp, TopicConfig, TopicPartition};

    use super::*;
    use crate::{MemoryLog, TokioClock};

    const PARTITIONS: u32 = 4;

    /// A changelog with these entries: where each is, its key and its value.
    async fn changelog(entries: &[(u32, &str, Option<&str>)]) -> (MemoryLog, TopicDescription) {
        let log = MemoryLog::new(Arc::new(TokioClock::real()), 1);
        let topic = NewTopic {
            name: "bank-totals-changelog".into(),
            partitions: PARTITIONS,
            replicas: None,
            config: TopicConfig::default(),
        };
        let topics = [topic];
        log.admin().create_topics(&topics).await.unwrap();
        let mut producer = log.producer().await.unwrap();
        for (partition, key, value) in entries {
            let mut batch = BatchBuilder::new();
            let value = value.map(str::as_bytes);
            batch.push(Timestamp(7), Some(key.as_bytes()), value);
            let outgoing = Outgoing {
                partition: TopicPartition::new("bank-totals-changelog", *partition),
                batch: batch.build(),
            };
            producer.publish(vec![outgoing]).await.unwrap();
        }
        let names = ["bank-totals-changelog".into()];
        let found = log.admin().describe_topics(&names).await.unwrap();
        (log, found.into_iter().flatten().next().unwrap())
    }

    async fn value_of_ann(entries: &[(u32, &str, Option<&str>)]) -> Option<String> {
        let (log, topic) = changelog(entries).await;
        let wanted = Wanted {
            stored: vec![b"\"ann\"".to_vec()],
            raw: b"ann".to_vec(),
        };
        let stored = one_of(&log, &topic, &wanted).await.unwrap();
        stored.map(|(_, _, _, value)| String::from_utf8(value).unwrap())
    }

    fn home() -> u32 {
        partition_for_key(b"ann", PARTITIONS)
    }

    #[test]
    fn keys_are_in_order_whatever_kinds_they_are_of() {
        let keys = [
            "2",
            "10",
            "9007199254740993",
            "\"a\"",
            "\"b\"",
            "[1]",
            "null",
        ];
        let keys = keys.map(|key| serde_json::from_str::<Value>(key).unwrap());
        for (at, key) in keys.iter().enumerate() {
            for (other_at, other) in keys.iter().enumerate() {
                assert_eq!(by_kind(key, other), at.cmp(&other_at), "{key} {other}");
            }
        }
    }

    #[tokio::test]
    async fn a_key_is_read_where_it_routes_to_and_not_elsewhere() {
        let elsewhere = (home() + 1) % PARTITIONS;
        let entries = [
            (home(), "\"ann\"", Some("1")),
            (home(), "\"bob\"", Some("2")),
            (home(), "\"ann\"", Some("3")),
            (elsewhere, "\"ann\"", Some("4")),
        ];
        assert_eq!(value_of_ann(&entries).await.as_deref(), Some("3"));
        let deleted = [&entries[..], &[(home(), "\"ann\"", None)]].concat();
        assert_eq!(value_of_ann(&deleted).await, None);
    }

    #[tokio::test]
    async fn a_key_of_which_nothing_is_said_there_is_looked_for_elsewhere() {
        let elsewhere = (home() + 1) % PARTITIONS;
        let entries = [(elsewhere, "\"ann\"", Some("4"))];
        assert_eq!(value_of_ann(&entries).await.as_deref(), Some("4"));
        assert_eq!(value_of_ann(&[]).await, None);
    }
}
