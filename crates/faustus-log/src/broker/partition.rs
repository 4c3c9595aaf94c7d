//! One partition: chunks of records, what of them is written and committed, who waits for more.
//!
//! Offsets are given when a batch arrives. A chunk is *writing* until the disk has it (never in
//! memory) and *open* while its transaction is; readers stop below the first chunk that is either.
//! Aborted records leave a hole. In a directory only the newest chunks are held here (from `tail`
//! on, with everything that is writing or open); older ones are read from the segments.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    task::Waker,
};

use faustus_core::{Batch, Fetched, Offset, Timestamp};

use super::gather::{Piece, gather};

/// A stretch of offsets with the records that are left of it.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The first offset.
    pub(crate) base: Offset,
    /// The position after it, a hole at its end included.
    pub(crate) next: Offset,
    /// The records; none for a marker or what was aborted.
    pub(crate) batch: Batch,
    /// The latest time stamp of a record.
    pub(crate) latest: Timestamp,
    /// When the tombstones in it may go: set by the compaction that first met them.
    pub(crate) horizon: Option<Timestamp>,
}

impl Chunk {
    pub(crate) fn hole(base: Offset, next: Offset) -> Self {
        Self {
            base,
            next,
            batch: Batch::default(),
            latest: Timestamp(i64::MIN),
            horizon: None,
        }
    }

    fn piece(&self) -> Piece {
        Piece {
            base: self.base,
            next: self.next,
            batch: self.batch.clone(),
        }
    }
}

/// Less than so many new bytes are not worth a compaction.
const DIRTY: usize = 4 * 1024 * 1024;

/// What a reader finds at its position.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing yet.
    Nothing,
    /// Records or a passed hole.
    Fetched(Fetched),
    /// The segments hold what is there, up to this position.
    Stored(Offset),
    /// The position is not in the partition.
    OutOfRange,
}

#[derive(Debug, Default)]
pub(crate) struct Partition {
    /// The first position that is held.
    pub(crate) start: Offset,
    /// The position after everything that got an offset.
    pub(crate) end: Offset,
    /// From here on `chunks` has everything.
    pub(crate) tail: Offset,
    /// In the order of offsets.
    pub(crate) chunks: VecDeque<Chunk>,
    /// The first offset of each open transaction.
    open: BTreeSet<Offset>,
    /// The bases of the chunks that are being written.
    writing: BTreeSet<Offset>,
    /// Readers that wait for the last stable offset to move, by their ids.
    waiters: Vec<(u64, Waker)>,
    /// What `chunks` takes, in bytes.
    pub(crate) held: usize,
    /// The bytes appended since the last compaction.
    pub(crate) dirty: usize,
    /// The bytes that the last compaction left.
    pub(crate) clean_bytes: usize,
    /// Below this no key has two records.
    pub(crate) cleaned: Offset,
}

impl Partition {
    /// A partition of a log that was stored: its chunks below `end` are in the segments.
    pub(crate) fn stored(start: Offset, end: Offset) -> Self {
        Self {
            start,
            end,
            tail: end,
            ..Self::default()
        }
    }

    /// The position after the last written record, open transactions included.
    pub(crate) fn high_watermark(&self) -> Offset {
        self.writing.first().copied().unwrap_or(self.end)
    }

    /// The position that readers can get to.
    pub(crate) fn last_stable(&self) -> Offset {
        let open = self.open.first().copied().unwrap_or(self.end);
        open.min(self.high_watermark())
    }

    /// Gives offsets to `batch` and keeps it; `latest` is its latest time stamp.
    pub(crate) fn append(&mut self, batch: Batch, latest: Timestamp) -> &Chunk {
        let base = self.end;
        let batch = batch.at(base);
        self.end = Offset(base.0 + i64::try_from(batch.len()).unwrap_or(i64::MAX));
        self.held += batch.bytes();
        self.dirty += batch.bytes();
        self.push(Chunk {
            base,
            next: self.end,
            batch,
            latest,
            horizon: None,
        })
    }

    /// Takes one offset for the end of a transaction; `last` is the base of its last chunk here.
    pub(crate) fn append_marker(&mut self, last: Offset) -> &Chunk {
        let base = self.end;
        self.end = base.next();
        match self.chunks.back() {
            Some(chunk) if chunk.base == last => {
                let index = self.chunks.len() - 1;
                self.chunks[index].next = self.end;
                &self.chunks[index]
            }
            _ => self.push(Chunk::hole(base, base.next())),
        }
    }

    fn push(&mut self, chunk: Chunk) -> &Chunk {
        self.chunks.push_back(chunk);
        &self.chunks[self.chunks.len() - 1]
    }

    /// Whether a compaction is worth its while.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty > DIRTY && self.dirty >= self.clean_bytes
    }

    /// Marks the chunk at `base` as being written.
    pub(crate) fn write(&mut self, base: Offset) {
        self.writing.insert(base);
    }

    /// The chunk at `base` is written.
    pub(crate) fn written(&mut self, base: Offset) {
        self.writing.remove(&base);
    }

    /// A transaction has its first record at `first`.
    pub(crate) fn open(&mut self, first: Offset) {
        self.open.insert(first);
    }

    /// The transaction whose first record is at `first` has ended.
    pub(crate) fn close(&mut self, first: Offset) {
        self.open.remove(&first);
    }

    /// Nobody will see the records of the chunk at `base`.
    pub(crate) fn discard(&mut self, base: Offset) {
        if let Some(index) = self.index_of(base) {
            let chunk = &mut self.chunks[index];
            self.held -= chunk.batch.bytes();
            *chunk = Chunk::hole(chunk.base, chunk.next);
        }
    }

    /// The chunk at `base`.
    pub(crate) fn chunk(&self, base: Offset) -> Option<&Chunk> {
        self.index_of(base).map(|index| &self.chunks[index])
    }

    fn index_of(&self, base: Offset) -> Option<usize> {
        self.chunks
            .binary_search_by_key(&base, |chunk| chunk.base)
            .ok()
    }

    /// What a reader at `position` gets.
    pub(crate) fn read(&self, position: Offset, max_bytes: usize) -> Found {
        if position < self.start || position > self.end {
            return Found::OutOfRange;
        }
        let limit = self.last_stable();
        if position >= limit {
            return Found::Nothing;
        }
        if position < self.tail {
            return Found::Stored(self.tail.min(limit));
        }
        let first = self.chunks.partition_point(|chunk| chunk.next <= position);
        let pieces = self
            .chunks
            .range(first..)
            .map(|chunk| Ok::<_, Infallible>(chunk.piece()));
        let Ok(fetched) = gather(position, limit, max_bytes, pieces);
        Found::Fetched(fetched)
    }

    /// Lets the partition begin at `before` and forgets the chunks that lie wholly below it.
    pub(crate) fn truncate(&mut self, before: Offset) {
        self.start = self.start.max(before);
        while let Some(chunk) = self.chunks.front()
            && chunk.next <= self.start
            && chunk.next <= self.last_stable()
        {
            self.pop_front();
        }
        self.tail = self.tail.max(self.start.min(self.end));
    }

    /// Forgets the oldest chunks that the segments have while more than `budget` bytes are held.
    pub(crate) fn evict(&mut self, budget: usize) {
        while self.held > budget
            && let Some(chunk) = self.chunks.front()
            && chunk.next <= self.last_stable()
        {
            self.tail = chunk.next;
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.held -= chunk.batch.bytes();
        }
    }

    /// Wakes the reader `id` when the last stable offset moves. Gives a waker that this one replaced,
    /// to be dropped when the lock is free: a waker's drop may run any code.
    pub(crate) fn wait(&mut self, id: u64, waker: &Waker) -> Option<Waker> {
        match self.waiters.iter_mut().find(|(other, _)| *other == id) {
            Some((_, old)) if old.will_wake(waker) => None,
            Some((_, old)) => Some(std::mem::replace(old, waker.clone())),
            None => {
                self.waiters.push((id, waker.clone()));
                None
            }
        }
    }

    /// Forgets the reader `id`; gives its waker.
    pub(crate) fn forget(&mut self, id: u64) -> Option<Waker> {
        let index = self.waiters.iter().position(|(other, _)| *other == id)?;
        Some(self.waiters.swap_remove(index).1)
    }

    /// Moves all waiting readers' wakers to `wake`.
    pub(crate) fn wake(&mut self, wake: &mut Vec<Waker>) {
        wake.extend(self.waiters.drain(..).map(|(_, waker)| waker));
    }
}

#[cfg(test)]
mod tests {
    use faustus_core::BatchBuilder;

    use super::*;

    fn batch(len: usize) -> Batch {
        let mut builder = BatchBuilder::new();
        for _ in 0..len {
            builder.push(Timestamp(1), None, Some(b"value"));
        }
        builder.build()
    }

    fn read(partition: &Partition, position: i64) -> Option<(usize, i64)> {
        match partition.read(Offset(position), 1 << 20) {
            Found::Fetched(fetched) => Some((fetched.batch.len(), fetched.position.0)),
            _ => None,
        }
    }

    #[test]
    fn readers_stop_below_an_open_transaction_and_the_high_watermark_does_not() {
        let mut partition = Partition::default();
        partition.append(batch(2), Timestamp(1));
        let open = partition.append(batch(3), Timestamp(1)).base;
        partition.open(open);
        partition.append(batch(1), Timestamp(1));
        assert_eq!(
            (partition.last_stable().0, partition.high_watermark().0),
            (2, 6)
        );
        assert_eq!(read(&partition, 0), Some((2, 2)));
        assert_eq!(read(&partition, 2), None);
        partition.close(open);
        partition.discard(open);
        partition.append_marker(open);
        assert_eq!(read(&partition, 2), Some((1, 7)));
    }

    #[test]
    fn readers_stop_below_what_is_not_written() {
        let mut partition = Partition::default();
        let first = partition.append(batch(2), Timestamp(1)).base;
        let second = partition.append(batch(2), Timestamp(1)).base;
        partition.write(first);
        partition.write(second);
        assert_eq!(partition.high_watermark(), Offset(0));
        partition.written(first);
        assert_eq!(read(&partition, 0), Some((2, 2)));
    }

    #[test]
    fn a_marker_behind_the_last_chunk_of_its_transaction_needs_no_chunk() {
        let mut partition = Partition::default();
        let base = partition.append(batch(2), Timestamp(1)).base;
        partition.append_marker(base);
        assert_eq!((partition.chunks.len(), partition.end), (1, Offset(3)));
        assert_eq!(read(&partition, 0), Some((2, 3)));
    }

    #[test]
    fn evicted_chunks_are_looked_for_in_the_segments() {
        let mut partition = Partition::default();
        partition.append(batch(2), Timestamp(1));
        partition.append(batch(2), Timestamp(1));
        partition.evict(10);
        assert!(matches!(
            partition.read(Offset(1), 100),
            Found::Stored(Offset(2))
        ));
        assert_eq!(read(&partition, 2), Some((2, 4)));
    }

    #[test]
    fn a_position_below_the_start_or_past_the_end_is_out_of_range() {
        let mut partition = Partition::default();
        partition.append(batch(4), Timestamp(1));
        partition.truncate(Offset(2));
        assert!(matches!(partition.read(Offset(1), 100), Found::OutOfRange));
        assert!(matches!(partition.read(Offset(5), 100), Found::OutOfRange));
        assert_eq!(read(&partition, 2), Some((2, 4)));
    }
}
