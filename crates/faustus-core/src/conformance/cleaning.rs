//! Compaction, retention, deletion of records.

use std::time::Duration;

use super::{
    Harness,
    rig::{Rec, Rig, batch, fetch, publish, to, values},
};
use crate::{
    BatchBuilder, CleanupPolicy, Offset, OffsetSpec, Producer, ReadOptions, Timestamp, TopicConfig,
    TopicPartition, TransportError,
};

/// A topic that a broker compacts as soon and as often as it can.
async fn compacted(rig: &Rig<'_>) -> TopicPartition {
    let mut config = TopicConfig {
        cleanup: Some(CleanupPolicy::Compact),
        ..TopicConfig::default()
    };
    config.other = [
        ("min.cleanable.dirty.ratio", "0.001"),
        ("segment.ms", "100"),
        ("delete.retention.ms", "100"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    TopicPartition::new(rig.topic(1, config).await, 0)
}

/// Lets the log clean until `done` holds of what is read. A broker never compacts its newest
/// segment, so a record of the key `pad` is written each time, whose time ends the segment.
async fn cleaned(
    rig: &Rig<'_>,
    producer: &mut dyn Producer,
    partition: &TopicPartition,
    done: impl Fn(&[Rec]) -> bool,
) -> Vec<Rec> {
    let cleaning = async {
        loop {
            let at_once = rig.harness.clean().await;
            let start = rig.end(partition, OffsetSpec::Earliest).await;
            let records = rig.read_all(partition, start).await;
            if done(&records) {
                return records;
            }
            let pause = if at_once { 50 } else { 1000 };
            rig.clock.sleep(Duration::from_millis(pause)).await;
            let mut pad = BatchBuilder::new();
            pad.push(rig.clock.now(), Some(b"pad"), Some(b"pad"));
            let sent = producer.publish(to(partition, pad.build())).await;
            sent.expect("it is stored");
        }
    };
    rig.within("cleaning", cleaning).await
}

fn of<'a>(records: &'a [Rec], key: &str) -> Vec<&'a Rec> {
    let has = |record: &&Rec| record.key.as_deref() == Some(key);
    records.iter().filter(has).collect()
}

/// Compaction keeps the last record of a key at its offset; positions pass the holes.
pub async fn compaction_keeps_the_last_value(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = compacted(&rig).await;
    let mut producer = rig.producer().await;
    let records = [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("a", "3")];
    publish(&rig, &mut *producer, &partition, &records).await;
    let left = |records: &[Rec]| of(records, "a").len() == 1;
    let records = cleaned(&rig, &mut *producer, &partition, left).await;
    let last = of(&records, "a")[0];
    assert_eq!((last.offset, last.value.as_deref()), (4, Some("3")));
    assert_eq!(of(&records, "b")[0].offset, 1);
    assert_eq!(of(&records, "c")[0].offset, 3);
    let mut reader = rig.reader(&partition, 2).await;
    let from_a_hole = rig.within("a fetch", fetch(&mut *reader)).await;
    assert!(from_a_hole[0].offset >= 2);
}

/// A tombstone removes its key's records, and goes itself after `delete.retention.ms`.
pub async fn compaction_removes_tombstones_in_the_end(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = compacted(&rig).await;
    let mut producer = rig.producer().await;
    publish(&rig, &mut *producer, &partition, &[("a", "1"), ("b", "1")]).await;
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(rig.clock.now().0), Some(b"a"), None);
    let sent = producer.publish(to(&partition, builder.build()));
    rig.within("publishing", sent).await.expect("it is stored");
    let gone = |records: &[Rec]| of(records, "a").is_empty();
    let records = cleaned(&rig, &mut *producer, &partition, gone).await;
    assert_eq!(of(&records, "b").len(), 1);
    assert!(rig.end(&partition, OffsetSpec::HighWatermark).await >= 3);
}

/// Compaction does not touch what lies above the first open transaction.
pub async fn compaction_spares_an_open_transaction(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = compacted(&rig).await;
    let mut plain = rig.producer().await;
    publish(&rig, &mut *plain, &partition, &[("a", "1"), ("a", "2")]).await;
    let mut producer = rig.transactional(&harness.unique("id")).await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "open")]).await;
    harness.clean().await;
    rig.within("aborting", producer.abort())
        .await
        .expect("it aborts");
    let records = rig.read(&partition, 0, 1).await;
    assert_eq!(values(&records).last(), Some(&"2"));
}

/// Records older than the retention are deleted and the partition begins later.
pub async fn old_records_are_deleted(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut config = TopicConfig {
        retention: Some(Some(Duration::from_secs(3600))),
        ..TopicConfig::default()
    };
    config.other.insert("segment.ms".into(), "100".into());
    let partition = TopicPartition::new(rig.topic(1, config).await, 0);
    let mut producer = rig.producer().await;
    let mut builder = BatchBuilder::new();
    let now = rig.clock.now().0;
    builder.push(Timestamp(now - 7_200_000), None, Some(b"old"));
    let sent = producer.publish(to(&partition, builder.build()));
    rig.within("publishing", sent).await.expect("it is stored");
    if !harness.clean().await {
        // A broker looks for old segments every five minutes.
        return;
    }
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(now), None, Some(b"new"));
    let sent = producer.publish(to(&partition, builder.build()));
    rig.within("publishing", sent).await.expect("it is stored");
    harness.clean().await;
    assert_eq!(rig.end(&partition, OffsetSpec::Earliest).await, 1);
    assert_eq!(values(&rig.read(&partition, 1, 1).await), ["new"]);
}

/// Records below an offset are deleted; readers below it are out of range, ends stay.
pub async fn records_are_deleted_below_an_offset(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    let sent = producer.publish(to(&partition, batch(&[("a", "0"), ("a", "1"), ("a", "2")])));
    rig.within("publishing", sent).await.expect("it is stored");
    let before = [(partition.clone(), Offset(2))];
    rig.admin.delete_records(&before).await.expect("they go");
    assert_eq!(rig.end(&partition, OffsetSpec::Earliest).await, 2);
    assert_eq!(rig.end(&partition, OffsetSpec::HighWatermark).await, 3);
    assert_eq!(values(&rig.read(&partition, 2, 1).await), ["2"]);
    let log = rig.transport.log();
    let opened = log.read(&partition, Offset(1), ReadOptions::default());
    let error = match rig.within("opening a reader", opened).await {
        Err(error) => error,
        Ok(mut reader) => {
            let poll = std::future::poll_fn(|cx| reader.poll_fetch(cx));
            let fetched = rig.within("a fetch", poll).await;
            fetched.expect_err("deleted records were read")
        }
    };
    let out_of_range = matches!(
        error,
        TransportError::OffsetOutOfRange {
            earliest: Offset(2),
            end: Offset(3),
            ..
        }
    );
    assert!(out_of_range, "{error:?}");
    let beyond = [(partition.clone(), Offset(9))];
    let error = rig.admin.delete_records(&beyond).await;
    let out_of_range = matches!(error, Err(TransportError::OffsetOutOfRange { .. }));
    assert!(out_of_range, "{error:?}");
    assert_eq!(rig.end(&partition, OffsetSpec::Earliest).await, 2);
}
