//! Topics: making, describing and removing them, and asking for their ends.
//!
//! All calls are waited out where a broker cannot answer for the moment, and a topic that was made
//! is seen by every broker that is up before the call completes.

use std::{fmt, sync::Arc};

use faustus_core::{
    Admin, BoxFuture, NewTopic, Offset, OffsetSpec, TopicDescription, TopicName, TopicPartition,
    TransportError,
};

use crate::{background::Background, directory::Directory, net::Cluster};

mod offsets;
mod topics;

/// The administrative side of a Kafka cluster.
pub(crate) struct KafkaAdmin {
    cluster: Arc<Cluster>,
    directory: Arc<Directory>,
    background: Arc<Background>,
}

impl fmt::Debug for KafkaAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaAdmin").finish_non_exhaustive()
    }
}

impl KafkaAdmin {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        directory: Arc<Directory>,
        background: Arc<Background>,
    ) -> Self {
        Self {
            cluster,
            directory,
            background,
        }
    }

    /// Runs `call` with the cluster on the background thread.
    fn run<T, F, W>(&self, call: F) -> BoxFuture<'_, Result<T, TransportError>>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Cluster>) -> W + Send + 'static,
        W: Future<Output = Result<T, TransportError>> + Send + 'static,
    {
        let cluster = Arc::clone(&self.cluster);
        Box::pin(async move {
            self.background
                .run(call(cluster))
                .await
                .unwrap_or(Err(TransportError::Closed))
        })
    }
}

impl Admin for KafkaAdmin {
    fn create_topics<'a>(
        &'a self,
        topics: &'a [NewTopic],
    ) -> BoxFuture<'a, Result<Vec<Result<(), TransportError>>, TransportError>> {
        let topics = topics.to_vec();
        self.run(move |cluster| async move { cluster.create_topics(&topics).await })
    }

    fn describe_topics<'a>(
        &'a self,
        topics: &'a [TopicName],
    ) -> BoxFuture<'a, Result<Vec<Option<TopicDescription>>, TransportError>> {
        let topics = topics.to_vec();
        self.run(move |cluster| async move { cluster.describe_topics(&topics).await })
    }

    fn list_topics(&self) -> BoxFuture<'_, Result<Vec<TopicName>, TransportError>> {
        self.run(|cluster| async move {
            let topics = cluster.metadata(None).await?;
            Ok(topics.into_keys().collect())
        })
    }

    fn delete_topic<'a>(
        &'a self,
        topic: &'a TopicName,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        let topic = topic.clone();
        let directory = Arc::clone(&self.directory);
        self.run(move |cluster| async move {
            let deleted = cluster.delete_topic(&topic).await;
            directory.forget(&topic);
            deleted
        })
    }

    fn delete_records<'a>(
        &'a self,
        before: &'a [(TopicPartition, Offset)],
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        let before = before.to_vec();
        self.run(move |cluster| async move { cluster.delete_records(&before).await })
    }

    fn offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        spec: OffsetSpec,
    ) -> BoxFuture<'a, Result<Vec<Offset>, TransportError>> {
        let partitions = partitions.to_vec();
        self.run(move |cluster| async move { cluster.offsets(&partitions, spec).await })
    }
}
