//! Tells sensors what happens: each is called under guard, and one that panics is taken out.
//!
//! [`Watch`] is what a lane has where a sensor wants to hear of each event, and only there.

use std::{
    any::type_name,
    cell::RefCell,
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use faustus_core::{Clock, Offset, Outgoing, PublishError, TopicPartition};

use super::{lane::InFlight, meters::TableCounts, retirement::Number, thread::panicked};
use crate::{
    EventEnd, EventIn, EventOut, MessagesIn, SendCompleted, SendFailed, SendInitiated, Sensor,
    TableUse,
};

/// A sensor as it was registered, and the name of its type.
#[derive(Clone)]
pub(crate) struct SensorDef {
    name: &'static str,
    sensor: Arc<dyn Sensor>,
}

impl SensorDef {
    pub(crate) fn new<S: Sensor>(sensor: S) -> Self {
        Self {
            name: type_name::<S>(),
            sensor: Arc::new(sensor),
        }
    }
}

/// All sensors of a worker.
#[derive(Clone)]
pub(crate) struct Sensors(Arc<[Slot]>);

struct Slot {
    def: SensorDef,
    wants_events: bool,
    /// It panicked: it hears nothing any more.
    out: AtomicBool,
}

impl Slot {
    fn tell<R: Default>(&self, tell: impl FnOnce(&dyn Sensor) -> R) -> R {
        if self.out.load(Ordering::Relaxed) {
            return R::default();
        }
        let told = catch_unwind(AssertUnwindSafe(|| tell(&*self.def.sensor)));
        told.unwrap_or_else(|panic| {
            self.out.store(true, Ordering::Relaxed);
            let (sensor, error) = (self.def.name, panicked(&*panic));
            tracing::error!(sensor, %error, "sensor panicked: it is taken out, and hears nothing any more");
            R::default()
        })
    }
}

impl Sensors {
    pub(crate) fn new(defs: &[SensorDef]) -> Self {
        let slots = defs.iter().map(|def| {
            let mut slot = Slot {
                def: def.clone(),
                wants_events: false,
                out: AtomicBool::new(false),
            };
            slot.wants_events = slot.tell(|sensor| sensor.wants_events());
            slot
        });
        Self(slots.collect())
    }

    /// Whether nobody listens.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all of them.
    #[inline]
    pub(crate) fn tell(&self, tell: impl Fn(&dyn Sensor)) {
        for slot in &*self.0 {
            slot.tell(&tell);
        }
    }

    /// A batch of at least one record was fetched.
    pub(crate) fn fetched(&self, partition: &TopicPartition, batch: &faustus_core::Batch) {
        if self.is_empty() || batch.is_empty() {
            return;
        }
        let messages = MessagesIn {
            partition,
            first: batch.get(0).offset(),
            last: batch.get(batch.len() - 1).offset(),
            records: batch.len(),
            bytes: batch.bytes(),
        };
        self.tell(|sensor| sensor.on_messages_in(&messages));
    }

    /// Batches are handed to the log.
    pub(crate) fn sending(&self, batches: &[Outgoing]) {
        if !self.is_empty() {
            for send in batches.iter().map(initiated) {
                self.tell(|sensor| sensor.on_send_initiated(&send));
            }
        }
    }

    /// The log answered after `took`.
    pub(crate) fn sent(
        &self,
        batches: &[Outgoing],
        answer: Result<(), &PublishError>,
        took: Duration,
    ) {
        if self.is_empty() {
            return;
        }
        let error = answer.err().map(ToString::to_string);
        for send in batches.iter().map(initiated) {
            match &error {
                None => self.tell(|sensor| sensor.on_send_completed(&SendCompleted { send, took })),
                Some(error) => {
                    self.tell(|sensor| sensor.on_send_error(&SendFailed { send, took, error }));
                }
            }
        }
    }

    /// Those that want to hear of each event, for a lane of `agent`.
    pub(crate) fn watch(&self, agent: &Arc<str>, clock: &Arc<dyn Clock>) -> Option<Box<Watch>> {
        self.0.iter().any(|slot| slot.wants_events).then(|| {
            Box::new(Watch {
                sensors: self.clone(),
                agent: Arc::clone(agent),
                clock: Arc::clone(clock),
                given: RefCell::default(),
            })
        })
    }
}

fn initiated(batch: &Outgoing) -> SendInitiated<'_> {
    SendInitiated {
        partition: &batch.partition,
        records: batch.batch.len(),
        bytes: batch.batch.bytes(),
    }
}

impl fmt::Debug for Sensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|slot| slot.def.name);
        f.debug_list().entries(names).finish()
    }
}

/// Tells sensors of the events of one lane.
pub(crate) struct Watch {
    sensors: Sensors,
    agent: Arc<str>,
    clock: Arc<dyn Clock>,
    /// The events that the agent has.
    given: RefCell<HashMap<Number, Given>>,
}

struct Given {
    partition: TopicPartition,
    offset: Offset,
    at: Duration,
}

impl Watch {
    /// The agent is given this event.
    #[cold]
    pub(crate) fn gave(&self, event: &InFlight, partition: &TopicPartition) {
        self.took_back(event.number(), EventEnd::TakenAway);
        let offset = event.record().offset();
        let told = EventIn {
            agent: &self.agent,
            partition,
            offset,
        };
        self.tell(|sensor| sensor.on_event_in(&told));
        let given = Given {
            partition: partition.clone(),
            offset,
            at: self.clock.monotonic(),
        };
        self.given.borrow_mut().insert(event.number(), given);
    }

    /// The agent has this event no more; of one that it has not, nothing is told.
    #[cold]
    pub(crate) fn took_back(&self, event: Number, end: EventEnd) {
        let given = self.given.borrow_mut().remove(&event);
        if let Some(given) = given {
            self.out(&given, end);
        }
    }

    fn out(&self, given: &Given, end: EventEnd) {
        let told = EventOut {
            agent: &self.agent,
            partition: &given.partition,
            offset: given.offset,
            took: self.clock.monotonic().saturating_sub(given.at),
            end,
        };
        self.tell(|sensor| sensor.on_event_out(&told));
    }

    fn tell(&self, tell: impl Fn(&dyn Sensor)) {
        for slot in self.sensors.0.iter().filter(|slot| slot.wants_events) {
            slot.tell(&tell);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for given in self.given.take().into_values() {
            self.out(&given, EventEnd::TakenAway);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

/// What a table's counts were when it was told last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    read: u64,
    written: u64,
    deleted: u64,
}

impl Told {
    /// Tells what was done with a table since the last call, if anything was.
    pub(crate) fn tell(&mut self, table: &str, counts: &TableCounts, sensors: &Sensors) {
        let now = Self {
            read: counts.read.get(),
            written: counts.written.get(),
            deleted: counts.deleted.get(),
        };
        let before = std::mem::replace(self, now);
        let deleted = now.deleted - before.deleted;
        let used = TableUse {
            table,
            keys_read: now.read - before.read,
            keys_set: now.written - before.written - deleted,
            keys_deleted: deleted,
        };
        if used.keys_read + used.keys_set + used.keys_deleted > 0 {
            sensors.tell(|sensor| sensor.on_table_use(&used));
        }
    }
}
