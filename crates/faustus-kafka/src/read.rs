//! Reading partitions through librdkafka.
//!
//! Each reader has a queue of its own that is emptied by whoever polls the reader; nothing is handed
//! from thread to thread but what librdkafka's own threads fetch. One thread here serves the clients
//! and stops partitions, which blocks. A client can read a partition only once, so a second reader
//! of a partition goes through a further client.

use std::sync::Arc;

use faustus_core::{
    BoxFuture, Log, Offset, PartitionReader, ReadOptions, TopicPartition, TransportError,
};

mod diagnosis;
mod fetcher;
mod reader;
mod signal;
mod watch;

pub(crate) use fetcher::Fetcher;

/// The reading side of a Kafka cluster.
#[derive(Debug)]
pub(crate) struct KafkaLog(pub(crate) Arc<Fetcher>);

impl Log for KafkaLog {
    fn read<'a>(
        &'a self,
        partition: &'a TopicPartition,
        from: Offset,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Box<dyn PartitionReader>, TransportError>> {
        let fetcher = Arc::clone(&self.0);
        let partition = partition.clone();
        Box::pin(async move {
            let background = Arc::clone(&fetcher.background);
            let reader = background
                .run(fetcher.open(partition, from, options))
                .await
                .unwrap_or(Err(TransportError::Closed))?;
            Ok(Box::new(reader) as Box<dyn PartitionReader>)
        })
    }
}
