//! `records`: the records of a topic, in order of partitions and offsets.

use clap::Args;
use faustus::__command::{
    bytes::{json, plain, shown},
    output::{Kind, Row, count, say},
};
use faustus_core::{Offset, RecordRef, Timestamp};
use faustus_log::StoredTopic;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Opened;
use crate::{Result, told};

/// The records of a topic
#[derive(Args, Debug)]
pub(super) struct RecordsArgs {
    /// The topic's name
    topic: String,
    /// Only of this partition
    #[arg(short, long, value_name = "N")]
    partition: Option<u32>,
    /// Begin at this offset
    #[arg(short, long, value_name = "OFFSET", requires = "partition", value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Serialize)]
struct RecordRow {
    topic: String,
    partition: u32,
    offset: i64,
    /// In milliseconds since 1970.
    timestamp: i64,
    key: Box<RawValue>,
    value: Box<RawValue>,
    headers: Vec<Header>,
    #[serde(skip)]
    plain: [String; 4],
}

#[derive(Serialize)]
struct Header {
    name: String,
    value: Box<RawValue>,
}

impl Row for RecordRow {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("PARTITION", Kind::Number),
        ("OFFSET", Kind::Number),
        ("TIME", Kind::Text),
        ("KEY", Kind::Long),
        ("VALUE", Kind::Long),
        ("HEADERS", Kind::Long),
    ];

    fn cells(&self) -> Vec<String> {
        let place = [self.partition.to_string(), self.offset.to_string()];
        place.into_iter().chain(self.plain.clone()).collect()
    }
}

impl RecordRow {
    fn new(topic: &StoredTopic, partition: u32, record: &RecordRef<'_>) -> Self {
        let headers = || record.headers();
        let told = headers().map(|(name, value)| format!("{}={}", plain(name), shown(value)));
        Self {
            topic: topic.name.to_string(),
            partition,
            offset: record.offset().0,
            timestamp: record.timestamp().0,
            key: json(record.key()),
            value: json(record.value()),
            headers: headers()
                .map(|(name, value)| Header {
                    name: name.to_owned(),
                    value: json(value),
                })
                .collect(),
            plain: [
                time(record.timestamp()),
                shown(record.key()),
                shown(record.value()),
                told.collect::<Vec<_>>().join(" "),
            ],
        }
    }
}

/// In UTC, as ISO 8601 has it.
fn time(stamp: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(stamp.0);
    time.map_or_else(|_| stamp.0.to_string(), |time| format!("{time:.3}"))
}

pub(super) fn run(opened: &Opened<'_>, args: &RecordsArgs) -> Result {
    let topic = opened.topic(&args.topic)?;
    let all = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
    let partitions = match args.partition {
        None => 0..all,
        Some(partition) if partition < all => partition..partition + 1,
        Some(partition) => {
            return told(format!(
                "topic {} has no partition {partition}: it has {}, counted from 0",
                topic.name,
                count(all as usize, "partition")
            ));
        }
    };
    let mut rows = Vec::new();
    let mut more = false;
    for partition in partitions {
        let held = topic.partitions[partition as usize];
        let from = Offset(args.from.unwrap_or(held.start.0));
        if from < held.start || from > held.end {
            return told(format!(
                "{}/{partition} does not hold offset {from}: it holds {} to {}",
                topic.name, held.start, held.end
            ));
        }
        'partition: for batch in opened.log.batches(topic, partition, from) {
            let batch = batch.map_err(|error| opened.failure(error))?.batch;
            for record in batch.iter().filter(|record| record.offset() >= from) {
                if rows.len() == args.limit {
                    more = true;
                    break 'partition;
                }
                rows.push(RecordRow::new(topic, partition, &record));
            }
        }
    }
    opened.output.rows(&rows, "no records are there")?;
    if more {
        say("there are more: --limit N shows them");
    }
    Ok(())
}
