//! What wants to be told of what a worker does, as it does it.
//!
//! A [`Sensor`] hears of batches, epochs and assignments. Of single events it hears if it asks for that,
//! which costs each event two looks at the clock; without such a sensor an event costs nothing of this.

use std::time::Duration;

use faustus_core::{Offset, TopicPartition};

use crate::membership::TaskId;

/// Is told of what a worker does: [registered](crate::App::sensor) with the application.
///
/// All methods do nothing unless they are written, and are called where the thing happens: on worker
/// threads, on those that commit, in the client's task. So they are to be quick, and must not block. They
/// can change nothing: a sensor that panics is taken out, which the log says, and no event is harmed.
///
/// Figures that only need to be read are there without a sensor: [`Monitor`](crate::Monitor).
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use faustus::{CommitCompleted, Sensor, prelude::*};
///
/// #[derive(Default)]
/// struct SlowCommits(AtomicU64);
///
/// impl Sensor for SlowCommits {
///     fn on_commit_completed(&self, commit: &CommitCompleted<'_>) {
///         if commit.took > secs(1) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let app = App::new("shop").sensor(SlowCommits::default());
/// ```
pub trait Sensor: Send + Sync + 'static {
    /// Whether it wants [`on_event_in`](Self::on_event_in) and [`on_event_out`](Self::on_event_out). Asked
    /// once, when the worker is made.
    fn wants_events(&self) -> bool {
        false
    }

    /// A batch was fetched.
    fn on_messages_in(&self, messages: &MessagesIn<'_>) {
        let _ = messages;
    }

    /// An agent is given an event. Only where [`wants_events`](Self::wants_events).
    fn on_event_in(&self, event: &EventIn<'_>) {
        let _ = event;
    }

    /// An agent has an event no more: one call for each [`on_event_in`](Self::on_event_in).
    fn on_event_out(&self, event: &EventOut<'_>) {
        let _ = event;
    }

    /// Records are done: all agents that read them have finished with them and all before. It is told
    /// once a round of their thread.
    fn on_messages_out(&self, messages: &MessagesOut<'_>) {
        let _ = messages;
    }

    /// A task holds as much as it may, so that nothing more is fetched of this partition until something is
    /// done.
    fn on_topic_buffer_full(&self, partition: &TopicPartition) {
        let _ = partition;
    }

    /// Agents used a table: told with each epoch, of what was done on its thread since the one before.
    fn on_table_use(&self, used: &TableUse<'_>) {
        let _ = used;
    }

    /// An epoch is about to be stored.
    fn on_commit_initiated(&self, commit: &CommitInitiated<'_>) {
        let _ = commit;
    }

    /// An epoch was stored, or was not.
    fn on_commit_completed(&self, commit: &CommitCompleted<'_>) {
        let _ = commit;
    }

    /// A batch is handed to the log. One that is handed over again is told of again.
    fn on_send_initiated(&self, send: &SendInitiated<'_>) {
        let _ = send;
    }

    /// The log has acknowledged a batch. In a transaction its readers see it with the commit.
    fn on_send_completed(&self, send: &SendCompleted<'_>) {
        let _ = send;
    }

    /// The log has not taken a batch, or may not have.
    fn on_send_error(&self, send: &SendFailed<'_>) {
        let _ = send;
    }

    /// A task is assigned and begins to recover its tables; also one that must recover anew.
    fn on_assignment_start(&self, task: &TaskId) {
        let _ = task;
    }

    /// A task runs, so long after the start of its recovery.
    fn on_assignment_completed(&self, task: &TaskId, took: Duration) {
        let _ = (task, took);
    }

    /// A task cannot be recovered, for this reason, and is parked.
    fn on_assignment_error(&self, task: &TaskId, reason: &str) {
        let _ = (task, reason);
    }

    /// The worker asks the group to join, also for the first time.
    fn on_rebalance_start(&self) {}

    /// The group has told what this worker runs, so long after the start.
    fn on_rebalance_return(&self, generation: i32, took: Duration) {
        let _ = (generation, took);
    }

    /// All of that runs, or is parked, so long after the start.
    fn on_rebalance_end(&self, took: Duration) {
        let _ = took;
    }
}

/// A batch that was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessagesIn<'a> {
    /// From where.
    pub partition: &'a TopicPartition,
    /// The offset of its first record.
    pub first: Offset,
    /// The offset of its last record.
    pub last: Offset,
    /// How many records.
    pub records: usize,
    /// Their size in bytes.
    pub bytes: usize,
}

/// Records that are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessagesOut<'a> {
    /// Whose.
    pub partition: &'a TopicPartition,
    /// The position before.
    pub from: Offset,
    /// The position now: all below it is done.
    pub to: Offset,
}

/// An event that an agent is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventIn<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The partition of the event's record.
    pub partition: &'a TopicPartition,
    /// Where in it.
    pub offset: Offset,
}

/// An event that an agent has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventOut<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The partition of the event's record.
    pub partition: &'a TopicPartition,
    /// Where in it.
    pub offset: Offset,
    /// How long the agent had it.
    pub took: Duration,
    /// What became of it.
    pub end: EventEnd,
}

/// What became of an event in the hands of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventEnd {
    /// The agent finished it.
    Completed,
    /// It failed, and its policy decides what comes next.
    Failed,
    /// It was taken away: it will be given again, here or elsewhere, or is skipped as asked.
    TakenAway,
}

/// What agents of one thread did with a table since its last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableUse<'a> {
    /// The table's name.
    pub table: &'a str,
    /// Reads of a key.
    pub keys_read: u64,
    /// Writes that left a value.
    pub keys_set: u64,
    /// Writes that left none.
    pub keys_deleted: u64,
}

/// An epoch that is about to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitInitiated<'a> {
    /// The positions to be committed.
    pub positions: &'a [(TopicPartition, Offset)],
}

/// An epoch that was stored, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitCompleted<'a> {
    /// The positions that were to be committed.
    pub positions: &'a [(TopicPartition, Offset)],
    /// How long it took: its records, its positions and the stores of its tables.
    pub took: Duration,
    /// Why nothing of it counts, if it does not.
    pub error: Option<&'a str>,
}

/// A batch on its way to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendInitiated<'a> {
    /// Where it goes.
    pub partition: &'a TopicPartition,
    /// How many records.
    pub records: usize,
    /// Their size in bytes.
    pub bytes: usize,
}

/// A batch that the log has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendCompleted<'a> {
    /// The batch.
    pub send: SendInitiated<'a>,
    /// How long the log took.
    pub took: Duration,
}

/// A batch that the log has not taken, or may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendFailed<'a> {
    /// The batch.
    pub send: SendInitiated<'a>,
    /// How long the log took to say so.
    pub took: Duration,
    /// Why.
    pub error: &'a str,
}
