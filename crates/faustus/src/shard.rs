//! The writable side of a table inside an agent: this lane's part of it.

mod entry;

pub use entry::Entry;

use std::{borrow::Borrow, fmt, hash::Hash, ops::ControlFlow, rc::Rc};

use crate::{
    Error, Key, Result,
    key::lane_of,
    runtime::{EventId, LaneCore, TypedShard, Writer},
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

    /// A copy of the value of `key`, or the table's default value, which is not stored by this.
    ///
    /// The default is what [`Table::default_with`](crate::Table::default_with) makes, else the type's.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_or_default<Q>(&self, key: &Q) -> Result<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        V: Default,
    {
        let value = self.get(key)?;
        Ok(value.unwrap_or_else(|| self.shard.default_value()))
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn contains<Q>(&self, key: &Q) -> Result<bool>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.with(key, |value| value.is_some())
    }

    /// Lets `change` change the value of `key`, the table's default value if there is none, and gives a
    /// copy of the result.
    ///
    /// The default is what [`Table::default_with`](crate::Table::default_with) makes, else the type's.
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
            let value = value.get_or_insert_with(|| self.shard.default_value());
            change(value);
            value.clone()
        })
    }

    /// The place of `key`, to change what is there and to insert what is not, in one step.
    ///
    /// # Examples
    ///
    /// ```
    /// # use faustus::prelude::*;
    /// async fn highscores(State(best): State<Table<String, u64>>, mut games: Stream<u64>) -> faustus::Result {
    ///     let best = games.bind(&best);
    ///     while let Some(points) = games.next().await? {
    ///         best.entry("all").and_modify(|most| *most = (*most).max(*points)).or_insert(*points)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn entry<'a, Q>(&'a self, key: &'a Q) -> Entry<'a, K, V, Q>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
    {
        Entry::new(self, key)
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
    #[doc(alias = "pop")]
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
    {
        self.write(key, Option::take)
    }

    /// Removes every key of this task's partition. O(n).
    ///
    /// # Errors
    ///
    /// When the agent runs with [`concurrency`](crate::AgentBuilder::concurrency) above 1, and so writes
    /// a part of the keys alone; when the store cannot be read, or the call is made inside a closure of
    /// this table.
    pub fn clear(&self) -> Result<()> {
        let lane = &self.lane;
        if lane.lanes > 1 {
            return Err(Error::config(format!(
                "agent {} runs {} lanes, each of which writes its own keys alone: \
                 only concurrency(1) can clear a table",
                lane.agent, lane.lanes,
            )));
        }
        for key in self.keys()? {
            self.shard
                .write(&key, self.writer(), |slot: &mut Option<V>| *slot = None)?;
        }
        Ok(())
    }

    /// Calls `visit` with every entry of this task's partition, in no order. O(n).
    ///
    /// # Errors
    ///
    /// When the table's store cannot be read, or the call is made inside a closure of this table that writes.
    pub fn for_each(&self, mut visit: impl FnMut(&K, &V)) -> Result<()> {
        let _ = self.try_for_each(|key, value| {
            visit(key, value);
            ControlFlow::<()>::Continue(())
        })?;
        Ok(())
    }

    /// Calls `visit` with entries of this task's partition, in no order, until it breaks, and gives what
    /// it broke with.
    ///
    /// # Errors
    ///
    /// As [`for_each`](Self::for_each).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// # use faustus::prelude::*;
    ///
    /// fn somebody_broke(balances: &Shard<String, i64>) -> faustus::Result<Option<String>> {
    ///     let found = balances.try_for_each(|name, balance| match *balance < 0 {
    ///         true => ControlFlow::Break(name.clone()),
    ///         false => ControlFlow::Continue(()),
    ///     })?;
    ///     Ok(found.break_value())
    /// }
    /// ```
    pub fn try_for_each<B>(
        &self,
        visit: impl FnMut(&K, &V) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        self.shard.try_for_each(visit)
    }

    /// Copies of all keys of this task's partition, in no order. O(n).
    ///
    /// # Errors
    ///
    /// As [`for_each`](Self::for_each).
    pub fn keys(&self) -> Result<Vec<K>> {
        let mut keys = Vec::new();
        self.for_each(|key, _| keys.push(key.clone()))?;
        Ok(keys)
    }

    /// Copies of all values of this task's partition, in no order. O(n).
    ///
    /// # Errors
    ///
    /// As [`for_each`](Self::for_each).
    pub fn values(&self) -> Result<Vec<V>> {
        let mut values = Vec::new();
        self.for_each(|_, value| values.push(value.clone()))?;
        Ok(values)
    }

    /// How many keys of this task's partition have a value. O(n).
    ///
    /// # Errors
    ///
    /// As [`for_each`](Self::for_each).
    pub fn len(&self) -> Result<usize> {
        let mut len = 0;
        self.for_each(|_, _| len += 1)?;
        Ok(len)
    }

    /// Whether no key of this task's partition has a value.
    ///
    /// # Errors
    ///
    /// As [`for_each`](Self::for_each).
    pub fn is_empty(&self) -> Result<bool> {
        let first = self.try_for_each(|_, _| ControlFlow::Break(()))?;
        Ok(first.is_continue())
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
        self.shard.write(key, self.writer(), change)
    }

    /// The event that writes, or none: then the next epoch holds the write.
    fn writer(&self) -> Option<(EventId, Writer)> {
        let by = self.lane.current_writer();
        if by.is_none() {
            self.lane.task.wrote_alone();
        }
        by
    }
}

impl<K, V> fmt::Debug for Shard<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
