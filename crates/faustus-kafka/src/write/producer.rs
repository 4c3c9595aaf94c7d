//! The idempotent producer.

use std::sync::Arc;

use faustus_core::{
    BoxFuture, Outgoing, Producer, PublishError, Published, Refusal, TopicName, TransportError,
};
use rdkafka::ClientConfig;
use tokio::sync::{OnceCell, oneshot};

use super::{
    limits,
    overdue::Calling,
    worker::{Command, Handle, Publish, Worker},
};
use crate::{
    background::Background,
    directory::{Directory, Found, Limits},
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
            let (handle, ready) =
                Worker::start(self.config.clone(), directory, None, Calling::default())?;
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
    async fn topics(&self, outgoing: &[Outgoing]) -> Result<Vec<Found>, TransportError> {
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

    /// Tells the guilty from the innocent among `suspects`: a broker refuses whole batches, and a
    /// transaction cannot send their records again one by one. What the topics take by now tells,
    /// as the broker would not have been asked otherwise.
    pub(super) async fn judge(
        &self,
        outgoing: &[Outgoing],
        suspects: Vec<Refusal>,
    ) -> PublishError {
        let before = self.known(outgoing);
        for suspect in &suspects {
            let topic = &outgoing[suspect.outgoing].partition.topic;
            self.directory.forget(topic);
        }
        let topics = match self.topics(outgoing).await {
            Ok(topics) => topics,
            Err(error) => return error.into(),
        };
        let guilty = guilty(outgoing, &topics);
        if !guilty.is_empty() {
            return PublishError::Refused(guilty);
        }
        let limits = |topics: &[Found]| -> Vec<Limits> {
            let topics = topics.iter().flatten();
            topics.map(|topic| topic.limits).collect()
        };
        match before {
            Ok(Some(before)) if limits(&before) != limits(&topics) => {
                TransportError::Aborted(format!(
                    "a topic takes less at once than it did, so that {} record(s) were refused together",
                    suspects.len()
                ))
                .into()
            }
            _ => PublishError::Refused(suspects),
        }
    }

    /// What became of a transaction that failed for no reason of these records that is known: where
    /// a topic is forbidden, librdkafka drops the records of all topics and does not tell.
    pub(super) async fn explain(
        &self,
        outgoing: &[Outgoing],
        failed: TransportError,
    ) -> PublishError {
        for outgoing in outgoing {
            self.directory.forget(&outgoing.partition.topic);
        }
        let guilty = match self.topics(outgoing).await {
            Ok(topics) => guilty(outgoing, &topics),
            Err(_) => Vec::new(),
        };
        if guilty.is_empty() {
            failed.into()
        } else {
            PublishError::Refused(guilty)
        }
    }

    /// As [`topics`](Self::topics); `None` if a topic has to be asked for.
    fn known(&self, outgoing: &[Outgoing]) -> Result<Option<Vec<Found>>, TransportError> {
        let mut topics = Vec::with_capacity(outgoing.len());
        for outgoing in outgoing {
            let Some(found) = self.directory.known(&outgoing.partition.topic) else {
                return Ok(None);
            };
            if let Ok(info) = &found {
                info.native_partition(&outgoing.partition)
                    // It may have grown since.
                    .inspect_err(|_| self.directory.forget(&outgoing.partition.topic))?;
            }
            topics.push(found);
        }
        Ok(Some(topics))
    }
}

/// The records that their topics never take.
fn guilty(outgoing: &[Outgoing], topics: &[Found]) -> Vec<Refusal> {
    let now = limits::now();
    let batches = outgoing.iter().zip(topics).enumerate();
    let refused = batches.flat_map(|(index, (outgoing, topic))| {
        let records = outgoing.batch.iter().enumerate();
        records.filter_map(move |(record, found)| {
            let reason = limits::refuse(found, topic, now)?;
            Some(Refusal {
                outgoing: index,
                record,
                reason,
            })
        })
    });
    refused.collect()
}
