//! Events in flight outside of the loop that took them.
//!
//! A detached event is in flight until somebody, on any thread, says what became of it. Verdicts
//! come in any order; retirement brings them back into that of the log. One that failed is made the
//! lane's current event again when the loop asks for the next one, and meets the policy there.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    task::Waker,
};

use parking_lot::Mutex;

use super::{InFlight, LaneCore};
use crate::{
    Error,
    runtime::{outputs::EventOutputs, retirement::Number},
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

/// The events of one lane that are in flight outside of its loop.
#[derive(Debug)]
pub(super) struct Detached {
    events: RefCell<BTreeMap<Number, InFlight>>,
    failed: RefCell<VecDeque<(InFlight, Error)>>,
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
        if self.detached.events.borrow().is_empty() {
            return;
        }
        let told = std::mem::take(&mut *self.detached.verdicts.told.lock());
        for (number, verdict) in told {
            let Some(event) = self.detached.events.borrow_mut().remove(&number) else {
                continue;
            };
            match verdict {
                Ok(mut outputs) => self.task.complete(&event, &mut outputs),
                Err(error) => {
                    self.detached.failed.borrow_mut().push_back((event, error));
                    self.wake();
                }
            }
        }
    }

    /// Whether events are in flight outside of the loop.
    pub(crate) fn has_detached(&self) -> bool {
        !self.detached.events.borrow().is_empty()
    }

    /// What is in flight outside of the loop is not completed by anything said later.
    pub(crate) fn forget_detached(&self) {
        self.detached.events.borrow_mut().clear();
        self.detached.failed.borrow_mut().clear();
    }
}
