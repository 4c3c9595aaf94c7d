//! The idempotent producer.

use std::sync::Arc;

use faustus_core::{
    BoxFuture, Outgoing, Producer, PublishError, Published, TopicName, TransportError,
};
use rdkafka::ClientConfig;
use tokio::sync::{OnceCell, oneshot};

use super::worker::{Command, Handle, Publish, Worker};
use crate::{
    background::Background,
    directory::{Directory, TopicInfo},
};

/// What all idempotent producers of a transport share; started with the first.
#[derive(Debug)]
pub(crate) struct Idempotent {
    config: ClientConfig,
    lookup: Lookup,
    handle: OnceCell<Arc<Handle>>,
}

impl Idempotent {
    pub(crate) fn new(
        config: ClientConfig,
        directory: Arc<Directory>,
        background: Arc<Background>,
    ) -> Self {
        Self {
            config,
            lookup: Lookup {
                directory,
                background,
            },
            handle: OnceCell::new(),
        }
    }

    /// Another handle of the producer.
    pub(crate) async fn producer(&self) -> Result<KafkaProducer, TransportError> {
        let start = || async {
            let directory = Arc::clone(&self.lookup.directory);
            let (handle, ready) = Worker::start(self.config.clone(), directory, None, None)?;
            ready.await.unwrap_or(Err(TransportError::Closed))?;
            Ok::<_, TransportError>(Arc::new(handle))
        };
        Ok(KafkaProducer {
            handle: Arc::clone(self.handle.get_or_try_init(start).await?),
            lookup: self.lookup.clone(),
        })
    }
}

/// A handle of a producer.
#[derive(Debug)]
pub(crate) struct KafkaProducer {
    handle: Arc<Handle>,
    lookup: Lookup,
}

impl Producer for KafkaProducer {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(publish(&self.handle, &self.lookup, outgoing))
    }
}

/// Publishes through the thread behind `handle`.
pub(super) async fn publish(
    handle: &Handle,
    lookup: &Lookup,
    outgoing: Vec<Outgoing>,
) -> Result<Published, PublishError> {
    let topics = lookup.topics(&outgoing).await?;
    let (reply, answer) = oneshot::channel();
    handle.send(Command::Publish(Publish {
        outgoing,
        topics,
        reply,
    }))?;
    answer
        .await
        .unwrap_or(Err(PublishError::Transport(TransportError::Closed)))
}

/// Finds what must be known of topics before records go there.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    pub(super) directory: Arc<Directory>,
    pub(super) background: Arc<Background>,
}

impl Lookup {
    /// The topic of each of `outgoing`, whose partitions exist.
    async fn topics(&self, outgoing: &[Outgoing]) -> Result<Vec<Arc<TopicInfo>>, TransportError> {
        if let Some(known) = self.known(outgoing)? {
            return Ok(known);
        }
        let mut missing: Vec<TopicName> = outgoing
            .iter()
            .map(|outgoing| outgoing.partition.topic.clone())
            .filter(|topic| self.directory.known(topic).is_none())
            .collect();
        missing.sort();
        missing.dedup();
        let directory = Arc::clone(&self.directory);
        self.background
            .run(async move { directory.look_up(&missing).await.map(drop) })
            .await
            .unwrap_or(Err(TransportError::Closed))?;
        self.known(outgoing)?
            .ok_or_else(|| TransportError::Unavailable("topics change at the moment".to_owned()))
    }

    /// As above; `None` if a topic has to be asked for.
    fn known(&self, outgoing: &[Outgoing]) -> Result<Option<Vec<Arc<TopicInfo>>>, TransportError> {
        let mut topics = Vec::with_capacity(outgoing.len());
        for outgoing in outgoing {
            let Some(info) = self.directory.known(&outgoing.partition.topic) else {
                return Ok(None);
            };
            info.native_partition(&outgoing.partition)
                // It may have grown since.
                .inspect_err(|_| self.directory.forget(&outgoing.partition.topic))?;
            topics.push(info);
        }
        Ok(Some(topics))
    }
}
