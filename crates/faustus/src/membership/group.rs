//! The group as the runtime sees it, and the driver of a [`ClassicMember`].
//!
//! Contract of a [`Group`]: events come in order to one taker. Whoever asks for the next event says
//! that it has dealt with the one before; in particular, after [`GroupEvent::Lost`] no permit is
//! given before the next event is asked for, so nothing that was lost can be committed by the
//! member's next incarnation. A commit is made under a [`Permit`] and with its identity.
//!
//! The driver is one future. In production it has a thread of its own, so that heartbeats do not
//! depend on the user's code; in tests it is a task on virtual time. When it is dropped, the handle
//! reports a failure and gives no more permits.

mod driver;
mod permit;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use faustus_core::{BoxFuture, Clock, Coordinator};

pub use self::{driver::GroupDriver, permit::Permit};
use super::{ClassicMember, GroupEvent, GroupStatus, Input, MemberConfig, SubTopology, TaskId};
use permit::Shared;

/// Membership of a group: what to run, and until when to commit it.
pub trait Group: Send + Sync + fmt::Debug {
    /// The next change. Asking for it says that the one before is dealt with.
    ///
    /// After [`GroupEvent::Left`] or [`GroupEvent::Failed`] it gives that one again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost.
    fn next_event(&self) -> BoxFuture<'_, GroupEvent>;

    /// The right to commit; waits while a rebalance is between joining and assignment. `None`
    /// when the membership has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    fn permit(&self) -> BoxFuture<'_, Option<Permit>>;

    /// Answers [`GroupEvent::Revoked`]: the tasks are given up and what they did is committed.
    fn revoked_done(&self, generation: i32);

    /// Until when, in monotonic time, the coordinator surely counts this member in, less a margin.
    /// Records must not be handed over later. `None` outside of the group. It is not renewed during
    /// a rebalance, because a member that waits in a join sends no heartbeats.
    fn lease_until(&self) -> Option<Duration>;

    /// The same, for as long as the member counts `task` as its own; `None` from the moment on when it
    /// has lost it or given it up.
    fn lease_of(&self, task: &TaskId) -> Option<Duration>;

    /// Asks for a rebalance, for a reason that is logged.
    fn rejoin(&self, reason: &str);

    /// Tells what the worker can run now; asks for a rebalance if that is something else.
    fn set_subtopologies(&self, subtopologies: Vec<SubTopology>);

    /// Ends the membership; [`GroupEvent::Left`] follows. All must be committed before. A static
    /// member keeps its place until its session ends, unless `force`.
    fn leave(&self, force: bool);

    /// The generation of the last assignment, -1 outside of any.
    fn generation(&self) -> i32;

    /// How the membership stands, for people.
    fn status(&self) -> GroupStatus;
}

/// A handle on a membership by Kafka's classic protocol, cheap to clone.
#[derive(Clone, Debug)]
pub struct ClassicGroup {
    shared: Arc<Shared>,
}

/// A membership by Kafka's classic protocol: the handle, and the driver that has to
/// [`run`](GroupDriver::run).
pub fn classic_group(
    config: MemberConfig,
    coordinator: Arc<dyn Coordinator>,
    clock: Arc<dyn Clock>,
) -> (ClassicGroup, GroupDriver) {
    let group = config.group.clone();
    let member = ClassicMember::new(config);
    let shared = Arc::new(Shared::new(group, member.status()));
    let driver = GroupDriver::new(member, coordinator, clock, Arc::clone(&shared));
    (ClassicGroup { shared }, driver)
}

impl Group for ClassicGroup {
    fn next_event(&self) -> BoxFuture<'_, GroupEvent> {
        Box::pin(self.shared.next_event())
    }

    fn permit(&self) -> BoxFuture<'_, Option<Permit>> {
        Box::pin(self.shared.permit())
    }

    fn revoked_done(&self, generation: i32) {
        self.shared.send(Input::RevocationDone(generation));
    }

    fn lease_until(&self) -> Option<Duration> {
        self.shared.lease_until()
    }

    fn lease_of(&self, task: &TaskId) -> Option<Duration> {
        self.shared.lease_of(task)
    }

    fn rejoin(&self, reason: &str) {
        self.shared.send(Input::Rejoin(reason.into()));
    }

    fn set_subtopologies(&self, subtopologies: Vec<SubTopology>) {
        self.shared.send(Input::SubTopologies(subtopologies));
    }

    fn leave(&self, force: bool) {
        self.shared.send(Input::Leave { force });
    }

    fn generation(&self) -> i32 {
        self.shared.status().generation
    }

    fn status(&self) -> GroupStatus {
        self.shared.status()
    }
}
