//! [`Log`] and [`PartitionReader`] of an embedded log.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use faustus_core::{
    BoxFuture, Fetched, Log, Offset, PartitionReader, ReadOptions, TopicId, TopicPartition,
    TransportError,
};

use super::{Alarm, Shared};
use crate::broker::{Broker, gather, partition::Found};

pub(super) struct Readers(pub(super) Arc<Shared>);

impl Log for Readers {
    fn read<'a>(
        &'a self,
        partition: &'a TopicPartition,
        from: Offset,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Box<dyn PartitionReader>, TransportError>> {
        Box::pin(async move {
            let (topic, id) = self.0.call(|broker, _| {
                let (topic, held) = broker.partition(partition)?;
                if from < held.start || from > held.end {
                    return Err(out_of_range(broker, partition, from));
                }
                Ok((topic, broker.reader_id()))
            })?;
            let reader: Box<dyn PartitionReader> = Box::new(Reader {
                shared: Arc::clone(&self.0),
                partition: partition.clone(),
                topic,
                position: from,
                max_bytes: options.max_batch_bytes,
                id,
                alarm: Alarm::default(),
            });
            Ok(reader)
        })
    }
}

struct Reader {
    shared: Arc<Shared>,
    partition: TopicPartition,
    /// The incarnation that is read.
    topic: TopicId,
    position: Offset,
    max_bytes: usize,
    /// Under this number it waits at the partition.
    id: u64,
    /// Rings when the transaction that holds it back is aborted.
    alarm: Alarm,
}

/// What a look at the broker gave.
enum Look {
    Found(Fetched),
    Stored(Offset),
    /// Until this moment at most; with a waker that is to be dropped outside of the lock.
    Wait(Option<Duration>, Option<Waker>),
}

impl Reader {
    fn look(&self, broker: &mut Broker, cx: &Context<'_>) -> Result<Look, TransportError> {
        let (topic, partition) = broker.partition(&self.partition)?;
        if topic != self.topic {
            return Err(TransportError::UnknownTopic(self.partition.topic.clone()));
        }
        match partition.read(self.position, self.max_bytes) {
            Found::Fetched(fetched) => Ok(Look::Found(fetched)),
            Found::Stored(limit) => Ok(Look::Stored(limit)),
            Found::OutOfRange => Err(out_of_range(broker, &self.partition, self.position)),
            Found::Nothing => {
                let replaced = partition.wait(self.id, cx.waker());
                let held_back = partition.high_watermark() > self.position;
                let until = held_back.then(|| broker.next_abort()).flatten();
                Ok(Look::Wait(until, replaced))
            }
        }
    }

    fn read_stored(&self, limit: Offset) -> Result<Fetched, TransportError> {
        let Some(segments) = &self.shared.segments else {
            return Err(TransportError::Closed);
        };
        let pieces = segments.pieces(self.topic, self.partition.partition, self.position);
        gather(self.position, limit, self.max_bytes, pieces)
    }
}

impl PartitionReader for Reader {
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fetched, TransportError>> {
        loop {
            let fetched = match self.shared.call(|broker, _| self.look(broker, cx))? {
                Look::Found(fetched) => fetched,
                Look::Stored(limit) => self.read_stored(limit)?,
                Look::Wait(until, replaced) => {
                    drop(replaced);
                    ready!(self.alarm.poll(&*self.shared.clock, until, cx));
                    continue;
                }
            };
            self.position = fetched.position;
            return Poll::Ready(Ok(fetched));
        }
    }

    fn position(&self) -> Offset {
        self.position
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let waker = self.shared.call(|broker, _| {
            let (_, partition) = broker.partition(&self.partition).ok()?;
            partition.forget(self.id)
        });
        drop(waker);
    }
}

fn out_of_range(broker: &mut Broker, partition: &TopicPartition, offset: Offset) -> TransportError {
    match broker.partition(partition) {
        Ok((_, held)) => TransportError::OffsetOutOfRange {
            partition: partition.clone(),
            offset,
            earliest: held.start,
            end: held.high_watermark(),
        },
        Err(error) => error,
    }
}
