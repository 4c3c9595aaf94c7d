//! One partition: a keyspace of the database.
//!
//! Contract: a batch and its checkpoint are one fjall batch of one keyspace. That they share the
//! keyspace matters: fjall may write a keyspace's newest entries into a table file while the journal
//! that holds another keyspace's is not on the disk yet.

use std::fmt;

use ::fjall::{Guard, Keyspace, OwnedWriteBatch, PersistMode, Readable};
use bytes::Bytes;
use faustus_core::{Change, Checkpoint, Store, StoreError};

use super::Usage;
use crate::checkpoint;

const CHECKPOINT_KEY: [u8; 1] = [0];
const DATA_PREFIX: u8 = 1;
/// fjall's limit is 65535, one byte is the prefix.
const MAX_KEY_LEN: usize = 65_534;

/// An open partition. The keyspace drops before the right to use it ends.
pub(super) struct FjallStore {
    keyspace: Keyspace,
    usage: Usage,
}

impl FjallStore {
    pub(super) fn new(keyspace: Keyspace, usage: Usage) -> Self {
        Self { keyspace, usage }
    }

    /// Fails if what is stored cannot be right.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let shared = &self.usage.shared;
        if self.checkpoint()?.is_none() && !shared.guarded(|| self.keyspace.is_empty())? {
            return Err(self.corrupt("it has entries but no checkpoint"));
        }
        Ok(())
    }

    fn corrupt(&self, damage: &str) -> StoreError {
        let name = &self.usage.name;
        StoreError::Corrupt(format!(
            "{name}: {damage}; destroy the store, it is then rebuilt from its changelog"
        ))
    }
}

impl Store for FjallStore {
    fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.usage
            .shared
            .guarded(|| self.keyspace.get(CHECKPOINT_KEY))?
            .map(|stored| checkpoint::decode(&stored).map_err(|damage| self.corrupt(&damage)))
            .transpose()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        if key.len() > MAX_KEY_LEN {
            return Ok(None);
        }
        let found = with_data_key(key, |key| {
            self.usage.shared.guarded(|| self.keyspace.get(key))
        })?;
        // Copied, so that a small value does not keep a whole block in memory.
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let shared = &self.usage.shared;
        let snapshot = shared.db.snapshot();
        let mut entries = shared.guarded(|| Ok(snapshot.prefix(&self.keyspace, [DATA_PREFIX])))?;
        while let Some((key, value)) =
            shared.guarded(|| entries.next().map(Guard::into_inner).transpose())?
        {
            if !visit(&key[1..], &value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let shared = &self.usage.shared;
        let mut batch = OwnedWriteBatch::with_capacity(shared.db.clone(), changes.len() + 1)
            .durability(Some(PersistMode::Buffer));
        // fjall keeps them sorted in memory: in order, each finds its place near the one before. Of two
        // changes of one key the later stays the later.
        let mut sorted = changes.iter().collect::<Vec<_>>();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        for Change { key, value } in sorted {
            if key.len() > MAX_KEY_LEN {
                return Err(StoreError::Io(format!(
                    "{}: a key has {} bytes, a store takes keys of up to {MAX_KEY_LEN}",
                    self.usage.name,
                    key.len()
                )));
            }
            with_data_key(key, |key| match value {
                Some(value) => batch.insert(&self.keyspace, key, &value[..]),
                None => batch.remove(&self.keyspace, key),
            });
        }
        batch.insert(
            &self.keyspace,
            CHECKPOINT_KEY,
            checkpoint::encode(checkpoint),
        );
        shared.guarded_write(|| batch.commit())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.usage.shared.sync()
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore")
            .field("name", &self.usage.name)
            .finish_non_exhaustive()
    }
}

/// Calls `use_key` with the stored form of `key`, without an allocation if the key is short.
fn with_data_key<T>(key: &[u8], use_key: impl FnOnce(&[u8]) -> T) -> T {
    const SHORT: usize = 128;
    let len = key.len() + 1;
    if len <= SHORT {
        let mut stored = [0; SHORT];
        stored[0] = DATA_PREFIX;
        stored[1..len].copy_from_slice(key);
        use_key(&stored[..len])
    } else {
        let mut stored = Vec::with_capacity(len);
        stored.push(DATA_PREFIX);
        stored.extend_from_slice(key);
        use_key(&stored)
    }
}
