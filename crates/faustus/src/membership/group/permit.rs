//! What handle and driver share: events, wishes, and the gate that commits pass.
//!
//! The gate is open during a *term*: from an assignment to the next join. Permits belong to a term
//! and are counted in it, so a new term does not wait for what a void one left running.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use faustus_core::GroupIdentity;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::membership::{GroupEvent, GroupStatus, Input, MembershipError, TaskId};

/// The right to commit in a generation; given back by dropping it.
///
/// While it is held, a rebalance waits, but not for ever: see [`voided`](Self::voided).
pub struct Permit {
    term: Arc<Term>,
    shared: Arc<Shared>,
}

impl Permit {
    /// Who commits.
    #[must_use]
    pub fn identity(&self) -> &GroupIdentity {
        &self.term.identity
    }

    /// Whether the commit has to be given up: it takes too long, or the membership is lost.
    #[must_use]
    pub fn is_void(&self) -> bool {
        *self.term.void.borrow()
    }

    /// Completes when the commit has to be given up.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn voided(&self) {
        let mut void = self.term.void.subscribe();
        // An error says that the sender is gone, which this permit holds.
        let _ = void.wait_for(|void| *void).await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.term.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.wake_driver.notify_one();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("identity", self.identity())
            .field("void", &self.is_void())
            .finish()
    }
}

/// The time in which commits are allowed by one identity.
#[derive(Debug)]
pub(super) struct Term {
    identity: GroupIdentity,
    void: watch::Sender<bool>,
    /// How many permits are out. It grows under the lock of the gate, and only while that is open.
    running: AtomicUsize,
}

impl Term {
    pub(super) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Acquire) == 0
    }

    pub(super) fn void(&self) {
        self.void.send_replace(true);
    }
}

#[derive(Debug)]
enum Gate {
    Held,
    Open(Arc<Term>),
    Ended,
}

/// What the handles and the driver share.
#[derive(Debug)]
pub(super) struct Shared {
    group: String,
    state: Mutex<State>,
    /// Tells the driver of wishes and of returned permits.
    wake_driver: Notify,
    /// Tells the handles of events and of the gate.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    events: VecDeque<GroupEvent>,
    /// Losses that were not dealt with yet; commits wait for that.
    losses: usize,
    /// Whether the event that was taken last is a loss.
    took_loss: bool,
    /// The last event of all.
    end: Option<GroupEvent>,
    wishes: Vec<Input>,
    lease_until: Option<Duration>,
    status: GroupStatus,
}

impl Shared {
    pub(super) fn new(group: String, status: GroupStatus) -> Self {
        let state = State {
            gate: Gate::Held,
            events: VecDeque::new(),
            losses: 0,
            took_loss: false,
            end: None,
            wishes: Vec::new(),
            lease_until: None,
            status,
        };
        Self {
            group,
            state: Mutex::new(state),
            wake_driver: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// Waits until `ready` gives something.
    async fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change in between is missed.
            changed.as_mut().enable();
            if let Some(value) = ready(&mut self.state.lock()) {
                return value;
            }
            changed.await;
        }
    }

    pub(super) async fn next_event(&self) -> GroupEvent {
        let dealt_with_loss = {
            let mut state = self.state.lock();
            let dealt_with = std::mem::take(&mut state.took_loss);
            state.losses -= usize::from(dealt_with);
            dealt_with
        };
        if dealt_with_loss {
            self.changed.notify_waiters();
        }
        self.wait(|state| {
            let event = state.events.pop_front().or_else(|| state.end.clone())?;
            state.took_loss = matches!(event, GroupEvent::Lost { .. });
            Some(event)
        })
        .await
    }

    pub(super) async fn permit(self: &Arc<Self>) -> Option<Permit> {
        self.wait(|state| match &state.gate {
            Gate::Open(term) if state.losses == 0 => {
                term.running.fetch_add(1, Ordering::AcqRel);
                Some(Some(Permit {
                    term: Arc::clone(term),
                    shared: Arc::clone(self),
                }))
            }
            Gate::Open(_) | Gate::Held => None,
            Gate::Ended => Some(None),
        })
        .await
    }

    pub(super) fn send(&self, wish: Input) {
        self.state.lock().wishes.push(wish);
        self.wake_driver.notify_one();
    }

    pub(super) fn lease_until(&self) -> Option<Duration> {
        self.state.lock().lease_until
    }

    pub(super) fn lease_of(&self, task: &TaskId) -> Option<Duration> {
        let state = self.state.lock();
        state
            .lease_until
            .filter(|_| state.status.owned.contains(task))
    }

    pub(super) fn status(&self) -> GroupStatus {
        self.state.lock().status.clone()
    }

    /// For the driver: completes when there are wishes or permits came back.
    pub(super) async fn woken(&self) {
        self.wake_driver.notified().await;
    }

    pub(super) fn take_wishes(&self) -> Vec<Input> {
        std::mem::take(&mut self.state.lock().wishes)
    }

    pub(super) fn publish(&self, status: GroupStatus, lease_until: Option<Duration>) {
        let mut state = self.state.lock();
        state.status = status;
        state.lease_until = lease_until;
    }

    pub(super) fn tell(&self, event: GroupEvent) {
        {
            let mut state = self.state.lock();
            match event {
                GroupEvent::Lost { .. } => state.losses += 1,
                GroupEvent::Left | GroupEvent::Failed(_) => {
                    state.gate = Gate::Ended;
                    state.end = Some(event.clone());
                }
                GroupEvent::Assigned(_) | GroupEvent::Revoked { .. } => {}
            }
            // The end is given from where it is kept, when the queue is empty.
            if state.end.is_none() || matches!(event, GroupEvent::Lost { .. }) {
                state.events.push_back(event);
            }
        }
        self.changed.notify_waiters();
    }

    /// Opens a term.
    pub(super) fn open(&self, identity: GroupIdentity) {
        let term = Arc::new(Term {
            identity,
            void: watch::Sender::new(false),
            running: AtomicUsize::new(0),
        });
        self.state.lock().gate = Gate::Open(term);
        self.changed.notify_waiters();
    }

    /// Closes the gate and gives the term that was open.
    pub(super) fn hold(&self) -> Option<Arc<Term>> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut state.gate, Gate::Held) {
            Gate::Open(term) => Some(term),
            Gate::Held => None,
            Gate::Ended => {
                state.gate = Gate::Ended;
                None
            }
        }
    }

    /// Ends everything because the driver is gone, if it has not ended in good order.
    pub(super) fn abandon(&self) {
        let (ended, assigned) = {
            let mut state = self.state.lock();
            let assigned = state.status.generation >= 0;
            state.status.state = "ended";
            state.status.generation = -1;
            state.lease_until = None;
            (state.end.is_some(), assigned)
        };
        if !ended {
            let failure = MembershipError::NotDriven {
                group: self.group.clone(),
            };
            if assigned {
                let reason = failure.to_string();
                self.tell(GroupEvent::Lost { reason });
            }
            self.tell(GroupEvent::Failed(failure));
        }
    }
}
