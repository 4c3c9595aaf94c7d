//! [`Admin`] of an embedded log.

use std::sync::Arc;

use faustus_core::{
    Admin, BoxFuture, NewTopic, Offset, OffsetSpec, TopicDescription, TopicName, TopicPartition,
    TransportError,
};

use super::Shared;

pub(super) struct Topics(pub(super) Arc<Shared>);

impl Admin for Topics {
    fn create_topics<'a>(
        &'a self,
        topics: &'a [NewTopic],
    ) -> BoxFuture<'a, Result<Vec<Result<(), TransportError>>, TransportError>> {
        Box::pin(async move {
            let (results, done) = self.0.call(|broker, _| broker.create_topics(topics));
            done.finished().await?;
            Ok(results)
        })
    }

    fn describe_topics<'a>(
        &'a self,
        topics: &'a [TopicName],
    ) -> BoxFuture<'a, Result<Vec<Option<TopicDescription>>, TransportError>> {
        Box::pin(async move {
            self.0.call(|broker, _| {
                let described = topics.iter().map(|name| broker.describe_topic(name));
                Ok(described.collect())
            })
        })
    }

    fn list_topics(&self) -> BoxFuture<'_, Result<Vec<TopicName>, TransportError>> {
        Box::pin(async move {
            let names =
                |broker: &mut crate::broker::Broker| broker.topics.keys().cloned().collect();
            Ok(self.0.call(|broker, _| names(broker)))
        })
    }

    fn delete_topic<'a>(
        &'a self,
        topic: &'a TopicName,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let done = self.0.call(|broker, _| broker.delete_topic(topic))?;
            done.finished().await
        })
    }

    fn delete_records<'a>(
        &'a self,
        before: &'a [(TopicPartition, Offset)],
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let done = self.0.call(|broker, _| broker.delete_records(before))?;
            done.finished().await
        })
    }

    fn offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        spec: OffsetSpec,
    ) -> BoxFuture<'a, Result<Vec<Offset>, TransportError>> {
        Box::pin(async move { self.0.call(|broker, _| broker.ends(partitions, spec)) })
    }
}
