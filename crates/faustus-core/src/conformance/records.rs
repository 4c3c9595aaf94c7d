//! Records as they are written and read.

use std::{collections::BTreeSet, future::poll_fn};

use futures_util::future::join;

use super::{
    Harness,
    rig::{Rec, Rig, batch, fetch, publish, to, values},
};
use crate::{BatchBuilder, Offset, Outgoing, ReadOptions, Timestamp, TopicConfig, TopicPartition};

/// Records of consecutive calls come back in order, at rising offsets, the first at zero.
pub async fn records_come_back_in_order_with_offsets(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    publish(&rig, &mut *producer, &partition, &[("a", "1"), ("b", "2")]).await;
    let end = publish(&rig, &mut *producer, &partition, &[("a", "3")]).await;
    let records = rig.read(&partition, 0, 3).await;
    assert_eq!(values(&records), ["1", "2", "3"]);
    let offsets: Vec<_> = records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1, 2]);
    assert_eq!(end.ends, [Offset(3)]);
}

/// A record keeps its key, value, headers and time stamp in a batch of many.
pub async fn a_batch_keeps_all_of_each_record(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut builder = BatchBuilder::new();
    for n in 0..500_i64 {
        let record = builder.record(Timestamp(1_700_000_000_000 + n));
        let record = record.key(format!("k{n}").as_bytes());
        let record = record.value(format!("v{n}").as_bytes());
        record.header("n", Some(n.to_string().as_bytes())).finish();
    }
    let mut producer = rig.producer().await;
    let sent = producer.publish(to(&partition, builder.build()));
    rig.within("publishing", sent).await.expect("it is stored");
    let mut reader = rig.reader(&partition, 0).await;
    let mut n = 0;
    while n < 500 {
        let fetched = rig.within("a fetch", poll_fn(|cx| reader.poll_fetch(cx)));
        for record in fetched.await.expect("records can be read").batch.iter() {
            assert_eq!(record.timestamp(), Timestamp(1_700_000_000_000 + n));
            assert_eq!(record.key(), Some(format!("k{n}").as_bytes()));
            assert_eq!(record.value(), Some(format!("v{n}").as_bytes()));
            let headers: Vec<_> = record.headers().collect();
            assert_eq!(headers, [("n", Some(n.to_string().as_bytes()))]);
            n += 1;
        }
    }
}

/// Headers keep their order; a name may come twice, a value may be absent or empty.
pub async fn headers_repeat_and_may_have_no_value(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut builder = BatchBuilder::new();
    let record = builder.record(Timestamp(1_700_000_000_000)).value(b"v");
    let record = record.header("b", Some(b"1")).header("a", None);
    record
        .header("b", Some(b""))
        .header("é", Some(&[0, 255]))
        .finish();
    let mut producer = rig.producer().await;
    let sent = producer.publish(to(&partition, builder.build()));
    rig.within("publishing", sent).await.expect("it is stored");
    let mut reader = rig.reader(&partition, 0).await;
    let fetched = rig.within("a fetch", poll_fn(|cx| reader.poll_fetch(cx)));
    let batch = fetched.await.expect("records can be read").batch;
    let headers: Vec<_> = batch.get(0).headers().collect();
    let expected: [(&str, Option<&[u8]>); 4] = [
        ("b", Some(b"1")),
        ("a", None),
        ("b", Some(b"")),
        ("é", Some(&[0, 255])),
    ];
    assert_eq!(headers, expected);
}

/// An absent key or value is not an empty one.
pub async fn absent_and_empty_keys_and_values_differ(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1_700_000_000_000), None, Some(b""));
    builder.push(Timestamp(1_700_000_000_000), Some(b""), None);
    let mut producer = rig.producer().await;
    let sent = producer.publish(to(&partition, builder.build()));
    rig.within("publishing", sent).await.expect("it is stored");
    let records = rig.read(&partition, 0, 2).await;
    let empty = || Some(String::new());
    let parts: Vec<_> = records.into_iter().map(|r| (r.key, r.value)).collect();
    assert_eq!(parts, [(None, empty()), (empty(), None)]);
}

/// Time stamps are kept as their producer set them, in whatever order.
pub async fn time_stamps_are_the_producers(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let now = rig.clock.now().0;
    let stamps = [now, now - 3_600_000, now - 1];
    let mut builder = BatchBuilder::new();
    for stamp in stamps {
        builder.push(Timestamp(stamp), None, Some(b"v"));
    }
    let mut producer = rig.producer().await;
    let sent = producer.publish(to(&partition, builder.build()));
    rig.within("publishing", sent).await.expect("it is stored");
    let mut reader = rig.reader(&partition, 0).await;
    let mut read = Vec::new();
    while read.len() < 3 {
        let fetched = rig.within("a fetch", poll_fn(|cx| reader.poll_fetch(cx)));
        let batch = fetched.await.expect("records can be read").batch;
        read.extend(batch.iter().map(|record| record.timestamp().0));
    }
    assert_eq!(read, stamps);
}

/// One call may write to several partitions; each has its own offsets.
pub async fn partitions_are_apart(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let topic = rig.topic(3, TopicConfig::default()).await;
    let mut producer = rig.producer().await;
    let outgoing = (0..3).rev().map(|n| Outgoing {
        partition: TopicPartition::new(topic.clone(), n),
        batch: batch(&[("k", n.to_string().as_str()), ("k", "x")][..n as usize % 2 + 1]),
    });
    let sent = producer.publish(outgoing.collect());
    let published = rig.within("publishing", sent).await.expect("it is stored");
    assert_eq!(published.ends, [Offset(1), Offset(2), Offset(1)]);
    for n in 0..3 {
        let partition = TopicPartition::new(topic.clone(), n);
        let records = rig.read(&partition, 0, 1).await;
        assert_eq!(records[0].value, Some(n.to_string()));
        assert_eq!(records[0].offset, 0);
    }
}

/// Each record of calls that are made one after the other is stored, once and in order.
pub async fn consecutive_calls_store_each_record_once(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    let numbers: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    for number in &numbers {
        publish(&rig, &mut *producer, &partition, &[("k", number)]).await;
    }
    let records = rig.read_all(&partition, 0).await;
    assert_eq!(values(&records), numbers);
}

/// A reader's first record is at the position it was opened with.
pub async fn a_reader_starts_where_it_is_told(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    let records = [("a", "0"), ("a", "1"), ("a", "2"), ("a", "3")];
    publish(&rig, &mut *producer, &partition, &records).await;
    let first = Rec {
        offset: 2,
        key: Some("a".into()),
        value: Some("2".into()),
    };
    assert_eq!(rig.read(&partition, 2, 2).await[0], first);
    let mut reader = rig.reader(&partition, 4).await;
    assert_eq!(reader.position(), Offset(4));
    rig.quiet("a fetch at the end", fetch(&mut *reader)).await;
}

/// A reader that waits at the end gets what is written then.
pub async fn a_waiting_reader_wakes_up(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut reader = rig.reader(&partition, 0).await;
    let mut producer = rig.producer().await;
    let reading = async {
        loop {
            let records = fetch(&mut *reader).await;
            if !records.is_empty() {
                return records;
            }
        }
    };
    let writing = async {
        rig.clock.sleep(super::rig::PAUSE).await;
        publish(&rig, &mut *producer, &partition, &[("a", "late")]).await;
    };
    let (records, ()) = rig.within("waking up", join(reading, writing)).await;
    assert_eq!(values(&records), ["late"]);
}

/// Readers of one partition each get all of it.
pub async fn readers_do_not_disturb_each_other(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    publish(&rig, &mut *producer, &partition, &[("a", "1"), ("a", "2")]).await;
    let both = join(rig.read(&partition, 0, 2), rig.read(&partition, 1, 1)).await;
    assert_eq!(values(&both.0), ["1", "2"]);
    assert_eq!(values(&both.1), ["2"]);
}

/// A fetch gives about as many bytes as asked for, and one record at least.
pub async fn fetches_keep_to_their_size(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let value = "v".repeat(1000);
    let mut producer = rig.producer().await;
    let records: Vec<_> = (0..50).map(|_| ("k", value.as_str())).collect();
    publish(&rig, &mut *producer, &partition, &records).await;
    let log = rig.transport.log();
    let options = ReadOptions::default().max_batch_bytes(100);
    let reader = log.read(&partition, Offset::ZERO, options).await;
    let mut reader = reader.expect("a reader can be opened");
    let mut offsets = BTreeSet::new();
    while offsets.len() < 50 {
        let records = rig.within("a fetch", fetch(&mut *reader)).await;
        offsets.extend(records.iter().map(|record| record.offset));
    }
    assert_eq!(reader.position(), Offset(50));
}
