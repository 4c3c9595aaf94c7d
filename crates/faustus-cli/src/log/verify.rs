//! `verify`: reads every record of every partition, and all committed offsets.

use faustus::__command::{
    Stopped,
    bytes::plain,
    output::{Kind, Row, count, say},
};
use faustus_core::Offset;
use faustus_log::{StoredPartition, StoredTopic};
use serde::Serialize;

use super::Opened;
use crate::Result;

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    place: String,
    wrong: String,
}

impl Row for Finding {
    const COLUMNS: &'static [(&'static str, Kind)] =
        &[("PLACE", Kind::Text), ("WRONG", Kind::Wrong)];

    fn cells(&self) -> Vec<String> {
        vec![self.place.clone(), self.wrong.clone()]
    }
}

pub(super) fn run(opened: &Opened<'_>) -> Result {
    let mut findings = Vec::new();
    let mut find = |place: String, wrong: String| findings.push(Finding { place, wrong });
    if opened.log.lost() > 0 {
        let lost = opened.log.lost();
        find(
            opened.directory.display().to_string(),
            format!(
                "{lost} operations at the end had been acknowledged and are missing: restore the directory \
                 from a copy, or run the worker with --accept-loss"
            ),
        );
    }
    let (mut records, mut partitions) = (0, 0);
    for topic in opened.log.topics() {
        for (number, held) in (0..).zip(&topic.partitions) {
            partitions += 1;
            let place = format!("{}/{number}", topic.name);
            records += partition(opened, topic, number, *held, |wrong| {
                find(place.clone(), wrong);
            });
        }
    }
    match opened.log.commits() {
        Err(error) => find("committed offsets".to_owned(), error.to_string()),
        Ok(commits) => {
            for (group, commit) in commits {
                let held = opened.log.partition(&commit.partition);
                if let Some(wrong) = offset(held, commit.offset) {
                    let partition = plain(&commit.partition.to_string());
                    find(format!("group {}, {partition}", plain(&group)), wrong);
                }
            }
        }
    }
    let read = format!(
        "{} in {} of {} read",
        count(records, "record"),
        count(partitions, "partition"),
        count(opened.log.topics().len(), "topic")
    );
    if !findings.is_empty() {
        opened.output.rows(&findings, "")?;
    }
    match findings.len() {
        0 => say(&format!("{read}: nothing is wrong")),
        some => say(&format!("{read}: {some} wrong")),
    }
    match findings.is_empty() {
        true => Ok(()),
        false => Err(Stopped::Shown),
    }
}

/// Reads a partition to its end, damaged batches passed over; gives how many records it has.
fn partition(
    opened: &Opened<'_>,
    topic: &StoredTopic,
    number: u32,
    held: StoredPartition,
    mut find: impl FnMut(String),
) -> usize {
    let mut records = 0;
    let mut follow = Follow(Offset::ZERO);
    for batch in opened.log.batches(topic, number, held.start) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                find(error.to_string());
                continue;
            }
        };
        records += batch.batch.len();
        let offsets = batch.batch.iter().map(|record| record.offset());
        if let Some(wrong) = follow.batch(batch.base, batch.end, offsets) {
            find(wrong);
        }
    }
    if follow.0 > held.end {
        find(format!(
            "records go on to {} beyond the end {}",
            follow.0, held.end
        ));
    }
    records
}

/// The position after everything so far. Offsets may have holes, but never go back.
struct Follow(Offset);

impl Follow {
    /// Takes the next batch; tells what is wrong with its offsets.
    fn batch(
        &mut self,
        base: Offset,
        end: Offset,
        offsets: impl Iterator<Item = Offset>,
    ) -> Option<String> {
        let before = self.0;
        self.0 = self.0.max(end);
        if base < before {
            return Some(format!(
                "the batch at {base} begins before {before}, where the last one ended"
            ));
        }
        let mut next = base;
        for offset in offsets {
            if offset < next {
                return Some(format!(
                    "offset {offset} in the batch at {base} does not follow: {next} is next"
                ));
            }
            next = offset.next();
        }
        (next > end)
            .then(|| format!("the batch at {base} has records to {next}, and ends at {end}"))
    }
}

/// What is wrong with an offset that was committed for a partition.
fn offset(held: Option<StoredPartition>, offset: Offset) -> Option<String> {
    let Some(held) = held else {
        return Some(format!(
            "offset {offset} is committed, and there is no such partition"
        ));
    };
    if offset > held.end {
        let end = held.end;
        return Some(format!(
            "offset {offset} is committed, beyond the end {end}"
        ));
    }
    (offset < Offset::ZERO).then(|| format!("offset {offset} is committed, which is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(batches: &[(i64, i64, &[i64])]) -> Vec<String> {
        let mut follow = Follow(Offset::ZERO);
        let wrong = batches.iter().filter_map(|(base, end, offsets)| {
            follow.batch(
                Offset(*base),
                Offset(*end),
                offsets.iter().copied().map(Offset),
            )
        });
        wrong.collect()
    }

    #[test]
    fn offsets_may_have_holes_and_never_go_back() {
        assert_eq!(
            follow(&[(0, 3, &[0, 2]), (5, 7, &[]), (7, 8, &[7])]),
            [""; 0]
        );
        let wrong = follow(&[
            (0, 3, &[0, 0]),
            (2, 4, &[2]),
            (4, 5, &[4, 5]),
            (9, 12, &[8]),
        ]);
        assert_eq!(
            wrong,
            [
                "offset 0 in the batch at 0 does not follow: 1 is next",
                "the batch at 2 begins before 3, where the last one ended",
                "the batch at 4 has records to 6, and ends at 5",
                "offset 8 in the batch at 9 does not follow: 9 is next",
            ]
        );
    }
}
