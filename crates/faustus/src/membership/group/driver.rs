//! Runs a [`ClassicMember`] over a coordinator and a clock, as one future.

use std::{future::pending, sync::Arc};

use faustus_core::{BoxFuture, Clock, Coordinator};

use super::permit::{Shared, Term};
use crate::membership::{Action, ClassicMember, GroupEvent, Input};

/// Drives a membership: makes its calls, keeps its time, and serves the handle.
#[must_use = "a membership does nothing unless its driver runs"]
pub struct GroupDriver {
    member: ClassicMember,
    coordinator: Connection,
    clock: Arc<dyn Clock>,
    gate: DriverGate,
    /// Hears of each join.
    on_join: Option<Box<dyn Fn() + Send>>,
}

/// A coordinator that shows nothing of itself.
struct Connection(Arc<dyn Coordinator>);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Coordinator")
    }
}

/// The driver's end of what it shares with the handles; ends everything when it is dropped.
#[derive(Debug)]
struct DriverGate {
    shared: Arc<Shared>,
    /// The term whose permits may be out, until the next one.
    term: Option<Arc<Term>>,
    /// Whether the member waits for them.
    draining: bool,
}

impl Drop for DriverGate {
    fn drop(&mut self) {
        self.void();
        self.shared.abandon();
    }
}

impl DriverGate {
    fn hold(&mut self) {
        if let Some(term) = self.shared.hold() {
            self.term = Some(term);
        }
    }

    fn void(&mut self) {
        self.hold();
        self.draining = false;
        if let Some(term) = self.term.take() {
            term.void();
        }
    }

    /// What the handles want and what has happened to permits.
    fn inputs(&mut self) -> Vec<Input> {
        let mut inputs = self.shared.take_wishes();
        if self.draining && self.term.as_ref().is_none_or(|term| term.is_idle()) {
            self.draining = false;
            inputs.push(Input::CommitsReturned);
        }
        inputs
    }
}

/// The calls under way, each giving the input that its answer is.
#[derive(Default)]
struct Calls<'a> {
    main: Option<BoxFuture<'a, Input>>,
    heartbeat: Option<BoxFuture<'a, Input>>,
}

impl GroupDriver {
    pub(super) fn new(
        member: ClassicMember,
        coordinator: Arc<dyn Coordinator>,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            member,
            coordinator: Connection(coordinator),
            clock,
            gate: DriverGate {
                shared,
                term: None,
                draining: false,
            },
            on_join: None,
        }
    }

    /// Has `tell` called whenever the member asks to join, also when it asks again.
    pub(crate) fn on_join(&mut self, tell: impl Fn() + Send + 'static) {
        self.on_join = Some(Box::new(tell));
    }

    /// Joins the group and stays in it until the handle leaves or the membership fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is the death of the member: the group notices at the end of the session,
    /// the handle at once.
    pub async fn run(self) {
        let Self {
            mut member,
            coordinator,
            clock,
            mut gate,
            on_join,
        } = self;
        let coordinator = &*coordinator.0;
        let mut calls = Calls::default();
        let mut inputs = vec![Input::Start];
        loop {
            let mut ended = false;
            for input in inputs {
                let actions = member.handle(clock.monotonic(), input);
                // Before the events: who takes one sees the state that it speaks of.
                gate.shared.publish(member.status(), member.lease_until());
                for action in actions {
                    ended |= matches!(
                        action,
                        Action::Tell(GroupEvent::Left | GroupEvent::Failed(_))
                    );
                    if let (Action::Join(_), Some(tell)) = (&action, &on_join) {
                        tell();
                    }
                    act(action, coordinator, &mut calls, &mut gate);
                }
            }
            if ended {
                return;
            }
            inputs = gate.inputs();
            if inputs.is_empty() {
                let wake_at = member.wake_at();
                let timer = async {
                    match wake_at {
                        Some(at) => clock.sleep(at.saturating_sub(clock.monotonic())).await,
                        None => pending().await,
                    }
                };
                let shared = Arc::clone(&gate.shared);
                tokio::select! {
                    biased;
                    () = shared.woken() => inputs = gate.inputs(),
                    answer = answered(&mut calls.main) => inputs.push(answer),
                    answer = answered(&mut calls.heartbeat) => inputs.push(answer),
                    () = timer => inputs.push(Input::Tick),
                }
            }
        }
    }
}

impl std::fmt::Debug for GroupDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupDriver")
            .field("member", &self.member)
            .finish_non_exhaustive()
    }
}

/// The answer of the call in `slot`, which is then empty.
async fn answered(slot: &mut Option<BoxFuture<'_, Input>>) -> Input {
    let Some(call) = slot else {
        return pending().await;
    };
    let answer = call.await;
    *slot = None;
    answer
}

fn act<'a>(
    action: Action,
    coordinator: &'a dyn Coordinator,
    calls: &mut Calls<'a>,
    gate: &mut DriverGate,
) {
    let main: BoxFuture<'a, Input> = match action {
        Action::Join(request) => Box::pin(async { Input::Joined(coordinator.join(request).await) }),
        Action::Sync(request) => Box::pin(async { Input::Synced(coordinator.sync(request).await) }),
        Action::Leave(identity) => {
            Box::pin(async { Input::Left(coordinator.leave(identity).await) })
        }
        Action::Heartbeat(identity) => {
            calls.heartbeat = Some(Box::pin(async {
                Input::Heartbeat(coordinator.heartbeat(identity).await)
            }));
            return;
        }
        Action::HoldCommits => {
            gate.hold();
            gate.draining = true;
            return;
        }
        Action::VoidCommits => return gate.void(),
        Action::AllowCommits(identity) => return gate.shared.open(identity),
        Action::Tell(event) => return gate.shared.tell(event),
    };
    // A main call ends all calls before it.
    *calls = Calls {
        main: Some(main),
        heartbeat: None,
    };
}
