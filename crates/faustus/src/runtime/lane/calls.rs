//! Functions that replies go to: called when the agent is done with its event, which is complete when
//! they are.
//!
//! They run on the lane, one after the other, and keep it from its next event. One that fails fails the
//! event as if the agent had: all that the event did in the log is undone, and its policy decides.

use std::task::{Context, Poll};

use super::LaneCore;
use crate::{Result, runtime::LocalFuture};

impl LaneCore {
    /// The events in flight owe calls from now on.
    pub(crate) fn owe_calls(&self) {
        self.owes_calls.set(true);
    }

    /// Makes the calls that the events in flight owe.
    #[cold]
    pub(crate) fn poll_calls(&self, cx: &Context<'_>) -> Poll<Result> {
        let mut cx = Context::from_waker(cx.waker());
        loop {
            // It is taken out while it is polled: what it does may look at the lane.
            let calling = self.calling.borrow_mut().take();
            let Some(mut call) = calling.or_else(|| self.next_call()) else {
                self.owes_calls.set(false);
                return Poll::Ready(Ok(()));
            };
            match call.as_mut().poll(&mut cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.forget_calls();
                    return Poll::Ready(Err(error.context("sink")));
                }
                Poll::Pending => {
                    *self.calling.borrow_mut() = Some(call);
                    return Poll::Pending;
                }
            }
        }
    }

    /// No call is made any more for what the events in flight did so far.
    pub(super) fn forget_calls(&self) {
        if self.owes_calls.replace(false) {
            self.calling.borrow_mut().take();
        }
    }

    fn next_call(&self) -> Option<LocalFuture<Result>> {
        let mut batch = self.batch.borrow_mut();
        let earlier = batch
            .iter_mut()
            .find_map(|(_, outputs)| outputs.next_call());
        let call = earlier.or_else(|| self.outputs.borrow_mut().next_call())?;
        drop(batch);
        Some(call())
    }
}
