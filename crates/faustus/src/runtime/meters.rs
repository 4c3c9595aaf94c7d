//! Counts and times that the runtime keeps, always, for whoever wants to read them.
//!
//! What happens per event is counted in plain integers of the event's thread, or is a [`Count`], which
//! one thread writes with a load and a store. A lane adds what it counted after each poll.
//! All else is counted per batch, per round, per epoch or more seldom. Nobody is told of anything here,
//! and nothing here waits for a reader: [`Meters::read`] makes a snapshot of what stands there.
//!
//! What a task has ([`gauges`]) goes when the task goes; everything else only grows.

mod count;
mod gauges;
mod rebalance;

pub(crate) use count::{Count, Durations, SharedCount};
pub(crate) use gauges::{Restoring, TaskGauge};

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use faustus_core::{Batch, Clock, Offset, TopicName, TopicPartition};
use parking_lot::Mutex;

use super::{sensors::Sensors, topology::AppDef};
use crate::{
    AgentFigures, AskFigures, EpochFigures, Error, Monitor, SendFigures, Sensor, TableFigures,
    TopicFigures, Traffic, membership::TaskId, time::rounded,
};
use gauges::Gauges;
use rebalance::{Rebalances, Recovered, Whole};

/// All meters of a worker.
pub(crate) struct Meters {
    app: Arc<str>,
    agents: Vec<Arc<str>>,
    tables: Vec<Arc<str>>,
    topics: Vec<TopicName>,
    clock: Arc<dyn Clock>,
    threads: Mutex<Vec<Arc<ThreadCounts>>>,
    pub(crate) gauges: Gauges,
    /// What is stored in each topic.
    sent: Mutex<BTreeMap<TopicName, Traffic>>,
    replied: TrafficCount,
    pub(crate) epochs: EpochMeters,
    pub(crate) sends: SendMeters,
    pub(crate) asks: AskMeters,
    pub(crate) rebalances: Rebalances,
    pub(crate) sensors: Sensors,
}

/// The counts of one worker thread, which alone writes them.
#[derive(Debug)]
pub(crate) struct ThreadCounts {
    /// By the agents of the application.
    pub(crate) agents: Vec<Arc<AgentCounts>>,
    /// By its tables.
    pub(crate) tables: Vec<Arc<TableCounts>>,
    /// By its topics: what was fetched.
    pub(crate) topics: Vec<TopicCounts>,
}

/// What an agent did on one thread.
#[derive(Debug, Default)]
pub(crate) struct AgentCounts {
    pub(crate) taken: Count,
    /// Events that are done in any way.
    pub(crate) done: Count,
    /// Of these: passed over.
    pub(crate) skipped: Count,
    /// Of these: a dead letter went out instead.
    pub(crate) lettered: Count,
    pub(crate) failures: Count,
    pub(crate) retries: Count,
    pub(crate) parkings: Count,
}

/// What was done with a table on one thread.
#[derive(Debug, Default)]
pub(crate) struct TableCounts {
    pub(crate) read: Count,
    /// Writes of both kinds.
    pub(crate) written: Count,
    /// Of these: nothing was left.
    pub(crate) deleted: Count,
    pub(crate) restored: Count,
}

/// What was fetched from a topic on one thread.
#[derive(Debug, Default)]
pub(crate) struct TopicCounts {
    records: Count,
    bytes: Count,
}

impl TopicCounts {
    pub(crate) fn fetched(&self, batch: &Batch) {
        self.records.add(batch.len() as u64);
        self.bytes.add(batch.bytes() as u64);
    }
}

#[derive(Debug, Default)]
struct TrafficCount {
    records: SharedCount,
    bytes: SharedCount,
}

/// What became of epochs.
#[derive(Debug, Default)]
pub(crate) struct EpochMeters {
    pub(crate) committed: SharedCount,
    pub(crate) rolled_back: SharedCount,
    pub(crate) refused: SharedCount,
    pub(crate) attempts_again: SharedCount,
    pub(crate) gathering: Durations,
    pub(crate) publishing: Durations,
    pub(crate) committing: Durations,
    pub(crate) storing: Durations,
    pub(crate) whole: Durations,
}

/// What became of sends that leave at once.
#[derive(Debug, Default)]
pub(crate) struct SendMeters {
    pub(crate) sent: SharedCount,
    pub(crate) failed: SharedCount,
    pub(crate) publishing: Durations,
}

/// What became of requests.
#[derive(Debug, Default)]
pub(crate) struct AskMeters {
    pub(crate) asked: SharedCount,
    pub(crate) answered: SharedCount,
    pub(crate) failed: SharedCount,
    pub(crate) timed_out: SharedCount,
    pub(crate) waiting: Durations,
}

impl Meters {
    /// The meters of a worker of `def`.
    pub(crate) fn new(def: &AppDef, clock: Arc<dyn Clock>) -> Arc<Self> {
        let agents = def.agents.iter().map(|agent| Arc::clone(&agent.name));
        let tables = def.tables.iter().map(|table| Arc::clone(&table.name));
        Arc::new(Self {
            app: Arc::clone(&def.name),
            agents: agents.collect(),
            tables: tables.collect(),
            topics: def.topics.iter().map(|topic| topic.name.clone()).collect(),
            clock,
            threads: Mutex::default(),
            gauges: Gauges::default(),
            sent: Mutex::default(),
            replied: TrafficCount::default(),
            epochs: EpochMeters::default(),
            sends: SendMeters::default(),
            asks: AskMeters::default(),
            rebalances: Rebalances::default(),
            sensors: Sensors::new(&def.sensors),
        })
    }

    /// The counts of another thread.
    pub(crate) fn thread(&self) -> Arc<ThreadCounts> {
        fn some<T: Default>(len: usize) -> Vec<T> {
            (0..len).map(|_| T::default()).collect()
        }
        let counts = Arc::new(ThreadCounts {
            agents: some(self.agents.len()),
            tables: some(self.tables.len()),
            topics: some(self.topics.len()),
        });
        self.threads.lock().push(Arc::clone(&counts));
        counts
    }

    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The names of all tables, by their place in the application.
    pub(crate) fn tables(&self) -> &[Arc<str>] {
        &self.tables
    }

    /// The log has stored these.
    pub(crate) fn stored(&self, topic: &TopicName, batch: &Batch) {
        let mut sent = self.sent.lock();
        let traffic = match sent.get_mut(topic) {
            Some(traffic) => traffic,
            None => sent.entry(topic.clone()).or_default(),
        };
        traffic.records += batch.len() as u64;
        traffic.bytes += batch.bytes() as u64;
    }

    /// The log has stored these replies.
    pub(crate) fn replied(&self, batch: &Batch) {
        self.replied.records.add(batch.len() as u64);
        self.replied.bytes.add(batch.bytes() as u64);
    }

    /// A task runs, or cannot, for this reason, after it recovered for so long.
    pub(crate) fn task_started(
        &self,
        id: &TaskId,
        refused: Option<&Error>,
        took: Duration,
        now: Duration,
    ) {
        self.rebalances.started(id, refused.is_none(), now);
        match refused.map(ToString::to_string) {
            None => {
                let tell = |sensor: &dyn Sensor| sensor.on_assignment_completed(id, took);
                self.sensors.tell(tell);
            }
            Some(reason) => {
                let tell = |sensor: &dyn Sensor| sensor.on_assignment_error(id, &reason);
                self.sensors.tell(tell);
            }
        }
        self.settle_rebalance(now);
    }

    /// The worker asks the group to join.
    pub(crate) fn joining(&self) {
        if self.rebalances.begin(self.clock.monotonic()) {
            self.sensors.tell(|sensor| sensor.on_rebalance_start());
        }
    }

    /// There is an assignment, with these new tasks.
    pub(crate) fn assigned(&self, generation: i32, added: &[TaskId]) {
        let now = self.clock.monotonic();
        let took = self.rebalances.assigned(added, now);
        let tell = |sensor: &dyn Sensor| sensor.on_rebalance_return(generation, took);
        self.sensors.tell(tell);
        self.settle_rebalance(now);
    }

    /// These tasks are not ours any more.
    pub(crate) fn revoked(&self, tasks: &[TaskId]) {
        self.rebalances.gone(tasks);
    }

    fn settle_rebalance(&self, now: Duration) {
        let Some(Whole { took, recovered }) = self.rebalances.ended(now) else {
            return;
        };
        let Recovered {
            tasks,
            refused,
            records,
            took: recovery,
        } = recovered;
        if tasks + refused > 0 {
            let recovery = rounded(recovery);
            tracing::info!(tasks, refused, records, ?recovery, "tasks run");
        }
        self.sensors.tell(|sensor| sensor.on_rebalance_end(took));
    }

    /// The ends of partitions, as the log told them.
    pub(crate) fn learn_ends(&self, partitions: &[TopicPartition], ends: &[Offset]) {
        for (partition, end) in partitions.iter().zip(ends) {
            self.gauges.learn_end(partition, *end);
        }
    }

    /// How everything stands.
    pub(crate) fn read(&self) -> Monitor {
        let threads = self.threads.lock().clone();
        let sum = |of: &dyn Fn(&ThreadCounts) -> u64| -> u64 {
            threads.iter().map(|thread| of(thread)).sum()
        };
        let mut monitor = Monitor {
            app: self.app.to_string(),
            read_at: self.clock.now(),
            ..Monitor::default()
        };
        for (index, name) in self.agents.iter().enumerate() {
            let count =
                |of: fn(&AgentCounts) -> &Count| sum(&|thread| of(&thread.agents[index]).get());
            let (skipped, lettered) = (count(|a| &a.skipped), count(|a| &a.lettered));
            monitor.agents.push(AgentFigures {
                agent: name.to_string(),
                events_taken: count(|a| &a.taken),
                events_completed: count(|a| &a.done).saturating_sub(skipped + lettered),
                events_skipped: skipped,
                events_dead_lettered: lettered,
                failures: count(|a| &a.failures),
                retries: count(|a| &a.retries),
                parkings: count(|a| &a.parkings),
            });
        }
        for (index, name) in self.tables.iter().enumerate() {
            let count =
                |of: fn(&TableCounts) -> &Count| sum(&|thread| of(&thread.tables[index]).get());
            let deleted = count(|t| &t.deleted);
            monitor.tables.push(TableFigures {
                table: name.to_string(),
                keys_read: count(|t| &t.read),
                keys_set: count(|t| &t.written).saturating_sub(deleted),
                keys_deleted: deleted,
                records_restored: count(|t| &t.restored),
            });
        }
        for (index, name) in self.topics.iter().enumerate() {
            let records = sum(&|thread| thread.topics[index].records.get());
            if records > 0 {
                monitor.received.push(TopicFigures {
                    topic: name.to_string(),
                    traffic: Traffic {
                        records,
                        bytes: sum(&|thread| thread.topics[index].bytes.get()),
                    },
                });
            }
        }
        monitor.received.sort_by(|a, b| a.topic.cmp(&b.topic));
        let sent = self.sent.lock();
        monitor.sent = sent
            .iter()
            .map(|(topic, traffic)| TopicFigures {
                topic: topic.to_string(),
                traffic: *traffic,
            })
            .collect();
        drop(sent);
        monitor.replied = Traffic {
            records: self.replied.records.get(),
            bytes: self.replied.bytes.get(),
        };
        self.gauges.read(&mut monitor);
        monitor.epochs = self.epochs.read();
        monitor.sends = self.sends.read();
        monitor.asks = self.asks.read();
        monitor.rebalances = self.rebalances.read();
        monitor
    }
}

impl EpochMeters {
    fn read(&self) -> EpochFigures {
        EpochFigures {
            committed: self.committed.get(),
            rolled_back: self.rolled_back.get(),
            refused: self.refused.get(),
            attempts_again: self.attempts_again.get(),
            gathering: self.gathering.read(),
            publishing: self.publishing.read(),
            committing: self.committing.read(),
            storing: self.storing.read(),
            whole: self.whole.read(),
        }
    }
}

impl SendMeters {
    fn read(&self) -> SendFigures {
        SendFigures {
            sent: self.sent.get(),
            failed: self.failed.get(),
            publishing: self.publishing.read(),
        }
    }
}

impl AskMeters {
    fn read(&self) -> AskFigures {
        AskFigures {
            asked: self.asked.get(),
            answered: self.answered.get(),
            failed: self.failed.get(),
            timed_out: self.timed_out.get(),
            waiting: self.waiting.read(),
        }
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters")
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}
