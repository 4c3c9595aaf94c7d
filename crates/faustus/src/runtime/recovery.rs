//! The recovery of a task: from what the log and a store hold to shards and positions.
//!
//! In this order: the end of commits of ours that take in the task; the committed offsets of the
//! sources, stable (an open transaction of a predecessor has ended); then the end of each changelog
//! as the *high watermark*, since a dead worker's open transaction hides later committed records
//! below the last stable offset; then committed records until the reader's position is there, which
//! passes markers and holes. Only then do lanes start. Nothing is ever reset silently: what cannot
//! be right parks the task with the remedy. It never knows who had the task before, nor how that
//! ended: all it needs is in the log.

mod start;
mod table;

use std::{
    collections::BTreeSet, future::pending, panic::AssertUnwindSafe, rc::Rc, sync::Arc,
    time::Duration,
};

use faustus_core::{
    Clock, CommittedOffset, Coordinator, GroupError, Offset, OffsetCommit, OffsetSpec,
    StoreProvider, Timestamp, TopicPartition, Transport, TransportError,
};
use futures_util::{FutureExt, future::join_all};
use tokio::sync::{mpsc, oneshot};

use table::TableRecovery;

use super::{
    committer::TRANSACTION_TIMEOUT,
    epoch::OffsetNote,
    meters::{Meters, TaskGauge, ThreadCounts},
    ownership::Ownership,
    plan::{Plan, PlannedSub},
    spawn::Spawn,
    stored::Room,
    task::{Beginning, SourceProgress, TaskCore},
    thread::{Outside, ReadyQueue, Running, Whole},
    topology::{AppDef, SubTopologyDef},
};
use start::{SourceFacts, start_of};

use crate::{
    Error, ErrorKind, Result,
    channel::ChannelLog,
    membership::{Group, TaskId},
};

/// How long a call that may succeed later waits before it is made again.
const AGAIN: Duration = Duration::from_millis(50);

/// How long `on_recover` may keep a task from beginning.
const ON_RECOVER_LIMIT: Duration = Duration::from_secs(30);

/// Everything that tasks of one worker have in common.
#[derive(Clone)]
pub(crate) struct RecoveryContext {
    pub(crate) def: Arc<AppDef>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) coordinator: Arc<dyn Coordinator>,
    pub(crate) group: Arc<dyn Group>,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) meters: Arc<Meters>,
    /// Those of the thread that recovers.
    pub(crate) counts: Arc<ThreadCounts>,
    pub(crate) spawn: Arc<dyn Spawn>,
    pub(crate) stores: Option<Arc<dyn StoreProvider>>,
    pub(crate) room: Arc<Room>,
    pub(crate) transaction_interval: Duration,
    /// How the transactional ids of this worker's own committers begin.
    pub(crate) committers: Arc<str>,
    /// Stops the worker, for this reason.
    pub(crate) stop: mpsc::UnboundedSender<Error>,
}

impl RecoveryContext {
    /// Sets a recovered task to work.
    pub(crate) fn run(&self, core: TaskCore, queue: &Arc<ReadyQueue>, limit: usize) -> Running {
        let sub = self.plan.sub(&core.id.subtopology).cloned();
        let sub = sub.unwrap_or_default();
        let core_channels = core.shared_channels();
        Running::new(
            &self.def,
            &sub,
            Rc::new(core),
            Outside {
                log: match core_channels {
                    Some(channels) => Arc::new(ChannelLog(channels)),
                    None => self.transport.log(),
                },
                clock: Arc::clone(&self.clock),
                stop: self.stop.clone(),
                meters: Arc::clone(&self.meters),
                counts: Arc::clone(&self.counts),
            },
            queue,
            limit,
        )
    }

    /// The lanes that a task has or will have, in their order: the agent, and which of its lanes.
    pub(crate) fn lanes(&self, task: &TaskId) -> Vec<(String, u32)> {
        let sub = self.plan.sub(&task.subtopology);
        let lanes = sub.map_or_else(Vec::new, |sub| self.def.lanes(&sub.def));
        lanes
            .into_iter()
            .map(|(agent, lane)| (agent.to_string(), lane))
            .collect()
    }

    /// The records of the task's repartition topics that are committed.
    pub(crate) fn purge(&self, core: &TaskCore, purge: &mut Vec<(TopicPartition, Offset)>) {
        let repartitions = self.def.repartitions.iter();
        let names: Vec<_> = repartitions
            .map(|&topic| &self.plan.topics[topic as usize])
            .collect();
        for source in core
            .sources()
            .iter()
            .filter(|source| source.committed > Offset::ZERO)
        {
            if names.contains(&&source.partition.topic) {
                purge.push((source.partition.clone(), source.committed));
            }
        }
    }

    async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>> {
        let mut fenced = false;
        loop {
            match self.coordinator.fetch_offsets(partitions, true).await {
                Ok(offsets) => return Ok(offsets),
                Err(GroupError::UnstableOffsets) if !fenced => {
                    fenced = true;
                    self.fence_predecessor(partitions).await;
                    continue;
                }
                Err(GroupError::UnstableOffsets) => {}
                Err(GroupError::Transport(error)) if may_pass(&error) => {
                    tracing::warn!(%error, "committed offsets cannot be read yet");
                }
                Err(error) => return Err(error.into()),
            }
            self.clock.sleep(AGAIN).await;
        }
    }

    /// Ends the transaction that the last committer of these sources left open when it died.
    ///
    /// The task is ours and its last owner gave it up or is lost, so whatever still holds its
    /// partitions back is dead. Without this it would be held back until the transaction's timeout.
    async fn fence_predecessor(&self, partitions: &[TopicPartition]) {
        let Ok(committed) = self.coordinator.fetch_offsets(partitions, false).await else {
            return;
        };
        let notes = committed.iter().flatten();
        let ids: BTreeSet<Arc<str>> = notes
            .filter_map(|offset| OffsetNote::parse(&offset.metadata))
            .map(|note| note.committer)
            .filter(|id| !id.is_empty() && !id.starts_with(&*self.committers))
            .collect();
        for id in ids {
            tracing::info!(transaction = %id, "a dead worker's transaction is ended");
            let fenced = self
                .transport
                .transactional_producer(&id, TRANSACTION_TIMEOUT)
                .await;
            if let Err(error) = fenced {
                tracing::warn!(transaction = %id, %error, "the transaction is left to its timeout");
            }
        }
    }

    /// Commits the first positions of sources that the task never read.
    async fn commit_first(&self, sources: &[&SourceProgress]) -> Result<()> {
        loop {
            let Some(permit) = self.group.permit().await else {
                return Err(Error::new(ErrorKind::Lost, "the task is no longer ours"));
            };
            let offsets = sources
                .iter()
                .map(|source| OffsetCommit::new(source.partition.clone(), source.retired));
            let committing = self
                .coordinator
                .commit_offsets(permit.identity().clone(), offsets.collect());
            match committing.await {
                Ok(()) => return Ok(()),
                Err(GroupError::IllegalGeneration | GroupError::RebalanceInProgress) => {}
                Err(GroupError::Transport(error)) if may_pass(&error) => {}
                Err(error) => return Err(error.into()),
            }
            drop(permit);
            self.clock.sleep(AGAIN).await;
        }
    }

    async fn offset(&self, partition: &TopicPartition, spec: OffsetSpec) -> Result<Offset> {
        loop {
            match self
                .transport
                .admin()
                .offsets(std::slice::from_ref(partition), spec)
                .await
            {
                Ok(offsets) => return Ok(offsets.first().copied().unwrap_or_default()),
                Err(error) if may_pass(&error) => {
                    tracing::warn!(%partition, %error, "the ends of a partition cannot be read yet");
                    self.clock.sleep(AGAIN).await;
                }
                // Brokers may not all know of it yet; or it has gone, and the task soon begins anew.
                Err(error) if self.plan.comes_and_goes(&error) => {
                    tracing::warn!(%partition, %error, "a topic that a pattern found cannot be read yet");
                    self.clock.sleep(AGAIN * 20).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Brings the state of a task together, shows it to others in `whole`, and tells `on_recover` of it.
///
/// # Errors
///
/// What only a person can decide; the text says what to do.
pub(crate) async fn recover(
    context: RecoveryContext,
    id: TaskId,
    whole: Whole,
    gauge: Rc<TaskGauge>,
) -> Result<Beginning> {
    let Some(sub) = context.plan.sub(&id.subtopology) else {
        return Err(Error::config(format!(
            "this program has no agents named {}",
            id.subtopology
        )));
    };
    if sub.is_beyond(id.partition) {
        // Others have found topics that this worker will find, too; then the task begins anew.
        return pending().await;
    }
    let partitions = context.plan.sources(&id);
    if sub.local {
        return Ok(begin_channels(&context.def, &sub.def, partitions));
    }
    // A commit of an earlier assignment of ours may still come to pass.
    while context.ownership.is_committing(&id) {
        context.clock.sleep(AGAIN).await;
    }
    let committed = context.committed(&partitions).await?;
    let mut logs = Vec::new();
    for changelog in &sub.changelogs {
        let partition = TopicPartition {
            topic: changelog.topic.clone(),
            partition: id.partition,
        };
        let (start, stable, end) = tokio::try_join!(
            context.offset(&partition, OffsetSpec::Earliest),
            context.offset(&partition, OffsetSpec::LastStable),
            context.offset(&partition, OffsetSpec::HighWatermark),
        )?;
        if stable < end {
            context.fence_predecessor(&partitions).await;
        }
        logs.push((changelog, partition, start..end));
    }
    let mut shards = Vec::new();
    let mut restored = 0;
    for (changelog, partition, range) in logs {
        let recovery = TableRecovery {
            context: &context,
            id: &id,
            changelog,
            partition,
            gauge: &gauge,
        };
        shards.push(recovery.run(range, &mut restored).await?);
    }
    gauge.restored();
    let begun = committed.iter().any(Option::is_some);
    let mut sources = Vec::new();
    let mut fresh = Vec::new();
    let mut stream_time = Timestamp(i64::MIN);
    for (partition, committed) in partitions.into_iter().zip(committed) {
        let (earliest, end) = tokio::try_join!(
            context.offset(&partition, OffsetSpec::Earliest),
            context.offset(&partition, OffsetSpec::HighWatermark),
        )?;
        let topic = context.plan.ids.get(&partition.topic).copied();
        let facts = SourceFacts {
            committed: committed.as_ref(),
            topic,
            earliest,
            end,
            has_state: restored > 0,
            // A topic that a pattern finds joins what goes on.
            joins: (begun || context.plan.appeared.contains(&partition.topic))
                && sub.is_found(&partition.topic),
        };
        let (from, time) = start_of(&partition, &facts).map_err(Error::config)?;
        stream_time = stream_time.max(time);
        if committed.is_none() {
            fresh.push(sources.len());
        }
        sources.push(SourceProgress::new(partition, from));
    }
    if !fresh.is_empty() && !shards.is_empty() {
        // From here on a missing offset beside a changelog with records means that it got lost.
        let fresh: Vec<_> = fresh.into_iter().map(|source| &sources[source]).collect();
        context.commit_first(&fresh).await?;
    }
    let _ = whole.set(shards.clone());
    tell_recovered(&context, &id, sub).await;
    Ok(Beginning {
        shards,
        sources,
        channels: None,
        stream_time,
    })
}

/// A task that reads channels begins with what is in them.
fn begin_channels(
    def: &AppDef,
    sub: &SubTopologyDef,
    partitions: Vec<TopicPartition>,
) -> Beginning {
    let sources = sub.sources.iter();
    let channels: Arc<[_]> = sources
        .filter_map(|&source| def.channel(source).map(Arc::clone))
        .collect();
    let each = partitions.into_iter().zip(channels.iter());
    let sources = each.map(|(partition, queue)| SourceProgress::new(partition, queue.begin()));
    Beginning {
        shards: Vec::new(),
        sources: sources.collect(),
        channels: Some(Arc::clone(&channels)),
        stream_time: Timestamp(i64::MIN),
    }
}

/// Calls what the application wants to have called once tables are whole, all at the same time, and
/// waits for it. It decides nothing: what fails or takes too long is logged.
async fn tell_recovered(context: &RecoveryContext, id: &TaskId, sub: &PlannedSub) {
    let tables = sub
        .def
        .tables
        .iter()
        .map(|&table| &context.def.tables[table]);
    let calls = tables.flat_map(|table| {
        let calls = (table.recovered)(id.partition);
        calls.into_iter().map(|call| (&*table.name, call))
    });
    let waits = calls.map(|(table, call)| async move {
        let (done, called) = oneshot::channel();
        let call = AssertUnwindSafe(call).catch_unwind();
        // Not on this thread: whatever it does, other tasks go on.
        let _running = context.spawn.task(Box::pin(async move {
            let _ = done.send(call.await);
        }));
        tokio::select! {
            biased;
            called = called => match called {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => tracing::error!(table, task = %id, hook = "on_recover", %error, "hook failed; the task begins all the same"),
                Ok(Err(_)) | Err(_) => tracing::error!(table, task = %id, hook = "on_recover", "hook panicked; the task begins all the same"),
            },
            () = context.clock.sleep(ON_RECOVER_LIMIT) => {
                tracing::error!(table, task = %id, hook = "on_recover", "hook does not end and is dropped; the task begins all the same");
            }
        }
    });
    join_all(waits).await;
}

/// Whether a read that failed so is worth another try.
fn may_pass(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Unavailable(_) | TransportError::OutcomeUnknown(_)
    )
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
