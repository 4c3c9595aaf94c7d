//! Slots against a model that replays the definition: state after any prefix of events.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type State = BTreeMap<u8, u32>;

/// Two lanes, each with at most one event in flight; keys belong to lanes by parity.
#[derive(Clone, Debug)]
enum Step {
    Write {
        lane: u8,
        key: u8,
        value: Option<u32>,
    },
    Complete {
        lane: u8,
    },
    Fail {
        lane: u8,
    },
    Cut,
    Commit,
    Abort,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..2, 0_u8..3, prop::option::of(0_u32..100))
            .prop_map(|(lane, key, value)| Step::Write { lane, key: key * 2 + lane, value }),
        4 => (0_u8..2).prop_map(|lane| Step::Complete { lane }),
        1 => (0_u8..2).prop_map(|lane| Step::Fail { lane }),
        2 => Just(Step::Cut),
        2 => Just(Step::Commit),
        1 => Just(Step::Abort),
    ]
}

/// The model keeps every event's writes and computes states from scratch.
#[derive(Default)]
struct Model {
    committed: State,
    /// Writes of each event since the last committed epoch, by number.
    events: BTreeMap<u64, Vec<(u8, Option<u32>)>>,
    in_flight: [Option<u64>; 2],
    next: u64,
    cuts: Vec<u64>,
}

impl Model {
    fn state(&self, below: u64) -> State {
        let mut state = self.committed.clone();
        for writes in self.events.range(..below).map(|(_, writes)| writes) {
            for (key, value) in writes {
                match value {
                    Some(value) => state.insert(*key, *value),
                    None => state.remove(key),
                };
            }
        }
        state
    }

    fn retired(&self) -> u64 {
        self.in_flight
            .iter()
            .flatten()
            .min()
            .copied()
            .unwrap_or(self.next)
    }

    fn event(&mut self, lane: u8) -> u64 {
        let next = &mut self.next;
        *self.in_flight[usize::from(lane)].get_or_insert_with(|| {
            *next += 1;
            *next - 1
        })
    }
}

fn content(slots: &Slots<u8, u32>) -> State {
    slots.iter().map(|(k, v)| (*k, *v)).collect()
}

fn write(slots: &mut Slots<u8, u32>, event: u64, key: u8, value: Option<u32>) {
    let index = slots.find(&key).unwrap_or_else(|| slots.load(key, None));
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
    fn every_prefix_is_flushed_and_restored_exactly(steps in prop::collection::vec(step(), 1..80)) {
        let mut model = Model::default();
        let mut slots = Slots::new(false);
        let mut flushed = State::new();
        for step in steps {
            match step {
                Step::Write { lane, key, value } => {
                    let event = model.event(lane);
                    model.events.entry(event).or_default().push((key, value));
                    write(&mut slots, event, key, value);
                }
                Step::Complete { lane } => {
                    if model.in_flight[usize::from(lane)].take().is_some() {
                        slots.retire_below(model.retired());
                    }
                }
                Step::Fail { lane } => {
                    // The event stays in flight and will be tried again.
                    if let Some(event) = model.in_flight[usize::from(lane)] {
                        model.events.remove(&event);
                        slots.roll_back_event(EventId::new(event, 0));
                    }
                }
                Step::Cut => {
                    let mut seen = BTreeSet::new();
                    slots.cut(|key, value, writer| {
                        let wrote = |writes: &Vec<(u8, _)>| writes.iter().any(|(k, _)| k == key);
                        let last = model.events.range(..model.retired()).rfind(|(_, w)| wrote(w));
                        assert_eq!(last.map(|(e, _)| *e), Some(writer.offset.0.cast_unsigned()));
                        assert!(seen.insert(*key), "a key is told once");
                        match value {
                            Some(value) => flushed.insert(*key, *value),
                            None => flushed.remove(key),
                        };
                        Ok::<(), ()>(())
                    }).unwrap();
                    model.cuts.push(model.retired());
                    prop_assert_eq!(&flushed, &model.state(model.retired()));
                }
                Step::Commit => {
                    if !model.cuts.is_empty() {
                        slots.commit();
                        let below = model.cuts.remove(0);
                        model.committed = model.state(below);
                        model.events = model.events.split_off(&below);
                    }
                }
                Step::Abort => {
                    slots.roll_back_all();
                    model.events.clear();
                    model.in_flight = [None; 2];
                    model.cuts.clear();
                    flushed = model.committed.clone();
                    prop_assert_eq!(content(&slots), model.committed.clone());
                }
            }
            let all = model.state(u64::MAX);
            prop_assert_eq!(content(&slots), all);
        }
    }
}

#[test]
fn a_backed_partition_forgets_what_is_stored() {
    let mut slots = Slots::new(true);
    write(&mut slots, 0, 1, Some(10));
    slots.retire_below(1);
    slots.cut(|_, _, _| Ok::<(), ()>(())).unwrap();
    assert_eq!(
        slots.find(&1).map(|i| slots.value(i).copied()),
        Some(Some(10)),
        "needed until stored"
    );
    slots.commit();
    assert_eq!(slots.find(&1), None);
}

#[test]
fn a_removed_key_takes_no_memory_once_it_is_committed() {
    let mut slots = Slots::new(false);
    write(&mut slots, 0, 1, Some(10));
    write(&mut slots, 1, 1, None);
    slots.retire_below(2);
    slots.cut(|_, _, _| Ok::<(), ()>(())).unwrap();
    slots.commit();
    assert_eq!(slots.find(&1), None);
    assert_eq!(slots.free.len(), 1);
}
