//! How tasks stand: what is there while a worker has a task, and gone with it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering},
    },
};

use faustus_core::{Offset, Timestamp, TopicPartition};
use parking_lot::Mutex;

use super::super::task::SourceProgress;
use crate::{
    Monitor, PartitionFigures, RestoreFigures, TaskActivity, TaskFigures, membership::TaskId,
};

/// No offset is known.
const UNKNOWN: i64 = i64::MIN;

type ByTask = Mutex<BTreeMap<TaskId, Arc<Shown>>>;

/// How all tasks of a worker stand.
#[derive(Debug, Default)]
pub(crate) struct Gauges(Arc<ByTask>);

/// What is shown of a task.
#[derive(Debug, Default)]
struct Shown {
    /// A [`TaskActivity`], by its place.
    activity: AtomicU8,
    records_held: AtomicU64,
    bytes_held: AtomicU64,
    /// Once the task has run.
    sources: OnceLock<Vec<ShownSource>>,
    restoring: Mutex<Vec<Arc<Restoring>>>,
}

#[derive(Debug)]
struct ShownSource {
    partition: TopicPartition,
    /// It is a partition of the log, not a channel of this process.
    in_log: bool,
    fetched: AtomicI64,
    retired: AtomicI64,
    committed: AtomicI64,
    end: AtomicI64,
    event_time: AtomicI64,
}

/// How far the recovery of a table's partition is.
#[derive(Debug)]
pub(crate) struct Restoring {
    table: Arc<str>,
    start: Offset,
    position: AtomicI64,
    pub(crate) end: Offset,
}

impl Restoring {
    /// The changelog is read from here next.
    pub(crate) fn reach(&self, position: Offset) {
        self.position.store(position.0, Ordering::Relaxed);
    }
}

/// The place where a thread shows how one of its tasks stands, until it is dropped.
pub(crate) struct TaskGauge {
    id: TaskId,
    shown: Arc<Shown>,
    tasks: Weak<ByTask>,
}

impl Gauges {
    /// A task that recovers from now on.
    pub(crate) fn task(&self, id: &TaskId) -> TaskGauge {
        let shown = Arc::new(Shown::default());
        self.0.lock().insert(id.clone(), Arc::clone(&shown));
        TaskGauge {
            id: id.clone(),
            shown,
            tasks: Arc::downgrade(&self.0),
        }
    }

    /// The partitions of the log that tasks read.
    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        let tasks = self.0.lock();
        let sources = tasks.values().filter_map(|shown| shown.sources.get());
        sources
            .flatten()
            .filter(|source| source.in_log)
            .map(|source| source.partition.clone())
            .collect()
    }

    /// A partition ends there.
    pub(super) fn learn_end(&self, partition: &TopicPartition, end: Offset) {
        let tasks = self.0.lock();
        let sources = tasks.values().filter_map(|shown| shown.sources.get());
        for source in sources.flatten() {
            if source.partition == *partition {
                source.end.store(end.0, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn read(&self, monitor: &mut Monitor) {
        let offset = |from: &AtomicI64| Offset(from.load(Ordering::Relaxed));
        let known = |from: &AtomicI64| match from.load(Ordering::Relaxed) {
            UNKNOWN => None,
            value => Some(value),
        };
        for (id, shown) in &*self.0.lock() {
            let restoring = shown.restoring.lock();
            let restoring = restoring.iter().map(|restoring| RestoreFigures {
                table: restoring.table.to_string(),
                start: restoring.start,
                position: offset(&restoring.position),
                end: restoring.end,
            });
            monitor.tasks.push(TaskFigures {
                task: id.clone(),
                state: shown.activity(),
                records_held: shown.records_held.load(Ordering::Relaxed),
                bytes_held: shown.bytes_held.load(Ordering::Relaxed),
                restoring: restoring.collect(),
            });
            for source in shown.sources.get().into_iter().flatten() {
                monitor.partitions.push(PartitionFigures {
                    partition: source.partition.clone(),
                    fetched: offset(&source.fetched),
                    retired: offset(&source.retired),
                    committed: offset(&source.committed),
                    end: known(&source.end).map(Offset),
                    event_time: known(&source.event_time).map(Timestamp),
                });
            }
        }
        monitor
            .partitions
            .sort_by(|a, b| a.partition.cmp(&b.partition));
    }
}

impl Shown {
    fn activity(&self) -> TaskActivity {
        match self.activity.load(Ordering::Relaxed) {
            0 => TaskActivity::Recovering,
            1 => TaskActivity::Running,
            _ => TaskActivity::Parked,
        }
    }
}

impl TaskGauge {
    /// The task runs, or is parked.
    pub(crate) fn set_parked(&self, parked: bool) {
        let activity = if parked { 2 } else { 1 };
        self.shown.activity.store(activity, Ordering::Relaxed);
    }

    /// A table's partition is read from `position` to `end`.
    pub(crate) fn restore(
        &self,
        table: &Arc<str>,
        position: Offset,
        end: Offset,
    ) -> Arc<Restoring> {
        let restoring = Arc::new(Restoring {
            table: Arc::clone(table),
            start: position,
            position: AtomicI64::new(position.0),
            end,
        });
        let mut shown = self.shown.restoring.lock();
        // A recovery that begins anew takes the place of the one before.
        shown.retain(|before| before.table != *table);
        shown.push(Arc::clone(&restoring));
        drop(shown);
        restoring
    }

    /// No table is read any more.
    pub(crate) fn restored(&self) {
        self.shown.restoring.lock().clear();
    }

    /// What the task holds that has not retired.
    pub(crate) fn hold(&self, records: u64, bytes: usize) {
        let shown = &*self.shown;
        shown.records_held.store(records, Ordering::Relaxed);
        shown.bytes_held.store(bytes as u64, Ordering::Relaxed);
    }

    /// Where its sources stand: what was fetched of each, and what became of it. `moved` hears of each
    /// whose retired position is another than before, with that one.
    pub(crate) fn place<'a>(
        &self,
        sources: impl Iterator<Item = (Offset, &'a SourceProgress)> + Clone,
        (event_time, in_log): (Timestamp, bool),
        mut moved: impl FnMut(&TopicPartition, Offset, Offset),
    ) {
        let shown = self.shown.sources.get_or_init(|| {
            let shown = sources.clone().map(|(_, source)| ShownSource {
                partition: source.partition.clone(),
                in_log,
                fetched: AtomicI64::new(source.committed.0),
                retired: AtomicI64::new(source.committed.0),
                committed: AtomicI64::new(source.committed.0),
                end: AtomicI64::new(UNKNOWN),
                event_time: AtomicI64::new(UNKNOWN),
            });
            shown.collect()
        });
        for (shown, (fetched, source)) in shown.iter().zip(sources) {
            shown.fetched.store(fetched.0, Ordering::Relaxed);
            let before = Offset(shown.retired.load(Ordering::Relaxed));
            if before != source.retired {
                shown.retired.store(source.retired.0, Ordering::Relaxed);
                moved(&source.partition, before, source.retired);
            }
            shown.committed.store(source.committed.0, Ordering::Relaxed);
            shown.event_time.store(event_time.0, Ordering::Relaxed);
        }
    }
}

impl Drop for TaskGauge {
    fn drop(&mut self) {
        let Some(tasks) = self.tasks.upgrade() else {
            return;
        };
        let mut tasks = tasks.lock();
        // The task may have come back meanwhile, on another thread.
        if let Some(shown) = tasks.get(&self.id)
            && Arc::ptr_eq(shown, &self.shown)
        {
            tasks.remove(&self.id);
        }
    }
}

impl fmt::Debug for TaskGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGauge")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
