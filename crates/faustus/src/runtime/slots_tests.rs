//! Slots against a model that replays the definition: state after any prefix of events.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type State = BTreeMap<u8, u32>;

/// Two lanes, each with at most one event in flight.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write {
        lane: usize,
        key: u8,
        value: Option<u32>,
    },
    /// A write of no event.
    Alone {
        key: u8,
        value: Option<u32>,
    },
    Complete {
        lane: usize,
    },
    /// The event stays in flight and will be tried again.
    Fail {
        lane: usize,
    },
    Cut,
    Commit,
    Abort,
}

fn step() -> impl Strategy<Value = Step> {
    let value = || prop::option::of(0_u32..100);
    prop_oneof![
        6 => (0_usize..2, 0..KEYS, value())
            .prop_map(|(lane, key, value)| Step::Write { lane, key, value }),
        1 => (0..KEYS, value()).prop_map(|(key, value)| Step::Alone { key, value }),
        4 => (0_usize..2).prop_map(|lane| Step::Complete { lane }),
        1 => (0_usize..2).prop_map(|lane| Step::Fail { lane }),
        2 => Just(Step::Cut),
        2 => Just(Step::Commit),
        1 => Just(Step::Abort),
    ]
}

/// How many keys there are.
const KEYS: u8 = 6;

/// What became of a key, and by which event.
#[derive(Clone, Copy)]
struct Wrote {
    key: u8,
    value: Option<u32>,
    event: Option<u64>,
}

/// The model keeps every write since the last committed epoch and computes states from scratch.
#[derive(Default)]
struct Model {
    committed: State,
    /// What retired, in that order.
    retired: Vec<Wrote>,
    /// How much of it each epoch that was cut holds, those before included.
    cuts: Vec<usize>,
    /// The writes of events that have not retired, by number.
    events: BTreeMap<u64, Vec<Wrote>>,
    in_flight: [Option<u64>; 2],
    next: u64,
}

impl Model {
    fn state<'a>(&self, writes: impl IntoIterator<Item = &'a Wrote>) -> State {
        let mut state = self.committed.clone();
        for Wrote { key, value, .. } in writes {
            match value {
                Some(value) => state.insert(*key, *value),
                None => state.remove(key),
            };
        }
        state
    }

    /// What agents see.
    fn now(&self) -> State {
        self.state(self.retired.iter().chain(self.events.values().flatten()))
    }

    /// The event that has not retired and wrote `key` last.
    fn last(&self, key: u8) -> Option<u64> {
        let wrote = |writes: &Vec<Wrote>| writes.iter().any(|wrote| wrote.key == key);
        let mut events = self.events.iter();
        events
            .rfind(|(_, writes)| wrote(writes))
            .map(|(event, _)| *event)
    }

    /// Whether lanes, which take turns, may come to this, and anything follows from it.
    fn allows(&self, step: Step) -> bool {
        match step {
            Step::Write { lane, key, .. } => {
                let event = self.in_flight[lane].unwrap_or(self.next);
                let other = self.in_flight[1 - lane];
                self.last(key)
                    .is_none_or(|last| last <= event && Some(last) != other)
            }
            Step::Complete { lane } => self.in_flight[lane].is_some(),
            Step::Fail { lane } => {
                let writes = |event| self.events.get(&event).is_some_and(|w| !w.is_empty());
                self.in_flight[lane].is_some_and(writes)
            }
            Step::Commit => !self.cuts.is_empty(),
            Step::Cut | Step::Abort => !(self.retired.is_empty() && self.events.is_empty()),
            Step::Alone { .. } => true,
        }
    }

    /// The number below which all events have retired, which it takes in.
    fn retire(&mut self) -> u64 {
        let in_flight = self.in_flight.iter().flatten().min();
        let below = in_flight.copied().unwrap_or(self.next);
        let rest = self.events.split_off(&below);
        let retired = std::mem::replace(&mut self.events, rest);
        self.retired.extend(retired.into_values().flatten());
        below
    }
}

/// The machine and the model on the same script.
struct Run {
    slots: Slots<u8, u32>,
    backed: bool,
    /// Whether no memory is left for what a store has.
    tight: bool,
    model: Model,
    /// What the cuts have told.
    flushed: State,
}

impl Run {
    fn new(backed: bool, tight: bool) -> Self {
        Self {
            slots: Slots::new(backed),
            backed,
            tight,
            model: Model::default(),
            flushed: State::new(),
        }
    }

    fn step(&mut self, step: Step) {
        let Self { slots, model, .. } = self;
        match step {
            Step::Write { lane, key, value } => {
                let event = *model.in_flight[lane].get_or_insert_with(|| {
                    model.next += 1;
                    model.next - 1
                });
                let wrote = Wrote {
                    key,
                    value,
                    event: Some(event),
                };
                model.events.entry(event).or_default().push(wrote);
                let stored = self.looked_up(key);
                write(&mut self.slots, event, (key, stored), value);
            }
            Step::Alone { key, value } => {
                // It leans on what it finds, and shares its fate.
                let event = model.last(key);
                let writes = match event {
                    Some(event) => model.events.entry(event).or_default(),
                    None => &mut model.retired,
                };
                writes.push(Wrote { key, value, event });
                let stored = self.stored(key);
                let index = slot_of(&mut self.slots, key, stored);
                self.slots.write_alone(index, |slot| *slot = value);
            }
            Step::Complete { lane } => {
                model.in_flight[lane] = None;
                slots.retire_below(model.retire());
            }
            Step::Fail { lane } => {
                if let Some(event) = model.in_flight[lane] {
                    model.events.remove(&event);
                    slots.roll_back_event(EventId::new(event, 0));
                }
            }
            Step::Cut => self.cut(),
            Step::Commit => {
                slots.commit();
                if self.tight {
                    slots.shrink(0);
                }
                let below = model.cuts.remove(0);
                model.committed = model.state(&model.retired[..below]);
                model.retired.drain(..below);
                model.cuts.iter_mut().for_each(|cut| *cut -= below);
            }
            Step::Abort => {
                slots.roll_back_all();
                *model = Model {
                    committed: std::mem::take(&mut model.committed),
                    next: model.next,
                    ..Model::default()
                };
                self.flushed.clone_from(&model.committed);
            }
        }
    }

    /// Each key that retired events changed is told once, as the last of them left it.
    fn cut(&mut self) {
        let model = &mut self.model;
        let mut told = BTreeSet::new();
        let retired = &model.retired;
        let cutting = self.slots.cut(|key, value, writer| {
            let last = retired.iter().rfind(|wrote| wrote.key == *key);
            let event = last.and_then(|wrote| wrote.event);
            let offset = event.map_or(Offset(-1), |event| Offset(event.cast_signed()));
            assert_eq!(writer.offset, offset, "who wrote {key}");
            assert!(told.insert(*key), "{key} is told once");
            match value {
                Some(value) => self.flushed.insert(*key, *value),
                None => self.flushed.remove(key),
            };
            Ok::<usize, ()>(2)
        });
        cutting.unwrap();
        let before = model.cuts.last().copied().unwrap_or_default();
        let changed: BTreeSet<u8> = retired[before..].iter().map(|wrote| wrote.key).collect();
        assert_eq!(told, changed);
        model.cuts.push(retired.len());
        assert_eq!(self.flushed, model.state(&model.retired));
    }

    /// What a store says of a key.
    fn stored(&self, key: u8) -> Option<u32> {
        let value = self.model.committed.get(&key).copied();
        value.filter(|_| self.backed)
    }

    /// What a shard takes for the value of a key that has no slot: what was never forgotten is not
    /// looked up.
    fn looked_up(&self, key: u8) -> Option<u32> {
        self.stored(key).filter(|_| self.slots.has_forgotten())
    }

    /// Machine and model show the same.
    fn check(&self) {
        let value = |key| match self.slots.find(&key) {
            Some(index) => self.slots.value(index).copied(),
            None => self.looked_up(key),
        };
        let seen = (0..KEYS).filter_map(|key| Some((key, value(key)?)));
        assert_eq!(seen.collect::<State>(), self.model.now());
        let retired = self.model.state(&self.model.retired);
        let value = |key| match self.slots.find(&key) {
            Some(index) => self.slots.retired_value(index).copied(),
            None => self.looked_up(key),
        };
        let seen = (0..KEYS).filter_map(|key| Some((key, value(key)?)));
        assert_eq!(seen.collect::<State>(), retired);
        let unknown = (0..KEYS).filter(|key| self.slots.find(key).is_none());
        let elsewhere = unknown.filter_map(|key| Some((key, self.looked_up(key)?)));
        let here = self.slots.iter_retired().map(|(key, value)| (*key, *value));
        assert_eq!(here.chain(elsewhere).collect::<State>(), retired);
    }
}

fn slot_of(slots: &mut Slots<u8, u32>, key: u8, stored: Option<u32>) -> SlotIndex {
    let known = slots.find(&key);
    known.unwrap_or_else(|| slots.load(key, stored, 2))
}

fn write(
    slots: &mut Slots<u8, u32>,
    event: u64,
    (key, stored): (u8, Option<u32>),
    value: Option<u32>,
) {
    let index = slot_of(slots, key, stored);
    let writer = Writer {
        source: 0,
        offset: Offset(event.cast_signed()),
        agent: 0,
    };
    slots.write(index, EventId::new(event, 0), writer, |slot| *slot = value);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_prefix_is_flushed_and_restored_exactly(
        backed: bool,
        tight: bool,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut run = Run::new(backed, tight);
        for step in steps {
            if run.model.allows(step) {
                run.step(step);
                run.check();
            }
        }
    }
}

/// All that can happen next with two keys, but for what is the same under other names.
fn choices(script: &[Step], model: &Model) -> Vec<Step> {
    // A value tells which step wrote it.
    let fresh = u32::try_from(script.len()).ok();
    let lanes = if model.in_flight == [None; 2] { 1 } else { 2 };
    let keys = if script.is_empty() { 1 } else { 2 };
    let mut steps = vec![Step::Cut, Step::Commit, Step::Abort];
    for lane in 0..lanes {
        steps.extend([Step::Complete { lane }, Step::Fail { lane }]);
        for key in 0..keys {
            steps.extend([fresh, None].map(|value| Step::Write { lane, key, value }));
        }
    }
    steps.extend((0..keys).map(|key| Step::Alone { key, value: fresh }));
    steps.retain(|step| model.allows(*step));
    steps
}

/// Runs every script that begins with `script` and has `more` further steps; gives how many.
fn run_all((backed, tight): (bool, bool), script: &mut Vec<Step>, more: usize) -> u32 {
    let steps = {
        let _told = Script(script);
        let mut run = Run::new(backed, tight);
        script.iter().for_each(|step| run.step(*step));
        run.check();
        choices(script, &run.model)
    };
    if more == 0 {
        return 1;
    }
    let mut count = 0;
    for step in steps {
        script.push(step);
        count += run_all((backed, tight), script, more - 1);
        script.pop();
    }
    count
}

/// Tells which script it was if it fails.
struct Script<'a>(&'a [Step]);

impl Drop for Script<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}", self.0);
        }
    }
}

#[test]
fn every_short_script_is_flushed_and_restored_exactly() {
    for (kind, steps, fewest) in [
        ((false, false), 6, 400_000),
        ((true, false), 5, 40_000),
        ((true, true), 5, 40_000),
    ] {
        let scripts = run_all(kind, &mut Vec::new(), steps);
        assert!(scripts > fewest, "only {scripts}");
    }
}

#[test]
fn a_backed_partition_forgets_what_is_stored_when_it_needs_the_room() {
    let mut slots = Slots::new(true);
    write(&mut slots, 0, (1, None), Some(10));
    slots.retire_below(1);
    slots.cut(|_, _, _| Ok::<usize, ()>(2)).unwrap();
    slots.shrink(0);
    let value = |slots: &Slots<u8, u32>| slots.find(&1).map(|i| slots.value(i).copied());
    assert_eq!(value(&slots), Some(Some(10)), "needed until stored");
    slots.commit();
    slots.shrink(1_000);
    assert_eq!(value(&slots), Some(Some(10)), "there is room");
    assert!(!slots.has_forgotten());
    slots.shrink(0);
    assert_eq!(slots.find(&1), None);
    assert!(slots.has_forgotten());
}

#[test]
fn a_backed_partition_forgets_no_more_than_it_must() {
    let mut slots = Slots::new(true);
    (0..10).for_each(|key| write(&mut slots, u64::from(key), (key, None), Some(10)));
    slots.retire_below(10);
    slots
        .cut(|key, _, _| Ok::<usize, ()>(100 * usize::from(*key)))
        .unwrap();
    slots.commit();
    let all = 10 * Slots::<u8, u32>::SLOT_BYTES + 4_500;
    slots.shrink(all);
    assert_eq!(slots.iter().count(), 10);
    slots.shrink(all - 1);
    assert_eq!(slots.iter().count(), 9);
}

#[test]
fn room_is_taken_by_what_is_there_and_no_more() {
    let mut slots = Slots::new(true);
    for (event, value) in [Some(1), Some(2), None].into_iter().enumerate() {
        let event = event as u64;
        write(&mut slots, event, (1, None), value);
        slots.retire_below(event + 1);
        slots
            .cut(|_, value, _| Ok::<usize, ()>(value.map_or(1, |_| 50)))
            .unwrap();
        slots.commit();
        let kept = slots.backed.as_ref().map(|kept| kept.sum);
        assert_eq!(kept, Some(value.map_or(0, |_| 50)));
    }
}

#[test]
fn a_removed_key_takes_no_memory_once_it_is_committed() {
    let mut slots = Slots::new(false);
    write(&mut slots, 0, (1, None), Some(10));
    write(&mut slots, 1, (1, None), None);
    slots.retire_below(2);
    slots.cut(|_, _, _| Ok::<usize, ()>(2)).unwrap();
    slots.commit();
    assert_eq!(slots.find(&1), None);
    assert_eq!(slots.free.len(), 1);
}
