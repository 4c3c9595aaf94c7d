//! A reader of one partition.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use faustus_core::{BatchBuilder, Fetched, Offset, PartitionReader, ReadOptions, TransportError};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::oneshot;

use super::{
    Fetcher,
    diagnosis::{Verdict, examine, judge},
    fetcher::Running,
    signal::Signal,
};
use crate::native::Messages;

/// A reader of one partition. Polled by one thread at a time, which empties the queue itself.
pub(super) struct KafkaReader {
    /// Taken from the queue and not given out: what did not fit into the last batch.
    messages: Messages,
    running: Running,
    signal: Arc<Signal>,
    position: Offset,
    options: ReadOptions,
    /// The answer to come while an error is examined; nothing is read meanwhile.
    examination: Option<oneshot::Receiver<Verdict>>,
    /// Why it is at its end.
    ended: Option<TransportError>,
    fetcher: Arc<Fetcher>,
}

impl fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaReader")
            .field("partition", &self.signal.partition)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl KafkaReader {
    pub(super) fn new(
        running: Running,
        signal: Arc<Signal>,
        position: Offset,
        options: ReadOptions,
        fetcher: Arc<Fetcher>,
    ) -> Self {
        Self {
            messages: Messages::default(),
            running,
            signal,
            position,
            options,
            examination: None,
            ended: None,
            fetcher,
        }
    }

    /// Copies what is there, up to the size of a batch; the error that is next if it comes first.
    fn fill(&mut self) -> Result<Fetched, (RDKafkaErrorCode, String)> {
        let max = self.options.max_batch_bytes;
        let mut batch = BatchBuilder::new();
        while batch.bytes() < max {
            if self.messages.is_empty() {
                let queue = self.running.queue();
                if !queue.is_some_and(|queue| queue.take(&mut self.messages)) {
                    break;
                }
            }
            let Some(message) = self.messages.peek() else {
                continue;
            };
            let offset = message.offset();
            match message.error() {
                None if offset < self.position => {}
                None => {
                    message.copy_to(&mut batch);
                    if batch.len() > 1 && batch.bytes() > max {
                        batch.truncate(batch.len() - 1);
                        break;
                    }
                    self.position = offset.next();
                }
                Some(RDKafkaErrorCode::PartitionEOF) => self.position = self.position.max(offset),
                // It is found again by the next call.
                Some(_) if !batch.is_empty() => break,
                Some(code) => {
                    let text = message.error_text();
                    self.messages.pop();
                    return Err((code, text));
                }
            }
            self.messages.pop();
        }
        Ok(Fetched {
            batch: batch.build(),
            position: self.position,
        })
    }

    /// Does as the verdict says; an error is for the caller.
    fn obey(&mut self, verdict: Verdict) -> Result<(), TransportError> {
        match verdict {
            Verdict::End(error) => {
                self.ended = Some(error.clone());
                Err(error)
            }
            Verdict::Pass(error) => Err(error),
            Verdict::Examine => {
                let work = examine(
                    Arc::clone(&self.fetcher.cluster),
                    self.signal.partition.clone(),
                    self.signal.topic_id,
                    self.position,
                );
                self.examination = Some(self.fetcher.background.start_work(work));
                Ok(())
            }
            Verdict::Restart => {
                self.messages.clear();
                let started = self.running.queue().map(|queue| queue.start(self.position));
                started.unwrap_or(Ok(())).map_err(|error| {
                    TransportError::Unavailable(format!("{}: {error}", self.signal.partition))
                })
            }
        }
    }

    /// Waits for the answer of an examination, if there is one.
    fn poll_examination(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let Some(answer) = &mut self.examination else {
            return Poll::Ready(Ok(()));
        };
        let verdict = ready!(Pin::new(answer).poll(cx));
        self.examination = None;
        Poll::Ready(match verdict {
            Err(_) => self.obey(Verdict::End(TransportError::Closed)),
            Ok(Verdict::Pass(error)) => {
                // librdkafka may have stopped fetching: it starts again, and fails again if it must.
                self.obey(Verdict::Restart)?;
                Err(error)
            }
            Ok(verdict) => self.obey(verdict),
        })
    }
}

impl PartitionReader for KafkaReader {
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fetched, TransportError>> {
        if let Some(error) = &self.ended {
            return Poll::Ready(Err(error.clone()));
        }
        // Before looking, so that nothing that comes in between is missed.
        self.signal.register(cx.waker());
        loop {
            ready!(self.poll_examination(cx))?;
            if let Some(error) = self.signal.take_trouble() {
                let verdict = match error {
                    TransportError::Unavailable(_) => Verdict::Pass(error),
                    _ => Verdict::End(error),
                };
                return Poll::Ready(Err(self
                    .obey(verdict)
                    .err()
                    .unwrap_or(TransportError::Closed)));
            }
            let before = self.position;
            match self.fill() {
                Ok(fetched) if fetched.batch.is_empty() && fetched.position == before => {
                    return Poll::Pending;
                }
                Ok(fetched) => return Poll::Ready(Ok(fetched)),
                Err((code, text)) => {
                    let verdict = judge(code, &text, &self.signal.partition);
                    self.obey(verdict)?;
                }
            }
        }
    }

    fn position(&self) -> Offset {
        self.position
    }
}
