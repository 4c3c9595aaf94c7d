//! Filling a batch: records are encoded straight into its arena.

use std::fmt;

use crate::{Offset, Timestamp};

use super::{ABSENT, Batch, Entry, Headers, RecordRef, Shift};

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
    #[inline]
    pub fn push_record(&mut self, record: RecordRef<'_>) {
        let start = self.data.len();
        let RecordRef {
            data,
            entry,
            offset,
        } = record;
        self.data
            .extend_from_slice(&data[entry.start..entry.headers().end]);
        self.entries.push(Entry {
            start,
            offset,
            ..*entry
        });
    }

    /// Starts a record that is added by [`RecordWriter::finish`] and taken back if that is not called.
    #[inline]
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
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record yet.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The memory that keys, values and headers take so far, in bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The record at `index`, counted from 0.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> RecordRef<'_> {
        let entry = &self.entries[index];
        RecordRef {
            data: &self.data,
            entry,
            offset: entry.offset,
        }
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
            part: 0..self.entries.len(),
            data: self.data.into(),
            entries: self.entries.into(),
            shift: Shift::None,
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
    #[inline]
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
    #[inline]
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
    #[inline]
    pub fn bytes(&self) -> usize {
        self.builder.data.len() - self.entry.start
    }

    /// Adds the record to the batch.
    #[inline]
    pub fn finish(mut self) {
        self.finished = true;
        self.builder.entries.push(self.entry);
    }

    #[inline]
    fn at_start(&self) -> bool {
        self.builder.data.len() == self.entry.start
            && self.before_value()
            && self.entry.key_len == ABSENT
    }

    #[inline]
    fn before_value(&self) -> bool {
        self.entry.value_len == ABSENT && self.entry.headers_len == 0
    }

    /// Lengths are 32 bits wide: no log takes a record near 4 GiB.
    #[inline]
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
