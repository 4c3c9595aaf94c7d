//! The default assignor: balanced within one, overall and per sub-topology, with the fewest moves.
//!
//! It starts from what the members have, places what nobody has (first where it was promised, then
//! where its state is, then where least runs) and then moves single tasks as long as that levels
//! the load. Where members know different sub-topologies, a task may have to move along a *path* of
//! members: from the one that has too much to one that knows its sub-topology and gives another
//! task on. Searching such paths finds the best balance there is. At last tasks are exchanged so
//! that each sub-topology is level too, without changing how many tasks a member has.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    Assignment, Assignor, GroupView, Tasks,
    problem::{Problem, Task},
    standby,
};

/// The default [`Assignor`]: sticky, balanced, deterministic, total.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use faustus::membership::{Assignor, GroupView, MemberView, StickyAssignor, SubTopology};
///
/// let member = |id: &str| MemberView {
///     id: id.into(),
///     knows: [Arc::from("orders")].into(),
///     ..MemberView::default()
/// };
/// let group = GroupView {
///     subtopologies: vec![SubTopology {
///         name: "orders".into(),
///         topics: vec!["orders".into()],
///         smaller: Default::default(),
///         partitions: 8,
///         stateful: true,
///     }],
///     members: vec![member("a"), member("b"), member("c")],
///     standby_replicas: 1,
/// };
/// let target = StickyAssignor.assign(&group);
/// assert_eq!(target["a"].active.len(), 3);
/// assert_eq!(target["c"].active.len(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StickyAssignor;

impl Assignor for StickyAssignor {
    fn assign(&self, group: &GroupView) -> Assignment {
        let problem = Problem::new(group);
        let mut active = Active::new(&problem);
        active.place();
        while active.level_load() {}
        while active.level_subtopologies() {}
        let standbys = standby::assign(&problem, &active.held, group.standby_replicas);
        let ids = |tasks: &BTreeSet<Task>| tasks.iter().map(|t| problem.id(*t)).collect();
        problem
            .members
            .iter()
            .enumerate()
            .map(|(m, member)| {
                let tasks = Tasks {
                    active: active.held[m].iter().flat_map(&ids).collect(),
                    standby: ids(&standbys[m]),
                };
                (member.id.clone(), tasks)
            })
            .collect()
    }
}

/// Who runs what while the target is made.
struct Active<'a> {
    problem: &'a Problem<'a>,
    /// By member and sub-topology.
    held: Vec<Vec<BTreeSet<Task>>>,
    /// By member: how many tasks it has.
    load: Vec<usize>,
}

impl<'a> Active<'a> {
    fn new(problem: &'a Problem<'a>) -> Self {
        let members = problem.members.len();
        Self {
            problem,
            held: vec![vec![BTreeSet::new(); problem.subs.len()]; members],
            load: vec![0; members],
        }
    }

    fn count(&self, m: usize, s: usize) -> usize {
        self.held[m][s].len()
    }

    fn add(&mut self, m: usize, task: Task) {
        self.held[m][task.0].insert(task);
        self.load[m] += 1;
    }

    fn shift(&mut self, from: usize, to: usize, task: Task) {
        self.held[from][task.0].remove(&task);
        self.load[from] -= 1;
        self.add(to, task);
    }

    /// Gives every task to somebody: to who has it, was promised it, keeps its state, or has least.
    fn place(&mut self) {
        let problem = self.problem;
        let (claimed, free): (Vec<Task>, Vec<Task>) = problem
            .tasks()
            .partition(|t| problem.owned.contains_key(t) || problem.promised.contains_key(t));
        for task in claimed {
            let holder = problem
                .owned
                .get(&task)
                .or_else(|| problem.promised.get(&task));
            self.add(*holder.unwrap_or(&problem.eligible[task.0][0]), task);
        }
        let (warm, cold): (Vec<Task>, Vec<Task>) = free
            .into_iter()
            .partition(|t| problem.standbys.iter().any(|held| held.contains(t)));
        for task in warm.into_iter().chain(cold) {
            let least = problem.eligible[task.0].iter().min_by_key(|m| {
                let m = **m;
                (
                    problem.cost(m, task),
                    self.load[m],
                    self.count(m, task.0),
                    m,
                )
            });
            if let Some(m) = least {
                self.add(*m, task);
            }
        }
    }

    /// Moves one task along a path from a member to one that has at least two less, if there is one.
    ///
    /// Of the most loaded members it takes the one whose move is best, so that a newcomer gets of
    /// each sub-topology from who has most of it.
    fn level_load(&mut self) -> bool {
        let lowest = self.load.iter().min().copied().unwrap_or(0);
        let mut sources: Vec<usize> = (0..self.load.len())
            .filter(|m| self.load[*m] >= lowest + 2)
            .collect();
        sources.sort_by_key(|m| Reverse(self.load[*m]));
        for equals in sources.chunk_by(|a, b| self.load[*a] == self.load[*b]) {
            let paths = equals.iter().filter_map(|source| self.path_down(*source));
            let best = paths.min_by_key(|path| {
                let task = self.cheapest(path[0], path[1]);
                task.map(|task| self.rank(path[0], path[1], task))
            });
            if let Some(path) = best {
                for hop in path.windows(2) {
                    if let Some(task) = self.cheapest(hop[0], hop[1]) {
                        self.shift(hop[0], hop[1], task);
                    }
                }
                return true;
            }
        }
        false
    }

    /// The members on a shortest path from `source` to the least loaded one that a task of it can
    /// reach, if that has at least two less.
    fn path_down(&self, source: usize) -> Option<Vec<usize>> {
        let mut parent: Vec<Option<usize>> = vec![None; self.load.len()];
        let mut seen_subs = vec![false; self.problem.subs.len()];
        let mut queue = vec![source];
        let mut next = 0;
        while let Some(&from) = queue.get(next) {
            next += 1;
            for (s, seen) in seen_subs.iter_mut().enumerate() {
                if !*seen && self.count(from, s) > 0 {
                    *seen = true;
                    for &to in &self.problem.eligible[s] {
                        if to != source && parent[to].is_none() {
                            parent[to] = Some(from);
                            queue.push(to);
                        }
                    }
                }
            }
        }
        // The queue is in order of distance, and `min_by_key` takes the first of equals.
        let mut end = *queue.iter().min_by_key(|m| self.load[**m])?;
        if self.load[end] + 2 > self.load[source] {
            return None;
        }
        let mut path = vec![end];
        while let Some(from) = parent[end] {
            path.push(from);
            end = from;
        }
        path.reverse();
        Some(path)
    }

    /// The task of `from` that is best moved to `to`.
    fn cheapest(&self, from: usize, to: usize) -> Option<Task> {
        let known = (0..self.problem.subs.len()).filter(|s| self.problem.knows[to][*s]);
        let tasks = known.flat_map(|s| &self.held[from][s]).copied();
        tasks.min_by_key(|task| self.rank(from, to, *task))
    }

    /// Orders moves, the best first: of a task that does not run, of the sub-topology that `from`
    /// has most more of, with its state near.
    fn rank(&self, from: usize, to: usize, task: Task) -> impl Ord + use<> {
        let surplus = self.surplus(from, to, task.0);
        let (stops, delta) = self.price(from, to, task);
        (stops, Reverse(surplus), delta, Reverse(task))
    }

    /// The task of sub-topology `s` that is best moved from `from` to `to`.
    fn cheapest_of(&self, from: usize, to: usize, s: usize) -> Option<Task> {
        let tasks = self.held[from][s].iter().copied();
        tasks.min_by_key(|task| (self.price(from, to, *task), Reverse(*task)))
    }

    /// Whether a running task stops by the move, and how much farther from its state it gets.
    fn price(&self, from: usize, to: usize, task: Task) -> (bool, i8) {
        let here = self.problem.cost(from, task);
        (here == 0, self.problem.cost(to, task) - here)
    }

    fn surplus(&self, from: usize, to: usize, s: usize) -> isize {
        self.count(from, s).cast_signed() - self.count(to, s).cast_signed()
    }

    /// Makes one sub-topology more level without changing the loads, if that is possible.
    ///
    /// Each step lowers the sum of the squares of all counts, so the steps come to an end.
    fn level_subtopologies(&mut self) -> bool {
        for s in 0..self.problem.subs.len() {
            let mut order = self.problem.eligible[s].clone();
            order.sort_by_key(|m| Reverse(self.count(*m, s)));
            for &from in &order {
                for &to in order.iter().rev() {
                    if self.surplus(from, to, s) < 2 {
                        break;
                    }
                    if self.exchange(from, to, s) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Moves a task of `s` and, where the load must not change, another one back.
    fn exchange(&mut self, from: usize, to: usize, s: usize) -> bool {
        let Some(task) = self.cheapest_of(from, to, s) else {
            return false;
        };
        if self.load[from] > self.load[to] {
            self.shift(from, to, task);
            return true;
        }
        let knows = &self.problem.knows[from];
        let back = (0..self.problem.subs.len())
            .filter(|t| *t != s && knows[*t] && self.surplus(to, from, *t) > 0)
            .max_by_key(|t| (self.surplus(to, from, *t), Reverse(*t)))
            .and_then(|t| self.cheapest_of(to, from, t));
        let Some(back) = back else {
            return false;
        };
        self.shift(from, to, task);
        self.shift(to, from, back);
        true
    }
}
