//! A chunk as bytes.
//!
//! ```text
//! checksum:8   xxh3 of all that follows, little endian
//! next         end of the chunk, from its base
//! latest       signed, the latest time stamp
//! horizon      0, or 1 and then signed: when its tombstones may go
//! count        of records; then each:
//!   offset       from the record before (the first: from the base)
//!   timestamp    signed, from the record before (the first: from 0)
//!   key, value   length + 1 and the bytes, or 0 if absent
//!   headers      count; then name and value of each
//! ```
//!
//! All numbers but the checksum have variable length.

use faustus_core::{Batch, BatchBuilder, Offset, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use super::bytes::{Reader, put_bytes, put_number, put_optional, put_signed};
use crate::broker::partition::Chunk;

const CHECKSUM: usize = 8;

/// What can be known of a chunk without reading its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) next: Offset,
    pub(super) latest: Timestamp,
    pub(super) horizon: Option<Timestamp>,
}

/// The bytes of `chunk`.
pub(super) fn encode(chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::with_capacity(chunk.batch.bytes() + chunk.batch.len() * 16 + 64);
    out.extend_from_slice(&[0; CHECKSUM]);
    put_distance(&mut out, chunk.base, chunk.next);
    put_signed(&mut out, chunk.latest.0);
    match chunk.horizon {
        None => put_number(&mut out, 0),
        Some(horizon) => {
            put_number(&mut out, 1);
            put_signed(&mut out, horizon.0);
        }
    }
    put_number(&mut out, chunk.batch.len() as u64);
    let mut last = (chunk.base, 0_i64);
    for record in chunk.batch.iter() {
        put_distance(&mut out, last.0, record.offset());
        put_signed(&mut out, record.timestamp().0.wrapping_sub(last.1));
        last = (record.offset(), record.timestamp().0);
        put_optional(&mut out, record.key());
        put_optional(&mut out, record.value());
        let headers = record.headers();
        put_number(&mut out, headers.clone().count() as u64);
        for (name, value) in headers {
            put_bytes(&mut out, name.as_bytes());
            put_optional(&mut out, value);
        }
    }
    let checksum = xxh3_64(&out[CHECKSUM..]);
    out[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    out
}

fn put_distance(out: &mut Vec<u8>, from: Offset, to: Offset) {
    put_number(out, to.0.wrapping_sub(from.0).cast_unsigned());
}

/// The chunk at `base`, or `None` if its bytes are damaged.
pub(super) fn decode(base: Offset, bytes: &[u8]) -> Option<Chunk> {
    let (head, mut reader) = open(base, bytes)?;
    let mut builder = BatchBuilder::new();
    let mut last = (base, 0_i64);
    for _ in 0..reader.number()? {
        let offset = distance(&mut reader, last.0)?;
        let timestamp = last.1.wrapping_add(reader.signed()?);
        last = (offset, timestamp);
        let mut record = builder.record(Timestamp(timestamp)).offset(offset);
        if let Some(key) = reader.optional()? {
            record = record.key(key);
        }
        if let Some(value) = reader.optional()? {
            record = record.value(value);
        }
        for _ in 0..reader.number()? {
            let name = reader.text()?;
            record = record.header(name, reader.optional()?);
        }
        record.finish();
    }
    let batch: Batch = builder.build();
    Some(Chunk {
        base,
        next: head.next,
        batch,
        latest: head.latest,
        horizon: head.horizon,
    })
}

/// The head of the chunk at `base`, or `None` if its bytes are damaged.
pub(super) fn decode_head(base: Offset, bytes: &[u8]) -> Option<Head> {
    Some(open(base, bytes)?.0)
}

fn open(base: Offset, bytes: &[u8]) -> Option<(Head, Reader<'_>)> {
    let (checksum, rest) = bytes.split_at_checked(CHECKSUM)?;
    if checksum != xxh3_64(rest).to_le_bytes() {
        return None;
    }
    let mut reader = Reader::new(rest);
    let next = distance(&mut reader, base)?;
    let latest = Timestamp(reader.signed()?);
    let horizon = match reader.number()? {
        0 => None,
        _ => Some(Timestamp(reader.signed()?)),
    };
    let head = Head {
        next,
        latest,
        horizon,
    };
    Some((head, reader))
}

fn distance(reader: &mut Reader<'_>, from: Offset) -> Option<Offset> {
    Some(Offset(from.0.wrapping_add(reader.number()?.cast_signed())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Header = (String, Option<Vec<u8>>);
    type Record = (i64, u8, Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);

    fn chunk(base: i64, records: &[Record], horizon: Option<i64>) -> Chunk {
        let mut builder = BatchBuilder::new();
        let mut offset = base;
        for (timestamp, skip, key, value, headers) in records {
            offset += i64::from(*skip);
            let mut record = builder.record(Timestamp(*timestamp)).offset(Offset(offset));
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
            offset += 1;
        }
        Chunk {
            base: Offset(base),
            next: Offset(offset),
            batch: builder.build(),
            latest: Timestamp(7),
            horizon: horizon.map(Timestamp),
        }
    }

    fn all(chunk: &Chunk) -> String {
        let records = chunk.batch.iter().map(|record| {
            let headers: Vec<_> = record.headers().collect();
            format!(
                "{record:?} {:?} {headers:?}",
                (record.key(), record.value())
            )
        });
        let records: Vec<_> = records.collect();
        let head = (chunk.base, chunk.next, chunk.latest, chunk.horizon);
        format!("{head:?} {records:?}")
    }

    fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
        prop::option::of(prop::collection::vec(any::<u8>(), 0..20))
    }

    fn record() -> impl Strategy<Value = Record> {
        let headers = prop::collection::vec(("[a-zé]{0,4}", bytes()), 0..3);
        (any::<i64>(), any::<u8>(), bytes(), bytes(), headers)
    }

    proptest! {
        #[test]
        fn a_chunk_comes_back_as_it_was(
            base in 0..i64::MAX / 2,
            records in prop::collection::vec(record(), 0..6),
            horizon: Option<i64>,
        ) {
            let chunk = chunk(base, &records, horizon);
            let bytes = encode(&chunk);
            let read = decode(Offset(base), &bytes).expect("it can be read");
            prop_assert_eq!(all(&read), all(&chunk));
            let head = decode_head(Offset(base), &bytes).expect("it can be read");
            prop_assert_eq!((head.next, head.latest), (chunk.next, chunk.latest));
        }

        #[test]
        fn a_flipped_bit_is_noticed(at: prop::sample::Index, bit in 0..8_u8) {
            let records = [(5, 0, Some(b"key".to_vec()), Some(vec![1; 40]), Vec::new())];
            let mut bytes = encode(&chunk(3, &records, None));
            let index = at.index(bytes.len());
            bytes[index] ^= 1 << bit;
            prop_assert!(decode(Offset(3), &bytes).is_none());
        }
    }
}
