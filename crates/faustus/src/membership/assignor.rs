//! Who runs which task: the contract of assignors, and the checks around a custom one.
//!
//! An assignor is a pure function from the state of a group to its *target*. Its contract:
//! *complete* (each task of a sub-topology that some member knows has an owner that knows it),
//! *disjoint* (one owner), *closed* (no unknown member or task; a standby is kept by a member that
//! knows the task and is not its owner). [`StickyAssignor`] also is balanced within one and moves
//! no more than that needs. [`assign_checked`] runs any assignor and falls back to the sticky one
//! when it panics or breaks the contract. [`first_round`] turns a target into what may be handed
//! out at once.

mod problem;
mod standby;
mod sticky;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

pub use sticky::StickyAssignor;

use super::{SubTopology, TaskId};

/// Everything that an assignor may look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupView {
    /// The sub-topologies that any member knows, each once.
    pub subtopologies: Vec<SubTopology>,
    /// The members, each once.
    pub members: Vec<MemberView>,
    /// On how many further members the state of each task is kept.
    pub standby_replicas: u32,
}

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberView {
    /// The id that the coordinator gave it.
    pub id: String,
    /// Its static id, which keeps its place in the order of members over restarts.
    pub instance: Option<String>,
    /// The names of the sub-topologies that it can run.
    pub knows: BTreeSet<Arc<str>>,
    /// The generation in which it got `owned` and `promised`; -1 if it has neither.
    pub generation: i32,
    /// The tasks that it runs or has not given up yet.
    pub owned: BTreeSet<TaskId>,
    /// The tasks that were meant for it, but withheld until their owners had given them up.
    pub promised: BTreeSet<TaskId>,
    /// The tasks whose state it keeps as a standby.
    pub standbys: BTreeSet<TaskId>,
}

/// What one member shall have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// The tasks that it runs.
    pub active: BTreeSet<TaskId>,
    /// The tasks whose state it keeps besides their owner.
    pub standby: BTreeSet<TaskId>,
}

/// The target of a group: the tasks of every member by its id.
pub type Assignment = BTreeMap<String, Tasks>;

/// Decides who runs which task.
pub trait Assignor: Send + Sync + fmt::Debug {
    /// The target for `group`. It must depend on `group` alone.
    fn assign(&self, group: &GroupView) -> Assignment;
}

/// Why the output of an assignor was not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssignorFailure {
    /// It panicked.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// A task that some member knows has no owner.
    #[error("nobody owns {0}")]
    Incomplete(TaskId),
    /// A task has two owners.
    #[error("{task} is owned by {first} and by {second}")]
    Doubled {
        /// The task.
        task: TaskId,
        /// One owner.
        first: String,
        /// The other.
        second: String,
    },
    /// A member that is not in the group got tasks.
    #[error("{0} is not a member")]
    UnknownMember(String),
    /// A task that does not exist, or that its member does not know, was assigned.
    #[error("{member} does not know {task}")]
    UnknownTask {
        /// The member.
        member: String,
        /// The task.
        task: TaskId,
    },
    /// The owner of a task is its own standby.
    #[error("{member} is standby for {task}, which it owns")]
    StandbyOfOwn {
        /// The member.
        member: String,
        /// The task.
        task: TaskId,
    },
}

/// The target by `custom` if it keeps the contract; else by [`StickyAssignor`], with the reason.
#[must_use]
pub fn assign_checked(
    group: &GroupView,
    custom: Option<&dyn Assignor>,
) -> (Assignment, Option<AssignorFailure>) {
    let default = || StickyAssignor.assign(group);
    let Some(custom) = custom else {
        return (default(), None);
    };
    // The assignor only borrows the view, so a panic leaves nothing of ours half-written.
    match catch_unwind(AssertUnwindSafe(|| custom.assign(group))) {
        Ok(target) => match check(group, &target) {
            Ok(()) => (target, None),
            Err(failure) => (default(), Some(failure)),
        },
        Err(panic) => (default(), Some(AssignorFailure::Panicked(text_of(&*panic)))),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".into())
}

/// Whether `target` keeps the contract of this module for `group`.
fn check(group: &GroupView, target: &Assignment) -> Result<(), AssignorFailure> {
    let members: BTreeMap<&str, &MemberView> = group
        .members
        .iter()
        .map(|member| (member.id.as_str(), member))
        .collect();
    let partitions: BTreeMap<&str, u32> = group
        .subtopologies
        .iter()
        .map(|sub| (&*sub.name, sub.partitions))
        .collect();
    let mut owners: BTreeMap<&TaskId, &str> = BTreeMap::new();
    for (id, tasks) in target {
        let member = members
            .get(id.as_str())
            .ok_or_else(|| AssignorFailure::UnknownMember(id.clone()))?;
        for task in tasks.active.union(&tasks.standby) {
            let exists = partitions
                .get(&*task.subtopology)
                .is_some_and(|count| task.partition < *count);
            if !exists || !member.knows.contains(&task.subtopology) {
                return Err(AssignorFailure::UnknownTask {
                    member: id.clone(),
                    task: task.clone(),
                });
            }
        }
        if let Some(task) = tasks.active.intersection(&tasks.standby).next() {
            return Err(AssignorFailure::StandbyOfOwn {
                member: id.clone(),
                task: task.clone(),
            });
        }
        for task in &tasks.active {
            if let Some(first) = owners.insert(task, id) {
                return Err(AssignorFailure::Doubled {
                    task: task.clone(),
                    first: first.into(),
                    second: id.clone(),
                });
            }
        }
    }
    for sub in &group.subtopologies {
        if members.values().any(|m| m.knows.contains(&sub.name))
            && let Some(task) = sub.tasks().find(|task| !owners.contains_key(task))
        {
            return Err(AssignorFailure::Incomplete(task));
        }
    }
    Ok(())
}

/// What is handed out in a generation, by member id.
pub type FirstRound = BTreeMap<String, RoundTasks>;

/// What a member gets in a generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundTasks {
    /// The tasks that it runs from now on; it gives up every other.
    pub active: BTreeSet<TaskId>,
    /// The tasks whose state it keeps.
    pub standby: BTreeSet<TaskId>,
    /// The tasks that it will run when their owners have given them up.
    pub promised: BTreeSet<TaskId>,
    /// Whether it has tasks to give up and must join again when it did.
    pub gives_up: bool,
    /// Whether another member has had one of its tasks since: what it runs is worth nothing.
    pub stale: bool,
}

/// What of `target` may be handed out at once: a task that another member still says to own is
/// withheld from its new owner.
///
/// A claim is void if another is younger; but nobody *gets* a task while anybody claims it. Two
/// claims of one generation void each other. The round after everybody gave up what it had to
/// withholds nothing.
#[must_use]
pub fn first_round(group: &GroupView, target: &Assignment) -> FirstRound {
    let mut claims: BTreeMap<&TaskId, Vec<&MemberView>> = BTreeMap::new();
    for member in &group.members {
        for task in &member.owned {
            claims.entry(task).or_default().push(member);
        }
    }
    let free_for = |task: &TaskId, member: &MemberView| {
        let own = member.owned.contains(task).then_some(member.generation);
        claims.get(task).is_none_or(|claimants| {
            claimants
                .iter()
                .all(|other| other.id == member.id || own > Some(other.generation))
        })
    };
    let nothing = Tasks::default();
    group
        .members
        .iter()
        .map(|member| {
            let target = target.get(&member.id).unwrap_or(&nothing);
            let (active, promised): (BTreeSet<_>, BTreeSet<_>) = target
                .active
                .iter()
                .cloned()
                .partition(|task| free_for(task, member));
            // Who gives a task up becomes its standby a round later; who waits for one stays it.
            let standby = target
                .standby
                .difference(&member.owned)
                .chain(promised.intersection(&member.standbys))
                .cloned()
                .collect();
            let gives_up = !member.owned.is_subset(&active);
            let stale = !member.owned.iter().all(|task| free_for(task, member));
            let tasks = RoundTasks {
                active,
                standby,
                promised,
                gives_up,
                stale,
            };
            (member.id.clone(), tasks)
        })
        .collect()
}
