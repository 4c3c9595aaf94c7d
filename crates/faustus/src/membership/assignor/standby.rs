//! Who keeps the state of which task besides its owner: where it is already, then where least is.

use std::{cmp::Reverse, collections::BTreeSet};

use super::problem::{Problem, Task};

/// The standby tasks of each member, given the tasks that each runs.
pub(super) fn assign(
    problem: &Problem<'_>,
    active: &[Vec<BTreeSet<Task>>],
    replicas: u32,
) -> Vec<BTreeSet<Task>> {
    let mut standbys = Standbys {
        problem,
        active,
        held: vec![BTreeSet::new(); problem.members.len()],
    };
    if replicas > 0 {
        let replicas = usize::try_from(replicas).unwrap_or(usize::MAX);
        standbys.place(replicas);
        while standbys.level() {}
    }
    standbys.held
}

struct Standbys<'a> {
    problem: &'a Problem<'a>,
    active: &'a [Vec<BTreeSet<Task>>],
    held: Vec<BTreeSet<Task>>,
}

impl Standbys<'_> {
    /// Whether `m` could keep `task` and does not yet.
    fn could_hold(&self, m: usize, task: Task) -> bool {
        self.problem.knows[m][task.0]
            && !self.active[m][task.0].contains(&task)
            && !self.held[m].contains(&task)
    }

    /// Each task first to the members that have its state, then to those that keep least.
    fn place(&mut self, replicas: usize) {
        let problem = self.problem;
        let tasks: Vec<Task> = problem
            .tasks()
            .filter(|task| problem.subs[task.0].stateful)
            .collect();
        let mut missing = Vec::new();
        for &task in &tasks {
            let wanted = replicas.min(problem.eligible[task.0].len() - 1);
            let mut have: Vec<usize> = problem.eligible[task.0]
                .iter()
                .copied()
                .filter(|m| self.could_hold(*m, task) && self.has_state(*m, task))
                .collect();
            have.sort_by_key(|m| (problem.cost(*m, task), self.held[*m].len(), *m));
            have.truncate(wanted);
            missing.push((task, wanted - have.len()));
            for m in have {
                self.held[m].insert(task);
            }
        }
        for (task, count) in missing {
            for _ in 0..count {
                let least = problem.eligible[task.0]
                    .iter()
                    .filter(|m| self.could_hold(**m, task))
                    .min_by_key(|m| (self.held[**m].len(), **m));
                if let Some(&m) = least {
                    self.held[m].insert(task);
                }
            }
        }
    }

    fn has_state(&self, m: usize, task: Task) -> bool {
        self.problem.standbys[m].contains(&task) || self.problem.owned.get(&task) == Some(&m)
    }

    /// Moves one standby along a path to a member that keeps at least two less, if there is one.
    fn level(&mut self) -> bool {
        let lowest = self.held.iter().map(BTreeSet::len).min().unwrap_or(0);
        let mut sources: Vec<usize> = (0..self.held.len())
            .filter(|m| self.held[*m].len() >= lowest + 2)
            .collect();
        sources.sort_by_key(|m| Reverse(self.held[*m].len()));
        for source in sources {
            if let Some(hops) = self.path_down(source) {
                for (from, to, task) in hops {
                    self.held[from].remove(&task);
                    self.held[to].insert(task);
                }
                return true;
            }
        }
        false
    }

    /// The moves from `source` to the nearest member that keeps at least two less.
    fn path_down(&self, source: usize) -> Option<Vec<(usize, usize, Task)>> {
        let enough = self.held[source].len() - 2;
        let mut reached: Vec<Option<(usize, Task)>> = vec![None; self.held.len()];
        let mut queue = vec![source];
        let mut next = 0;
        while let Some(&from) = queue.get(next) {
            next += 1;
            for to in 0..self.held.len() {
                if to == source || reached[to].is_some() {
                    continue;
                }
                let Some(task) = self.cheapest(from, to) else {
                    continue;
                };
                reached[to] = Some((from, task));
                if self.held[to].len() <= enough {
                    return Some(hops_to(to, &reached));
                }
                queue.push(to);
            }
        }
        None
    }

    /// The standby of `from` that is best moved to `to`: one whose state `from` has not got.
    fn cheapest(&self, from: usize, to: usize) -> Option<Task> {
        let movable = self.held[from].iter().copied();
        movable
            .filter(|task| self.could_hold(to, *task))
            .min_by_key(|task| {
                (
                    self.has_state(from, *task),
                    !self.has_state(to, *task),
                    *task,
                )
            })
    }
}

fn hops_to(mut to: usize, reached: &[Option<(usize, Task)>]) -> Vec<(usize, usize, Task)> {
    let mut hops = Vec::new();
    while let Some((from, task)) = reached[to] {
        hops.push((from, to, task));
        to = from;
    }
    hops
}
