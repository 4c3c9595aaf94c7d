//! The transactional producer.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use faustus_core::{
    BoxFuture, GroupIdentity, OffsetCommit, Outgoing, Producer, PublishError, Published,
    TransactionalProducer, TransportError,
};
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::{
    overdue::{Calling, Kind, Waiter},
    producer::{Lookup, publish},
    transaction::Transaction,
    worker::{Command, Handle, Step, Worker},
};
use crate::{background::Background, directory::Directory};

/// Who makes a producer of which id: one at a time.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until nobody else makes a producer of `id`.
    pub(crate) async fn of(&self, id: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock();
            // Those that nobody waits for or has are of no use any more.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(id.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}

/// The producer of a transactional id. A call whose future was dropped is still carried out; the
/// next one waits for it.
#[derive(Debug)]
pub(crate) struct KafkaTransactionalProducer {
    handle: Handle,
    lookup: Lookup,
    waiter: Waiter,
}

impl KafkaTransactionalProducer {
    /// Makes it, which fences its predecessor. `turn` is the right to make a producer of this id: a
    /// making whose caller went away goes on in its thread, and must not fence the next. Only where
    /// librdkafka does not come back from it, the next may be fenced late; it says so then.
    pub(crate) async fn start(
        config: ClientConfig,
        timeout: Duration,
        turn: OwnedMutexGuard<()>,
        directory: Arc<Directory>,
        background: Arc<Background>,
    ) -> Result<Self, TransportError> {
        let transaction = Some(Transaction::new(timeout));
        let calling = Calling::default();
        let (handle, ready) =
            Worker::start(config, Arc::clone(&directory), transaction, calling.clone())?;
        let (reply, made) = oneshot::channel();
        let given_up = calling.clone().until_given_up();
        background.spawn(async move {
            let made = match select(ready, pin!(given_up)).await {
                Either::Left((made, _)) => made.unwrap_or(Err(TransportError::Closed)),
                Either::Right(_) => Err(TransportError::Unavailable(
                    "librdkafka does not come back from making a producer".to_owned(),
                )),
            };
            drop(turn);
            // Whoever wanted it may have gone.
            let _ = reply.send(made);
        });
        made.await.unwrap_or(Err(TransportError::Closed))?;
        Ok(Self {
            handle,
            waiter: Waiter::new(calling, Arc::clone(&background)),
            lookup: Lookup {
                directory,
                background,
            },
        })
    }

    async fn step(&mut self, step: Step) -> Result<(), TransportError> {
        let asked = async {
            let (reply, answer) = oneshot::channel();
            self.handle.send(Command::Step(step, reply))?;
            answer.await.unwrap_or(Err(TransportError::Closed))
        };
        match self.waiter.unless_given_up(asked).await {
            Ok(answer) => answer,
            Err(Kind::Harmless) => Err(given_up()),
            Err(Kind::Commit) => Err(TransportError::OutcomeUnknown(
                "librdkafka does not come back from the commit".to_owned(),
            )),
        }
    }
}

/// The transaction was not asked to commit, and never will be.
fn given_up() -> TransportError {
    TransportError::Aborted(
        "librdkafka does not come back from a call; make another producer".to_owned(),
    )
}

impl Producer for KafkaTransactionalProducer {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(async move {
            let publishing = publish(&self.handle, &self.lookup, outgoing.clone());
            match self.waiter.unless_given_up(publishing).await {
                Ok(Err(PublishError::Refused(suspects))) => {
                    Err(self.lookup.judge(&outgoing, suspects).await)
                }
                Ok(Err(PublishError::Transport(failed @ TransportError::Aborted(_)))) => {
                    Err(self.lookup.explain(&outgoing, failed).await)
                }
                Ok(published) => published,
                Err(_) => Err(given_up().into()),
            }
        })
    }
}

impl TransactionalProducer for KafkaTransactionalProducer {
    fn begin(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(self.step(Step::Begin))
    }

    fn commit<'a>(
        &'a mut self,
        group: &'a GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.step(Step::Commit(group.clone(), offsets)))
    }

    fn abort(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(self.step(Step::Abort))
    }
}
