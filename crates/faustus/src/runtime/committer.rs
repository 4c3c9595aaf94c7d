//! The committer of a worker thread: takes epochs to the log, one after the other.
//!
//! The order within an epoch is law: records, then offsets (in one transaction if exactly once),
//! then stores. It runs on a thread of its own, where it may block. Every commit holds the
//! generation permit, so that none falls between a join and its sync. What is worth another try is
//! tried again here, with the same epoch; the thread hears only of ends.
//!
//! Replies are published with the rest, but none of them fails an epoch: see [`askers`](super::askers).
//!
//! It never knows what an epoch means: not tables, not lanes, not which events are behind a record. It
//! has no watchdog: calls of a transport come back.

mod measures;

use std::{sync::Arc, time::Duration};

use faustus_core::{
    Change, Clock, Coordinator, GroupError, Offset, OffsetSpec, Producer, PublishError, Published,
    Refusal, TopicPartition, TransactionalProducer, Transport, TransportError,
};
use tokio::sync::mpsc;

use super::{
    askers::{Askers, drop_refused},
    epoch::{Epoch, EpochId, OffsetNote, Outcome},
    ownership::{Committing, Ownership},
};
pub(crate) use measures::Measures;

use crate::{
    Guarantee,
    membership::{Group, Permit},
};

/// How long a failed call waits before it is made again.
const AGAIN: Duration = Duration::from_millis(50);

/// How long a committer at its end waits until what it committed can be read.
const SEEN_LIMIT: Duration = Duration::from_secs(2);

/// How often it looks.
const SEEN_POLL: Duration = Duration::from_millis(5);

/// The log aborts a transaction that its worker left open after that long.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Committer {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) coordinator: Arc<dyn Coordinator>,
    pub(crate) group: Arc<dyn Group>,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guarantee: Guarantee,
    pub(crate) transactional_id: String,
    pub(crate) transactional: Option<Box<dyn TransactionalProducer>>,
    pub(crate) producer: Option<Box<dyn Producer>>,
    /// The epoch under way may be stored: its transaction ended and nobody knows how.
    pub(crate) unknown: bool,
    /// What the last transaction wrote: partitions, and the position after it.
    pub(crate) written: Vec<(TopicPartition, Offset)>,
    pub(crate) askers: Askers,
    pub(crate) measures: Measures,
}

/// Why an attempt came to nothing.
enum Stop {
    /// Try the whole epoch again after a pause.
    Again(String),
    /// That is how it ended.
    End(Outcome),
}

impl Committer {
    /// Makes the producer, which ends what a predecessor of the same id left open.
    pub(crate) async fn prepare(&mut self) -> Result<(), TransportError> {
        match self.guarantee {
            Guarantee::ExactlyOnce => {
                let id = &self.transactional_id;
                let producer = self
                    .transport
                    .transactional_producer(id, TRANSACTION_TIMEOUT);
                self.transactional = Some(producer.await?);
            }
            Guarantee::AtLeastOnce => self.producer = Some(self.transport.producer().await?),
        }
        Ok(())
    }

    /// Takes epochs to the log until no more can come, and what they wrote can be read.
    pub(crate) async fn run(
        mut self,
        mut epochs: mpsc::UnboundedReceiver<Epoch>,
        outcomes: mpsc::UnboundedSender<(EpochId, Outcome)>,
    ) {
        while let Some(epoch) = epochs.recv().await {
            let id = epoch.id;
            let begun = self.measures.begin(&epoch);
            let outcome = self.store(epoch).await;
            self.measures.end(begun, &outcome);
            if outcomes.send((id, outcome)).is_err() {
                break;
            }
        }
        self.until_seen().await;
    }

    /// Waits, not for ever, until readers see the last transaction: a log may show it a moment after
    /// its commit. Those before it are complete, or it could not have begun.
    async fn until_seen(&self) {
        let (partitions, ends): (Vec<_>, Vec<_>) = self.written.iter().cloned().unzip();
        let deadline = self.clock.monotonic() + SEEN_LIMIT;
        while !partitions.is_empty() && self.clock.monotonic() < deadline {
            let admin = self.transport.admin();
            match admin.offsets(&partitions, OffsetSpec::LastStable).await {
                Ok(stable) if stable.iter().zip(&ends).all(|(stable, end)| stable >= end) => return,
                Ok(_) => {}
                Err(error) if error.is_transient() => {}
                Err(_) => return,
            }
            self.clock.sleep(SEEN_POLL).await;
        }
    }

    /// How the epoch ended.
    async fn store(&mut self, mut epoch: Epoch) -> Outcome {
        if epoch.is_silent() && epoch.offsets.is_empty() {
            // Channels alone moved on, and nothing of them is in the log.
            return Outcome::Committed;
        }
        let mut absent = Vec::new();
        let published = loop {
            if !epoch.replies.is_empty() {
                match self.askers.take_absent(&mut epoch.replies).await {
                    Ok(replies) => absent.extend(replies),
                    Err(error) => tracing::debug!(%error, "topics of replies cannot be looked for"),
                }
            }
            let attempt = match self.guarantee {
                Guarantee::ExactlyOnce => self.in_one_transaction(&epoch).await,
                Guarantee::AtLeastOnce => self.records_then_offsets(&mut epoch).await,
            };
            match attempt {
                Ok(published) => break published,
                Err(Stop::End(Outcome::Refused(refused))) => {
                    let outputs = epoch.outgoing.len();
                    drop_refused(&mut epoch.replies, outputs, &refused);
                    let not_replies = refused.into_iter().filter(|r| r.outgoing < outputs);
                    let refused: Vec<Refusal> = not_replies.collect();
                    if !refused.is_empty() {
                        return self.ended(Outcome::Refused(refused));
                    }
                }
                Err(Stop::End(outcome)) => return self.ended(outcome),
                Err(Stop::Again(reason)) => {
                    self.askers.doubt(&epoch.replies);
                    tracing::warn!(error = %reason, "epoch is tried again");
                    self.measures.meters.epochs.attempts_again.add(1);
                    self.clock.sleep(AGAIN).await;
                }
            }
        };
        if self.guarantee == Guarantee::ExactlyOnce {
            let partitions = epoch.outgoing.iter().map(|out| out.partition.clone());
            self.written = partitions.zip(published.ends.iter().copied()).collect();
        }
        self.askers.send_late(absent);
        self.measures.stored(&epoch);
        let written = match &*epoch.stores {
            [] => Ok(()),
            _ => self.measures.store(|| write_stores(&epoch, &published)),
        };
        let outcome = match written {
            Ok(()) => Outcome::Committed,
            Err(error) => Outcome::StoreFailed(error.to_string()),
        };
        if !epoch.purge.is_empty()
            && let Err(error) = self.transport.admin().delete_records(&epoch.purge).await
        {
            tracing::warn!(%error, "committed records of repartition topics stay for now");
        }
        outcome
    }

    /// An end that leaves nothing stored, unless that is not known.
    fn ended(&mut self, outcome: Outcome) -> Outcome {
        match (std::mem::take(&mut self.unknown), outcome) {
            (true, Outcome::Failed(reason) | Outcome::Denied(reason) | Outcome::Lost(reason)) => {
                Outcome::Unknown(reason)
            }
            (_, outcome) => outcome,
        }
    }

    async fn in_one_transaction(&mut self, epoch: &Epoch) -> Result<Published, Stop> {
        let (permit, committing) = self.permit(epoch).await?;
        if self.transactional.is_none() {
            self.prepare().await.map_err(not_prepared)?;
        }
        if self.unknown {
            let committed = self.was_committed(epoch).await?;
            if committed.is_none() && !self.ownership.covers(&epoch.tasks) {
                // Somebody else may have committed over it.
                return Err(Stop::End(Outcome::Lost("the membership ended".to_owned())));
            }
            self.unknown = false;
            if let Some(ended) = committed {
                return Ok(ended);
            }
        }
        let Some(producer) = self.transactional.as_mut() else {
            return Err(Stop::Again("no producer".to_owned()));
        };
        let published = publish_transaction(&mut **producer, epoch, &self.measures).await;
        let committed = match published {
            Ok(published) if !permit.is_void() => {
                let offsets = epoch.offsets.clone();
                let committing = producer.commit(permit.identity(), offsets);
                let committed = self.measures.commit(committing).await;
                committed.map(|()| published).map_err(PublishError::from)
            }
            Ok(_) => Err(PublishError::from(TransportError::Aborted(
                "the permit was taken back".to_owned(),
            ))),
            Err(error) => Err(error),
        };
        drop((permit, committing));
        match committed {
            Ok(published) => Ok(published),
            Err(PublishError::Refused(refusals)) => {
                self.abort().await;
                Err(Stop::End(Outcome::Refused(refusals)))
            }
            Err(PublishError::Transport(error)) => Err(self.transaction_failed(error).await),
        }
    }

    async fn transaction_failed(&mut self, error: TransportError) -> Stop {
        match error {
            TransportError::Fenced(reason) => {
                self.transactional = None;
                Stop::End(Outcome::Lost(reason))
            }
            TransportError::OutcomeUnknown(reason) => {
                // A new producer of the same id ends the transaction one way or the other; what is
                // committed then tells which.
                self.transactional = None;
                self.unknown = true;
                Stop::Again(reason)
            }
            TransportError::Full(_)
            | TransportError::Corrupt(_)
            | TransportError::Closed
            | TransportError::Unauthorized(_) => {
                self.abort().await;
                Stop::End(failed(error))
            }
            error => {
                self.abort().await;
                Stop::Again(error.to_string())
            }
        }
    }

    async fn abort(&mut self) {
        if let Some(producer) = &mut self.transactional
            && let Err(error) = producer.abort().await
        {
            tracing::warn!(%error, "the transaction is left to its timeout");
            self.transactional = None;
        }
    }

    /// Whether an epoch of unknown outcome came to pass: the stable committed offsets tell.
    async fn was_committed(&self, epoch: &Epoch) -> Result<Option<Published>, Stop> {
        let Some(first) = epoch.offsets.first() else {
            return Ok(None);
        };
        loop {
            let partitions = std::slice::from_ref(&first.partition);
            match self.coordinator.fetch_offsets(partitions, true).await {
                Ok(committed) => {
                    let note = committed.first().and_then(|offset| offset.as_ref());
                    let note = note.and_then(|committed| OffsetNote::parse(&committed.metadata));
                    return Ok(note
                        .filter(|note| note.epoch == epoch.id)
                        .map(|_| Published::default()));
                }
                Err(
                    GroupError::UnstableOffsets
                    | GroupError::Transport(
                        TransportError::Unavailable(_) | TransportError::OutcomeUnknown(_),
                    ),
                ) => {
                    self.clock.sleep(AGAIN).await;
                }
                Err(error) => return Err(Stop::End(group_failed(error))),
            }
        }
    }

    async fn records_then_offsets(&mut self, epoch: &mut Epoch) -> Result<Published, Stop> {
        let published = if epoch.is_silent() {
            Published::default()
        } else {
            self.publish(epoch).await?
        };
        if !epoch.offsets.is_empty() {
            self.commit_offsets(epoch).await?;
        }
        Ok(published)
    }

    /// Nothing can fence these records: they are handed over only while the membership is sure.
    async fn publish(&mut self, epoch: &mut Epoch) -> Result<Published, Stop> {
        let (permit, committing) = self.permit(epoch).await?;
        let now = self.clock.monotonic();
        if self.group.lease_until().is_none_or(|until| until <= now) {
            return Err(Stop::Again(
                "the group did not answer for too long".to_owned(),
            ));
        }
        if self.producer.is_none() {
            self.prepare().await.map_err(not_prepared)?;
        }
        let Some(producer) = self.producer.as_mut() else {
            return Err(Stop::Again("no producer".to_owned()));
        };
        let publishing = producer.publish(epoch.records());
        let published = self.measures.publish(epoch, publishing).await;
        drop((permit, committing));
        match published {
            Ok(published) => Ok(published),
            Err(PublishError::Refused(refused))
                if refused.iter().all(|r| r.outgoing >= epoch.outgoing.len()) =>
            {
                // All but these replies is stored, though nobody says where.
                drop_refused(&mut epoch.replies, epoch.outgoing.len(), &refused);
                Ok(Published::default())
            }
            Err(PublishError::Refused(refused)) => Err(Stop::End(Outcome::Refused(refused))),
            Err(PublishError::Transport(error))
                if error.is_transient() || epoch.is_of_reply(&error) =>
            {
                Err(Stop::Again(error.to_string()))
            }
            Err(PublishError::Transport(error)) => {
                self.producer = None;
                Err(Stop::End(failed(error)))
            }
        }
    }

    async fn commit_offsets(&self, epoch: &Epoch) -> Result<(), Stop> {
        loop {
            let (permit, committing) = self.permit(epoch).await?;
            let identity = permit.identity().clone();
            let coordinator = &self.coordinator;
            let commit = coordinator.commit_offsets(identity, epoch.offsets.clone());
            let committed = self.measures.commit(commit).await;
            drop((permit, committing));
            match committed {
                Ok(()) => return Ok(()),
                // Committing the same offsets again does no harm.
                Err(
                    error @ (GroupError::IllegalGeneration
                    | GroupError::RebalanceInProgress
                    | GroupError::Transport(
                        TransportError::Unavailable(_) | TransportError::OutcomeUnknown(_),
                    )),
                ) => tracing::warn!(%error, "offsets are committed again"),
                Err(error @ (GroupError::UnknownMember | GroupError::FencedInstance)) => {
                    return Err(Stop::End(Outcome::Lost(error.to_string())));
                }
                Err(error) => return Err(Stop::End(group_failed(error))),
            }
            self.clock.sleep(AGAIN).await;
        }
    }

    /// The right to commit; it waits for the end of a rebalance.
    async fn permit(&self, epoch: &Epoch) -> Result<(Permit, Committing), Stop> {
        let lost = || Stop::End(Outcome::Lost("the membership ended".to_owned()));
        let permit = self.group.permit().await.ok_or_else(lost)?;
        let committing = self.ownership.begin_commit(&epoch.tasks);
        committing
            .map(|committing| (permit, committing))
            .ok_or_else(lost)
    }
}

async fn publish_transaction(
    producer: &mut dyn TransactionalProducer,
    epoch: &Epoch,
    measures: &Measures,
) -> Result<Published, PublishError> {
    producer.begin().await?;
    if epoch.is_silent() {
        return Ok(Published::default());
    }
    let publishing = producer.publish(epoch.records());
    measures.publish(epoch, publishing).await
}

fn not_prepared(error: TransportError) -> Stop {
    match error {
        TransportError::Fenced(reason) => Stop::End(Outcome::Lost(reason)),
        TransportError::Unauthorized(reason) => Stop::End(Outcome::Denied(reason)),
        error => Stop::Again(error.to_string()),
    }
}

/// The end of an epoch whose call is not made again.
fn failed(error: TransportError) -> Outcome {
    match error {
        TransportError::Unauthorized(reason) => Outcome::Denied(reason),
        error => Outcome::Failed(error.to_string()),
    }
}

fn group_failed(error: GroupError) -> Outcome {
    match error {
        GroupError::Transport(error) => failed(error),
        error => Outcome::Failed(error.to_string()),
    }
}

fn write_stores(epoch: &Epoch, published: &Published) -> Result<(), faustus_core::StoreError> {
    for write in &epoch.stores {
        let batch = &epoch.outgoing[write.outgoing].batch;
        let changes = (0..batch.len()).filter_map(|index| {
            Some(Change {
                key: batch.key_bytes(index)?,
                value: batch.value_bytes(index),
            })
        });
        let mut checkpoint = write.checkpoint;
        checkpoint.offset = match published.ends.get(write.outgoing) {
            Some(&end) => end,
            // Nobody knows where the records went: the data is right, and what the changelog holds
            // since the last checkpoint is applied once more at the next start.
            None => write
                .store
                .checkpoint()?
                .map_or(Offset::ZERO, |before| before.offset),
        };
        write
            .store
            .apply(&changes.collect::<Vec<_>>(), &checkpoint)?;
    }
    Ok(())
}
