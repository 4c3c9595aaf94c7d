//! How tasks and the lanes of agents are, as people ask for it.

use std::{
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use faustus_core::{Clock, Offset, Timestamp, TopicPartition};
use parking_lot::Mutex;

use super::{os_thread, thread::TaskKey};
use crate::membership::TaskId;

/// How a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// Which task.
    pub task: TaskId,
    /// It reads channels: every worker has one of its own, and no group assigns it.
    pub local: bool,
    /// What it does.
    pub state: TaskState,
    /// The source partitions it reads; none before it runs.
    pub sources: Vec<TopicPartition>,
    /// How many events retired since its state was last recovered here.
    pub retired: u64,
    /// Whether some of them are not committed yet.
    pub uncommitted: bool,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It reads its changelogs.
    Recovering,
    /// It runs and has events in flight or about to be committed.
    Busy,
    /// It runs and waits for events.
    Idle,
    /// It stands still, for this reason.
    Parked(String),
    /// Nobody knows: its thread does not answer, because something on it blocks. Which lane that is
    /// [`WorkerHandle::agents`](crate::WorkerHandle::agents) tells.
    Blocked,
}

/// How a lane of an agent is: one instance of the agent's function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStatus {
    /// The agent's name.
    pub agent: String,
    /// The task that the lane belongs to.
    pub task: TaskId,
    /// Which lane of its agent, counted from 0 up to the agent's concurrency.
    pub lane: u32,
    /// How many events it has taken since the task began to run here; one that is taken again after a
    /// failure counts again.
    pub taken: u64,
    /// What it does.
    pub state: LaneState,
}

/// What a lane does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaneState {
    /// Its task reads its changelogs.
    Recovering,
    /// It waits for an event.
    Waiting,
    /// An event waits for it, and it for lanes of other agents that write the same table: of all their events
    /// the one that was delivered first comes first.
    WaitingForTurn,
    /// It takes no event before there is room in this channel, which its events put something into.
    WaitingForRoom(String),
    /// It has an event in hand.
    InEvent {
        /// The partition of the event's record.
        partition: TopicPartition,
        /// Where in it.
        offset: Offset,
        /// Since when, as exactly as its thread looks at the clock: once a round, which takes
        /// milliseconds unless something blocks.
        since: Timestamp,
    },
    /// Its event failed, or it failed without one, and it tries again.
    Retrying {
        /// The record of the event, if it was one.
        record: Option<(TopicPartition, Offset)>,
        /// How often it has failed.
        failures: u32,
        /// How it failed last.
        error: String,
        /// When it tries again.
        at: Timestamp,
    },
    /// Its task stands still.
    Parked {
        /// Why.
        reason: String,
        /// The record that it cannot get past, if it is one: it can be [skipped](crate::WorkerHandle::skip).
        record: Option<(TopicPartition, Offset)>,
    },
    /// Somebody [paused](crate::WorkerHandle::pause_agent) the agent.
    Paused,
    /// Its code has not given the thread back since then: it computes or blocks without an `.await`.
    Blocking {
        /// Since when.
        since: Timestamp,
    },
    /// Nobody knows: another lane blocks its thread.
    Blocked,
}

/// Which lane a thread is polling, to be seen from other threads though it never comes back.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// The task and the lane, see [`Self::enter`]; [`Self::NOBODY`] between polls.
    lane: AtomicU64,
    /// The round of the poll, by the monotonic clock, in milliseconds.
    since: AtomicU64,
    tasks: Mutex<HashMap<TaskKey, TaskId>>,
    /// The number that the operating system gave to the thread.
    os_thread: OnceLock<u32>,
    /// Wall time less monotonic time, in milliseconds: found once, so that one moment is always told
    /// as the same time.
    origin: OnceLock<i64>,
}

impl Pulse {
    const NOBODY: u64 = 0;
    const LANE_BITS: u32 = 20;

    /// The thread that asks is the one whose pulse this is.
    pub(crate) fn begin(&self) {
        if let Some(number) = os_thread::current() {
            let _ = self.os_thread.set(number);
        }
    }

    /// The number that the operating system gave to the thread, if that is known.
    pub(crate) fn os_thread(&self) -> Option<u32> {
        self.os_thread.get().copied()
    }

    /// The thread has this task from now on.
    pub(crate) fn gain(&self, key: TaskKey, task: TaskId) {
        self.tasks.lock().insert(key, task);
    }

    /// The thread does not have this task any more.
    pub(crate) fn give_up(&self, key: TaskKey) {
        self.tasks.lock().remove(&key);
    }

    /// The tasks that the thread has.
    pub(crate) fn tasks(&self) -> Vec<TaskId> {
        self.tasks.lock().values().cloned().collect()
    }

    /// The thread polls a lane of a task now.
    pub(crate) fn enter(&self, key: TaskKey, lane: usize, now: Duration) {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.since.store(millis, Ordering::Relaxed);
        let lane = (lane as u64 + 1).min((1 << Self::LANE_BITS) - 1);
        self.lane
            .store(key << Self::LANE_BITS | lane, Ordering::Release);
    }

    /// The poll came back.
    pub(crate) fn leave(&self) {
        self.lane.store(Self::NOBODY, Ordering::Release);
    }

    /// The wall time of a moment of the monotonic clock.
    pub(crate) fn wall(&self, clock: &dyn Clock, moment: Duration) -> Timestamp {
        let origin = || wall(clock, Duration::ZERO).0;
        Timestamp(*self.origin.get_or_init(origin) + millis(moment))
    }

    /// The task and the lane that are being polled, and since when.
    pub(crate) fn polled(&self) -> Option<(TaskId, usize, Duration)> {
        let polled = self.lane.load(Ordering::Acquire);
        if polled == Self::NOBODY {
            return None;
        }
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        let lane = usize::try_from(polled & ((1 << Self::LANE_BITS) - 1)).ok()?;
        let key = polled >> Self::LANE_BITS;
        let task = self.tasks.lock().get(&key)?.clone();
        Some((task, lane - 1, since))
    }
}

/// The wall time of a moment of the monotonic clock.
pub(crate) fn wall(clock: &dyn Clock, moment: Duration) -> Timestamp {
    Timestamp(clock.now().0 - millis(clock.monotonic()) + millis(moment))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lane_that_is_polled_is_seen_from_outside_until_it_comes_back() {
        let (pulse, task) = (Pulse::default(), TaskId::new("count", 3));
        pulse.gain(0, task.clone());
        assert_eq!(pulse.polled(), None);
        let since = Duration::from_secs(7);
        pulse.enter(0, 0, since);
        assert_eq!(pulse.polled(), Some((task, 0, since)));
        pulse.leave();
        assert_eq!(pulse.polled(), None);
        pulse.enter(1, 2, since);
        assert_eq!(pulse.polled(), None, "a task that is gone");
    }
}
