//! Several events at once: [`Stream::take`].

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use faustus_core::BoxFuture;

use super::{Event, Stream};
use crate::{Error, Result};

impl<T, R> Stream<T, R> {
    /// Up to `most` events together: as many as come until `within` has passed since the first of them.
    ///
    /// They are one batch: asking for the next ones completes all of them, their effects are stored
    /// and their offsets committed together, and if the agent fails, all is undone. Then they are given
    /// again, one by one, so that only the one at fault meets the agent's policy. There are fewer of
    /// them when they hold as many bytes as the task may.
    ///
    /// `None`: end the loop and return.
    ///
    /// # Errors
    ///
    /// When the agent writes a table together with other agents, whose lanes take turns: one that
    /// collects would keep the others waiting. When it is [unordered](crate::AgentBuilder::unordered).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was collected is given by the next call of `take` or [`next`](Self::next).
    /// The events before are complete once the future was polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use faustus::prelude::*;
    ///
    /// async fn insert(mut orders: Stream<u64>) -> faustus::Result {
    ///     while let Some(batch) = orders.take(100, Duration::from_secs(1)).await? {
    ///         println!("{} orders, {} in all", batch.len(), batch.iter().map(|order| **order).sum::<u64>());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn take(
        &mut self,
        most: usize,
        within: Duration,
    ) -> Result<Option<Vec<Event<'_, T, R>>>> {
        if self.lane.shares_inbox() {
            return Err(Error::config(format!(
                "agent {} is unordered, so it cannot take several events at once: use next(), or concurrency",
                self.lane.agent
            )));
        }
        if self.lane.takes_turns() {
            return Err(Error::config(format!(
                "agent {} takes turns with the other agents that write its tables, so it cannot take \
                 several events at once: use next(), or give it tables of its own",
                self.lane.agent
            )));
        }
        let mut patience = None;
        let more = poll_fn(|cx| self.poll_batch(cx, most, within, &mut patience)).await;
        let batch = std::mem::take(&mut self.batch);
        let stream = &*self;
        let event = |(value, event)| Event {
            value,
            event,
            stream,
        };
        Ok(more.then(|| batch.into_iter().map(event).collect()))
    }

    /// Collects a batch; false if the lane is to end and there is none.
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        within: Duration,
        patience: &mut Option<BoxFuture<'static, ()>>,
    ) -> Poll<bool> {
        if self.batch.is_empty() {
            let Some(first) = ready!(self.poll_decoded(cx)) else {
                return Poll::Ready(false);
            };
            self.batch.push(first);
        }
        while self.batch.len() < most {
            match self.lane.poll_more(cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(event)) => match self.value(&event) {
                    Ok(Some(value)) => self.batch.push((value, event)),
                    // It is done with the batch.
                    Ok(None) => {}
                    Err(_) => {
                        self.lane.leave_out_last();
                        break;
                    }
                },
                Poll::Pending => {
                    let clock = &self.lane.clock;
                    let patience = patience.get_or_insert_with(|| clock.sleep(within));
                    ready!(patience.as_mut().poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(true)
    }
}
