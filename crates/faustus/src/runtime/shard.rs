//! A task's part of a table: typed slots with the codecs of the changelog and, perhaps, a store.
//!
//! [`TypedShard`] is what a writable [`Shard`](crate::Shard) works on; [`AnyShard`] is what the task
//! and the worker thread see of it: undo, epochs and bytes, but no types.

use std::{
    any::Any, borrow::Borrow, cell::RefCell, fmt, hash::Hash, ops::ControlFlow, rc::Rc, sync::Arc,
};

use faustus_core::{BatchBuilder, Codec, CodecError, Store, Timestamp};

use super::{
    meters::TableCounts,
    retirement::Number,
    slots::{EventId, Slots, Writer},
    stored::Stored,
};
use crate::{Error, Result};

/// A shard without its types.
pub(crate) trait AnyShard {
    /// The table's name.
    fn table(&self) -> &str;
    /// See [`Slots::retire_below`].
    fn retire_below(&self, number: Number);
    /// See [`Slots::roll_back_event`].
    fn roll_back_event(&self, event: EventId);
    /// See [`Slots::roll_back_all`].
    fn roll_back_all(&self);
    /// See [`Slots::commit`].
    fn commit(&self);
    /// Ends the epoch and appends its changes, encoded, to `changelog`,
    /// and who wrote each to `writers`.
    fn cut(
        &self,
        changelog: &mut BatchBuilder,
        writers: &mut Vec<Writer>,
        timestamp: Timestamp,
    ) -> Result<()>;
    /// Takes over a record of the changelog.
    fn load(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), CodecError>;
    /// The table's store, if it has one.
    fn store(&self) -> Option<&Arc<dyn Store>>;
    /// All entries, encoded as in the changelog, in no order.
    fn dump(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<()>;
    /// The typed shard.
    fn into_any(self: Rc<Self>) -> Rc<dyn Any>;
}

/// A look at a task's part of a table by somebody outside of its thread, who gets the answer elsewhere.
pub(crate) struct Look {
    table: Arc<str>,
    look: Box<See>,
}

/// Sees a shard, or why there is none.
type See = dyn FnOnce(Result<Rc<dyn AnyShard>>) + Send;

impl Look {
    pub(crate) fn new(
        table: &Arc<str>,
        look: impl FnOnce(Result<Rc<dyn AnyShard>>) + Send + 'static,
    ) -> Self {
        Self {
            table: Arc::clone(table),
            look: Box::new(look),
        }
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Looks at the shard, or hears why there is none.
    pub(crate) fn at(self, shard: Result<Rc<dyn AnyShard>>) {
        (self.look)(shard);
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// Makes the value of a key that has none.
pub(crate) type MakeDefault<V> = Arc<dyn Fn() -> V + Send + Sync>;

/// A shard with its types.
pub(crate) struct TypedShard<K, V> {
    table: Arc<str>,
    slots: RefCell<Slots<K, V>>,
    keys: Arc<dyn Codec<K>>,
    values: Arc<dyn Codec<V>>,
    default: Option<MakeDefault<V>>,
    stored: Option<Stored>,
    counts: Arc<TableCounts>,
}

impl<K: Hash + Eq + Clone, V: Clone> TypedShard<K, V> {
    pub(crate) fn new(
        table: Arc<str>,
        keys: Arc<dyn Codec<K>>,
        values: Arc<dyn Codec<V>>,
        default: Option<MakeDefault<V>>,
        stored: Option<Stored>,
        counts: Arc<TableCounts>,
    ) -> Self {
        Self {
            table,
            slots: RefCell::new(Slots::new(stored.is_some())),
            keys,
            values,
            default,
            stored,
            counts,
        }
    }

    /// The value of a key that has none: what the table says, else what the type says.
    pub(crate) fn default_value(&self) -> V
    where
        V: Default,
    {
        self.default.as_ref().map_or_else(V::default, |make| make())
    }

    /// Reads the value of `key`.
    pub(crate) fn with<Q, R>(&self, key: &Q, read: impl FnOnce(Option<&V>) -> R) -> Result<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let slots = self.slots.try_borrow().map_err(|_| self.nested())?;
        self.counts.read.add(1);
        match slots.find(key) {
            Some(index) => Ok(read(slots.value(index))),
            None if self.stored.is_none() => Ok(read(None)),
            None => Ok(read(self.fetch(&slots, &key.to_owned())?.0.as_ref())),
        }
    }

    /// Lets `change` change the value of `key` in place, as a part of the event `by`, if there is one.
    pub(crate) fn write<Q, R>(
        &self,
        key: &Q,
        by: Option<(EventId, Writer)>,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut slots = self.slots.try_borrow_mut().map_err(|_| self.nested())?;
        let index = match slots.find(key) {
            Some(index) => index,
            None => {
                let key = key.to_owned();
                let (value, len) = self.fetch(&slots, &key)?;
                slots.load(key, value, len)
            }
        };
        let mut result = None;
        self.counts.written.add(1);
        let change = |value: &mut Option<V>| {
            result = Some(change(value));
            if value.is_none() {
                self.counts.deleted.add(1);
            }
        };
        match by {
            Some((event, writer)) => slots.write(index, event, writer, change),
            None => slots.write_alone(index, change),
        }
        result.ok_or_else(|| Error::data(format!("table {} lost a slot", self.table)))
    }

    /// A copy of the value that the retired events left for `key`.
    pub(crate) fn retired(&self, key: &K) -> Result<Option<V>> {
        let slots = self.slots.try_borrow().map_err(|_| self.nested())?;
        match slots.find(key) {
            Some(index) => Ok(slots.retired_value(index).cloned()),
            None => Ok(self.fetch(&slots, key)?.0),
        }
    }

    /// Calls `visit` with every entry, in no order, until it breaks.
    pub(crate) fn try_for_each<B>(
        &self,
        visit: impl FnMut(&K, &V) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        let slots = self.slots.try_borrow().map_err(|_| self.nested())?;
        self.scan(&slots, slots.iter(), visit)
    }

    /// Calls `visit` with every entry as the retired events left it, in no order, until it breaks.
    pub(crate) fn try_for_each_retired<B>(
        &self,
        visit: impl FnMut(&K, &V) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        let slots = self.slots.try_borrow().map_err(|_| self.nested())?;
        self.scan(&slots, slots.iter_retired(), visit)
    }

    /// Visits what is `known` of `slots`, then what only the store has.
    fn scan<'a, B>(
        &self,
        slots: &'a Slots<K, V>,
        known: impl Iterator<Item = (&'a K, &'a V)>,
        mut visit: impl FnMut(&K, &V) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>>
    where
        K: 'a,
        V: 'a,
    {
        for (key, value) in known {
            if let stop @ ControlFlow::Break(_) = visit(key, value) {
                return Ok(stop);
            }
        }
        let mut end = Ok(ControlFlow::Continue(()));
        if let Some(stored) = &self.stored {
            stored.store().scan(&mut |key, value| {
                end = self.decode_key(key).and_then(|key| {
                    if slots.find(&key).is_some() {
                        return Ok(ControlFlow::Continue(()));
                    }
                    Ok(visit(&key, &self.decode_value(value)?))
                });
                matches!(end, Ok(ControlFlow::Continue(())))
            })?;
        }
        end
    }

    /// What the store has for a key that has no slot, and the length of both in bytes.
    fn fetch(&self, slots: &Slots<K, V>, key: &K) -> Result<(Option<V>, usize)> {
        let Some(stored) = &self.stored else {
            return Ok((None, 0));
        };
        if !slots.has_forgotten() && stored.was_empty()? {
            return Ok((None, 0));
        }
        let mut bytes = Vec::new();
        self.keys.encode(key, &mut bytes)?;
        match stored.store().get(&bytes)? {
            Some(value) => Ok((Some(self.decode_value(&value)?), bytes.len() + value.len())),
            None => Ok((None, 0)),
        }
    }

    fn decode_key(&self, bytes: &[u8]) -> Result<K> {
        self.keys
            .decode(bytes)
            .map_err(|e| Error::from(e).context(format!("table {}: key", self.table)))
    }

    fn decode_value(&self, bytes: &[u8]) -> Result<V> {
        self.values
            .decode(bytes)
            .map_err(|e| Error::from(e).context(format!("table {}: value", self.table)))
    }

    fn nested(&self) -> Error {
        Error::new(
            crate::ErrorKind::Application,
            format!(
                "table {} is used inside a closure that it called: take the value out first",
                self.table
            ),
        )
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> AnyShard for TypedShard<K, V> {
    fn table(&self) -> &str {
        &self.table
    }

    fn retire_below(&self, number: Number) {
        self.slots.borrow_mut().retire_below(number);
    }

    fn roll_back_event(&self, event: EventId) {
        self.slots.borrow_mut().roll_back_event(event);
    }

    fn roll_back_all(&self) {
        self.slots.borrow_mut().roll_back_all();
    }

    fn commit(&self) {
        let mut slots = self.slots.borrow_mut();
        slots.commit();
        if let Some(stored) = &self.stored {
            slots.shrink(stored.room());
        }
    }

    fn cut(
        &self,
        changelog: &mut BatchBuilder,
        writers: &mut Vec<Writer>,
        timestamp: Timestamp,
    ) -> Result<()> {
        self.slots.borrow_mut().cut(|key, value, writer| {
            writers.push(writer);
            let record = changelog.record(timestamp);
            let write = || -> Result<usize, CodecError> {
                let record = record.key_with(|out| self.keys.encode(key, out))?;
                let record = match value {
                    Some(value) => record.value_with(|out| self.values.encode(value, out))?,
                    None => record,
                };
                let len = record.bytes();
                record.finish();
                Ok(len)
            };
            write().map_err(|e| {
                Error::from(e).context(format!(
                    "table {}: a changed entry does not encode",
                    self.table
                ))
            })
        })
    }

    fn load(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), CodecError> {
        let key = self.keys.decode(key)?;
        let value = value.map(|value| self.values.decode(value)).transpose()?;
        self.slots.borrow_mut().restore(key, value);
        Ok(())
    }

    fn store(&self) -> Option<&Arc<dyn Store>> {
        self.stored.as_ref().map(Stored::store)
    }

    fn dump(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let end = self.try_for_each(|key, value| {
            let (mut k, mut v) = (Vec::new(), Vec::new());
            let encoded = self
                .keys
                .encode(key, &mut k)
                .and_then(|()| self.values.encode(value, &mut v));
            match encoded {
                Ok(()) => {
                    visit(&k, &v);
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        })?;
        match end {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error.into()),
        }
    }

    fn into_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}
