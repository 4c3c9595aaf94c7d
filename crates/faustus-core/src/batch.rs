//! Batches of records in one piece of memory.
//!
//! A [`Batch`] owns one byte arena and an index into it: a record costs no allocation of its own, on
//! the way in (fetch) as on the way out (publish). Batches are immutable and cheap to clone; a
//! [`BatchBuilder`] fills one, encoding keys and values straight into the arena.

use std::{fmt, ops::Range};

use bytes::Bytes;

use crate::{Offset, Timestamp};

/// What the index keeps of a record; its bytes lie in the arena as key, value, headers.
#[derive(Clone, Copy)]
struct Entry {
    offset: Offset,
    timestamp: Timestamp,
    start: usize,
    /// `ABSENT` for no key.
    key_len: u32,
    /// `ABSENT` for no value (a tombstone).
    value_len: u32,
    headers_len: u32,
}

const ABSENT: u32 = u32::MAX;

impl Entry {
    fn key(&self) -> Option<Range<usize>> {
        (self.key_len != ABSENT).then(|| self.start..self.start + self.key_len as usize)
    }

    fn value_start(&self) -> usize {
        self.start
            + if self.key_len == ABSENT {
                0
            } else {
                self.key_len as usize
            }
    }

    fn value(&self) -> Option<Range<usize>> {
        let start = self.value_start();
        (self.value_len != ABSENT).then(|| start..start + self.value_len as usize)
    }

    fn headers(&self) -> Range<usize> {
        let value = if self.value_len == ABSENT {
            0
        } else {
            self.value_len as usize
        };
        let start = self.value_start() + value;
        start..start + self.headers_len as usize
    }
}

/// Records of one partition in the order of the log, immutable and cheap to clone.
#[derive(Clone)]
pub struct Batch {
    data: Bytes,
    entries: std::sync::Arc<[Entry]>,
}

impl Batch {
    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The memory that keys, values and headers take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The record at `index`, counted from 0.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    #[must_use]
    pub fn get(&self, index: usize) -> RecordRef<'_> {
        RecordRef {
            data: &self.data,
            entry: &self.entries[index],
        }
    }

    /// The key of the record at `index`, sharing the batch's memory.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[must_use]
    pub fn key_bytes(&self, index: usize) -> Option<Bytes> {
        self.entries[index].key().map(|range| self.data.slice(range))
    }

    /// The value of the record at `index`, sharing the batch's memory.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[must_use]
    pub fn value_bytes(&self, index: usize) -> Option<Bytes> {
        self.entries[index].value().map(|range| self.data.slice(range))
    }

    /// All records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> + '_ {
        self.entries.iter().map(|entry| RecordRef {
            data: &self.data,
            entry,
        })
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A record inside a batch.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    data: &'a [u8],
    entry: &'a Entry,
}

impl<'a> RecordRef<'a> {
    /// The position in the partition; [`Offset::ZERO`] in a batch that was built and not yet stored.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.entry.offset
    }

    /// The time of the event, as its producer set it.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.entry.timestamp
    }

    /// The encoded key, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.entry.key().map(|range| &self.data[range])
    }

    /// The encoded value; `None` is a tombstone.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.entry.value().map(|range| &self.data[range])
    }

    /// The headers in order; names may repeat.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers {
            rest: &self.data[self.entry.headers()],
        }
    }

    /// Key, value and headers in bytes, for budgets.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entry.headers().end - self.entry.start
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
        f.debug_struct("Record")
            .field("offset", &self.offset().0)
            .field("timestamp", &self.timestamp().0)
            .field("key", &text(self.key()))
            .field("value", &text(self.value()))
            .field("headers", &self.headers().count())
            .finish()
    }
}

/// The headers of a record: an iterator over names and values in order.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    fn take_len(&mut self) -> u32 {
        let mut len = [0; 4];
        len.copy_from_slice(self.take(4));
        u32::from_le_bytes(len)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let name_len = self.take_len() as usize;
        // Only `RecordWriter::header` writes here, and it takes `&str`.
        let name = std::str::from_utf8(self.take(name_len)).unwrap_or_default();
        let value = match self.take_len() {
            ABSENT => None,
            len => Some(self.take(len as usize)),
        };
        Some((name, value))
    }
}

/// Fills a batch record by record.
///
/// # Examples
///
/// ```
/// use faustus_core::{BatchBuilder, Timestamp};
///
/// let mut builder = BatchBuilder::new();
/// builder.push(Timestamp(1_700_000_000_000), Some(b"a1"), Some(b"{}"));
/// builder.record(Timestamp(1_700_000_000_001)).key(b"a2").header("origin", Some(b"shop")).finish();
/// let batch = builder.build();
/// assert_eq!(batch.get(0).key(), Some(&b"a1"[..]));
/// assert_eq!(batch.get(1).value(), None);
/// assert_eq!(batch.get(1).headers().next(), Some(("origin", Some(&b"shop"[..]))));
/// ```
#[derive(Default)]
pub struct BatchBuilder {
    data: Vec<u8>,
    entries: Vec<Entry>,
}

impl BatchBuilder {
    /// An empty builder; it allocates with the first record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record without headers.
    pub fn push(&mut self, timestamp: Timestamp, key: Option<&[u8]>, value: Option<&[u8]>) {
        let mut record = self.record(timestamp);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(value) = value {
            record = record.value(value);
        }
        record.finish();
    }

    /// Adds a copy of `record` with its offset, time stamp and headers.
    pub fn push_record(&mut self, record: RecordRef<'_>) {
        let start = self.data.len();
        let RecordRef { data, entry } = record;
        self.data
            .extend_from_slice(&data[entry.start..entry.headers().end]);
        self.entries.push(Entry { start, ..*entry });
    }

    /// Starts a record that is added by [`RecordWriter::finish`] and taken back if that is not called.
    pub fn record(&mut self, timestamp: Timestamp) -> RecordWriter<'_> {
        let start = self.data.len();
        let entry = Entry {
            offset: Offset::ZERO,
            timestamp,
            start,
            key_len: ABSENT,
            value_len: ABSENT,
            headers_len: 0,
        };
        RecordWriter {
            builder: self,
            entry,
            finished: false,
        }
    }

    /// The number of records so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The memory that keys, values and headers take so far, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The record at `index`, counted from 0.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    #[must_use]
    pub fn get(&self, index: usize) -> RecordRef<'_> {
        RecordRef { data: &self.data, entry: &self.entries[index] }
    }

    /// Removes all records and keeps the memory for others.
    pub fn clear(&mut self) {
        self.data.clear();
        self.entries.clear();
    }

    /// Removes all records after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        if let Some(entry) = self.entries.get(len) {
            self.data.truncate(entry.start);
            self.entries.truncate(len);
        }
    }

    /// The batch of all records added; none of them is copied.
    #[must_use]
    pub fn build(self) -> Batch {
        Batch {
            data: self.data.into(),
            entries: self.entries.into(),
        }
    }
}

impl fmt::Debug for BatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuilder")
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish()
    }
}

/// One record being written: first the key, then the value, then headers, each at most in that order.
#[must_use = "a record is only added by `finish`"]
pub struct RecordWriter<'a> {
    builder: &'a mut BatchBuilder,
    entry: Entry,
    finished: bool,
}

impl RecordWriter<'_> {
    /// Sets the position; only a log that stores the record has one to set.
    pub fn offset(mut self, offset: Offset) -> Self {
        self.entry.offset = offset;
        self
    }

    /// Writes the key.
    ///
    /// # Panics
    ///
    /// If a value or header was written before, or a key already.
    pub fn key(mut self, key: &[u8]) -> Self {
        assert!(self.at_start(), "the key comes first and once");
        self.builder.data.extend_from_slice(key);
        self.entry.key_len = self.written_since(self.entry.start);
        self
    }

    /// Lets `encode` append the key to the arena.
    ///
    /// # Errors
    ///
    /// What `encode` returns; the record is taken back.
    ///
    /// # Panics
    ///
    /// As [`key`](Self::key).
    pub fn key_with<E>(
        mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Self, E> {
        assert!(self.at_start(), "the key comes first and once");
        encode(&mut self.builder.data)?;
        self.entry.key_len = self.written_since(self.entry.start);
        Ok(self)
    }

    /// Writes the value.
    ///
    /// # Panics
    ///
    /// If a header or a value was written before.
    pub fn value(mut self, value: &[u8]) -> Self {
        assert!(
            self.before_value(),
            "the value comes after the key, before headers, once"
        );
        let start = self.builder.data.len();
        self.builder.data.extend_from_slice(value);
        self.entry.value_len = self.written_since(start);
        self
    }

    /// Lets `encode` append the value to the arena.
    ///
    /// # Errors
    ///
    /// What `encode` returns; the record is taken back.
    ///
    /// # Panics
    ///
    /// As [`value`](Self::value).
    pub fn value_with<E>(
        mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Self, E> {
        assert!(
            self.before_value(),
            "the value comes after the key, before headers, once"
        );
        let start = self.builder.data.len();
        encode(&mut self.builder.data)?;
        self.entry.value_len = self.written_since(start);
        Ok(self)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        let start = self.builder.data.len();
        let len = |bytes: &[u8]| {
            u32::try_from(bytes.len())
                .unwrap_or(ABSENT - 1)
                .to_le_bytes()
        };
        let data = &mut self.builder.data;
        data.extend_from_slice(&len(name.as_bytes()));
        data.extend_from_slice(name.as_bytes());
        match value {
            Some(value) => {
                data.extend_from_slice(&len(value));
                data.extend_from_slice(value);
            }
            None => data.extend_from_slice(&ABSENT.to_le_bytes()),
        }
        self.entry.headers_len += self.written_since(start);
        self
    }

    /// Adds all of `headers`.
    pub fn headers(self, headers: Headers<'_>) -> Self {
        headers.fold(self, |record, (name, value)| record.header(name, value))
    }

    /// The bytes of the key, value and headers written so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.builder.data.len() - self.entry.start
    }

    /// Adds the record to the batch.
    pub fn finish(mut self) {
        self.finished = true;
        self.builder.entries.push(self.entry);
    }

    fn at_start(&self) -> bool {
        self.builder.data.len() == self.entry.start
            && self.before_value()
            && self.entry.key_len == ABSENT
    }

    fn before_value(&self) -> bool {
        self.entry.value_len == ABSENT && self.entry.headers_len == 0
    }

    /// Lengths are 32 bits wide: no log takes a record near 4 GiB.
    fn written_since(&self, start: usize) -> u32 {
        u32::try_from(self.builder.data.len() - start).unwrap_or(ABSENT - 1)
    }
}

impl Drop for RecordWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.builder.data.truncate(self.entry.start);
        }
    }
}

impl fmt::Debug for RecordWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordWriter")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_empty_keys_and_values_stay_apart() {
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(1), None, Some(b""));
        builder.push(Timestamp(2), Some(b""), None);
        let batch = builder.build();
        assert_eq!(
            (batch.get(0).key(), batch.get(0).value()),
            (None, Some(&b""[..]))
        );
        assert_eq!(
            (batch.get(1).key(), batch.get(1).value()),
            (Some(&b""[..]), None)
        );
    }

    #[test]
    fn an_unfinished_record_is_taken_back() {
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(1), Some(b"a"), Some(b"1"));
        drop(builder.record(Timestamp(2)).key(b"bbbb"));
        assert!(
            builder
                .record(Timestamp(3))
                .key(b"c")
                .value_with(|_| Err("no"))
                .is_err()
        );
        builder.push(Timestamp(4), Some(b"d"), Some(b"4"));
        let batch = builder.build();
        assert_eq!(batch.bytes(), 4);
        assert_eq!(batch.get(1).key(), Some(&b"d"[..]));
    }

    #[test]
    fn truncate_removes_the_tail_with_its_bytes() {
        let mut builder = BatchBuilder::new();
        for key in [b"a", b"b", b"c"] {
            builder.push(Timestamp(1), Some(key), None);
        }
        builder.truncate(1);
        builder.push(Timestamp(2), Some(b"z"), None);
        let keys: Vec<_> = builder
            .build()
            .iter()
            .map(|r| r.key().unwrap().to_vec())
            .collect();
        assert_eq!(keys, [b"a".to_vec(), b"z".to_vec()]);
    }

    #[test]
    fn a_copied_record_keeps_everything() {
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(1), Some(b"first"), Some(b"pad"));
        let record = builder
            .record(Timestamp(7))
            .offset(Offset(42))
            .key(b"k")
            .value(b"v");
        record.header("h", None).header("h", Some(b"2")).finish();
        let batch = builder.build();
        let mut copy = BatchBuilder::new();
        copy.push_record(batch.get(1));
        let copy = copy.build();
        assert_eq!(format!("{:?}", copy.get(0)), format!("{:?}", batch.get(1)));
        assert_eq!(
            copy.get(0).headers().collect::<Vec<_>>(),
            [("h", None), ("h", Some(&b"2"[..]))]
        );
    }
}
