//! Readers of a faulty transport.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use faustus_core::{
    BoxFuture, Fetched, Log, Offset, PartitionReader, ReadOptions, TopicPartition, TransportError,
};

use super::{
    Call, Fault, Site,
    error::{Injected, forbidden},
    transport::Gate,
};

pub(super) struct Readers {
    pub(super) inner: Arc<dyn Log>,
    pub(super) gate: Gate,
}

impl Log for Readers {
    fn read<'a>(
        &'a self,
        partition: &'a TopicPartition,
        from: Offset,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Box<dyn PartitionReader>, TransportError>> {
        Box::pin(async move {
            let subject = partition.to_string();
            let site = Site {
                call: Call::Read,
                subject: &subject,
                topics: &[],
            };
            let inner = self.inner.read(partition, from, options);
            let inner = self.gate.pass(site, inner).await?;
            let reader: Box<dyn PartitionReader> = Box::new(Reader {
                inner,
                gate: self.gate.clone(),
                partition: subject,
                held: Held::No,
            });
            Ok(reader)
        })
    }
}

struct Reader {
    inner: Box<dyn PartitionReader>,
    gate: Gate,
    partition: String,
    held: Held,
}

/// What was decided about the fetch that is going on.
enum Held {
    /// Nothing yet.
    No,
    /// It waits, and fails then or not.
    Waits(Option<BoxFuture<'static, ()>>, Option<Fault>),
    /// It may go on.
    Passed,
}

impl PartitionReader for Reader {
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fetched, TransportError>> {
        loop {
            match &mut self.held {
                Held::No => {
                    let site = Site {
                        call: Call::Fetch,
                        subject: &self.partition,
                        topics: &[],
                    };
                    let (delay, fault) = self.gate.faults.at(&site);
                    let sleep = (!delay.is_zero()).then(|| self.gate.clock.sleep(delay));
                    self.held = Held::Waits(sleep, fault);
                }
                Held::Waits(sleep, fault) => {
                    if let Some(sleep) = sleep {
                        ready!(sleep.as_mut().poll(cx));
                    }
                    let error = match fault.take() {
                        None | Some(Fault::Delay(_)) => {
                            self.held = Held::Passed;
                            continue;
                        }
                        Some(Fault::Before(error) | Fault::After(error)) => error,
                        Some(Fault::Answer(answer)) => TransportError::answer(answer),
                        Some(Fault::Refuse(topic)) => {
                            TransportError::Unauthorized(forbidden(&topic))
                        }
                        Some(Fault::Cut(_)) => TransportError::Unavailable("injected".into()),
                    };
                    self.held = Held::No;
                    return Poll::Ready(Err(error));
                }
                Held::Passed => {
                    let fetched = ready!(self.inner.poll_fetch(cx));
                    self.held = Held::No;
                    return Poll::Ready(fetched);
                }
            }
        }
    }

    fn position(&self) -> Offset {
        self.inner.position()
    }
}
