//! The worker thread's epochs: when one is cut, what it holds, and what its end means.

use std::{
    collections::BTreeSet,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use faustus_core::{
    BatchBuilder, Checkpoint, Offset, OffsetCommit, Outgoing, Refusal, TopicPartition,
};

use crate::{
    Error, ErrorKind, Guarantee, Result,
    runtime::{
        epoch::{Epoch, EpochId, OffsetNote, Outcome, StoreWrite},
        outputs::Origin,
        shard::AnyShard,
        slots::Writer,
        task::{Beginning, Note, TaskCore},
    },
};

use super::{
    AgentOrder, Parked, RESUME, State, Task, TaskKey, ThreadContext, WorkerThread, agenda::Agenda,
};

/// Where a commit costs next to nothing, one is made after that long even if events keep coming.
const EAGER_INTERVAL: Duration = Duration::from_millis(1);

/// How long an epoch that failed keeps others from being cut.
const FAILURE_PAUSE: Duration = Duration::from_millis(50);

/// How often records of repartition topics that were committed are deleted.
const PURGE_INTERVAL: Duration = Duration::from_secs(30);

/// An epoch between its cut and its end.
pub(super) struct UnderWay {
    id: EpochId,
    /// Where each record of each outgoing batch came from.
    origins: Vec<Vec<Origin>>,
    /// The tasks it is a prefix of.
    tasks: BTreeSet<TaskKey>,
    /// It holds their tables and offsets too, not only what they sent.
    whole: bool,
    cut_at: Duration,
}

impl WorkerThread {
    /// What is due after a round: epochs, retries, the end of tasks. Gives when something will be due.
    pub(super) fn settle(&mut self, now: Duration) -> Option<Duration> {
        let mut wake_at: Option<Duration> = None;
        let mut at = |moment: Duration| wake_at = Some(wake_at.map_or(moment, |w| w.min(moment)));
        let urgent = self.settle_stopping(now, &mut at);
        // Nothing of users runs between this and a cut: what the cut takes is what was seen here.
        self.look();
        for key in &self.agenda.retrying {
            if let Some(State::Running(running)) = self.tasks.get(key).map(|task| &task.state)
                && let Some(moment) = running.next_retry(now)
            {
                at(moment);
            }
        }
        let dirty = !self.agenda.dirty.is_empty() || !self.outputs.borrow().is_empty();
        if !dirty {
            self.dirty_since = None;
        } else if self.dirty_since.is_none() {
            self.dirty_since = Some(now);
        }
        if let (Some(since), None) = (self.dirty_since, &self.under_way) {
            let due = self.due(since, now).max(self.not_before);
            let idle = self.ready.len() == 0;
            let eager = self.context.guarantee == Guarantee::ExactlyOnce
                && self.context.recovery.transaction_interval.is_zero()
                && idle
                && now >= self.not_before;
            if urgent || eager || now >= due {
                self.cut(now, true);
            } else if self.context.guarantee == Guarantee::AtLeastOnce
                && !self.outputs.borrow().is_empty()
                && now >= self.not_before
            {
                self.cut(now, false);
                at(due);
            } else {
                at(due);
            }
        }
        wake_at
    }

    /// Looks at the tasks that did something in this round.
    fn look(&mut self) {
        for key in self.touched.take() {
            if let Some(task) = self.tasks.get_mut(&key)
                && let State::Running(running) = &mut task.state
            {
                running.core.touch().looked();
                self.agenda.note(key, running);
                running.show(&task.gauge);
                running.feed();
            }
        }
    }

    fn due(&self, since: Duration, now: Duration) -> Duration {
        if self.outputs.borrow().bytes() > self.context.epoch_bytes || !self.agenda.heavy.is_empty()
        {
            return now;
        }
        match self.context.guarantee {
            Guarantee::AtLeastOnce => since + self.context.commit_interval,
            Guarantee::ExactlyOnce if self.context.recovery.transaction_interval.is_zero() => {
                since + EAGER_INTERVAL
            }
            Guarantee::ExactlyOnce => {
                // Readers see nothing before the transaction ended, so its time counts too.
                let interval = self.context.recovery.transaction_interval;
                since + interval - self.commit_takes.min(interval / 4)
            }
        }
    }

    /// Ends tasks that are to stop and have nothing left to store. Whether some still have.
    fn settle_stopping(&mut self, now: Duration, at: &mut impl FnMut(Duration)) -> bool {
        let mut urgent = false;
        for mut stopping in std::mem::take(&mut self.stopping) {
            let late = now >= stopping.deadline;
            stopping.tasks.retain(|key| {
                let Some(Task {
                    state: State::Running(running),
                    ..
                }) = self.tasks.get_mut(key)
                else {
                    return false;
                };
                if late && !running.is_drained() {
                    stopping.finished = false;
                    running.abandon();
                }
                if !running.is_drained() {
                    return true;
                }
                let involved = self
                    .under_way
                    .as_ref()
                    .is_some_and(|epoch| epoch.tasks.contains(key));
                if running.core.progress() || involved {
                    urgent = true;
                    return true;
                }
                self.tasks.remove(key);
                self.agenda.forget(*key);
                self.context.pulse.give_up(*key);
                false
            });
            if stopping.tasks.is_empty() {
                if let Some(done) = stopping.done.take() {
                    let _ = done.send(stopping.finished);
                }
                continue;
            }
            if !late {
                at(stopping.deadline);
            }
            self.stopping.push(stopping);
        }
        urgent
    }

    /// Hands what retired to the committer: with offsets and tables, or (at least once) sends alone.
    fn cut(&mut self, now: Duration, whole: bool) {
        self.epoch_count += 1;
        let id = EpochId {
            thread: self.context.identity,
            count: self.epoch_count,
        };
        let mut outputs = self.outputs.borrow_mut();
        let (replies, repliers) = outputs.take_replies();
        let (outgoing, origins) = outputs.take(&self.context.recovery.plan.topics);
        drop(outputs);
        let mut epoch = Epoch {
            id,
            outgoing,
            replies,
            offsets: Vec::new(),
            stores: Vec::new(),
            tasks: Vec::new(),
            purge: Vec::new(),
        };
        let mut under_way = UnderWay {
            id,
            origins,
            tasks: BTreeSet::new(),
            whole,
            cut_at: now,
        };
        if whole {
            self.measure_cut(now);
            if let Err(failed) = self.add_tasks(now, &mut epoch, &mut under_way) {
                return self.unencodable(failed);
            }
        } else {
            under_way.tasks = senders(&under_way.origins);
            under_way.tasks.append(&mut senders(&repliers));
            let tasks = under_way.tasks.iter().filter_map(|key| self.tasks.get(key));
            epoch.tasks = tasks
                .map(|task| (task.id.clone(), task.assignment))
                .collect();
        }
        self.under_way = Some(under_way);
        if self.epochs.send(epoch).is_err() {
            tracing::error!("the committer ended; nothing more can be stored");
            self.closed = true;
        }
    }

    /// Adds the tables and positions of all tasks with something new, or tells which cannot be.
    fn add_tasks(
        &mut self,
        now: Duration,
        epoch: &mut Epoch,
        under_way: &mut UnderWay,
    ) -> Result<(), Vec<(TaskKey, Error)>> {
        self.dirty_since = None;
        let purge = now.saturating_sub(self.last_purge) >= PURGE_INTERVAL;
        if purge {
            self.last_purge = now;
        }
        let mut failed = Vec::new();
        let dirty = std::mem::take(&mut self.agenda.dirty);
        for key in &dirty {
            let Some(task) = self.tasks.get(key) else {
                continue;
            };
            let State::Running(running) = &task.state else {
                continue;
            };
            epoch.tasks.push((task.id.clone(), task.assignment));
            let added = add_task(&self.context, *key, &running.core, epoch, under_way);
            if let Err(error) = added {
                failed.push((*key, error));
            }
            if purge {
                self.context.recovery.purge(&running.core, &mut epoch.purge);
            }
        }
        under_way.tasks = dirty;
        if failed.is_empty() {
            Ok(())
        } else {
            Err(failed)
        }
    }

    /// Nothing was handed over yet: the tasks at fault are parked, the others go on from the last epoch.
    fn unencodable(&mut self, failed: Vec<(TaskKey, Error)>) {
        self.roll_back("a changed table entry does not encode");
        for (key, error) in failed {
            let task = self.tasks.get_mut(&key).map(|task| &mut task.state);
            if let Some(State::Running(running)) = task {
                running.park(Parked {
                    record: None,
                    reason: error.to_string(),
                });
            }
        }
    }

    pub(super) fn take_outcomes(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(outcome) = self.outcomes.poll_recv(cx) {
            let Some((id, outcome)) = outcome else {
                tracing::error!("the committer ended; nothing more can be stored");
                self.closed = true;
                return;
            };
            let Some(under_way) = self.under_way.take_if(|epoch| epoch.id == id) else {
                continue;
            };
            match outcome {
                Outcome::Committed => self.committed(&under_way),
                Outcome::Refused(refusals) => self.refused(&under_way, &refusals),
                Outcome::Failed(reason) => self.roll_back(&reason),
                Outcome::Denied(reason) => self.denied(&under_way, &reason),
                Outcome::Lost(reason) => {
                    tracing::warn!(%reason, "epoch is not stored, its tasks are no longer ours");
                    self.roll_back(&reason);
                }
                Outcome::Unknown(reason) => self.undecided(&under_way, &reason),
                Outcome::StoreFailed(reason) => self.store_failed(&under_way, &reason),
            }
        }
    }

    /// The log has the epoch and a store has not: the tasks with stores are recovered anew when
    /// somebody has made room.
    fn store_failed(&mut self, under_way: &UnderWay, reason: &str) {
        self.committed(under_way);
        for key in &under_way.tasks {
            let Some(task) = self.tasks.get_mut(key) else {
                continue;
            };
            let State::Running(running) = &task.state else {
                continue;
            };
            if running
                .core
                .shards
                .iter()
                .any(|shard| shard.store().is_some())
            {
                let reason =
                    format!("a table's store failed, its changelog has all of it: {reason}");
                tracing::error!(task = %task.id, %reason, remedy = "make room, then `resume`", "task parked");
                task.gauge.set_parked(true);
                task.state = State::Refused(reason);
            }
        }
        self.roll_back("a table's store failed");
    }

    /// No event is at fault, and nothing helps but a permission: the epoch's tasks wait for it.
    fn denied(&mut self, under_way: &UnderWay, reason: &str) {
        self.roll_back(reason);
        for key in &under_way.tasks {
            let task = self.tasks.get_mut(key).map(|task| &mut task.state);
            if let Some(State::Running(running)) = task {
                running.park(Parked {
                    record: None,
                    reason: format!("the log lets this worker store nothing: {reason}"),
                });
            }
        }
    }

    /// Only the log knows where the epoch's tasks are: those that are still ours are recovered anew.
    fn undecided(&mut self, under_way: &UnderWay, reason: &str) {
        self.roll_back(reason);
        let tasks = under_way.tasks.iter().filter_map(|key| self.tasks.get(key));
        self.start(
            tasks
                .map(|task| (task.id.clone(), task.assignment))
                .collect(),
        );
    }

    fn committed(&mut self, under_way: &UnderWay) {
        if !under_way.whole {
            return;
        }
        let took = self.context.clock.monotonic() - under_way.cut_at;
        self.commit_takes = (self.commit_takes * 3 + took) / 4;
        let epochs = &self.context.recovery.meters.epochs;
        epochs.committed.add(1);
        epochs.whole.record(took);
        for key in &under_way.tasks {
            let Some(Task {
                state: State::Running(running),
                ..
            }) = self.tasks.get(key)
            else {
                continue;
            };
            for shard in &running.core.shards {
                shard.commit();
            }
            running.core.committed();
        }
    }

    /// Records that the log will never take: their events meet their policies when they come again.
    fn refused(&mut self, under_way: &UnderWay, refusals: &[Refusal]) {
        let mut origins = Vec::new();
        for refusal in refusals {
            let origin = under_way
                .origins
                .get(refusal.outgoing)
                .and_then(|batch| batch.get(refusal.record));
            let known = origins.iter().any(|(seen, _)| Some(seen) == origin);
            if let Some(origin) = origin.filter(|_| !known) {
                origins.push((*origin, refusal.reason.clone()));
            }
        }
        self.context.recovery.meters.epochs.refused.add(1);
        self.roll_back("the log refused a record");
        for (origin, reason) in origins {
            let Some(Task {
                state: State::Running(running),
                ..
            }) = self.tasks.get_mut(&origin.task)
            else {
                continue;
            };
            if origin.record == Writer::NOBODY {
                let reason =
                    format!("the log refused what was written outside of events: {reason}");
                running.park(Parked {
                    record: None,
                    reason,
                });
                continue;
            }
            let error = Error::new(
                ErrorKind::Refused,
                format!("the log refused what the event sent: {reason}"),
            );
            running.core.note(origin.record, Note::Refused(error));
        }
    }

    /// Takes all tasks back to what is committed.
    fn roll_back(&mut self, reason: &str) {
        tracing::warn!(%reason, "rolled back to the last epoch");
        self.context.recovery.meters.epochs.rolled_back.add(1);
        self.under_way = None;
        self.dirty_since = None;
        self.agenda = Agenda::default();
        self.not_before = self.context.clock.monotonic() + FAILURE_PAUSE;
        self.outputs.borrow_mut().clear();
        let stopping: BTreeSet<TaskKey> = self
            .stopping
            .iter_mut()
            .flat_map(|stopping| {
                stopping.finished &= stopping.tasks.is_empty();
                std::mem::take(&mut stopping.tasks)
            })
            .collect();
        // What is to end ends here: it has nothing left to store.
        for key in stopping {
            self.tasks.remove(&key);
            self.context.pulse.give_up(key);
        }
        for task in self.tasks.values_mut() {
            let State::Running(running) = &mut task.state else {
                continue;
            };
            for shard in &running.core.shards {
                shard.roll_back_all();
            }
            let before = &running.core;
            let core = TaskCore::new(
                before.id.clone(),
                before.key,
                before.restarted(),
                Rc::clone(&self.outputs),
                &self.touched,
            );
            core.remember(before);
            let parked = running.parked().cloned();
            *running = self
                .context
                .recovery
                .run(core, &self.ready, self.context.task_bytes);
            for agent in &self.paused {
                running.order(agent, AgentOrder::Pause);
            }
            if let Some(parked) = parked.filter(|parked| parked.record.is_none()) {
                running.park(parked);
            }
        }
    }

    pub(super) fn recovered(&mut self, key: TaskKey, recovered: Result<Beginning>) {
        let Some(task) = self.tasks.get_mut(&key) else {
            return;
        };
        let id = &task.id;
        let meters = Arc::clone(&self.context.recovery.meters);
        let now = self.context.clock.monotonic();
        let took = now.saturating_sub(task.since);
        meters.task_started(id, recovered.as_ref().err(), took, now);
        task.gauge.set_parked(recovered.is_err());
        task.state = match recovered {
            Ok(beginning) => {
                tracing::debug!(task = %id, "task runs");
                let core = TaskCore::new(
                    id.clone(),
                    key,
                    beginning,
                    Rc::clone(&self.outputs),
                    &self.touched,
                );
                let mut running =
                    self.context
                        .recovery
                        .run(core, &self.ready, self.context.task_bytes);
                for agent in &self.paused {
                    running.order(agent, AgentOrder::Pause);
                }
                self.skips
                    .retain(|(partition, offset)| !running.skip(partition, *offset));
                State::Running(running)
            }
            Err(error) => {
                let reason = format_args!("it cannot be recovered: {error}");
                tracing::error!(task = %id, %reason, remedy = RESUME, "task parked");
                State::Refused(error.to_string())
            }
        };
    }
}

/// The tasks whose events sent these records.
fn senders(origins: &[Vec<Origin>]) -> BTreeSet<TaskKey> {
    let mut tasks: Vec<TaskKey> = origins.iter().flatten().map(|origin| origin.task).collect();
    tasks.dedup();
    tasks.into_iter().collect()
}

/// Adds a task's changed tables and positions to an epoch.
fn add_task(
    context: &ThreadContext,
    key: TaskKey,
    core: &TaskCore,
    epoch: &mut Epoch,
    under_way: &mut UnderWay,
) -> Result<()> {
    let written = context.clock.now();
    let mut failed = None;
    let plan = &context.recovery.plan;
    let sub = plan.sub(&core.id.subtopology);
    for (shard, changelog) in core
        .shards
        .iter()
        .zip(sub.map_or(&[][..], |sub| &sub.changelogs))
    {
        let mut records = BatchBuilder::new();
        let mut writers = Vec::new();
        // Every shard is cut, also after a failure: cuts and commits come in pairs.
        if let Err(error) = AnyShard::cut(&**shard, &mut records, &mut writers, written) {
            failed = Some(error);
        }
        if records.is_empty() {
            continue;
        }
        if let Some(store) = shard.store() {
            let checkpoint = Checkpoint {
                changelog: changelog.id,
                offset: Offset::ZERO,
                written,
                stream_time: core.stream_time(),
            };
            let outgoing = epoch.outgoing.len();
            epoch.stores.push(StoreWrite {
                store: Arc::clone(store),
                outgoing,
                checkpoint,
            });
        }
        let partition = TopicPartition {
            topic: changelog.topic.clone(),
            partition: core.id.partition,
        };
        epoch.outgoing.push(Outgoing {
            partition,
            batch: records.build(),
        });
        let origins = writers
            .into_iter()
            .map(|record| Origin { task: key, record });
        under_way.origins.push(origins.collect());
    }
    core.cut();
    if !core.channels().is_empty() {
        // Their positions mean nothing to anybody else.
        return failed.map_or(Ok(()), Err);
    }
    for source in core.sources().iter() {
        let topic = plan.ids.get(&source.partition.topic).copied();
        let note = OffsetNote {
            epoch: epoch.id,
            topic: topic.unwrap_or(faustus_core::TopicId(0)),
            stream_time: core.stream_time(),
            committer: Arc::clone(&context.committer),
        };
        epoch.offsets.push(OffsetCommit {
            partition: source.partition.clone(),
            offset: source.cut,
            metadata: note.to_string(),
        });
    }
    failed.map_or(Ok(()), Err)
}
