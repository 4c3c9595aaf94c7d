//! A shard's store, and how much of what is in it the shard may keep in memory too.

use std::{cell::OnceCell, sync::Arc};

use faustus_core::Store;

use crate::Result;

/// The memory of a worker for what its shards know although their stores have it too, in equal parts
/// for all shards with a store.
#[derive(Debug)]
pub(crate) struct Room(
    /// All of it, in bytes.
    Arc<usize>,
);

/// A shard's part of it.
struct Part(Arc<usize>);

impl Room {
    /// Room of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(bytes))
    }

    fn part(&self) -> Part {
        Part(Arc::clone(&self.0))
    }
}

impl Part {
    /// How much it is, in bytes: the fewer the more shards there are.
    fn bytes(&self) -> usize {
        // One is the room's own.
        *self.0 / (Arc::strong_count(&self.0) - 1).max(1)
    }
}

/// The store of a shard.
pub(crate) struct Stored {
    store: Arc<dyn Store>,
    room: Part,
    /// Whether the store had nothing when the shard looked first.
    was_empty: OnceCell<bool>,
}

impl Stored {
    pub(crate) fn new(store: Arc<dyn Store>, room: &Room) -> Self {
        Self {
            store,
            room: room.part(),
            was_empty: OnceCell::new(),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// How much memory the shard may take for what the store has too, in bytes.
    pub(crate) fn room(&self) -> usize {
        self.room.bytes()
    }

    /// Whether the store has nothing but what the shard's own epochs brought. To be asked before the
    /// first of them.
    pub(crate) fn was_empty(&self) -> Result<bool> {
        if let Some(&empty) = self.was_empty.get() {
            return Ok(empty);
        }
        let empty = self.store.checkpoint()?.is_none();
        Ok(*self.was_empty.get_or_init(|| empty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_that_come_and_go_share_the_room_equally() {
        let room = Room::new(1000);
        let first = room.part();
        assert_eq!(first.bytes(), 1000);
        let second = room.part();
        assert_eq!((first.bytes(), second.bytes()), (1000 / 2, 1000 / 2));
        drop(first);
        assert_eq!(second.bytes(), 1000);
    }
}
