//! Batches of records in one piece of memory.
//!
//! A [`Batch`] owns one byte arena and an index into it: a record costs no allocation of its own, on
//! the way in (fetch) as on the way out (publish). Batches are immutable and cheap to clone; a
//! [`BatchBuilder`] fills one, encoding keys and values straight into the arena.

mod builder;

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{Offset, Timestamp};

pub use builder::{BatchBuilder, RecordWriter};

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
    #[inline]
    fn key(&self) -> Option<Range<usize>> {
        (self.key_len != ABSENT).then(|| self.start..self.start + self.key_len as usize)
    }

    #[inline]
    fn value_start(&self) -> usize {
        self.start
            + if self.key_len == ABSENT {
                0
            } else {
                self.key_len as usize
            }
    }

    #[inline]
    fn value(&self) -> Option<Range<usize>> {
        let start = self.value_start();
        (self.value_len != ABSENT).then(|| start..start + self.value_len as usize)
    }

    #[inline]
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
    entries: Arc<[Entry]>,
    /// The part of `entries` that belongs to this batch; other batches may share the rest.
    part: Range<usize>,
    /// What is added to every entry's offset.
    shift: Shift,
}

/// How a record's offset follows from its place in the batch.
#[derive(Clone, Copy)]
enum Shift {
    /// The entries hold their offsets.
    None,
    /// Entry `i` of the whole arena has the offset `base + i`.
    Consecutive { base: i64 },
}

impl Batch {
    /// The number of records.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.part.len()
    }

    /// Whether there is no record.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.part.is_empty()
    }

    /// The memory that keys, values and headers take, in bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        match &self.entries[self.part.clone()] {
            [] => 0,
            [first, .., last] => last.headers().end - first.start,
            [only] => only.headers().end - only.start,
        }
    }

    /// The same records at consecutive offsets from `base` on; none of them is copied.
    #[must_use]
    pub fn at(mut self, base: Offset) -> Self {
        self.shift = Shift::Consecutive {
            base: base.0.wrapping_sub_unsigned(self.part.start as u64),
        };
        self
    }

    /// The records at the indices in `range`; none of them is copied.
    ///
    /// # Panics
    ///
    /// If `range` reaches past the end.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len());
        Self {
            part: self.part.start + range.start..self.part.start + range.end,
            ..self.clone()
        }
    }

    /// The record of the entry at `index` of the arena.
    #[inline]
    fn record(&self, index: usize) -> RecordRef<'_> {
        let entry = &self.entries[index];
        let offset = match self.shift {
            Shift::None => entry.offset,
            Shift::Consecutive { base } => Offset(base.wrapping_add_unsigned(index as u64)),
        };
        RecordRef {
            data: &self.data,
            entry,
            offset,
        }
    }

    /// The record at `index`, counted from 0.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> RecordRef<'_> {
        assert!(index < self.len(), "record {index} of {}", self.len());
        self.record(self.part.start + index)
    }

    /// The key of the record at `index`, sharing the batch's memory.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[must_use]
    pub fn key_bytes(&self, index: usize) -> Option<Bytes> {
        self.entries[self.part.clone()][index]
            .key()
            .map(|range| self.data.slice(range))
    }

    /// The value of the record at `index`, sharing the batch's memory.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[must_use]
    pub fn value_bytes(&self, index: usize) -> Option<Bytes> {
        self.entries[self.part.clone()][index]
            .value()
            .map(|range| self.data.slice(range))
    }

    /// The memory in which the keys, values and headers of all records lie.
    #[must_use]
    #[inline]
    pub fn memory(&self) -> &Bytes {
        &self.data
    }

    /// All records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> + '_ {
        self.part.clone().map(|index| self.record(index))
    }
}

impl Default for Batch {
    /// A batch of no records.
    fn default() -> Self {
        BatchBuilder::new().build()
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
    offset: Offset,
}

impl<'a> RecordRef<'a> {
    /// The position in the partition; [`Offset::ZERO`] in a batch that was built and not yet stored.
    #[must_use]
    #[inline]
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The time of the event, as its producer set it.
    #[must_use]
    #[inline]
    pub fn timestamp(&self) -> Timestamp {
        self.entry.timestamp
    }

    /// The encoded key, if there is one.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.entry.key().map(|range| &self.data[range])
    }

    /// The encoded value; `None` is a tombstone.
    #[must_use]
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.entry.value().map(|range| &self.data[range])
    }

    /// The headers in order; names may repeat.
    #[must_use]
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        Headers {
            rest: &self.data[self.entry.headers()],
        }
    }

    /// Whether there is any header.
    #[must_use]
    #[inline]
    pub fn has_headers(&self) -> bool {
        self.entry.headers_len > 0
    }

    /// Key, value and headers in bytes, for budgets.
    #[must_use]
    #[inline]
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

#[cfg(test)]
mod tests;
