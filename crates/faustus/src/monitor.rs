//! What a worker did and how it stands, in figures: a snapshot with the unit in each name.
//!
//! The figures are kept by the runtime's meters; here is only what they look like from outside. Figures
//! of a partition or a task are there while the worker has it and no longer; all others only grow.

#[cfg(all(test, any(feature = "opentelemetry", feature = "prometheus")))]
mod book;
#[cfg(any(feature = "opentelemetry", feature = "prometheus"))]
mod families;
mod form;
mod histogram;
#[cfg(feature = "opentelemetry")]
pub mod opentelemetry;
#[cfg(feature = "prometheus")]
mod prometheus;

use std::time::Duration;

use faustus_core::{Offset, Timestamp, TopicPartition};
use serde::{Deserialize, Serialize};

pub use histogram::Histogram;

use crate::membership::TaskId;

/// What a worker did since its start, and how it stands: from [`WorkerHandle::monitor`](crate::WorkerHandle::monitor).
///
/// Durations are exact to the nanosecond, sizes are in bytes, events and records are counted one by one.
/// What is rolled back and done again is counted again.
///
/// Serde gives it the names of its fields; times are milliseconds since 1970 (`read_at_ms`,
/// `event_time_ms`), partitions and tasks texts such as `orders/3`, and a [`Histogram`] says how it looks.
///
/// # Examples
///
/// ```
/// use faustus::{Monitor, WorkerHandle};
///
/// async fn most_behind(worker: &WorkerHandle) -> Option<u64> {
///     let monitor: Monitor = worker.monitor().await;
///     monitor.partitions.iter().filter_map(|partition| partition.lag_records()).max()
/// }
///
/// // For a page of a program's own.
/// async fn as_json(worker: &WorkerHandle) -> serde_json::Result<String> {
///     serde_json::to_string(&worker.monitor().await)
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Monitor {
    /// The application's name.
    pub app: String,
    /// The wall time at which this was read.
    #[serde(rename = "read_at_ms", with = "form")]
    pub read_at: Timestamp,
    /// What each agent did, in the order of the application.
    pub agents: Vec<AgentFigures>,
    /// How each table was used by agents, in the order of the application.
    pub tables: Vec<TableFigures>,
    /// What was fetched from each topic that has been read, in the order of their names.
    pub received: Vec<TopicFigures>,
    /// What was stored in each topic, changelogs too, in the order of their names.
    pub sent: Vec<TopicFigures>,
    /// What was sent to who asked agents of this worker. Their topics are not told apart: each asker has
    /// one of its own.
    pub replied: Traffic,
    /// The tasks that the worker has now.
    pub tasks: Vec<TaskFigures>,
    /// The partitions that tasks of this worker read now.
    pub partitions: Vec<PartitionFigures>,
    /// What is committed, and how long that takes.
    pub epochs: EpochFigures,
    /// Sends that leave at once.
    pub sends: SendFigures,
    /// What this process asked of agents.
    pub asks: AskFigures,
    /// Changes of who runs what.
    pub rebalances: RebalanceFigures,
}

/// What an agent did in a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AgentFigures {
    /// The agent's name.
    pub agent: String,
    /// Events that it was given; one that is given again after a failure counts again.
    pub events_taken: u64,
    /// Events that it finished.
    pub events_completed: u64,
    /// Events that were passed over, by its policy or because somebody asked for it.
    pub events_skipped: u64,
    /// Events in whose place a dead letter was sent.
    pub events_dead_lettered: u64,
    /// Failures of events, each attempt counted.
    pub failures: u64,
    /// How often a failed event was to be tried again.
    pub retries: u64,
    /// How often a failure parked a task.
    pub parkings: u64,
}

/// How a table was used by the agents of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableFigures {
    /// The table's name.
    pub table: String,
    /// Reads of a key.
    pub keys_read: u64,
    /// Writes that left a value.
    pub keys_set: u64,
    /// Writes that left none.
    pub keys_deleted: u64,
    /// Records that were read from its changelog when partitions of it were recovered.
    pub records_restored: u64,
}

/// What went through a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TopicFigures {
    /// The topic's name.
    pub topic: String,
    /// How much it was.
    pub traffic: Traffic,
}

/// An amount of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Traffic {
    /// How many.
    pub records: u64,
    /// Their keys, values and headers, in bytes, before a log compresses them.
    pub bytes: u64,
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskFigures {
    /// Which task.
    #[serde(with = "form")]
    pub task: TaskId,
    /// What it does.
    pub state: TaskActivity,
    /// Records that were fetched and have not retired.
    pub records_held: u64,
    /// What they take in memory, and what their events sent, in bytes.
    pub bytes_held: u64,
    /// The tables that it recovers, while it does.
    pub restoring: Vec<RestoreFigures>,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TaskActivity {
    /// It reads its changelogs.
    Recovering,
    /// It runs.
    Running,
    /// It stands still, and somebody must help: [`TaskStatus`](crate::TaskStatus) says why.
    Parked,
}

/// How far the recovery of a table's partition is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestoreFigures {
    /// The table's name.
    pub table: String,
    /// Where the recovery began: at the changelog's first record, or after what the table's store has.
    #[serde(with = "form")]
    pub start: Offset,
    /// Where the changelog is read next.
    #[serde(with = "form")]
    pub position: Offset,
    /// Where the recovery ends.
    #[serde(with = "form")]
    pub end: Offset,
}

impl RestoreFigures {
    /// Offsets between the position and the end: no fewer than the records that are to come, and some
    /// more where a log has holes.
    #[must_use]
    pub fn remaining_records(&self) -> u64 {
        distance(self.position, self.end)
    }
}

/// How far a partition is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartitionFigures {
    /// Which partition.
    #[serde(with = "form")]
    pub partition: TopicPartition,
    /// The position after what was fetched.
    #[serde(with = "form")]
    pub fetched: Offset,
    /// The position after what was done.
    #[serde(with = "form")]
    pub retired: Offset,
    /// The position after what is committed.
    #[serde(with = "form")]
    pub committed: Offset,
    /// The partition's end, as it was when it was [last asked for](crate::WorkerHandle::monitor); a channel
    /// has none.
    #[serde(with = "form")]
    pub end: Option<Offset>,
    /// The greatest event time of what was done in its task; `None` if nothing was yet.
    #[serde(rename = "event_time_ms", with = "form")]
    pub event_time: Option<Timestamp>,
}

impl PartitionFigures {
    /// Offsets between what was done and the end: no fewer than the records that wait, and some more
    /// where a log has holes, as Kafka has after transactions. `None` if the end is not known.
    #[must_use]
    pub fn lag_records(&self) -> Option<u64> {
        self.end.map(|end| distance(self.retired, end))
    }

    /// How far the event time of what was done is behind the wall time `now`; zero if nothing waits.
    /// `None` if the end is not known, or nothing was done yet.
    #[must_use]
    pub fn lag_time(&self, now: Timestamp) -> Option<Duration> {
        if self.lag_records()? == 0 {
            return Some(Duration::ZERO);
        }
        let millis = now.0.saturating_sub(self.event_time?.0);
        Some(Duration::from_millis(
            u64::try_from(millis).unwrap_or_default(),
        ))
    }
}

/// What is committed: an epoch is what the tasks of one thread did since the last cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EpochFigures {
    /// Epochs that are stored, records, offsets and tables.
    pub committed: u64,
    /// Epochs that did not come to pass and were rolled back, for whatever reason.
    pub rolled_back: u64,
    /// Of these: the log refused a record of it.
    pub refused: u64,
    /// Attempts to store an epoch that were made again.
    pub attempts_again: u64,
    /// From the first retirement until the cut.
    pub gathering: Histogram,
    /// Until the log had acknowledged its records, for each attempt that succeeded.
    pub publishing: Histogram,
    /// From there until its offsets were committed, in a transaction or without.
    pub committing: Histogram,
    /// Writing its changes to the stores of tables.
    pub storing: Histogram,
    /// From the cut until all of it was stored.
    pub whole: Histogram,
}

/// Sends that leave at once, outside of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SendFigures {
    /// Records that the log has acknowledged.
    pub sent: u64,
    /// Records that it has not taken, or may not have.
    pub failed: u64,
    /// From the hand-over of a batch of them until the log's answer.
    pub publishing: Histogram,
}

/// What this process asked of agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AskFigures {
    /// Requests that were sent, or were to be.
    pub asked: u64,
    /// Replies that came in time, those that tell of a failure too.
    pub answered: u64,
    /// Of these: replies that tell of a failure.
    pub failed: u64,
    /// Requests without a reply in time.
    pub timed_out: u64,
    /// From a request until its reply, as the asker sees it.
    pub waiting: Histogram,
}

/// Changes of who runs what, as this worker saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RebalanceFigures {
    /// Rebalances that began: this worker asked the group to join.
    pub begun: u64,
    /// How often the membership was lost, and all tasks with it.
    pub lost: u64,
    /// Whether one is under way: there is no assignment yet, or tasks of it still recover.
    pub under_way: bool,
    /// From the beginning until the assignment.
    pub assigning: Histogram,
    /// From the beginning until all tasks of the assignment ran or were parked.
    pub whole: Histogram,
    /// Tasks that came to run here.
    pub tasks_started: u64,
    /// Tasks that could not be recovered.
    pub tasks_refused: u64,
    /// From the assignment of a task until it ran.
    pub recovering: Histogram,
}

fn distance(from: Offset, to: Offset) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(retired: i64, end: Option<i64>, event_time: Option<i64>) -> PartitionFigures {
        PartitionFigures {
            partition: TopicPartition::new("numbers", 0),
            fetched: Offset(retired),
            retired: Offset(retired),
            committed: Offset(retired),
            end: end.map(Offset),
            event_time: event_time.map(Timestamp),
        }
    }

    #[test]
    fn what_a_worker_tells_is_read_as_it_was_written() {
        let bounds = Histogram::BOUNDS.len() + 1;
        let whole = Histogram::new(
            std::array::from_fn(|bucket| (bounds - bucket) as u64),
            Duration::new(3, 1),
        );
        let monitor = Monitor {
            app: "shop".to_owned(),
            read_at: Timestamp(1_700_000_000_123),
            agents: vec![AgentFigures {
                agent: "total".to_owned(),
                events_taken: u64::MAX,
                ..AgentFigures::default()
            }],
            tasks: vec![TaskFigures {
                task: TaskId::new("a/b", 3),
                state: TaskActivity::Recovering,
                records_held: 1,
                bytes_held: 2,
                restoring: vec![RestoreFigures {
                    table: "totals".to_owned(),
                    start: Offset(2),
                    position: Offset(5),
                    end: Offset(10),
                }],
            }],
            partitions: vec![at(3, Some(10), Some(7_500)), at(0, None, None)],
            epochs: EpochFigures {
                whole,
                ..EpochFigures::default()
            },
            ..Monitor::default()
        };
        let json = serde_json::to_value(&monitor).unwrap();
        let back: Monitor = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(back, monitor);
        insta::assert_snapshot!(
            json["partitions"][0],
            @r#"{"committed":3,"end":10,"event_time_ms":7500,"fetched":3,"partition":"numbers/0","retired":3}"#
        );
        insta::assert_snapshot!(
            json["tasks"][0],
            @r#"{"bytes_held":2,"records_held":1,"restoring":[{"end":10,"position":5,"start":2,"table":"totals"}],"state":"recovering","task":"a/b/3"}"#
        );
        insta::assert_snapshot!(
            json["epochs"]["whole"],
            @r#"{"counts":[17,16,15,14,13,12,11,10,9,8,7,6,5,4,3,2,1],"sum_nanos":3000000001}"#
        );
    }

    #[test]
    fn lag_is_in_records_and_in_time() {
        let now = Timestamp(10_000);
        let behind = at(3, Some(10), Some(7_500));
        assert_eq!(behind.lag_records(), Some(7));
        assert_eq!(behind.lag_time(now), Some(Duration::from_millis(2_500)));
        let level = at(10, Some(10), Some(7_500));
        assert_eq!(level.lag_records(), Some(0));
        assert_eq!(level.lag_time(now), Some(Duration::ZERO));
        let unknown = at(10, None, Some(7_500));
        assert_eq!((unknown.lag_records(), unknown.lag_time(now)), (None, None));
        let fresh = at(0, Some(10), None);
        assert_eq!((fresh.lag_records(), fresh.lag_time(now)), (Some(10), None));
        let ahead = at(12, Some(10), Some(20_000));
        assert_eq!(
            ahead.lag_records(),
            Some(0),
            "the end is older than the position"
        );
    }
}
