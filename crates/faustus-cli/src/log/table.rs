//! `table`: what a table holds, as its changelog says.

use std::collections::BTreeMap;

use clap::Args;
use faustus_core::Offset;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Opened, meant};
use crate::{
    bytes::{json, plain, shown},
    output::{Failure, Kind, Result, Row, say},
};

/// The entries of a table, as its changelog says
#[derive(Args, Debug)]
pub(super) struct TableArgs {
    /// The application's name
    #[arg(value_name = "APP")]
    app: String,
    /// The table's name
    #[arg(value_name = "TABLE")]
    table: String,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Serialize)]
struct EntryRow {
    partition: u32,
    /// Of the record that says so.
    offset: i64,
    key: Box<RawValue>,
    value: Box<RawValue>,
    #[serde(skip)]
    plain: [String; 2],
}

impl Row for EntryRow {
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

pub(super) fn run(opened: &Opened<'_>, args: &TableArgs) -> Result {
    let name = format!("{}-{}-changelog", args.app, args.table);
    let Some(topic) = opened.log.topic(&name) else {
        let topics = opened.log.topics().iter();
        let changelogs = topics.filter_map(|topic| topic.name.as_str().strip_suffix("-changelog"));
        let wanted = format!("{}-{}", args.app, args.table);
        return Err(Failure::Told(format!(
            "table {} of application {} is not in {}: topic {} does not exist; {}",
            plain(&args.table),
            plain(&args.app),
            opened.directory.display(),
            plain(&name),
            meant(&wanted, changelogs, "tables")
        )));
    };
    let mut rows = Vec::new();
    let mut entries = 0;
    for (partition, held) in (0..).zip(&topic.partitions) {
        let mut last: BTreeMap<Vec<u8>, (Offset, Vec<u8>)> = BTreeMap::new();
        for batch in opened.log.batches(topic, partition, held.start) {
            let batch = batch.map_err(|error| opened.failure(error))?.batch;
            for record in batch.iter().filter(|record| record.offset() >= held.start) {
                let Some(key) = record.key() else { continue };
                match record.value() {
                    None => last.remove(key),
                    Some(value) => last.insert(key.to_vec(), (record.offset(), value.to_vec())),
                };
            }
        }
        entries += last.len();
        let room = args.limit - rows.len();
        rows.extend(
            last.into_iter()
                .take(room)
                .map(|(key, (offset, value))| EntryRow {
                    partition,
                    offset: offset.0,
                    key: json(Some(&key)),
                    value: json(Some(&value)),
                    plain: [shown(Some(&key)), shown(Some(&value))],
                }),
        );
    }
    opened.output.rows(&rows, "the table is empty")?;
    if rows.len() < entries {
        let shown = rows.len();
        say(&format!(
            "only {shown} of {entries} entries: --limit N shows more"
        ));
    }
    Ok(())
}
