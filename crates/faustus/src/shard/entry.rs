//! The place of one key in a shard: what is there is changed, what is not is inserted, in one write.

use std::{borrow::Borrow, fmt, hash::Hash};

use super::Shard;
use crate::{Key, Result};

/// The place of a key in a table, from [`Shard::entry`].
///
/// As with the entries of a map, but by closures alone, since a value never leaves its table by
/// reference: nothing happens before one of the methods that begin with `or`, and each of them gives
/// a copy of the value that is there in the end.
#[must_use = "nothing happens before `or_insert`, `or_insert_with` or `or_default`"]
pub struct Entry<'a, K, V, Q: ?Sized, M = fn(&mut V)> {
    shard: &'a Shard<K, V>,
    key: &'a Q,
    modify: Option<M>,
}

impl<'a, K, V, Q: ?Sized> Entry<'a, K, V, Q> {
    pub(super) fn new(shard: &'a Shard<K, V>, key: &'a Q) -> Self {
        Self {
            shard,
            key,
            modify: None,
        }
    }
}

impl<'a, K, V, Q, M> Entry<'a, K, V, Q, M>
where
    K: Borrow<Q> + Hash + Eq + Clone + 'static,
    V: Clone + 'static,
    Q: Key + ToOwned<Owned = K> + ?Sized,
    M: FnOnce(&mut V),
{
    /// The same place, where `change` changes the value if there is one.
    pub fn and_modify(
        self,
        change: impl FnOnce(&mut V),
    ) -> Entry<'a, K, V, Q, impl FnOnce(&mut V)> {
        let before = self.modify;
        let both = move |value: &mut V| {
            if let Some(before) = before {
                before(value);
            }
            change(value);
        };
        Entry {
            shard: self.shard,
            key: self.key,
            modify: Some(both),
        }
    }

    /// Inserts `value` if the key has none.
    ///
    /// # Errors
    ///
    /// As [`Shard::update`].
    pub fn or_insert(self, value: V) -> Result<V> {
        self.or_insert_with(|| value)
    }

    /// Inserts what `make` makes if the key has no value.
    ///
    /// # Errors
    ///
    /// As [`Shard::update`].
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> Result<V> {
        let modify = self.modify;
        self.shard.write(self.key, |slot| match slot {
            Some(value) => {
                if let Some(modify) = modify {
                    modify(value);
                }
                value.clone()
            }
            None => slot.insert(make()).clone(),
        })
    }

    /// Inserts the table's default value if the key has none.
    ///
    /// # Errors
    ///
    /// As [`Shard::update`].
    pub fn or_default(self) -> Result<V>
    where
        V: Default,
    {
        let shard = self.shard;
        self.or_insert_with(|| shard.shard.default_value())
    }
}

impl<K, V, Q: fmt::Debug + ?Sized, M> fmt::Debug for Entry<'_, K, V, Q, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
