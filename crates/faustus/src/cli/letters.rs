//! `dead-letters`: the records that failed for good, and their way back.
//!
//! Who replays all goes on where the last one stopped: that position is committed for a group of its
//! own, `<app>-dead-letters`. A letter that is replayed by its name moves it if it is the next one there.

use clap::{Args, Subcommand};
use faustus_core::{
    BatchBuilder, GroupIdentity, Offset, OffsetCommit, Outgoing, RecordRef, TopicName,
    TopicPartition, Transport,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    bytes::{json, plain, shown},
    known::{letter_topics, letters_group},
    output::{Kind, Row, say},
    reading::{Go, bounds, read},
    session::{Missing, Session, Where, partitions},
};
use crate::{Error, Result};

/// The headers that a letter adds to what the record had.
const HEADERS: [&str; 7] = [
    "faustus-error",
    "faustus-error-kind",
    "faustus-agent",
    "faustus-topic",
    "faustus-partition",
    "faustus-offset",
    "faustus-failures",
];

#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  dead-letters
  dead-letters show orders-dead/0@3
  dead-letters replay orders-dead/0@3
  dead-letters replay --all"
)]
pub(super) struct LettersArgs {
    #[command(subcommand)]
    command: Option<LettersCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum LettersCommand {
    /// List the letters from the first one on that was not replayed; this is what happens without a command, too
    List(ListArgs),
    /// Show one letter whole
    Show(ShowArgs),
    /// Send records back to the topics they came from, where all agents of those topics get them again
    Replay(ReplayArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    /// Also those that were replayed
    #[arg(long)]
    all: bool,
    /// Only letters in this topic; may be repeated
    #[arg(short, long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    at: Where,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// The letter, as the list names it: TOPIC/PARTITION@OFFSET
    #[arg(value_name = "LETTER", value_parser = super::worker::parse_record)]
    letter: (TopicPartition, Offset),
    #[command(flatten)]
    at: Where,
}

#[derive(Args, Debug)]
#[group(id = "which", required = true, multiple = false, args = ["letters", "all"])]
struct ReplayArgs {
    /// The letters, as the list names them: TOPIC/PARTITION@OFFSET
    #[arg(value_name = "LETTER", value_parser = super::worker::parse_record)]
    letters: Vec<(TopicPartition, Offset)>,
    /// All that were not replayed yet
    #[arg(long)]
    all: bool,
    /// With --all: only letters in this topic; may be repeated
    #[arg(short, long = "topic", value_name = "TOPIC", requires = "all")]
    topics: Vec<String>,
    #[command(flatten)]
    at: Where,
}

impl LettersArgs {
    pub(super) fn at(&self) -> &Where {
        match &self.command {
            None => &self.list.at,
            Some(LettersCommand::List(args)) => &args.at,
            Some(LettersCommand::Show(args)) => &args.at,
            Some(LettersCommand::Replay(args)) => &args.at,
        }
    }
}

/// A letter as it is listed.
#[derive(Serialize)]
struct Letter {
    letter: String,
    /// Where the record was.
    record: String,
    agent: String,
    failures: Option<u64>,
    error: String,
    key: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    timestamp: i64,
}

impl Row for Letter {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("LETTER", Kind::Text),
        ("RECORD", Kind::Text),
        ("AGENT", Kind::Text),
        ("ERROR", Kind::Long),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.letter.clone(),
            self.record.clone(),
            self.agent.clone(),
            plain(&self.error),
        ]
    }
}

impl Letter {
    /// The record as a letter, if it is one.
    fn new(at: &TopicPartition, record: RecordRef<'_>) -> Option<Self> {
        let header = |name: &str| {
            let values = record.headers().filter(|(header, _)| *header == name);
            let last = values.last().and_then(|(_, value)| value);
            last.map(|value| String::from_utf8_lossy(value).into_owned())
                .unwrap_or_default()
        };
        let [topic, partition, offset] =
            ["faustus-topic", "faustus-partition", "faustus-offset"].map(header);
        if topic.is_empty() {
            return None;
        }
        Some(Self {
            letter: format!("{at}@{}", record.offset()),
            record: format!("{topic}/{partition}@{offset}"),
            agent: header("faustus-agent"),
            failures: header("faustus-failures").parse().ok(),
            error: header("faustus-error"),
            key: json(record.key()),
            value: None,
            timestamp: record.timestamp().0,
        })
    }
}

/// The record of a letter as it was, and where it goes.
fn back(record: RecordRef<'_>) -> Option<(TopicPartition, BatchBuilder)> {
    let headers: Vec<_> = record.headers().collect();
    let last = |name: &str| headers.iter().rposition(|(header, _)| *header == name);
    let value = |name: &str| std::str::from_utf8(headers.get(last(name)?)?.1?).ok();
    let to = TopicPartition::new(
        value("faustus-topic")?,
        value("faustus-partition")?.parse().ok()?,
    );
    let added: Vec<_> = HEADERS.iter().filter_map(|name| last(name)).collect();
    let mut batch = BatchBuilder::new();
    let mut writer = batch.record(record.timestamp());
    if let Some(key) = record.key() {
        writer = writer.key(key);
    }
    if let Some(value) = record.value() {
        writer = writer.value(value);
    }
    for (index, (name, value)) in headers.iter().enumerate() {
        if !added.contains(&index) {
            writer = writer.header(name, *value);
        }
    }
    writer.finish();
    Some((to, batch))
}

pub(super) async fn dead_letters(session: &Session, args: LettersArgs) -> Result {
    match args.command {
        None => list(session, &args.list).await,
        Some(LettersCommand::List(args)) => list(session, &args).await,
        Some(LettersCommand::Show(args)) => show(session, &args).await,
        Some(LettersCommand::Replay(args)) => replay(session, &args).await,
    }
}

/// The topics with letters: those that were named, else all.
async fn topics(
    session: &Session,
    log: &dyn Transport,
    named: &[String],
) -> Result<Vec<TopicName>> {
    for name in named {
        session.topic(log, name).await?;
    }
    if !named.is_empty() {
        return Ok(named.iter().map(|name| name.as_str().into()).collect());
    }
    let Ok(def) = session.program() else {
        let known = session.known(log).await?;
        return letter_topics(log, &known.sources).await;
    };
    let agents = def.agents.iter();
    let topics = agents.filter_map(|agent| Some(agent.policy.letters()?.name.clone()));
    let mut topics: Vec<TopicName> = topics.collect();
    topics.sort();
    topics.dedup();
    if topics.is_empty() {
        return Err(Error::config(format!(
            "no agent of {} has a policy with dead letters",
            session.app()
        )));
    }
    Ok(topics)
}

/// The partitions of topics of letters, with what is to be replayed of each: from, and to.
async fn all_letters(
    session: &Session,
    log: &dyn Transport,
    named: &[String],
    from_the_start: bool,
) -> Result<Vec<(TopicPartition, Offset, Offset)>> {
    let topics = topics(session, log, named).await?;
    let found = session.describe(log, &topics).await?;
    let partitions: Vec<_> = found.iter().flatten().flat_map(partitions).collect();
    let bounds = bounds(log, &partitions).await?;
    let coordinator = log.coordinator(&letters_group(session.app()));
    let replayed = coordinator.fetch_offsets(&partitions, false).await?;
    let mut letters = Vec::new();
    for ((partition, (earliest, end)), replayed) in partitions.into_iter().zip(bounds).zip(replayed)
    {
        let replayed = replayed.filter(|_| !from_the_start);
        let from = replayed.map_or(earliest, |replayed| replayed.offset.max(earliest));
        letters.push((partition, from, end));
    }
    Ok(letters)
}

async fn list(session: &Session, args: &ListArgs) -> Result {
    let log = session.log(Missing::Refuse).await?;
    let mut letters = Vec::new();
    for (partition, from, end) in all_letters(session, &*log, &args.topics, args.all).await? {
        read(&*log, &partition, from, end, |record| {
            letters.extend(Letter::new(&partition, record));
            Ok(Go::On)
        })
        .await?;
    }
    letters.sort_by_key(|letter| letter.timestamp);
    let none = if args.all {
        "no dead letters"
    } else {
        "no dead letters that were not replayed"
    };
    args.at.output().rows(&letters, none)
}

/// Reads one record.
async fn one<T>(
    log: &dyn Transport,
    (partition, offset): &(TopicPartition, Offset),
    see: impl Fn(RecordRef<'_>) -> T,
) -> Result<T> {
    let (earliest, end) = bounds(log, std::slice::from_ref(partition)).await?[0];
    let mut seen = None;
    if (earliest..end).contains(offset) {
        read(log, partition, *offset, offset.next(), |record| {
            seen = Some(see(record));
            Ok(Go::Stop)
        })
        .await?;
    }
    seen.ok_or_else(|| Error::config(format!("there is no letter {partition}@{offset}")))
}

async fn show(session: &Session, args: &ShowArgs) -> Result {
    let log = session.log(Missing::Refuse).await?;
    let (at, _) = &args.letter;
    session.topic(&*log, at.topic.as_str()).await?;
    let letter = one(&*log, &args.letter, |record| {
        let letter = Letter {
            value: Some(json(record.value())),
            ..Letter::new(at, record)?
        };
        Some((letter, shown(record.key()), shown(record.value())))
    });
    let (partition, offset) = &args.letter;
    let letter = letter.await?;
    let (letter, key, value) = letter.ok_or_else(|| no_letter(partition, *offset))?;
    let fields = [
        ("letter", letter.letter.clone()),
        ("record", letter.record.clone()),
        ("agent", letter.agent.clone()),
        (
            "failures",
            letter
                .failures
                .map(|count| count.to_string())
                .unwrap_or_default(),
        ),
        ("error", plain(&letter.error)),
        ("key", key),
        ("value", value),
    ];
    args.at.output().one(&letter, &fields)
}

async fn replay(session: &Session, args: &ReplayArgs) -> Result {
    let log = session.log(Missing::Refuse).await?;
    let mut sent = 0_usize;
    for letter in &args.letters {
        session.topic(&*log, letter.0.topic.as_str()).await?;
        let record = one(&*log, letter, back).await?;
        let (to, record) = record.ok_or_else(|| no_letter(&letter.0, letter.1))?;
        send_back(&*log, to, record).await?;
        sent += 1;
        pass(session, &*log, letter).await?;
    }
    if args.all {
        let coordinator = log.coordinator(&letters_group(session.app()));
        for (partition, from, end) in all_letters(session, &*log, &args.topics, false).await? {
            let mut records = Vec::new();
            read(&*log, &partition, from, end, |record| {
                records.push((record.offset(), back(record)));
                Ok(Go::On)
            })
            .await?;
            for (offset, record) in records {
                // What is no letter of ours has no way back, and is passed over.
                if let Some((to, record)) = record {
                    send_back(&*log, to, record).await?;
                    sent += 1;
                } else {
                    say(&format!("warning: {}", no_letter(&partition, offset)));
                }
                let commit = OffsetCommit::new(partition.clone(), offset.next());
                let nobody = GroupIdentity::none(letters_group(session.app()));
                coordinator.commit_offsets(nobody, vec![commit]).await?;
            }
        }
    }
    let output = args.at.output();
    match output.is_json() {
        true => output.line(&serde_json::json!({ "replayed": sent })),
        false => {
            say(&match sent {
                0 => "nothing is to be replayed".to_owned(),
                1 => "1 record was sent back".to_owned(),
                sent => format!("{sent} records were sent back"),
            });
            Ok(())
        }
    }
}

/// Remembers that a letter was replayed, or tells that it is listed on.
async fn pass(
    session: &Session,
    log: &dyn Transport,
    (partition, offset): &(TopicPartition, Offset),
) -> Result {
    let group = letters_group(session.app());
    let (coordinator, one) = (log.coordinator(&group), std::slice::from_ref(partition));
    let (earliest, _) = bounds(log, one).await?[0];
    let replayed = coordinator.fetch_offsets(one, false).await?.pop().flatten();
    let next = replayed.map_or(earliest, |replayed| replayed.offset.max(earliest));
    if next == *offset {
        let commit = OffsetCommit::new(partition.clone(), offset.next());
        let nobody = GroupIdentity::none(group);
        coordinator.commit_offsets(nobody, vec![commit]).await?;
    } else if next < *offset {
        say(&format!(
            "{partition}@{offset} is listed on, and `--all` sends it again: {partition}@{next} comes before it"
        ));
    }
    Ok(())
}

fn no_letter(partition: &TopicPartition, offset: Offset) -> Error {
    Error::config(format!(
        "{partition}@{offset} is no dead letter: it does not say where it came from"
    ))
}

async fn send_back(log: &dyn Transport, to: TopicPartition, record: BatchBuilder) -> Result {
    let what = format!("a record could not be sent back to {to}");
    let mut producer = log.producer().await?;
    let outgoing = Outgoing {
        partition: to,
        batch: record.build(),
    };
    let published = producer.publish(vec![outgoing]).await;
    published.map_err(|error| Error::from(error).context(what))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use faustus_core::Timestamp;

    use super::*;

    #[test]
    fn a_record_goes_back_as_it_was() {
        let mut batch = BatchBuilder::new();
        let mut record = batch.record(Timestamp(7)).key(b"k").value(b"v");
        record = record.header("own", Some(b"1"));
        for of in ["first", "second"] {
            for name in HEADERS {
                let value = match name {
                    "faustus-topic" => of,
                    _ => "3",
                };
                record = record.header(name, Some(value.as_bytes()));
            }
        }
        record.finish();
        let batch = batch.build();
        let (to, back) = back(batch.get(0)).unwrap();
        assert_eq!(to, TopicPartition::new("second", 3));
        let back = back.build();
        let record = back.get(0);
        assert_eq!(
            (record.key(), record.value()),
            (Some(&b"k"[..]), Some(&b"v"[..]))
        );
        let names: Vec<_> = record.headers().map(|(name, _)| name).collect();
        assert_eq!(names[0], "own");
        assert_eq!(names[1..], HEADERS, "of the letter that it was before");
        let topic = record.headers().find(|(name, _)| *name == "faustus-topic");
        assert_eq!(topic.unwrap().1, Some(&b"first"[..]));
    }

    #[test]
    fn what_is_no_letter_has_no_way_back() {
        let mut batch = BatchBuilder::new();
        batch.push(Timestamp(7), None, Some(b"v"));
        assert!(back(batch.build().get(0)).is_none());
    }
}
