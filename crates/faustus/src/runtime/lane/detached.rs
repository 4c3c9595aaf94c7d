//! Events in flight outside of the loop that took them.
//!
//! A detached event is in flight until somebody, on any thread, says what became of it. Verdicts
//! come in any order; retirement brings them back into that of the log. One that failed is made the
//! lane's current event again when the loop asks for the next one, and meets the policy there.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use super::{InFlight, LaneCore};
use crate::{
    Error, EventEnd, Result,
    runtime::{outputs::EventOutputs, retirement::Number, thread::panicked, topology::LocalFuture},
};

/// What became of an event: what it sent, or why it failed.
type Verdict = Result<EventOutputs, Error>;

/// Where verdicts are told, from any thread.
pub(crate) struct Verdicts {
    told: Mutex<Vec<(Number, Verdict)>>,
    lane: Waker,
}

impl Verdicts {
    /// Says what became of an event. Of one whose lane is gone, or that was given back, it means nothing.
    pub(crate) fn tell(&self, number: Number, verdict: Verdict) {
        self.told.lock().push((number, verdict));
        self.lane.wake_by_ref();
    }
}

impl fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdicts").finish_non_exhaustive()
    }
}

/// An event that is complete when the functions that its replies go to have been called.
struct Calling {
    event: InFlight,
    outputs: EventOutputs,
    call: Option<LocalFuture<Result>>,
}

impl Calling {
    /// Makes the calls, one after the other.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result> {
        loop {
            if self.call.is_none() {
                self.call = self.outputs.next_call().map(|call| call());
            }
            let Some(call) = &mut self.call else {
                return Poll::Ready(Ok(()));
            };
            // No instance is polled here, which would catch it.
            let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
            match polled.unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic)))) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => self.call = None,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.context("sink"))),
            }
        }
    }
}

impl fmt::Debug for Calling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").finish_non_exhaustive()
    }
}

/// The events of one lane that are in flight outside of its loop.
#[derive(Debug)]
pub(super) struct Detached {
    events: RefCell<BTreeMap<Number, InFlight>>,
    failed: RefCell<VecDeque<(InFlight, Error)>>,
    /// Those that were acknowledged and owe calls.
    calling: RefCell<Vec<Calling>>,
    verdicts: Arc<Verdicts>,
}

impl Detached {
    pub(super) fn new(lane: Waker) -> Self {
        let verdicts = Verdicts {
            told: Mutex::default(),
            lane,
        };
        Self {
            events: RefCell::default(),
            failed: RefCell::default(),
            calling: RefCell::default(),
            verdicts: Arc::new(verdicts),
        }
    }

    /// Whether an event failed that has not met its policy.
    #[inline]
    pub(super) fn has_failed(&self) -> bool {
        !self.failed.borrow().is_empty()
    }
}

impl LaneCore {
    /// Lets `event` go on outside of the loop: what it sent so far, and where its verdict is to be
    /// told. `None` if it is not alone in flight.
    pub(crate) fn detach(&self, event: &InFlight) -> Option<(EventOutputs, Arc<Verdicts>)> {
        if !self.batch.borrow().is_empty() {
            return None;
        }
        let current = self.current.borrow_mut().take()?;
        debug_assert_eq!(
            current.number(),
            event.number(),
            "an event in hand is in flight"
        );
        let mut events = self.detached.events.borrow_mut();
        events.insert(current.number(), current);
        let verdicts = Arc::clone(&self.detached.verdicts);
        Some((self.outputs.take(), verdicts))
    }

    /// Has an event that failed meet its policy, as the current one.
    #[cold]
    pub(super) fn fail_detached(&self) {
        let failed = self.detached.failed.borrow_mut().pop_front();
        if let Some((event, error)) = failed {
            *self.current.borrow_mut() = Some(event);
            self.refuse_event(error);
        }
    }

    /// Does what was said of detached events.
    pub(crate) fn serve_verdicts(&self) {
        if !self.has_detached() {
            return;
        }
        let told = std::mem::take(&mut *self.detached.verdicts.told.lock());
        for (number, verdict) in told {
            let Some(event) = self.detached.events.borrow_mut().remove(&number) else {
                continue;
            };
            match verdict {
                Ok(outputs) => self.detached.calling.borrow_mut().push(Calling {
                    event,
                    outputs,
                    call: None,
                }),
                Err(error) => self.detached_failed(event, error),
            }
        }
        self.call_for_detached();
    }

    /// Completes the events that were acknowledged and owe no call any more.
    fn call_for_detached(&self) {
        let mut cx = Context::from_waker(&self.waker);
        for mut calling in self.detached.calling.take() {
            match calling.poll(&mut cx) {
                Poll::Pending => self.detached.calling.borrow_mut().push(calling),
                Poll::Ready(Ok(())) => {
                    self.done.set(self.done.get() + 1);
                    self.watch_end(&calling.event, EventEnd::Completed);
                    self.task.complete(&calling.event, &mut calling.outputs);
                }
                Poll::Ready(Err(error)) => self.detached_failed(calling.event, error),
            }
        }
    }

    fn detached_failed(&self, event: InFlight, error: Error) {
        self.watch_end(&event, EventEnd::Failed);
        self.detached.failed.borrow_mut().push_back((event, error));
        self.wake();
    }

    /// Whether events are in flight outside of the loop.
    pub(crate) fn has_detached(&self) -> bool {
        !self.detached.events.borrow().is_empty() || !self.detached.calling.borrow().is_empty()
    }

    /// What is in flight outside of the loop is not completed by anything said later.
    pub(crate) fn forget_detached(&self) {
        self.detached.events.borrow_mut().clear();
        self.detached.calling.borrow_mut().clear();
        self.detached.failed.borrow_mut().clear();
    }
}
