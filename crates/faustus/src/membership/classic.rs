//! A member of a group by Kafka's classic protocol, without I/O, clock or randomness of its own.
//!
//! A [`ClassicMember`] is fed [`Input`]s with the time and answers with [`Action`]s. Its contract:
//!
//! - It has one *main call* (join, sync or leave) and one heartbeat under way at most. A join, sync
//!   or leave ends all calls before it: whoever drives the machine drops them, so that it never sees
//!   an answer to a question it no longer asks.
//! - Commits are allowed from a sync's answer ([`Action::AllowCommits`]) until the next join, which
//!   waits for running ones, but not for ever ([`Action::HoldCommits`], [`Action::VoidCommits`]).
//! - Tasks that were revoked count as owned, and are told to the group as owned, until the runtime
//!   says that they are given up. A revocation that takes too long costs everything.
//! - What is *lost* may run elsewhere already. That is the case when the coordinator does not know
//!   the member, its generation or its instance any more, when no heartbeat was answered for a
//!   session by our own clock, or when the leader says that another member has had its tasks.
//!
//! Rebalances are cooperative: a task that moves is revoked in a first generation and handed out in
//! a second, which its old owner starts by joining again.

mod config;
mod leader;
mod machine;
#[cfg(test)]
mod tests;

pub use config::MemberConfig;
pub use machine::ClassicMember;

use faustus_core::{GroupError, GroupIdentity, JoinRequest, Joined, SyncRequest};
use std::collections::BTreeSet;

use super::{GroupEvent, SubTopology, TaskId};

/// The name of the assignment protocol that all members of a group must speak.
pub const PROTOCOL: &str = "faustus";

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin to be a member.
    Start,
    /// Nothing but that time has passed.
    Tick,
    /// The answer to [`Action::Join`].
    Joined(Result<Joined, GroupError>),
    /// The answer to [`Action::Sync`].
    Synced(Result<Vec<u8>, GroupError>),
    /// The answer to [`Action::Heartbeat`].
    Heartbeat(Result<(), GroupError>),
    /// The answer to [`Action::Leave`].
    Left(Result<(), GroupError>),
    /// The tasks that were revoked in this generation are given up.
    RevocationDone(i32),
    /// No commit is running any more.
    CommitsReturned,
    /// Join again, for a reason that the coordinator logs.
    Rejoin(String),
    /// What the worker can run has changed; joins again if it really has.
    SubTopologies(Vec<SubTopology>),
    /// End the membership. A static member only leaves the group if `force`.
    Leave {
        /// Whether the group shall give a static member's tasks to others at once.
        force: bool,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Call the coordinator; ends all calls before.
    Join(JoinRequest),
    /// Call the coordinator; ends all calls before.
    Sync(SyncRequest),
    /// Call the coordinator.
    Heartbeat(GroupIdentity),
    /// Call the coordinator; ends all calls before.
    Leave(GroupIdentity),
    /// Let no commit begin, and answer [`Input::CommitsReturned`] when none is running.
    HoldCommits,
    /// Let no commit begin, and tell running ones to give up.
    VoidCommits,
    /// Let commits begin, by this identity.
    AllowCommits(GroupIdentity),
    /// Tell the runtime.
    Tell(GroupEvent),
}

/// How a membership stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The state in one word: `unjoined`, `joining`, `syncing`, `stable`, `revoking`, `rejoining`,
    /// `leaving` or `ended`.
    pub state: &'static str,
    /// The generation, -1 outside of any.
    pub generation: i32,
    /// The id that the coordinator gave, empty before that.
    pub member: String,
    /// The static id.
    pub instance: Option<String>,
    /// Whether this member made the assignments of the generation.
    pub leader: bool,
    /// The tasks it owns, those that it is giving up included.
    pub owned: BTreeSet<TaskId>,
    /// The tasks whose state it keeps.
    pub standby: BTreeSet<TaskId>,
    /// The tasks that it waits for until others have given them up.
    pub promised: BTreeSet<TaskId>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
}
