//! Channels as the kernel reads them: a log of partitions with one number, whose records have no values.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use faustus_core::{
    BoxFuture, Fetched, Log, Offset, PartitionReader, ReadOptions, TopicPartition, TransportError,
};

use super::AnyQueue;

/// The channels of an application.
#[derive(Clone)]
pub(crate) struct ChannelLog(pub(crate) Arc<[Arc<dyn AnyQueue>]>);

impl Log for ChannelLog {
    fn read<'a>(
        &'a self,
        partition: &'a TopicPartition,
        from: Offset,
        _: ReadOptions,
    ) -> BoxFuture<'a, Result<Box<dyn PartitionReader>, TransportError>> {
        let named = |queue: &&Arc<dyn AnyQueue>| queue.name() == partition.topic.as_str();
        let queue = self.0.iter().find(named);
        let opened = queue.map(|queue| -> Box<dyn PartitionReader> {
            Box::new(ChannelReader {
                queue: Arc::clone(queue),
                position: from,
            })
        });
        let opened = opened.ok_or_else(|| TransportError::UnknownTopic(partition.topic.clone()));
        Box::pin(async move { opened })
    }
}

/// A reader of one channel.
struct ChannelReader {
    queue: Arc<dyn AnyQueue>,
    position: Offset,
}

impl PartitionReader for ChannelReader {
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fetched, TransportError>> {
        self.queue.poll_fetch(self.position, cx).map(|fetched| {
            self.position = fetched.position;
            Ok(fetched)
        })
    }

    fn position(&self) -> Offset {
        self.position
    }
}
