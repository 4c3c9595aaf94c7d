//! Records as bytes: how batches travel in the body of a frame.
//!
//! Each record is its offset and its time (i64, little endian), key, value, the number of its headers
//! (u32), and their names and values in turn. Every byte string is a length (u32) and bytes; the
//! length of what is absent is the largest u32.

use faustus_core::{Batch, BatchBuilder, Offset, RecordRef, Timestamp};

const ABSENT: u32 = u32::MAX;

/// Appends the records of `batch`.
pub(super) fn write(batch: &Batch, out: &mut Vec<u8>) {
    for record in batch.iter() {
        write_one(record, out);
    }
}

fn write_one(record: RecordRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&record.offset().0.to_le_bytes());
    out.extend_from_slice(&record.timestamp().0.to_le_bytes());
    put(record.key(), out);
    put(record.value(), out);
    let count = u32::try_from(record.headers().count()).unwrap_or(ABSENT);
    out.extend_from_slice(&count.to_le_bytes());
    for (name, value) in record.headers() {
        put(Some(name.as_bytes()), out);
        put(value, out);
    }
}

fn put(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    let len = bytes.map_or(ABSENT, |bytes| u32::try_from(bytes.len()).unwrap_or(ABSENT));
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// Takes `count` records from the front of `bytes`; `None` if they are not there.
pub(super) fn read(bytes: &mut &[u8], count: usize) -> Option<Batch> {
    let mut batch = BatchBuilder::new();
    for _ in 0..count {
        let offset = Offset(i64::from_le_bytes(take(bytes)?));
        let timestamp = Timestamp(i64::from_le_bytes(take(bytes)?));
        let mut record = batch.record(timestamp).offset(offset);
        if let Some(key) = get(bytes)? {
            record = record.key(key);
        }
        if let Some(value) = get(bytes)? {
            record = record.value(value);
        }
        for _ in 0..u32::from_le_bytes(take(bytes)?) {
            let name = std::str::from_utf8(get(bytes)??).ok()?;
            record = record.header(name, get(bytes)?);
        }
        record.finish();
    }
    Some(batch.build())
}

fn get<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match u32::from_le_bytes(take(bytes)?) {
        ABSENT => Some(None),
        len => bytes.split_off(..len as usize).map(Some),
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let taken = bytes.split_off(..N)?;
    taken.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Record = (
        i64,
        i64,
        Option<Vec<u8>>,
        Option<Vec<u8>>,
        Vec<(String, Option<Vec<u8>>)>,
    );

    fn batch(records: &[Record]) -> Batch {
        let mut batch = BatchBuilder::new();
        for (offset, timestamp, key, value, headers) in records {
            let mut record = batch.record(Timestamp(*timestamp)).offset(Offset(*offset));
            if let Some(key) = key {
                record = record.key(key);
            }
            if let Some(value) = value {
                record = record.value(value);
            }
            for (name, value) in headers {
                record = record.header(name, value.as_deref());
            }
            record.finish();
        }
        batch.build()
    }

    fn all(batch: &Batch) -> Vec<Record> {
        let each = batch.iter().map(|record| {
            let headers = record.headers();
            let headers = headers.map(|(name, value)| (name.to_owned(), value.map(Vec::from)));
            let (key, value) = (record.key().map(Vec::from), record.value().map(Vec::from));
            (
                record.offset().0,
                record.timestamp().0,
                key,
                value,
                headers.collect(),
            )
        });
        each.collect()
    }

    /// A few small records: what lies between them is what may go wrong.
    fn records() -> impl Strategy<Value = Vec<Record>> {
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8));
        let headers = proptest::collection::vec(("[a-zé]{0,4}", bytes()), 0..3);
        let record = (any::<i64>(), any::<i64>(), bytes(), bytes(), headers);
        proptest::collection::vec(record, 0..6)
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(records in records()) {
            let mut bytes = Vec::new();
            write(&batch(&records), &mut bytes);
            let mut rest = &*bytes;
            prop_assert_eq!(all(&read(&mut rest, records.len()).unwrap()), records);
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn bytes_that_are_no_records_are_none(bytes: Vec<u8>, count in 1_usize..4) {
            let mut rest = &*bytes;
            if let Some(batch) = read(&mut rest, count) {
                let mut again = Vec::new();
                write(&batch, &mut again);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
            }
        }
    }
}
