//! The transactional producer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use faustus_core::{
    BoxFuture, GroupIdentity, OffsetCommit, Outgoing, Producer, PublishError, Published,
    TransactionalProducer, TransportError,
};
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::{
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
}

impl KafkaTransactionalProducer {
    /// Makes it, which fences its predecessor. `turn` is the right to make a producer of this id: a
    /// making that was given up goes on in its thread, and must not fence the next.
    pub(crate) async fn start(
        config: ClientConfig,
        timeout: Duration,
        turn: OwnedMutexGuard<()>,
        directory: Arc<Directory>,
        background: Arc<Background>,
    ) -> Result<Self, TransportError> {
        let transaction = Some(Transaction::new(timeout));
        let (handle, ready) =
            Worker::start(config, Arc::clone(&directory), transaction, Some(turn))?;
        ready.await.unwrap_or(Err(TransportError::Closed))?;
        Ok(Self {
            handle,
            lookup: Lookup {
                directory,
                background,
            },
        })
    }

    async fn step(&self, step: Step) -> Result<(), TransportError> {
        let (reply, answer) = oneshot::channel();
        self.handle.send(Command::Step(step, reply))?;
        answer.await.unwrap_or(Err(TransportError::Closed))
    }
}

impl Producer for KafkaTransactionalProducer {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(async move {
            match publish(&self.handle, &self.lookup, outgoing.clone()).await {
                Err(PublishError::Refused(suspects)) => {
                    Err(self.lookup.judge(&outgoing, suspects).await)
                }
                published => published,
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
