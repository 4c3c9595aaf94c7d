//! A request that was sent, and the reply that is to come.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use faustus_core::{BatchBuilder, BoxFuture, TopicPartition};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::replies::{Replies, Waiter, ended};
use crate::{
    Error, ErrorKind, Result,
    client::Client,
    runtime::{Meters, own_turn},
};

/// The reply to a request that was sent: a future, from [`Agent::ask_nowait`](super::Agent::ask_nowait).
///
/// The agent's timeout runs since the request was made. Dropping it forgets the reply; what was asked
/// for happens anyway.
///
/// # Errors
///
/// It gives an error of kind
/// - [`Remote`](ErrorKind::Remote) if the agent failed: the text is that of its error;
/// - [`Timeout`](ErrorKind::Timeout) if no reply came in time;
/// - [`Data`](ErrorKind::Data) if the reply is no `R`;
/// - [`Lost`](ErrorKind::Lost) if this application ends meanwhile.
#[must_use = "it is the reply"]
pub struct Pending<R> {
    waiter: Waiter,
    sleep: BoxFuture<'static, ()>,
    asked: TopicPartition,
    timeout: Duration,
    measured: Asked,
    reply: PhantomData<fn() -> R>,
}

/// A request, as it is counted.
struct Asked {
    meters: Arc<Meters>,
    at: Duration,
}

impl Asked {
    fn begin(meters: &Arc<Meters>) -> Self {
        meters.asks.asked.add(1);
        let (meters, at) = (Arc::clone(meters), meters.monotonic());
        Self { meters, at }
    }

    fn answered(&self, failed: bool) {
        let asks = &self.meters.asks;
        asks.answered.add(1);
        asks.failed.add(u64::from(failed));
        let took = self.meters.monotonic().saturating_sub(self.at);
        asks.waiting.record(took);
    }

    fn timed_out(&self) {
        self.meters.asks.timed_out.add(1);
    }
}

impl<R: DeserializeOwned> Future for Pending<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        if let Poll::Ready(answer) = Pin::new(&mut self.waiter.answer).poll(cx) {
            if let Ok(answer) = &answer {
                self.measured.answered(answer.is_err());
            }
            return Poll::Ready(match answer {
                Ok(Ok(value)) => serde_json::from_slice(&value).map_err(|error| {
                    Error::data(format!("the reply of {}: {error}", self.asked.topic))
                }),
                Ok(Err(text)) => Err(Error::new(
                    ErrorKind::Remote,
                    format!("the agent of {} failed: {text}", self.asked.topic),
                )),
                Err(_) => Err(ended()),
            });
        }
        match self.sleep.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.measured.timed_out();
                Poll::Ready(Err(timed_out(&self.asked, self.timeout)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<R> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

/// A request that is ready to be sent.
pub(super) struct Request {
    pub(super) client: Client,
    pub(super) replies: Arc<Replies>,
    pub(super) to: TopicPartition,
    pub(super) record: BatchBuilder,
    pub(super) id: Uuid,
    pub(super) timeout: Duration,
}

impl Request {
    /// Refuses what would wait for itself.
    pub(super) fn check_turn(&self) -> Result {
        own_turn(&self.to).map_or(Ok(()), |agent| {
            Err(Error::config(format!(
                "agent {agent} asks {} from within an event of the same task, and would wait for itself: a reply leaves \
                 when all earlier events of its task are done; ask from a task, or let the agent asked share neither \
                 topic nor table with this one",
                self.to
            )))
        })
    }

    /// Sends it and gives what waits for the reply.
    pub(super) async fn send<R>(self) -> Result<Pending<R>> {
        let Self {
            client,
            replies,
            to,
            record,
            id,
            timeout,
        } = self;
        let mut sleep = client.clock().sleep(timeout);
        let measured = Asked::begin(client.meters());
        let sending = async {
            replies.open().await?;
            let waiter = replies.expect(id)?;
            client.send_record(to.clone(), record).await?;
            Ok::<_, Error>(waiter)
        };
        tokio::select! {
            biased;
            sent = sending => Ok(Pending {
                waiter: sent?,
                sleep,
                asked: to,
                timeout,
                measured,
                reply: PhantomData,
            }),
            () = &mut sleep => {
                measured.timed_out();
                Err(timed_out(&to, timeout))
            }
        }
    }
}

fn timed_out(asked: &TopicPartition, timeout: Duration) -> Error {
    let text = format!("no reply from {asked} within {timeout:?}");
    Error::new(ErrorKind::Timeout, text)
}
