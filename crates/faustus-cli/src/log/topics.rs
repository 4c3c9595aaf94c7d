//! `topics` and `offsets`: what topics there are, and what they hold.

use clap::Args;
use faustus::__command::output::{Kind, Row};
use faustus_log::StoredTopic;
use serde::Serialize;

use super::Opened;
use crate::Result;

#[derive(Serialize)]
struct TopicRow<'a> {
    topic: &'a str,
    partitions: usize,
    offsets: i64,
    cleanup: &'a str,
    /// In milliseconds; `None`: for ever.
    retention_ms: Option<i64>,
}

impl Row for TopicRow<'_> {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TOPIC", Kind::Text),
        ("PARTITIONS", Kind::Number),
        ("OFFSETS", Kind::Number),
        ("CLEANUP", Kind::Text),
        ("RETENTION", Kind::Text),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.to_owned(),
            self.partitions.to_string(),
            self.offsets.to_string(),
            self.cleanup.to_owned(),
            self.retention_ms
                .map_or_else(|| "for ever".to_owned(), span),
        ]
    }
}

/// Milliseconds in the largest unit that tells them whole.
fn span(millis: i64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    let fits = units.into_iter().find(|(unit, _)| millis % unit == 0);
    let (unit, name) = fits.unwrap_or((1, "ms"));
    format!("{} {name}", millis / unit)
}

/// How many offsets there are from the first one held to the end of each partition.
fn offsets_of(topic: &StoredTopic) -> i64 {
    let spans = topic.partitions.iter();
    spans.map(|held| held.end.0 - held.start.0).sum()
}

pub(super) fn topics(opened: &Opened<'_>) -> Result {
    let setting = |topic: &'_ StoredTopic, name| topic.config.get(name).cloned();
    let topics = opened.log.topics().iter();
    let rows: Vec<_> = topics
        .map(|topic| TopicRow {
            topic: topic.name.as_str(),
            partitions: topic.partitions.len(),
            offsets: offsets_of(topic),
            cleanup: topic
                .config
                .get("cleanup.policy")
                .map_or("", String::as_str),
            retention_ms: setting(topic, "retention.ms")
                .and_then(|millis| millis.parse().ok())
                .filter(|millis| *millis >= 0),
        })
        .collect();
    Ok(opened.output.rows(&rows, "the log has no topics")?)
}

/// What offsets the partitions hold
#[derive(Args, Debug)]
pub(super) struct OffsetsArgs {
    /// Only those of this topic
    topic: Option<String>,
}

#[derive(Serialize)]
struct OffsetsRow<'a> {
    topic: &'a str,
    partition: usize,
    start: i64,
    end: i64,
}

impl Row for OffsetsRow<'_> {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TOPIC", Kind::Text),
        ("PARTITION", Kind::Number),
        ("START", Kind::Number),
        ("END", Kind::Number),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.to_owned(),
            self.partition.to_string(),
            self.start.to_string(),
            self.end.to_string(),
        ]
    }
}

pub(super) fn offsets(opened: &Opened<'_>, args: &OffsetsArgs) -> Result {
    let topics = match &args.topic {
        Some(name) => std::slice::from_ref(opened.topic(name)?),
        None => opened.log.topics(),
    };
    let rows = topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter().enumerate();
        partitions.map(|(partition, held)| OffsetsRow {
            topic: topic.name.as_str(),
            partition,
            start: held.start.0,
            end: held.end.0,
        })
    });
    let rows: Vec<_> = rows.collect();
    Ok(opened.output.rows(&rows, "the log has no topics")?)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_whole_in_their_unit() {
        let spans = [604_800_000, 5_400_000, 1000, 1, 0].map(span);
        assert_eq!(spans, ["7 d", "90 min", "1 s", "1 ms", "0 d"]);
    }
}
