//! Which tasks this worker runs, and until when it may say so.
//!
//! A worker is a member of a consumer group. In each *generation* of the group every task has at
//! most one owner, and only a member of the current generation can commit offsets. The layers,
//! from the inside out:
//!
//! - the [`Assignor`] decides who gets which task: a pure function;
//! - [`ClassicMember`] speaks Kafka's classic group protocol (join, sync, heartbeat, leave) in two
//!   cooperative rounds, without any I/O or clock of its own;
//! - [`Group`] is what the runtime sees: events (assigned, revoked, lost) and *permits* to commit;
//!   [`classic_group`] drives a [`ClassicMember`] over a coordinator and a clock.
//!
//! The guarantee that the layers keep together: **in one generation no task belongs to two members
//! that can both commit**. A task that moves is withheld from its new owner until a generation in
//! which its old owner no longer says that it has it.

mod assignor;
mod classic;
mod event;
mod group;
mod task;
mod wire;

pub use assignor::{
    Assignment, Assignor, AssignorFailure, FirstRound, GroupView, MemberView, RoundTasks,
    StickyAssignor, Tasks, assign_checked, first_round,
};
pub use classic::{Action, ClassicMember, GroupStatus, Input, MemberConfig, PROTOCOL};
pub use event::{Assigned, GroupEvent, MembershipError, Peer};
pub use group::{ClassicGroup, Group, GroupDriver, Permit, classic_group};
pub use task::{SubTopology, TaskId};
