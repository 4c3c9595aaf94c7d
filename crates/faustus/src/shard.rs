//! The writable side of a table inside an agent: this lane's part of it.

use std::{borrow::Borrow, fmt, hash::Hash, rc::Rc};

use crate::{
    Error, Key, Result,
    key::lane_of,
    runtime::{LaneCore, TypedShard},
};

/// This lane's part of a table, readable and writable without a lock and without waiting.
///
/// A shard comes from [`Stream::bind`](crate::Stream::bind) alone. What an event writes is undone if
/// the event fails, and becomes visible outside the worker together with everything else the event
/// did. Values stay in the table: closures look at them and change them where they are.
///
/// With [`concurrency`](crate::AgentBuilder::concurrency) above 1 a lane may write only the keys
/// that route to it, so that no two events ever write one key at the same time; it may read all.
pub struct Shard<K, V> {
    shard: Rc<TypedShard<K, V>>,
    lane: Rc<LaneCore>,
}

impl<K, V> Shard<K, V>
where
    K: Hash + Eq + Clone + 'static,
    V: Clone + 'static,
{
    pub(crate) fn new(shard: Rc<TypedShard<K, V>>, lane: Rc<LaneCore>) -> Self {
        Self { shard, lane }
    }

    /// A copy of the value of `key`.
    ///
    /// # Errors
    ///
    /// When the table's store cannot be read.
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.with(key, |value| value.cloned())
    }

    /// Lets `read` look at the value of `key`, and gives what it gives.
    ///
    /// # Errors
    ///
    /// When the table's store cannot be read, or `read` runs inside a closure of this table that writes.
    pub fn with<Q, R>(&self, key: &Q, read: impl FnOnce(Option<&V>) -> R) -> Result<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.shard.with(key, read)
    }

    /// Lets `change` change the value of `key`, the default value if there is none, and gives a copy of the result.
    ///
    /// # Errors
    ///
    /// When the key belongs to another lane, the store cannot be read, or the call is made inside a
    /// closure of this table.
    pub fn update<Q>(&self, key: &Q, change: impl FnOnce(&mut V)) -> Result<V>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
        V: Default,
    {
        self.write(key, |value| {
            let value = value.get_or_insert_default();
            change(value);
            value.clone()
        })
    }

    /// Lets `change` change, set or remove (by setting `None`) the value of `key`, and gives what it gives.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn modify<Q, R>(&self, key: &Q, change: impl FnOnce(&mut Option<V>) -> R) -> Result<R>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
    {
        self.write(key, change)
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn set<Q>(&self, key: &Q, value: V) -> Result<()>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
    {
        self.write(key, |slot| *slot = Some(value))
    }

    /// Removes `key` and gives the value it had.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
    {
        self.write(key, Option::take)
    }

    /// Calls `visit` with every entry of this task's partition, in no order. O(n).
    ///
    /// # Errors
    ///
    /// When the table's store cannot be read.
    pub fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<()> {
        self.shard.for_each(visit)
    }

    fn write<Q, R>(&self, key: &Q, change: impl FnOnce(&mut Option<V>) -> R) -> Result<R>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
    {
        let lane = &self.lane;
        if lane.lanes > 1 {
            let raw = key.raw();
            let owner = lane_of(&raw, lane.lanes);
            if owner != lane.lane {
                return Err(Error::config(format!(
                    "agent {} runs {} lanes, and key {:?} belongs to lane {owner}, not to this lane {}: \
                     group the source by this key, or use concurrency(1)",
                    lane.agent,
                    lane.lanes,
                    String::from_utf8_lossy(&raw),
                    lane.lane,
                )));
            }
        }
        let by = lane.current_writer();
        if by.is_none() {
            lane.task.wrote_alone();
        }
        self.shard.write(key, by, change)
    }
}

impl<K, V> fmt::Debug for Shard<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
