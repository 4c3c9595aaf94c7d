//! A lane: one instance of an agent's function, with one event in flight.
//!
//! The lane owns its inbox (events of the task that routing gave it, in delivery order), the event
//! in flight, and what that event sent so far. Asking for the next event completes the one in
//! flight. Lanes that write the same table take *turns*: of all their heads the one with the lowest
//! number goes first, and only one of them has an event in flight.
//!
//! A lane knows nothing of types, policies or epochs: the typed [`Stream`](crate::Stream) decodes
//! on top of it, and the worker thread decides what becomes of a failed event.

mod batch;
mod calls;
mod detached;
mod inbox;
mod turn;

use std::{
    cell::{Cell, RefCell, RefMut},
    fmt,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use faustus_core::Clock;

use super::{
    dead_letter::DeadLetter,
    meters::AgentCounts,
    outputs::EventOutputs,
    sensors::Watch,
    slots::{EventId, Writer},
    task::{Note, TaskCore},
    topology::LocalFuture,
};
use crate::{Error, EventEnd, Result, ask};

use detached::Detached;
pub(crate) use detached::Verdicts;
pub(crate) use inbox::{Delivery, InFlight, Inbox};
pub(crate) use turn::Turn;

/// How many events a lane takes before others on its thread get their turn.
const BUDGET: u32 = 512;

/// What is said to who asked for an event that somebody skipped.
const PASSED_OVER: &str = "the event is passed over";

/// What the lane is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Running,
    /// It takes no event, until somebody lets it.
    Paused,
    /// `next` gives `None`.
    Draining,
}

/// One lane; shared by its stream, its shards and the worker thread it lives on.
pub(crate) struct LaneCore {
    pub(crate) agent: Arc<str>,
    /// The agent's place in the sub-topology.
    pub(crate) place: u16,
    /// Which lane of its agent, below `lanes`.
    pub(crate) lane: u32,
    pub(crate) lanes: u32,
    /// What its agent did on this thread.
    pub(crate) counts: Arc<AgentCounts>,
    /// Tells of each event, where somebody wants to hear of it.
    watch: Option<Box<Watch>>,
    /// For each source of the task, which input of the agent it is.
    inputs: Rc<[u16]>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) task: Rc<TaskCore>,
    inbox: Inbox,
    current: RefCell<Option<InFlight>>,
    /// Events taken together with the current one, before it, and what each of them sent.
    batch: RefCell<Vec<(InFlight, EventOutputs)>>,
    /// How many events at the front of the inbox are to be taken alone, after their batch failed.
    alone: Cell<usize>,
    /// The current event is one of those.
    is_alone: Cell<bool>,
    /// The instance waits for more events of a batch.
    collecting: Cell<bool>,
    /// The event in flight is given again to the next instance.
    replay: Cell<bool>,
    outputs: RefCell<EventOutputs>,
    /// The events in flight owe calls of functions that replies go to.
    owes_calls: Cell<bool>,
    /// The one that is being made.
    calling: RefCell<Option<LocalFuture<Result>>>,
    /// Why the event in flight failed though its instance goes on; the thread decides what becomes of it.
    failure: RefCell<Option<Error>>,
    /// The instance had the event in hand when it failed, and must not go on with it.
    in_hand: Cell<bool>,
    mode: Cell<Mode>,
    budget: Cell<u32>,
    taken: Cell<u64>,
    /// Events that were done since [`publish`](Self::publish).
    done: Cell<u64>,
    /// What had been taken then.
    published: Cell<u64>,
    turn: Option<Rc<Turn>>,
    /// Has the thread poll the lane.
    waker: Waker,
    /// What last asked for the next event inside the agent, which may be a part of it.
    asker: RefCell<Option<Waker>>,
    /// Events that are in flight outside of the loop.
    detached: Detached,
}

impl LaneCore {
    pub(crate) fn new(
        (agent, place, counts): (Arc<str>, u16, Arc<AgentCounts>),
        (lane, lanes): (u32, u32),
        (inputs, inbox, clock): (Rc<[u16]>, Inbox, Arc<dyn Clock>),
        task: Rc<TaskCore>,
        turn: Option<Rc<Turn>>,
        (waker, watch): (Waker, Option<Box<Watch>>),
    ) -> Rc<Self> {
        let core = Rc::new(Self {
            agent,
            counts,
            watch,
            place,
            lane,
            lanes,
            inputs,
            clock,
            task,
            inbox,
            current: RefCell::default(),
            batch: RefCell::default(),
            alone: Cell::new(0),
            is_alone: Cell::new(false),
            collecting: Cell::new(false),
            replay: Cell::new(false),
            outputs: RefCell::default(),
            owes_calls: Cell::new(false),
            calling: RefCell::default(),
            failure: RefCell::default(),
            in_hand: Cell::new(false),
            mode: Cell::new(Mode::Running),
            budget: Cell::new(BUDGET),
            taken: Cell::new(0),
            done: Cell::new(0),
            published: Cell::new(0),
            turn,
            waker: waker.clone(),
            asker: RefCell::default(),
            detached: Detached::new(waker),
        });
        if let Some(turn) = &core.turn {
            turn.lanes.borrow_mut().push(Rc::downgrade(&core));
        }
        core
    }

    /// Takes in the records of `delivery` that route here.
    pub(crate) fn deliver(&self, delivery: &Rc<Delivery>) {
        if self.inbox.deliver(delivery, self.lane, self.lanes) {
            self.wake();
        }
    }

    /// Completes the event in flight and gives the next one; `None` when the lane is to end.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<InFlight>> {
        let next = self.take_next(cx);
        if next.is_pending() {
            let mut asker = self.asker.borrow_mut();
            if asker
                .as_ref()
                .is_none_or(|asker| !asker.will_wake(cx.waker()))
            {
                *asker = Some(cx.waker().clone());
            }
        }
        next
    }

    fn take_next(&self, cx: &Context<'_>) -> Poll<Option<InFlight>> {
        if self.failure.borrow().is_some() {
            return if self.mode.get() == Mode::Draining {
                Poll::Ready(None)
            } else {
                Poll::Pending
            };
        }
        if self.replay.get() {
            return self.take_again();
        }
        if self.owes_calls.get()
            && let Err(error) = ready!(self.poll_calls(cx))
        {
            self.refuse_event(error);
            return Poll::Pending;
        }
        self.complete();
        self.collecting.set(false);
        match self.mode.get() {
            Mode::Running => {}
            Mode::Paused => return Poll::Pending,
            Mode::Draining => return Poll::Ready(None),
        }
        if self.task.is_held() || self.turn.as_ref().is_some_and(|turn| !turn.is_of(self)) {
            return Poll::Pending;
        }
        if self.task.feeds_channels() && self.task.poll_room(cx).is_pending() {
            return Poll::Pending;
        }
        if self.detached.has_failed() {
            self.fail_detached();
            return Poll::Pending;
        }
        match self.budget.get().checked_sub(1) {
            Some(left) => self.budget.set(left),
            None => {
                self.wake();
                return Poll::Pending;
            }
        }
        let Some(event) = self.inbox.pop(self.place) else {
            return Poll::Pending;
        };
        if self.alone.get() > 0 || self.is_alone.get() {
            self.count_alone();
        }
        if let Some(turn) = &self.turn {
            turn.busy.set(true);
        }
        *self.current.borrow_mut() = Some(event.clone());
        if let Some(note) = self.task.take_note(&event) {
            return self.take_otherwise(&event, note, cx);
        }
        self.taken.set(self.taken.get() + 1);
        if let Some(watch) = &self.watch {
            self.watch_given(watch, &event);
        }
        Poll::Ready(Some(event))
    }

    /// Gives the event in flight again.
    #[cold]
    fn take_again(&self) -> Poll<Option<InFlight>> {
        if self.is_paused() {
            return Poll::Pending;
        }
        self.replay.set(false);
        // Whatever the instance did while the event was away belongs to nothing.
        self.roll_back();
        self.taken.set(self.taken.get() + 1);
        let event = self.current.borrow().clone();
        if let (Some(watch), Some(event)) = (&self.watch, &event) {
            self.watch_given(watch, event);
        }
        Poll::Ready(event)
    }

    /// Does with the event that was taken what was decided before, and goes on.
    #[cold]
    fn take_otherwise(
        &self,
        event: &InFlight,
        note: Note,
        cx: &Context<'_>,
    ) -> Poll<Option<InFlight>> {
        match note {
            Note::Skip => {
                self.tell_skipped(event);
                self.answer_failure(PASSED_OVER);
            }
            Note::DeadLetter(letter) => {
                let written = letter.write(event, &mut self.outputs.borrow_mut());
                if let Err(error) = written {
                    self.refuse_event(error);
                    return Poll::Pending;
                }
                self.counts.lettered.add(1);
                self.answer_failure(letter.error());
            }
            Note::Refused(error) | Note::Undeliverable(error) => {
                self.refuse_event(error);
                return Poll::Pending;
            }
        }
        self.complete();
        self.take_next(cx)
    }

    /// Whether the lanes of the agent take events as they come.
    pub(crate) fn shares_inbox(&self) -> bool {
        self.inbox.is_shared()
    }

    /// Whether lanes of other agents take turns with this one.
    pub(crate) fn takes_turns(&self) -> bool {
        self.turn.is_some()
    }

    /// Whether it has an event to take that is not the next one of the lanes it takes turns with.
    pub(crate) fn waits_for_turn(&self) -> bool {
        let turn = self.turn.as_ref();
        !self.inbox.is_empty() && turn.is_some_and(|turn| !turn.is_of(self))
    }

    /// Completes the event in flight, if there is one: what it did stays.
    ///
    /// One that is to be given again was not seen by the instance that now ends.
    pub(crate) fn complete(&self) {
        if self.replay.get() {
            return;
        }
        let Some(event) = self.current.borrow_mut().take() else {
            return;
        };
        if !self.batch.borrow().is_empty() {
            self.complete_batch();
        }
        self.done.set(self.done.get() + 1);
        if let Some(watch) = &self.watch {
            watch.took_back(event.number(), EventEnd::Completed);
        }
        self.task.complete(&event, &mut self.outputs.borrow_mut());
        self.pass_turn();
    }

    /// Undoes what the event in flight did; it stays in flight.
    pub(crate) fn roll_back(&self) {
        self.forget_calls();
        self.outputs.borrow_mut().clear();
        for (event, outputs) in self.batch.borrow_mut().iter_mut() {
            outputs.clear();
            self.task.roll_back_event(event.id());
        }
        if let Some(event) = self.current.borrow().as_ref().map(InFlight::id) {
            self.task.roll_back_event(event);
        }
    }

    /// The event in flight is given to the next instance again.
    pub(crate) fn give_again(&self) {
        self.failure.borrow_mut().take();
        if self.has_batch() {
            // How many of them the next instance takes together is its own affair.
            self.give_back(EventEnd::TakenAway);
            return;
        }
        self.replay.set(self.current.borrow().is_some());
        self.wake();
    }

    /// The event in flight counts as done without having had an effect, but that who asked hears `why`.
    pub(crate) fn skip(&self, why: &str) {
        self.roll_back();
        self.answer_failure(why);
        self.end_event(Note::Skip);
    }

    /// The event in flight counts as done, and all it did is to send `letter`, and who asked hears why.
    ///
    /// # Errors
    ///
    /// When the letter is longer than its topic takes; the event is in flight as before.
    pub(crate) fn dead_letter(&self, letter: Rc<DeadLetter>) -> Result {
        self.roll_back();
        if let Some(event) = self.current.borrow().as_ref() {
            letter.write(event, &mut self.outputs.borrow_mut())?;
        }
        self.answer_failure(letter.error());
        self.end_event(Note::DeadLetter(letter));
        Ok(())
    }

    /// The event is passed over before its agent sees it, as was asked for or decided.
    pub(super) fn tell_skipped(&self, event: &InFlight) {
        self.counts.skipped.add(1);
        let sources = self.task.sources();
        if let Some(source) = sources.get(event.writer().source as usize) {
            let record = format_args!("{}@{}", source.partition, event.record().offset());
            tracing::warn!(agent = %self.agent, %record, "record is passed over");
        }
    }

    /// The event in flight is done, and will be done in the same way if it comes again.
    fn end_event(&self, note: Note) {
        if let Some(event) = self.current.borrow().as_ref() {
            match &note {
                Note::DeadLetter(_) => self.counts.lettered.add(1),
                _ => self.counts.skipped.add(1),
            }
            self.watch_end(event, EventEnd::TakenAway);
            self.task.note(event.writer(), note);
        }
        self.failure.borrow_mut().take();
        self.replay.set(false);
        self.complete();
        self.wake();
    }

    /// Replies to who asked, as a part of the event in flight, that it failed.
    fn answer_failure(&self, why: &str) {
        if let Some(event) = &*self.current.borrow() {
            ask::reply_failure(event.record(), &mut self.outputs.borrow_mut(), why);
        }
    }

    /// Replies to who asked that the event in flight failed, which itself has not come to an end.
    pub(crate) fn answer_failure_early(&self, why: &str) {
        if let Some(event) = &*self.current.borrow() {
            let mut outputs = EventOutputs::default();
            ask::reply_failure(event.record(), &mut outputs, why);
            if !outputs.is_empty() {
                self.task.send_alone(&mut outputs);
            }
        }
    }

    /// The event in flight cannot be given to the agent, which waits for it.
    pub(crate) fn refuse_event(&self, error: Error) {
        self.in_hand.set(false);
        *self.failure.borrow_mut() = Some(error);
    }

    /// The event in flight fails while the agent has it in hand.
    pub(crate) fn fail_event(&self, error: Error) {
        self.in_hand.set(true);
        *self.failure.borrow_mut() = Some(error);
        self.waker.wake_by_ref();
    }

    /// Whether the failed event was in the agent's hands.
    pub(crate) fn failed_in_hand(&self) -> bool {
        self.in_hand.get()
    }

    /// Why the event in flight could not be given to the agent, told once.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone()
    }

    /// From now on `next` gives `None`.
    pub(crate) fn drain(&self) {
        self.mode.set(Mode::Draining);
        self.wake();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.mode.get() == Mode::Draining
    }

    /// From now on it takes no event, or takes events again. What it has in hand it goes on with.
    pub(crate) fn pause(&self, paused: bool) {
        if !self.is_draining() {
            self.mode
                .set(if paused { Mode::Paused } else { Mode::Running });
            self.wake();
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.mode.get() == Mode::Paused
    }

    /// Whether the event in flight waits to be given to an instance.
    pub(crate) fn gives_again(&self) -> bool {
        self.replay.get()
    }

    /// Whether an instance has something to do: an event to take, or one to take again.
    pub(crate) fn has_work(&self) -> bool {
        (self.replay.get() && !self.is_paused())
            || (self.mode.get() == Mode::Running
                && !self.task.is_held()
                && self.failure.borrow().is_none()
                && (!self.inbox.is_empty() || self.detached.has_failed())
                && self.turn.as_ref().is_none_or(|turn| turn.is_of(self)))
    }

    /// Adds what was counted since the last call to what others see.
    pub(crate) fn publish(&self) {
        let taken = self.taken.get();
        self.counts.taken.add(taken - self.published.replace(taken));
        self.counts.done.add(self.done.take());
    }

    /// The agent has the event in flight no more, for this reason.
    pub(crate) fn watch_current(&self, end: EventEnd) {
        if let Some(event) = &*self.current.borrow() {
            self.watch_end(event, end);
        }
    }

    fn watch_end(&self, event: &InFlight, end: EventEnd) {
        if let Some(watch) = &self.watch {
            watch.took_back(event.number(), end);
        }
    }

    #[cold]
    fn watch_given(&self, watch: &Watch, event: &InFlight) {
        let sources = self.task.sources();
        let partition = sources[event.source() as usize].partition.clone();
        drop(sources);
        watch.gave(event, &partition);
    }

    /// Another round of events before others get their turn.
    pub(crate) fn refill_budget(&self) {
        self.budget.set(BUDGET);
    }

    /// The events given since the lane was made, repeated ones counted again.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.get()
    }

    pub(crate) fn current(&self) -> Option<InFlight> {
        self.current.borrow().clone()
    }

    pub(crate) fn has_event(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// The event in flight, and its record.
    pub(crate) fn current_writer(&self) -> Option<(EventId, Writer)> {
        let current = self.current.borrow();
        current.as_ref().map(|event| (event.id(), event.writer()))
    }

    /// Which input of the agent an event came through.
    pub(crate) fn input(&self, event: &InFlight) -> usize {
        self.inputs[event.source() as usize].into()
    }

    /// What `event`, which is in flight, sent so far.
    pub(crate) fn outputs(&self, event: &InFlight) -> RefMut<'_, EventOutputs> {
        let batch = self.batch.borrow_mut();
        let earlier = batch.binary_search_by_key(&event.number(), |(event, _)| event.number());
        match earlier {
            Ok(place) => RefMut::map(batch, |batch| &mut batch[place].1),
            Err(_) => self.outputs.borrow_mut(),
        }
    }

    pub(crate) fn wake(&self) {
        self.waker.wake_by_ref();
        if let Some(asker) = &*self.asker.borrow() {
            asker.wake_by_ref();
        }
    }

    #[inline]
    fn pass_turn(&self) {
        if let Some(turn) = &self.turn {
            turn.busy.set(false);
            turn.wake_first();
        }
    }
}

impl fmt::Debug for LaneCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("agent", &self.agent)
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
