//! Transactions: one producer per transactional id, its open transaction, and how that ends.
//!
//! An open transaction's records have offsets and lie in the partitions, but readers stop below the
//! first of them. Nothing of it is written before it commits: then its records, its markers and its
//! group's offsets are one operation. So a process that dies leaves nothing of an open transaction.

use std::{collections::BTreeMap, sync::Arc, task::Waker, time::Duration};

use faustus_core::{
    GroupIdentity, Offset, OffsetCommit, Outgoing, Refusal, TopicPartition, TransportError,
};

use super::{Broker, Completion, Now, Place, Submitted, offsets::offset_writes};

/// What the log knows of a transactional id.
#[derive(Debug, Default)]
pub(crate) struct Transactional {
    /// Grows with every producer of this id.
    epoch: u64,
    open: Option<Transaction>,
    /// A commit is on its way to the disk.
    ending: bool,
    /// Why the log aborted the last transaction by itself; its producer has not heard of it.
    aborted: Option<String>,
    /// Successors that wait for `ending`.
    waiters: Vec<Waker>,
}

impl Transactional {
    /// When the open transaction is aborted.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let open = self.open.as_ref()?;
        Some(open.since? + open.timeout)
    }
}

#[derive(Debug, Default)]
struct Transaction {
    timeout: Duration,
    /// When its first record or offset came.
    since: Option<Duration>,
    parts: BTreeMap<TopicPartition, Vec<Place>>,
    /// The group whose offsets it brings.
    group: Option<String>,
    /// Why it cannot be committed.
    doomed: Option<String>,
}

/// A transaction whose commit is on its way to the disk.
#[derive(Debug)]
pub(crate) struct Ended {
    producer: String,
    transaction: Transaction,
    /// The chunks that hold its markers.
    markers: Vec<Place>,
}

/// A producer's right to act for its transactional id.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) id: Arc<str>,
    epoch: u64,
    timeout: Duration,
}

/// The answer to a producer that begins.
#[derive(Debug)]
pub(crate) enum Begun {
    Now(Handle),
    /// The predecessor's commit is being written; the waker is called when it ended.
    Later,
}

impl Broker {
    /// Makes a new producer of `id`: the earlier one is fenced and its transaction aborted.
    pub(crate) fn producer(&mut self, id: &str, timeout: Duration, waker: &Waker) -> Begun {
        let state = self.producers.entry(id.to_owned()).or_default();
        if state.ending {
            state.waiters.push(waker.clone());
            return Begun::Later;
        }
        state.epoch += 1;
        state.aborted = None;
        let epoch = state.epoch;
        self.end(id, false);
        Begun::Now(Handle {
            id: id.into(),
            epoch,
            timeout,
        })
    }

    fn transactional(&mut self, handle: &Handle) -> Result<&mut Transactional, TransportError> {
        match self.producers.get_mut(&*handle.id) {
            Some(state) if state.epoch == handle.epoch => Ok(state),
            _ => Err(TransportError::Fenced(format!(
                "a newer producer has the transactional id {}",
                handle.id
            ))),
        }
    }

    pub(crate) fn begin(&mut self, handle: &Handle) -> Result<(), TransportError> {
        let timeout = handle.timeout;
        let state = self.transactional(handle)?;
        if state.open.is_some() || state.ending {
            return Err(TransportError::Invalid(
                "a transaction is open already: commit or abort it".into(),
            ));
        }
        state.aborted = None;
        state.open = Some(Transaction {
            timeout,
            ..Transaction::default()
        });
        Ok(())
    }

    /// The open transaction, which may still commit.
    fn transaction(&mut self, handle: &Handle) -> Result<&mut Transaction, TransportError> {
        let state = self.transactional(handle)?;
        match (&mut state.open, &state.aborted) {
            (Some(open), _) => match &open.doomed {
                Some(reason) => Err(TransportError::Aborted(reason.clone())),
                None => Ok(open),
            },
            (None, Some(reason)) => Err(TransportError::Aborted(reason.clone())),
            (None, None) => Err(TransportError::Invalid(
                "no transaction is open: begin one".into(),
            )),
        }
    }

    /// Takes records into the open transaction.
    pub(crate) fn publish_in(
        &mut self,
        handle: &Handle,
        outgoing: Vec<Outgoing>,
        now: Now,
    ) -> Result<(Vec<Offset>, Vec<Refusal>), TransportError> {
        self.transaction(handle)?;
        let mut refusals = Vec::new();
        let appended = self.append(outgoing, &mut refusals);
        let mut first = Vec::new();
        let transaction = self.transaction(handle)?;
        let (ends, places) = match appended {
            Ok(appended) => appended,
            Err(error) => {
                transaction.doomed = Some(error.to_string());
                return Err(error);
            }
        };
        if let Some(refusal) = refusals.first() {
            transaction.doomed = Some(refusal.reason.clone());
        }
        for place in places {
            let part = transaction.parts.entry(place.partition.clone());
            let part = part.or_default();
            if part.is_empty() {
                first.push(place.clone());
            }
            part.push(place);
        }
        transaction.since.get_or_insert(now.monotonic);
        for place in &first {
            if let Some(partition) = self.at(place) {
                partition.open(place.base);
            }
            // Readers that are held back now have a deadline to wake up at.
            self.wake_readers(place);
        }
        let deadline = self.deadline_of(handle);
        self.expires_at(deadline);
        Ok((ends, refusals))
    }

    fn deadline_of(&self, handle: &Handle) -> Option<Duration> {
        self.producers.get(&*handle.id)?.deadline()
    }

    /// The first half of a commit: the group's offsets become pending.
    pub(crate) fn add_offsets(
        &mut self,
        handle: &Handle,
        identity: &GroupIdentity,
        commits: Vec<OffsetCommit>,
        now: Now,
    ) -> Result<(), TransportError> {
        if let Err(error) = self.transaction(handle) {
            return Err(self.give_up(handle, error));
        }
        if let Err(error) = self.check_transactional(identity, &commits, now) {
            let group = &identity.group;
            let text = format!("offsets for group {group} are refused, {error}");
            return Err(self.give_up(handle, TransportError::Aborted(text)));
        }
        self.offsets(&identity.group)
            .add_pending(&handle.id, commits);
        let transaction = self.transaction(handle)?;
        transaction.since.get_or_insert(now.monotonic);
        transaction.group = Some(identity.group.clone());
        let deadline = self.deadline_of(handle);
        self.expires_at(deadline);
        Ok(())
    }

    /// The second half of a commit: everything becomes visible.
    pub(crate) fn commit(&mut self, handle: &Handle) -> Result<Submitted, TransportError> {
        if let Err(error) = self.transaction(handle) {
            return Err(self.give_up(handle, error));
        }
        Ok(self.end(&handle.id, true))
    }

    /// Aborts the open transaction; there may be none.
    pub(crate) fn abort(&mut self, handle: &Handle) -> Result<(), TransportError> {
        self.transactional(handle)?.aborted = None;
        self.end(&handle.id, false);
        Ok(())
    }

    /// Ends a transaction that cannot commit, and passes on why.
    fn give_up(&mut self, handle: &Handle, error: TransportError) -> TransportError {
        if let TransportError::Aborted(_) = error {
            self.end(&handle.id, false);
            if let Ok(state) = self.transactional(handle) {
                state.aborted = None;
            }
        }
        error
    }

    pub(super) fn expire_transactions(&mut self, now: Duration) {
        let due = |state: &Transactional| state.deadline().is_some_and(|at| at <= now);
        let ids: Vec<_> = self
            .producers
            .iter()
            .filter(|(_, state)| due(state))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.end(&id, false);
            if let Some(state) = self.producers.get_mut(&id) {
                state.aborted = Some("it was open for longer than its timeout".into());
            }
        }
    }

    /// Ends the open transaction of `id`, if there is one.
    fn end(&mut self, id: &str, commit: bool) -> Submitted {
        let Some(state) = self.producers.get_mut(id) else {
            return Submitted::Done;
        };
        let Some(transaction) = state.open.take() else {
            return Submitted::Done;
        };
        state.ending = commit;
        let markers = self.append_markers(&transaction);
        let ended = Ended {
            producer: id.to_owned(),
            transaction,
            markers,
        };
        if !commit {
            self.ended(ended, false);
            self.save_holes();
            return Submitted::Done;
        }
        let mut writes = Vec::new();
        if self.queue.is_some() {
            let mut chunks: Vec<_> = ended.transaction.parts.values().flatten().collect();
            let records = chunks.len();
            for marker in &ended.markers {
                if !chunks[..records].iter().any(|place| place.same(marker)) {
                    chunks.push(marker);
                }
            }
            for place in chunks {
                if let Some(partition) = self.at(place) {
                    partition.write(place.base);
                }
                writes.extend(self.write_of(place));
            }
            if let Some(group) = &ended.transaction.group {
                let commits = self.offsets(group).pending(id).to_vec();
                writes.extend(offset_writes(group, &commits));
            }
        }
        self.submit(Completion::Ended(ended), |_| writes)
    }

    /// Puts a marker into every partition of the transaction; gives the chunks that hold them.
    fn append_markers(&mut self, transaction: &Transaction) -> Vec<Place> {
        let mut markers = Vec::new();
        for places in transaction.parts.values() {
            if let Some(last) = places.last()
                && let Some(partition) = self.at(last)
            {
                let base = partition.append_marker(last.base).base;
                markers.push(Place {
                    base,
                    ..last.clone()
                });
            }
        }
        markers
    }

    /// The transaction was committed (and written) or aborted.
    pub(super) fn ended(&mut self, ended: Ended, committed: bool) {
        let Ended {
            producer,
            transaction,
            markers,
        } = ended;
        if let Some(group) = &transaction.group {
            let commits = self.offsets(group).take_pending(&producer);
            if committed {
                let commits = self.existing(commits);
                self.offsets(group).store(commits);
            }
        }
        for marker in &markers {
            self.settle(marker, true);
        }
        if !committed && let Some(queue) = &mut self.queue {
            queue.unsaved.extend(markers);
        }
        for places in transaction.parts.values() {
            if let Some(first) = places.first()
                && let Some(partition) = self.at(first)
            {
                partition.close(first.base);
            }
            for place in places {
                self.settle(place, committed);
            }
        }
        if let Some(state) = self.producers.get_mut(&producer) {
            state.ending = false;
            self.wake.append(&mut state.waiters);
        }
    }
}

impl Broker {
    /// When the first of the open transactions is aborted.
    pub(crate) fn next_abort(&self) -> Option<Duration> {
        self.producers
            .values()
            .filter_map(Transactional::deadline)
            .min()
    }
}
