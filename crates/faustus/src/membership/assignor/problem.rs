//! The state of a group in numbers: members and sub-topologies by index, in an order that does not
//! depend on how they were listed.

use std::collections::{BTreeMap, BTreeSet};

use super::{GroupView, MemberView, TaskId};
use crate::membership::SubTopology;

/// A task: the index of its sub-topology and its partition.
pub(super) type Task = (usize, u32);

/// A group view made regular: ordered, without doubles.
pub(super) struct Problem<'a> {
    /// By static id or else id, each id once.
    pub(super) members: Vec<&'a MemberView>,
    /// By name, each name once.
    pub(super) subs: Vec<&'a SubTopology>,
    /// By sub-topology: the members that know it, ascending.
    pub(super) eligible: Vec<Vec<usize>>,
    /// By member and sub-topology: whether the one knows the other.
    pub(super) knows: Vec<Vec<bool>>,
    /// The member that holds each task by the best claim.
    pub(super) owned: BTreeMap<Task, usize>,
    /// The member that each task was promised to.
    pub(super) promised: BTreeMap<Task, usize>,
    /// By member: the tasks whose state it has as a standby.
    pub(super) standbys: Vec<BTreeSet<Task>>,
}

impl<'a> Problem<'a> {
    pub(super) fn new(group: &'a GroupView) -> Self {
        let mut members: Vec<_> = group.members.iter().collect();
        members.sort_by_key(|m| (m.instance.as_ref().unwrap_or(&m.id), &m.id));
        let mut seen = BTreeSet::new();
        members.retain(|m| seen.insert(&m.id));
        let subs: BTreeMap<&str, &SubTopology> = group
            .subtopologies
            .iter()
            .rev()
            .map(|sub| (&*sub.name, sub))
            .collect();
        let subs: Vec<_> = subs.into_values().collect();
        let knows: Vec<Vec<bool>> = members
            .iter()
            .map(|m| subs.iter().map(|s| m.knows.contains(&s.name)).collect())
            .collect();
        let eligible = (0..subs.len())
            .map(|s| (0..members.len()).filter(|m| knows[*m][s]).collect())
            .collect();
        let mut problem = Self {
            members,
            subs,
            eligible,
            knows,
            owned: BTreeMap::new(),
            promised: BTreeMap::new(),
            standbys: Vec::new(),
        };
        problem.owned = problem.best_claims(|m| &m.owned);
        problem.promised = problem.best_claims(|m| &m.promised);
        problem.standbys = (0..problem.members.len())
            .map(|m| {
                let tasks = problem.members[m].standbys.iter();
                tasks.filter_map(|t| problem.task(m, t)).collect()
            })
            .collect();
        problem
    }

    /// For each task that anybody claims, the claimant of the highest generation.
    fn best_claims(&self, of: impl Fn(&MemberView) -> &BTreeSet<TaskId>) -> BTreeMap<Task, usize> {
        let mut best: BTreeMap<Task, usize> = BTreeMap::new();
        for (m, member) in self.members.iter().enumerate() {
            for task in of(member).iter().filter_map(|t| self.task(m, t)) {
                let holder = best.entry(task).or_insert(m);
                if member.generation > self.members[*holder].generation {
                    *holder = m;
                }
            }
        }
        best
    }

    /// The task in numbers, if it exists and member `m` can run it.
    fn task(&self, m: usize, task: &TaskId) -> Option<Task> {
        let s = self
            .subs
            .binary_search_by(|sub| (*sub.name).cmp(&*task.subtopology))
            .ok()?;
        (self.knows[m][s] && task.partition < self.subs[s].partitions)
            .then_some((s, task.partition))
    }

    /// All tasks that somebody can run, in order.
    pub(super) fn tasks(&self) -> impl Iterator<Item = Task> + '_ {
        let runnable = (0..self.subs.len()).filter(|s| !self.eligible[*s].is_empty());
        runnable.flat_map(|s| (0..self.subs[s].partitions).map(move |p| (s, p)))
    }

    /// What it costs that member `m` runs `task`: nothing where it runs, most where no state is.
    pub(super) fn cost(&self, m: usize, task: Task) -> i8 {
        if self.owned.get(&task) == Some(&m) {
            0
        } else if self.promised.get(&task) == Some(&m) {
            1
        } else if self.standbys[m].contains(&task) {
            2
        } else {
            3
        }
    }

    pub(super) fn id(&self, task: Task) -> TaskId {
        TaskId::new(std::sync::Arc::clone(&self.subs[task.0].name), task.1)
    }
}
