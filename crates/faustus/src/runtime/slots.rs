//! The state machine of one table's partition: values written in place, undone event by event and
//! epoch by epoch.
//!
//! - A write keeps the old value in the *event undo* under the event, once per key.
//! - [`Slots::roll_back_event`] restores what a failed event changed.
//! - [`Slots::retire_below`] gives up the undo of retired events; the first old value per key and
//!   epoch moves to the *epoch undo*.
//! - [`Slots::cut`] ends the epoch: it tells every key that retired events changed with the value
//!   that those events left, even where an event that has not retired has already written over it.
//! - [`Slots::commit`] forgets the oldest cut epoch's undo, [`Slots::roll_back_all`] restores the
//!   state after the last committed epoch.
//!
//! The machine relies on two rules that lanes keep: of two events that have not retired and wrote
//! the same key, the one with the lower id wrote first; and only an event that nobody has written
//! over is rolled back alone. It does no I/O and knows no encoding.

use std::{
    borrow::Borrow,
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hash},
};

use faustus_core::Offset;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::retirement::Number;

/// Where a key lives; stable until the key is forgotten.
pub(crate) type SlotIndex = u32;

/// No epoch has this number.
const NONE: u64 = u64::MAX;

/// No event has this id.
const NO_EVENT: EventId = EventId(u64::MAX);

/// The record whose event wrote a value, for the blame when the log refuses the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    /// The index of the source partition in the task.
    pub(crate) source: u32,
    pub(crate) offset: Offset,
    /// Which of the agents that read it, by its place in the sub-topology.
    pub(crate) agent: u16,
}

impl Writer {
    /// No event: an agent wrote on its own.
    pub(crate) const NOBODY: Self = Self {
        source: u32::MAX,
        offset: Offset(-1),
        agent: u16::MAX,
    };
}

/// An agent's turn at a delivery: of several agents that read a record each has its own undo.
///
/// Its order is that of deliveries, then of agents, which is the order in which agents that write
/// the same table come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventId(u64);

impl EventId {
    /// The part of the agent at this place of the sub-topology in the delivery of this number.
    pub(crate) fn new(number: Number, agent: u16) -> Self {
        Self(number << 16 | u64::from(agent))
    }
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    /// `None`: the key is known to be absent.
    value: Option<V>,
    /// The event that wrote last, while its undo holds an entry for this slot.
    event: EventId,
    writer: Writer,
    /// The epoch whose undo holds an entry for this slot.
    epoch: u64,
}

#[derive(Debug)]
struct Undo<V> {
    event: EventId,
    slot: SlotIndex,
    old: Option<V>,
    old_writer: Writer,
}

/// The undo of one epoch: for each key that its retired events changed, the value before them.
type EpochUndo<V> = Vec<(SlotIndex, Option<V>)>;

/// One partition of a table in memory.
#[derive(Debug)]
pub(crate) struct Slots<K, V> {
    slots: Vec<Option<Slot<K, V>>>,
    free: Vec<SlotIndex>,
    index: HashTable<SlotIndex>,
    hasher: RandomState,
    /// Writes of events that have not retired, in the order they were made.
    undo: Vec<Undo<V>>,
    /// What retired since the last cut.
    open: EpochUndo<V>,
    /// Cut epochs that have not been committed, the oldest first.
    cut: VecDeque<EpochUndo<V>>,
    epoch: u64,
    /// Whether a value that is in no undo may be dropped because a store has it.
    backed: bool,
}

impl<K: Hash + Eq + Clone, V: Clone> Slots<K, V> {
    /// An empty partition. `backed`: a store holds what was committed, so that this need not.
    pub(crate) fn new(backed: bool) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            undo: Vec::new(),
            open: Vec::new(),
            cut: VecDeque::new(),
            epoch: 0,
            backed,
        }
    }

    /// The slot of `key`, if the key is known here (as present or absent).
    pub(crate) fn find<Q>(&self, key: &Q) -> Option<SlotIndex>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        self.index
            .find(hash, |&index| {
                self.slot(index)
                    .is_some_and(|slot| slot.key.borrow() == key)
            })
            .copied()
    }

    /// The value in a slot.
    pub(crate) fn value(&self, index: SlotIndex) -> Option<&V> {
        self.slot(index).and_then(|slot| slot.value.as_ref())
    }

    /// Makes a key known that is not, with the value that a store or a changelog has for it. Not a write.
    pub(crate) fn load(&mut self, key: K, value: Option<V>) -> SlotIndex {
        let hash = self.hasher.hash_one(&key);
        let slot = Some(Slot {
            key,
            value,
            event: NO_EVENT,
            writer: Writer::NOBODY,
            epoch: NONE,
        });
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                let index = SlotIndex::try_from(self.slots.len()).unwrap_or(SlotIndex::MAX);
                self.slots.push(slot);
                index
            }
        };
        let Self {
            index: table,
            slots,
            hasher,
            ..
        } = self;
        table.insert_unique(hash, index, |&i| {
            slots[i as usize]
                .as_ref()
                .map_or(0, |slot| hasher.hash_one(&slot.key))
        });
        index
    }

    /// Takes over what a changelog says of a key: a removed key leaves nothing behind.
    pub(crate) fn restore(&mut self, key: K, value: Option<V>) {
        match self.find(&key) {
            Some(index) => {
                let absent = value.is_none();
                self.replace(index, value);
                if absent {
                    self.forget_if_idle(index);
                }
            }
            None if value.is_some() => {
                self.load(key, value);
            }
            None => {}
        }
    }

    /// Lets `event` change a slot in place; its old value is kept once.
    pub(crate) fn write(
        &mut self,
        index: SlotIndex,
        event: EventId,
        writer: Writer,
        change: impl FnOnce(&mut Option<V>),
    ) {
        let Some(slot) = self.slots[index as usize].as_mut() else {
            return;
        };
        if slot.event != event {
            let (old, old_writer) = (slot.value.clone(), slot.writer);
            self.undo.push(Undo {
                event,
                slot: index,
                old,
                old_writer,
            });
            slot.event = event;
        }
        slot.writer = writer;
        change(&mut slot.value);
    }

    /// Changes a slot in place for no event: the change is part of the open epoch at once.
    ///
    /// If an event that has not retired wrote the slot last, it goes with that event, whose value it
    /// may lean on.
    pub(crate) fn write_alone(&mut self, index: SlotIndex, change: impl FnOnce(&mut Option<V>)) {
        let Some(slot) = self.slots[index as usize].as_mut() else {
            return;
        };
        if slot.event == NO_EVENT {
            if slot.epoch != self.epoch {
                slot.epoch = self.epoch;
                self.open.push((index, slot.value.clone()));
            }
            slot.writer = Writer::NOBODY;
        }
        change(&mut slot.value);
    }

    /// Restores what `event` changed.
    pub(crate) fn roll_back_event(&mut self, event: EventId) {
        for at in (0..self.undo.len()).rev() {
            if self.undo[at].event == event {
                let Undo {
                    slot: index,
                    old,
                    old_writer,
                    ..
                } = self.undo.remove(at);
                let before = self.last_event(index);
                if let Some(slot) = self.slots[index as usize].as_mut() {
                    (slot.value, slot.event, slot.writer) = (old, before, old_writer);
                }
                self.forget_if_idle(index);
            }
        }
    }

    /// All events below `number` have retired.
    pub(crate) fn retire_below(&mut self, number: Number) {
        let below = EventId::new(number, 0);
        let mut undo = std::mem::take(&mut self.undo);
        for entry in undo.extract_if(.., |entry| entry.event < below) {
            self.retire(entry);
        }
        self.undo = undo;
    }

    /// Ends the open epoch, telling each changed key with the value to be stored for it and who wrote it.
    pub(crate) fn cut<E>(
        &mut self,
        mut visit: impl FnMut(&K, Option<&V>, Writer) -> Result<(), E>,
    ) -> Result<(), E> {
        // An event that has not retired may have written over what is flushed here: then the
        // value is the oldest one that such an event keeps.
        let mut held: HashMap<SlotIndex, &Undo<V>> = HashMap::new();
        for undo in &self.undo {
            held.entry(undo.slot).or_insert(undo);
        }
        for (index, _) in &self.open {
            if let Some(slot) = self.slot(*index) {
                match held.get(index) {
                    Some(undo) => visit(&slot.key, undo.old.as_ref(), undo.old_writer)?,
                    None => visit(&slot.key, slot.value.as_ref(), slot.writer)?,
                }
            }
        }
        self.cut.push_back(std::mem::take(&mut self.open));
        self.epoch += 1;
        Ok(())
    }

    /// The oldest cut epoch is stored: nothing can undo it any more.
    pub(crate) fn commit(&mut self) {
        let Some(mut epoch) = self.cut.pop_front() else {
            return;
        };
        let number = self.epoch - 1 - self.cut.len() as u64;
        for (index, _) in epoch.drain(..) {
            if let Some(slot) = self.slots[index as usize].as_mut()
                && slot.epoch == number
            {
                slot.epoch = NONE;
            }
            self.forget_if_idle(index);
        }
        if self.open.capacity() == 0 {
            self.open = epoch;
        }
    }

    /// Restores the state after the last committed epoch and forgets everything since.
    pub(crate) fn roll_back_all(&mut self) {
        let mut restored = Vec::new();
        for Undo { slot, old, .. } in std::mem::take(&mut self.undo).into_iter().rev() {
            self.replace(slot, old);
            restored.push(slot);
        }
        let epochs = std::mem::take(&mut self.cut)
            .into_iter()
            .chain([std::mem::take(&mut self.open)]);
        for epoch in epochs.collect::<Vec<_>>().into_iter().rev() {
            for (slot, old) in epoch.into_iter().rev() {
                self.replace(slot, old);
                restored.push(slot);
            }
        }
        for index in restored {
            if let Some(slot) = self.slots[index as usize].as_mut() {
                slot.event = NO_EVENT;
                slot.epoch = NONE;
            }
            self.forget_if_idle(index);
        }
        self.epoch += 1;
    }

    /// All present keys known here.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots
            .iter()
            .flatten()
            .filter_map(|slot| Some((&slot.key, slot.value.as_ref()?)))
    }

    fn slot(&self, index: SlotIndex) -> Option<&Slot<K, V>> {
        self.slots.get(index as usize).and_then(Option::as_ref)
    }

    fn replace(&mut self, index: SlotIndex, value: Option<V>) {
        if let Some(slot) = self.slots[index as usize].as_mut() {
            slot.value = value;
        }
    }

    fn last_event(&self, index: SlotIndex) -> EventId {
        self.undo
            .iter()
            .rev()
            .find(|undo| undo.slot == index)
            .map_or(NO_EVENT, |undo| undo.event)
    }

    fn retire(&mut self, undo: Undo<V>) {
        let Undo {
            event,
            slot: index,
            old,
            ..
        } = undo;
        let epoch = self.epoch;
        let Some(slot) = self.slots[index as usize].as_mut() else {
            return;
        };
        if slot.event == event {
            slot.event = NO_EVENT;
        }
        if slot.epoch != epoch {
            slot.epoch = epoch;
            self.open.push((index, old));
        }
    }

    /// A slot that is in no undo goes when its key is absent, or when a store has its value.
    fn forget_if_idle(&mut self, index: SlotIndex) {
        let Some(slot) = self.slot(index) else { return };
        if slot.event != NO_EVENT || slot.epoch != NONE || (slot.value.is_some() && !self.backed) {
            return;
        }
        let hash = self.hasher.hash_one(&slot.key);
        if let Ok(entry) = self.index.find_entry(hash, |&i| i == index) {
            entry.remove();
        }
        self.slots[index as usize] = None;
        self.free.push(index);
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
