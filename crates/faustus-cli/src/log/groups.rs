//! `groups`: how far applications have come. An application's group has its name.

use faustus::__command::{
    bytes::plain,
    output::{Kind, Row},
};
use serde::Serialize;

use super::Opened;
use crate::Result;

#[derive(Serialize)]
struct GroupRow {
    group: String,
    topic: String,
    partition: u32,
    committed: i64,
    /// `None`: the partition does not exist any more.
    end: Option<i64>,
    lag: Option<i64>,
    metadata: String,
}

impl Row for GroupRow {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("GROUP", Kind::Text),
        ("TOPIC", Kind::Text),
        ("PARTITION", Kind::Number),
        ("COMMITTED", Kind::Number),
        ("END", Kind::Number),
        ("LAG", Kind::Number),
    ];

    fn cells(&self) -> Vec<String> {
        let maybe = |number: Option<i64>| number.map_or_else(|| "-".into(), |n| n.to_string());
        vec![
            plain(&self.group),
            plain(&self.topic),
            self.partition.to_string(),
            self.committed.to_string(),
            maybe(self.end),
            maybe(self.lag),
        ]
    }
}

pub(super) fn run(opened: &Opened<'_>) -> Result {
    let commits = opened.log.commits();
    let commits = commits.map_err(|error| opened.failure(error))?;
    let rows = commits.into_iter().map(|(group, commit)| {
        let held = opened.log.partition(&commit.partition);
        GroupRow {
            group,
            topic: commit.partition.topic.to_string(),
            partition: commit.partition.partition,
            committed: commit.offset.0,
            end: held.map(|held| held.end.0),
            lag: held.map(|held| held.end.0 - commit.offset.0),
            metadata: commit.metadata,
        }
    });
    let rows: Vec<_> = rows.collect();
    Ok(opened
        .output
        .rows(&rows, "no group has committed offsets")?)
}
