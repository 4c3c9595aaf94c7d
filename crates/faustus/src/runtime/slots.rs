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
//! - Where a store has what was committed too, [`Slots::shrink`] forgets as much of it as need be.
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

impl<K, V> Slot<K, V> {
    /// Whether no undo holds an entry for this slot.
    fn is_idle(&self) -> bool {
        self.event == NO_EVENT && self.epoch == NONE
    }
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
    /// If a store has the values that are in no undo: what is known of how much memory they take.
    backed: Option<Kept>,
}

/// What a partition keeps although a store has it.
#[derive(Debug, Default)]
struct Kept {
    /// The encoded length of each slot's key and value, in bytes.
    lens: Vec<u32>,
    /// The sum of them.
    sum: usize,
    /// Where the search for what to forget goes on: so it comes to each slot in its turn.
    hand: SlotIndex,
    /// Whether a value was forgotten, which the store still has.
    forgot: bool,
}

impl Kept {
    fn set_len(&mut self, index: SlotIndex, len: usize) {
        let index = index as usize;
        if self.lens.len() <= index {
            self.lens.resize(index + 1, 0);
        }
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut self.lens[index], len);
        self.sum = self.sum - before as usize + len as usize;
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Slots<K, V> {
    /// What a slot takes in memory besides its key and value, in bytes: with its place in the index
    /// and what an allocator adds.
    const SLOT_BYTES: usize = size_of::<Option<Slot<K, V>>>() + 32;

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
            backed: backed.then(Kept::default),
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

    /// Whether a store may have keys that were known here once and are not any more.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.backed.as_ref().is_some_and(|kept| kept.forgot)
    }

    /// Makes a key known that is not, with the value that a store or a changelog has for it, encoded
    /// in `len` bytes. Not a write.
    pub(crate) fn load(&mut self, key: K, value: Option<V>, len: usize) -> SlotIndex {
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
        if let Some(kept) = &mut self.backed {
            kept.set_len(index, len);
        }
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
                self.load(key, value, 0);
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

    /// Ends the open epoch, telling each changed key with the value to be stored for it and who wrote
    /// it. `visit` gives the length of both when encoded, in bytes.
    pub(crate) fn cut<E>(
        &mut self,
        mut visit: impl FnMut(&K, Option<&V>, Writer) -> Result<usize, E>,
    ) -> Result<(), E> {
        // An event that has not retired may have written over what is flushed here: then the
        // value is the oldest one that such an event keeps.
        let held = oldest(&self.undo);
        for (index, _) in &self.open {
            if let Some(slot) = self.slot(*index) {
                let len = match held.get(index) {
                    Some(undo) => visit(&slot.key, undo.old.as_ref(), undo.old_writer)?,
                    None => visit(&slot.key, slot.value.as_ref(), slot.writer)?,
                };
                if let Some(kept) = &mut self.backed {
                    kept.set_len(*index, len);
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
        self.shrink(0);
    }

    /// Forgets what a store has too until all that is known takes no more than `room` bytes, as far
    /// as that can be.
    pub(crate) fn shrink(&mut self, room: usize) {
        for _ in 0..self.slots.len() {
            let Some(kept) = &mut self.backed else { return };
            if self.index.len() * Self::SLOT_BYTES + kept.sum <= room {
                return;
            }
            let next = kept.hand as usize + 1;
            kept.hand = if next < self.slots.len() {
                kept.hand + 1
            } else {
                0
            };
            let index = kept.hand;
            if self.slots[index as usize]
                .as_ref()
                .is_some_and(Slot::is_idle)
            {
                kept.forgot = true;
                self.forget(index);
            }
        }
    }

    /// All present keys known here.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots
            .iter()
            .flatten()
            .filter_map(|slot| Some((&slot.key, slot.value.as_ref()?)))
    }

    /// The value that the retired events left in a slot.
    pub(crate) fn retired_value(&self, index: SlotIndex) -> Option<&V> {
        let slot = self.slot(index)?;
        let written = || self.undo.iter().find(|undo| undo.slot == index);
        match (slot.event != NO_EVENT).then(written).flatten() {
            Some(undo) => undo.old.as_ref(),
            None => slot.value.as_ref(),
        }
    }

    /// All keys known here that the retired events left present.
    pub(crate) fn iter_retired(&self) -> impl Iterator<Item = (&K, &V)> {
        let held = oldest(&self.undo);
        let slots = self.slots.iter().zip(0_u32..);
        slots.filter_map(move |(slot, index)| {
            let slot = slot.as_ref()?;
            let value = match held.get(&index) {
                Some(undo) => undo.old.as_ref(),
                None => slot.value.as_ref(),
            };
            Some((&slot.key, value?))
        })
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

    /// A slot that is in no undo goes when its key is absent.
    fn forget_if_idle(&mut self, index: SlotIndex) {
        let Some(slot) = self.slot(index) else { return };
        if slot.is_idle() && slot.value.is_none() {
            self.forget(index);
        }
    }

    fn forget(&mut self, index: SlotIndex) {
        let Some(slot) = self.slots[index as usize].take() else {
            return;
        };
        let hash = self.hasher.hash_one(&slot.key);
        if let Ok(entry) = self.index.find_entry(hash, |&i| i == index) {
            entry.remove();
        }
        if let Some(kept) = &mut self.backed {
            kept.set_len(index, 0);
        }
        self.free.push(index);
    }
}

/// The oldest entry for each slot: what its value was before all events that have not retired.
fn oldest<V>(undo: &[Undo<V>]) -> HashMap<SlotIndex, &Undo<V>> {
    let mut oldest = HashMap::new();
    for undo in undo {
        oldest.entry(undo.slot).or_insert(undo);
    }
    oldest
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
