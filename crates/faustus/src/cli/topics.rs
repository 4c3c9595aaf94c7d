//! `topics`: the topics of the application, and those of the whole log.

use std::collections::BTreeMap;

use clap::Args;
use faustus_core::{OffsetSpec, TopicName, TopicPartition, Transport};
use serde::Serialize;

use super::{
    output::{Kind, Row, maybe},
    session::{Missing, Session, Where, partitions},
};
use crate::Result;

#[derive(Args, Debug)]
pub(super) struct TopicsArgs {
    #[command(flatten)]
    pub(super) at: Where,
    /// Also topics of the log that the application does not use
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct TopicRow {
    topic: String,
    /// `None`: it does not exist.
    partitions: Option<u32>,
    /// How many offsets there are from the first one to the end.
    records: Option<i64>,
    cleanup: Option<String>,
    role: String,
}

impl Row for TopicRow {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TOPIC", Kind::Long),
        ("PARTITIONS", Kind::Number),
        ("RECORDS", Kind::Number),
        ("CLEANUP", Kind::Text),
        ("ROLE", Kind::Prose),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.clone(),
            partitions_of(self.partitions),
            maybe(self.records),
            maybe(self.cleanup.as_ref()),
            self.role.clone(),
        ]
    }
}

/// How many partitions a topic has, for people.
pub(super) fn partitions_of(topic: Option<u32>) -> String {
    topic.map_or_else(|| "missing".to_owned(), |count| count.to_string())
}

pub(super) async fn topics(session: &Session, args: &TopicsArgs) -> Result {
    let log = session.log(Missing::Refuse).await?;
    let mut roles = session.known(&*log).await?.topics;
    if args.all {
        for name in log.admin().list_topics().await? {
            roles.entry(name).or_insert_with(|| "-".to_owned());
        }
    }
    let names: Vec<TopicName> = roles.keys().cloned().collect();
    let found = session.describe(&*log, &names).await?;
    let existing: Vec<_> = found.iter().flatten().flat_map(partitions).collect();
    let records = counts(&*log, &existing).await?;
    let rows: Vec<_> = roles
        .into_iter()
        .zip(found)
        .map(|((name, role), found)| TopicRow {
            records: records.get(&name).copied(),
            partitions: found.as_ref().map(|topic| topic.partitions),
            cleanup: found.and_then(|topic| topic.config.get("cleanup.policy").cloned()),
            topic: name.to_string(),
            role,
        })
        .collect();
    args.at
        .output()
        .rows(&rows, "the application names no topics")
}

async fn counts(
    log: &dyn Transport,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<TopicName, i64>> {
    let admin = log.admin();
    let earliest = admin.offsets(partitions, OffsetSpec::Earliest).await?;
    let ends = admin.offsets(partitions, OffsetSpec::HighWatermark).await?;
    let mut counts = BTreeMap::new();
    for (partition, (earliest, end)) in partitions.iter().zip(earliest.into_iter().zip(ends)) {
        *counts.entry(partition.topic.clone()).or_default() += end.0 - earliest.0;
    }
    Ok(counts)
}
