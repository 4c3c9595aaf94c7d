//! Several events in flight together, as one batch.
//!
//! The last of them is the lane's current event; the ones before it wait beside it with what each of
//! them sent. They complete and retire together. If the batch fails, its events are put back and
//! taken one by one, so that only the one at fault meets the policy.

use std::task::{Context, Poll};

use super::{InFlight, LaneCore, Mode, PASSED_OVER};
use crate::{
    EventEnd, ask,
    runtime::{outputs::EventOutputs, task::Note},
};

impl LaneCore {
    /// Takes another event beside those in flight, with which it retires; `None` if there are to be
    /// no more.
    pub(crate) fn poll_more(&self, cx: &Context<'_>) -> Poll<Option<InFlight>> {
        loop {
            let stopped = self.mode.get() == Mode::Draining || self.task.is_held();
            if stopped || self.is_alone.get() || self.alone.get() > 0 {
                return Poll::Ready(None);
            }
            match self.budget.get().checked_sub(1) {
                Some(left) => self.budget.set(left),
                None => {
                    self.wake();
                    return self.wait_for_more(cx);
                }
            }
            let Some(event) = self.inbox.pop(self.place) else {
                // Nothing more comes before something retires.
                if self.task.is_full() {
                    return Poll::Ready(None);
                }
                return self.wait_for_more(cx);
            };
            match self.task.take_note(&event) {
                None => {}
                Some(Note::Skip) => {
                    let mut outputs = EventOutputs::default();
                    ask::reply_failure(event.record(), &mut outputs, PASSED_OVER);
                    self.tell_skipped(&event);
                    self.done.set(self.done.get() + 1);
                    self.task.complete(&event, &mut outputs);
                    continue;
                }
                Some(note) => {
                    self.task.note(event.writer(), note);
                    self.inbox.put_back(event);
                    return Poll::Ready(None);
                }
            }
            let mut batch = self.batch.borrow_mut();
            let before = self.current.borrow_mut().replace(event.clone());
            let outputs = self.outputs.take();
            batch.extend(before.map(|before| (before, outputs)));
            if let Some((first, _)) = batch.first() {
                self.task.join(first.number(), event.number());
            }
            self.taken.set(self.taken.get() + 1);
            if let Some(watch) = &self.watch {
                self.watch_given(watch, &event);
            }
            return Poll::Ready(Some(event));
        }
    }

    fn wait_for_more(&self, cx: &Context<'_>) -> Poll<Option<InFlight>> {
        self.collecting.set(true);
        *self.asker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// A batch that waits for more events is to be given as it is.
    pub(crate) fn stop_collecting(&self) {
        if self.collecting.get() {
            self.wake();
        }
    }

    /// Takes the last event of a batch out again: it will come alone.
    pub(crate) fn leave_out_last(&self) {
        let Some((before, outputs)) = self.batch.borrow_mut().pop() else {
            return;
        };
        *self.outputs.borrow_mut() = outputs;
        let last = self.current.borrow_mut().replace(before.clone());
        self.rejoin(&before);
        if let Some(last) = last {
            self.watch_end(&last, EventEnd::TakenAway);
            self.inbox.put_back(last);
        }
    }

    /// Whether several events are in flight together.
    pub(crate) fn has_batch(&self) -> bool {
        !self.batch.borrow().is_empty()
    }

    /// Undoes what the events of a batch did and gives them again, one by one; how many there are,
    /// none if what is in flight is no batch.
    pub(crate) fn part(&self) -> usize {
        if self.batch.borrow().is_empty() {
            return 0;
        }
        let parted = self.give_back(EventEnd::Failed);
        self.alone.set(parted + self.alone.get());
        parted
    }

    /// Undoes what the events in flight did and gives them again, for this reason; how many there are.
    pub(crate) fn give_back(&self, end: EventEnd) -> usize {
        self.roll_back();
        self.failure.borrow_mut().take();
        let batch = self.batch.take();
        if let Some((first, _)) = batch.first() {
            self.task.part(first.number());
        }
        let events: Vec<_> = batch.into_iter().map(|(event, _)| event).collect();
        let count = events.len() + usize::from(self.current.borrow().is_some());
        for event in events.into_iter().chain(self.current.take()).rev() {
            self.watch_end(&event, end);
            self.inbox.put_back(event);
        }
        self.pass_turn();
        self.wake();
        count
    }

    /// Completes the events of a batch but for the last.
    #[cold]
    pub(super) fn complete_batch(&self) {
        for (earlier, mut outputs) in self.batch.borrow_mut().drain(..) {
            self.done.set(self.done.get() + 1);
            self.watch_end(&earlier, EventEnd::Completed);
            self.task.complete(&earlier, &mut outputs);
        }
    }

    /// An event was taken: whether it is one of those to be taken alone.
    #[cold]
    pub(super) fn count_alone(&self) {
        let alone = self.alone.get();
        self.alone.set(alone.saturating_sub(1));
        self.is_alone.set(alone > 0);
    }

    /// A batch ends with `last` again.
    fn rejoin(&self, last: &InFlight) {
        if let Some((first, _)) = self.batch.borrow().first() {
            return self.task.join(first.number(), last.number());
        }
        self.task.part(last.number());
    }
}
