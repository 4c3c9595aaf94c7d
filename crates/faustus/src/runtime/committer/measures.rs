//! Times the calls of a committer, counts what they stored, and tells sensors of them.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use faustus_core::{Clock, Offset, PublishError, Published, TopicPartition};

use crate::{
    CommitCompleted, CommitInitiated,
    runtime::{
        epoch::{Epoch, Outcome},
        meters::Meters,
    },
};

/// See the module.
#[derive(Clone)]
pub(crate) struct Measures {
    pub(crate) meters: Arc<Meters>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A commit under way that sensors were told of.
pub(super) struct Begun {
    positions: Vec<(TopicPartition, Offset)>,
    at: Duration,
}

impl Measures {
    /// An epoch is about to be stored.
    pub(super) fn begin(&self, epoch: &Epoch) -> Option<Begun> {
        if self.meters.sensors.is_empty() || epoch.offsets.is_empty() {
            return None;
        }
        let offsets = epoch.offsets.iter();
        let positions: Vec<_> = offsets
            .map(|commit| (commit.partition.clone(), commit.offset))
            .collect();
        let commit = CommitInitiated {
            positions: &positions,
        };
        let sensors = &self.meters.sensors;
        sensors.tell(|sensor| sensor.on_commit_initiated(&commit));
        let at = self.clock.monotonic();
        Some(Begun { positions, at })
    }

    /// That is how it ended.
    pub(super) fn end(&self, begun: Option<Begun>, outcome: &Outcome) {
        let Some(begun) = begun else { return };
        let error = match outcome {
            Outcome::Committed => None,
            Outcome::Refused(refusals) => {
                Some(refusals.first().map_or("", |refusal| &*refusal.reason))
            }
            Outcome::Failed(reason)
            | Outcome::Denied(reason)
            | Outcome::Lost(reason)
            | Outcome::Unknown(reason)
            | Outcome::StoreFailed(reason) => Some(&**reason),
        };
        let commit = CommitCompleted {
            positions: &begun.positions,
            took: self.clock.monotonic().saturating_sub(begun.at),
            error,
        };
        let sensors = &self.meters.sensors;
        sensors.tell(|sensor| sensor.on_commit_completed(&commit));
    }

    /// Waits for `call`, which hands the records of `epoch` to the log.
    pub(super) async fn publish(
        &self,
        epoch: &Epoch,
        call: impl Future<Output = Result<Published, PublishError>>,
    ) -> Result<Published, PublishError> {
        let Meters {
            sensors, epochs, ..
        } = &*self.meters;
        for batches in [&epoch.outgoing, &epoch.replies] {
            sensors.sending(batches);
        }
        let (published, took) = self.time(call).await;
        if published.is_ok() {
            epochs.publishing.record(took);
        }
        for batches in [&epoch.outgoing, &epoch.replies] {
            sensors.sent(batches, published.as_ref().map(drop), took);
        }
        published
    }

    /// Waits for `call`, which commits offsets.
    pub(super) async fn commit<E>(
        &self,
        call: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let (committed, took) = self.time(call).await;
        if committed.is_ok() {
            self.meters.epochs.committing.record(took);
        }
        committed
    }

    /// Does `write`, which writes to the stores of tables.
    pub(super) fn store<T>(&self, write: impl FnOnce() -> T) -> T {
        let began = self.clock.monotonic();
        let written = write();
        let took = self.clock.monotonic().saturating_sub(began);
        self.meters.epochs.storing.record(took);
        written
    }

    /// The log has the records of `epoch`.
    pub(super) fn stored(&self, epoch: &Epoch) {
        for out in &epoch.outgoing {
            self.meters.stored(&out.partition.topic, &out.batch);
        }
        for out in &epoch.replies {
            self.meters.replied(&out.batch);
        }
    }

    async fn time<T>(&self, call: impl Future<Output = T>) -> (T, Duration) {
        let began = self.clock.monotonic();
        let answer = call.await;
        (answer, self.clock.monotonic().saturating_sub(began))
    }
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measures").finish_non_exhaustive()
    }
}
