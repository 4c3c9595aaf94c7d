//! Turning stored chunks into one fetch.
//!
//! A large chunk is given as it lies in memory, without copying a record; small ones are copied
//! together, so that a topic that was written record by record is not read record by record.

use faustus_core::{Batch, BatchBuilder, Fetched, Offset};

/// Chunks are copied together up to about so many bytes.
const MERGE_BELOW: usize = 16 * 1024;

/// A chunk as a reader needs it: the records of the offsets from `base` to below `next`.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) base: Offset,
    pub(crate) next: Offset,
    pub(crate) batch: Batch,
}

/// Collects the records from `position` to below `limit` out of `pieces`, which are in order and
/// reach beyond `position`, up to `max_bytes`.
pub(crate) fn gather<E>(
    position: Offset,
    limit: Offset,
    max_bytes: usize,
    pieces: impl IntoIterator<Item = Result<Piece, E>>,
) -> Result<Fetched, E> {
    let mut gathered = Gathered::None;
    let mut bytes = 0;
    let mut at = position;
    for piece in pieces {
        let Piece { base, next, batch } = piece?;
        if base >= limit {
            break;
        }
        let rest = batch.slice(index_of(&batch, at)..batch.len());
        let room = max_bytes.saturating_sub(bytes);
        let taken = match gathered {
            Gathered::None => fitting(&rest, room).max(rest.len().min(1)),
            _ => fitting(&rest, room),
        };
        let given = rest.slice(0..taken);
        bytes += given.bytes();
        gathered = gathered.add(given);
        if taken < rest.len() {
            let position = rest.get(taken).offset();
            return Ok(gathered.fetched(position));
        }
        at = at.max(next.min(limit));
        if bytes >= MERGE_BELOW.min(max_bytes) {
            return Ok(gathered.fetched(at));
        }
    }
    Ok(gathered.fetched(at.max(limit)))
}

enum Gathered {
    None,
    One(Batch),
    Many(BatchBuilder),
}

impl Gathered {
    fn add(self, batch: Batch) -> Self {
        if batch.is_empty() {
            return self;
        }
        let mut builder = match self {
            Self::None => return Self::One(batch),
            Self::One(first) => {
                let mut builder = BatchBuilder::new();
                first.iter().for_each(|record| builder.push_record(record));
                builder
            }
            Self::Many(builder) => builder,
        };
        batch.iter().for_each(|record| builder.push_record(record));
        Self::Many(builder)
    }

    fn fetched(self, position: Offset) -> Fetched {
        let batch = match self {
            Self::None => Batch::default(),
            Self::One(batch) => batch,
            Self::Many(builder) => builder.build(),
        };
        Fetched { batch, position }
    }
}

/// The index of the first record at or after `position`.
fn index_of(batch: &Batch, position: Offset) -> usize {
    let (mut low, mut high) = (0, batch.len());
    if high == 0 || batch.get(0).offset() >= position {
        return 0;
    }
    while low < high {
        let middle = low.midpoint(high);
        if batch.get(middle).offset() < position {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// How many of the first records fit into `room` bytes.
fn fitting(batch: &Batch, room: usize) -> usize {
    if batch.bytes() <= room {
        return batch.len();
    }
    let mut bytes = 0;
    batch
        .iter()
        .take_while(|record| {
            bytes += record.bytes();
            bytes <= room
        })
        .count()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use faustus_core::Timestamp;

    use super::*;

    fn piece(base: i64, next: i64, values: &[&[u8]]) -> Result<Piece, Infallible> {
        let mut builder = BatchBuilder::new();
        for value in values {
            builder.push(Timestamp(0), None, Some(value));
        }
        Ok(Piece {
            base: Offset(base),
            next: Offset(next),
            batch: builder.build().at(Offset(base)),
        })
    }

    fn offsets(fetched: &Fetched) -> (Vec<i64>, i64) {
        (
            fetched.batch.iter().map(|r| r.offset().0).collect(),
            fetched.position.0,
        )
    }

    fn run(from: i64, limit: i64, max: usize, pieces: Vec<Result<Piece, Infallible>>) -> Fetched {
        let Ok(fetched) = gather(Offset(from), Offset(limit), max, pieces);
        fetched
    }

    #[test]
    fn small_chunks_are_given_together_and_holes_passed() {
        let pieces = vec![
            piece(0, 3, &[b"a", b"b"]),
            piece(3, 4, &[]),
            piece(6, 7, &[b"c"]),
        ];
        let fetched = run(1, 9, 1000, pieces);
        assert_eq!(offsets(&fetched), (vec![1, 6], 9));
    }

    #[test]
    fn a_large_chunk_is_given_alone_and_not_copied() {
        let large = vec![7; MERGE_BELOW];
        let first = piece(0, 1, &[&large]);
        let Piece { batch, .. } = first.as_ref().unwrap();
        let address = batch.get(0).value().unwrap().as_ptr();
        let fetched = run(0, 2, 1 << 20, vec![first, piece(1, 2, &[b"x"])]);
        assert_eq!(offsets(&fetched), (vec![0], 1));
        assert_eq!(fetched.batch.get(0).value().unwrap().as_ptr(), address);
    }

    #[test]
    fn a_fetch_stops_at_its_size_and_always_gives_one_record() {
        let pieces = || vec![piece(0, 3, &[b"aaaa", b"bbbb", b"cccc"])];
        assert_eq!(offsets(&run(0, 3, 9, pieces())), (vec![0, 1], 2));
        assert_eq!(offsets(&run(2, 3, 1, pieces())), (vec![2], 3));
        assert_eq!(offsets(&run(0, 3, 1, pieces())), (vec![0], 1));
    }

    #[test]
    fn nothing_at_or_above_the_limit_is_given() {
        let pieces = vec![piece(0, 2, &[b"a", b"b"]), piece(2, 3, &[b"c"])];
        assert_eq!(offsets(&run(0, 2, 1000, pieces)), (vec![0, 1], 2));
    }
}
