//! What brokers refuse, found before it is sent: a broker refuses whole batches, and tells only
//! sometimes which record it was.

use std::time::SystemTime;

use faustus_core::RecordRef;

use crate::directory::{Found, Limits};

/// The head of a record batch, in bytes.
pub(super) const BATCH_HEAD: usize = 61;
/// Clocks may differ by so much, in milliseconds; a time stamp so near a limit is for the broker to judge.
const CLOCK_SLACK: i64 = 10_000;

/// The size of a batch that holds only `record`, before compression.
pub(super) fn alone(record: RecordRef<'_>) -> usize {
    BATCH_HEAD + size(record)
}

/// The largest size of `record` in any batch: with the longest distances to the first record's
/// offset and time stamp.
pub(super) fn at_most(record: RecordRef<'_>) -> usize {
    size(record) + 16
}

fn size(record: RecordRef<'_>) -> usize {
    let bytes = |bytes: Option<&[u8]>| bytes.map_or(1, |b| varint(b.len()) + b.len());
    let mut headers = 0;
    let mut count = 0;
    for (name, value) in record.headers() {
        headers += bytes(Some(name.as_bytes())) + bytes(value);
        count += 1;
    }
    // Attributes, distance in time, distance in offset: a byte each.
    let body = 3 + bytes(record.key()) + bytes(record.value()) + varint(count) + headers;
    varint(body) + body
}

/// The bytes that a length takes: 7 bits each, the sign among them.
fn varint(length: usize) -> usize {
    let bits = usize::BITS - length.leading_zeros() + 1;
    bits.div_ceil(7) as usize
}

/// Why the brokers never take `record` for `topic`, if so.
pub(super) fn refuse(record: RecordRef<'_>, topic: &Found, now: i64) -> Option<String> {
    match topic {
        Ok(topic) if topic.limits.writable => exceeds(record, &topic.limits, now),
        Ok(topic) => Some(format!("this client may not write to topic {}", topic.name)),
        Err(hidden) => Some(hidden.to_string()),
    }
}

/// Why brokers with these limits never take `record`, if so.
fn exceeds(record: RecordRef<'_>, limits: &Limits, now: i64) -> Option<String> {
    let size = alone(record);
    if size > limits.max_batch {
        return Some(format!(
            "record of {size} bytes is larger than the topic's max.message.bytes of {}",
            limits.max_batch
        ));
    }
    if limits.keys && record.key().is_none() {
        return Some("the topic is compacted and takes no record without a key".to_owned());
    }
    let timestamp = record.timestamp().0;
    if timestamp >= 0 {
        let ahead = timestamp.saturating_sub(now).saturating_sub(CLOCK_SLACK);
        if ahead > limits.after_max {
            return Some(format!(
                "time stamp {timestamp} is further in the future than the topic's \
                 message.timestamp.after.max.ms of {}",
                limits.after_max
            ));
        }
        let behind = now.saturating_sub(timestamp).saturating_sub(CLOCK_SLACK);
        if behind > limits.before_max {
            return Some(format!(
                "time stamp {timestamp} is further in the past than the topic's \
                 message.timestamp.before.max.ms of {}",
                limits.before_max
            ));
        }
    }
    None
}

/// Wall time in milliseconds.
pub(super) fn now() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use faustus_core::{Batch, BatchBuilder, Timestamp};
    use kafka_protocol::{
        indexmap::IndexMap,
        protocol::StrBytes,
        records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
    };
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn one(timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Batch {
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(timestamp), key, value);
        builder.build()
    }

    #[test]
    fn a_record_too_large_is_refused_and_one_that_fits_is_not() {
        let batch = one(5, Some(b"k"), Some(&[0; 500]));
        let size = alone(batch.get(0));
        let limits = |max_batch| Limits {
            max_batch,
            ..Limits::default()
        };
        assert_eq!(exceeds(batch.get(0), &limits(size), 5), None);
        let reason = exceeds(batch.get(0), &limits(size - 1), 5).unwrap();
        assert!(reason.contains("max.message.bytes"), "{reason}");
    }

    #[test]
    fn a_compacted_topic_takes_no_record_without_a_key() {
        let limits = Limits {
            keys: true,
            ..Limits::default()
        };
        assert!(exceeds(one(5, None, Some(b"v")).get(0), &limits, 5).is_some());
        assert_eq!(exceeds(one(5, Some(b""), None).get(0), &limits, 5), None);
    }

    #[test]
    fn a_time_stamp_far_off_is_refused_and_one_near_the_limit_is_left_to_the_broker() {
        let limits = Limits {
            after_max: HOUR,
            before_max: HOUR,
            ..Limits::default()
        };
        let now = 100 * HOUR;
        let refused =
            |timestamp| exceeds(one(timestamp, None, None).get(0), &limits, now).is_some();
        assert!(refused(now + HOUR + 60_000) && refused(now - HOUR - 60_000));
        assert!(!refused(now + HOUR + 1) && !refused(now - HOUR - 1) && !refused(now));
    }

    proptest! {
        #[test]
        fn sizes_are_those_of_the_wire_format(
            key in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
            value in prop::option::of(prop::collection::vec(any::<u8>(), 0..20_000)),
            headers in prop::collection::btree_map("[a-z]{0,80}", prop::option::of(prop::collection::vec(any::<u8>(), 0..80)), 0..70),
        ) {
            let mut builder = BatchBuilder::new();
            let mut writer = builder.record(Timestamp(7));
            if let Some(key) = &key {
                writer = writer.key(key);
            }
            if let Some(value) = &value {
                writer = writer.value(value);
            }
            for (name, value) in &headers {
                writer = writer.header(name, value.as_deref());
            }
            writer.finish();
            let batch = builder.build();
            let record = Record {
                transactional: false,
                control: false,
                partition_leader_epoch: 0,
                producer_id: -1,
                producer_epoch: -1,
                timestamp_type: TimestampType::Creation,
                offset: 0,
                sequence: -1,
                delete_horizon: false,
                timestamp: 7,
                key: key.map(Into::into),
                value: value.map(Into::into),
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (StrBytes::from_string(name), value.map(Into::into)))
                    .collect::<IndexMap<_, _>>(),
            };
            let mut wire = BytesMut::new();
            let options = RecordEncodeOptions { version: 2, compression: Compression::None };
            RecordBatchEncoder::encode(&mut wire, [&record], &options).unwrap();
            prop_assert_eq!(alone(batch.get(0)), wire.len());
        }
    }
}
