//! What the group tells the runtime.

use std::{collections::BTreeSet, sync::Arc};

use faustus_core::GroupError;

use super::TaskId;

/// A change of what this worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// A generation began. It comes in every generation, also when nothing changed.
    Assigned(Assigned),
    /// Tasks have to be given up in good order: stop, publish what has retired, commit, and then
    /// answer with the generation ([`Group::revoked_done`](super::Group::revoked_done)). Nobody
    /// else has them before that. Comes before the [`Assigned`](Self::Assigned) of its generation.
    Revoked {
        /// The generation in which they were revoked.
        generation: i32,
        /// The tasks.
        tasks: BTreeSet<TaskId>,
    },
    /// Everything is lost, and others may run it already: drop all tasks and publish nothing.
    /// The member joins again by itself.
    Lost {
        /// Why, for people.
        reason: String,
    },
    /// The group was left, as asked for. Nothing follows.
    Left,
    /// The membership ended for a reason that it cannot do anything about. Nothing follows.
    Failed(MembershipError),
}

/// What this worker has in a generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// The generation.
    pub generation: i32,
    /// The tasks that are new.
    pub added: BTreeSet<TaskId>,
    /// All tasks to run, those in `added` included and revoked ones not.
    pub active: BTreeSet<TaskId>,
    /// All tasks whose state to keep as a standby.
    pub standby: BTreeSet<TaskId>,
    /// Who runs what, as far as the members can be reached.
    pub peers: Arc<[Peer]>,
}

/// Where a member of the group can be reached, and what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The URL of its web server.
    pub url: String,
    /// The tasks it runs.
    pub active: BTreeSet<TaskId>,
}

/// Why a membership ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// The group's members speak another protocol.
    #[error(
        "group {group} has members that do not speak the assignment protocol {protocol:?}: another \
         kind of program uses this group name; stop its members or choose another application id"
    )]
    InconsistentProtocol {
        /// The group.
        group: String,
        /// Our protocol.
        protocol: String,
    },
    /// Another process took this static member's id.
    #[error(
        "another process is member {instance:?} of group {group}; give every worker its own \
         instance id"
    )]
    FencedInstance {
        /// The group.
        group: String,
        /// The static id.
        instance: String,
    },
    /// The coordinator refuses, now and later.
    #[error("the coordinator of group {group} refuses: {error}")]
    Refused {
        /// The group.
        group: String,
        /// What it answered.
        error: GroupError,
    },
    /// The future that drives the membership was dropped or panicked.
    #[error("the membership of group {group} is no longer driven")]
    NotDriven {
        /// The group.
        group: String,
    },
}
