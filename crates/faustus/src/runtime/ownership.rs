//! Which tasks this worker may commit for, and since which assignment.
//!
//! The control loop of the worker writes it before it tells threads anything; committers look at it
//! under the generation permit. So an epoch of an assignment that is over is never stored, even if
//! the same task came back meanwhile or its thread hangs and knows nothing.
//!
//! The other way round, a recovery waits until no commit that took in its task is on its way any
//! more. The group's generation does not fence such a commit by itself: a member that lost its
//! coordinator for a while and comes back may be given the same generation under the same id.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::membership::TaskId;

#[derive(Debug, Default)]
pub(crate) struct Ownership {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Our tasks, and the assignments since which they are.
    owned: HashMap<TaskId, u64>,
    /// How many commits on their way take in a task.
    committing: HashMap<TaskId, usize>,
}

impl State {
    fn covers(&self, tasks: &[(TaskId, u64)]) -> bool {
        let mut tasks = tasks.iter();
        tasks.all(|(task, assignment)| self.owned.get(task) == Some(assignment))
    }
}

impl Ownership {
    /// These tasks are ours from `assignment` on; those that are already keep their assignment.
    pub(crate) fn gain(&self, tasks: &[TaskId], assignment: u64) {
        let mut state = self.state.lock();
        for task in tasks {
            state.owned.entry(task.clone()).or_insert(assignment);
        }
    }

    /// These tasks are no longer ours.
    pub(crate) fn give_up(&self, tasks: &[TaskId]) {
        let mut state = self.state.lock();
        for task in tasks {
            state.owned.remove(task);
        }
    }

    /// No task is ours any more.
    pub(crate) fn lose_all(&self) {
        self.state.lock().owned.clear();
    }

    /// Whether all `tasks` are ours and have been since these assignments.
    pub(crate) fn covers(&self, tasks: &[(TaskId, u64)]) -> bool {
        self.state.lock().covers(tasks)
    }

    /// Begins a commit that takes in `tasks`, if it [covers](Self::covers) them, until the guard is dropped.
    pub(crate) fn begin_commit(self: &Arc<Self>, tasks: &[(TaskId, u64)]) -> Option<Committing> {
        let mut state = self.state.lock();
        if !state.covers(tasks) {
            return None;
        }
        let tasks: Vec<TaskId> = tasks.iter().map(|(task, _)| task.clone()).collect();
        for task in &tasks {
            *state.committing.entry(task.clone()).or_default() += 1;
        }
        drop(state);
        let ownership = Arc::clone(self);
        Some(Committing { ownership, tasks })
    }

    /// Whether a commit that takes in `task` is on its way, perhaps one of an assignment that is over.
    pub(crate) fn is_committing(&self, task: &TaskId) -> bool {
        self.state.lock().committing.contains_key(task)
    }
}

/// A commit on its way.
#[derive(Debug)]
pub(crate) struct Committing {
    ownership: Arc<Ownership>,
    tasks: Vec<TaskId>,
}

impl Drop for Committing {
    fn drop(&mut self) {
        let mut state = self.ownership.state.lock();
        for task in &self.tasks {
            if let Some(count) = state.committing.get_mut(task) {
                *count -= 1;
                if *count == 0 {
                    state.committing.remove(task);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_left_and_came_back_does_not_cover_its_old_epochs() {
        let (ownership, task) = (Ownership::default(), TaskId::new("a", 0));
        ownership.gain(std::slice::from_ref(&task), 1);
        assert!(ownership.covers(&[(task.clone(), 1)]));
        ownership.lose_all();
        ownership.gain(std::slice::from_ref(&task), 2);
        assert!(!ownership.covers(&[(task.clone(), 1)]));
        assert!(ownership.covers(&[(task, 2)]));
    }

    #[test]
    fn a_commit_of_a_lost_task_is_on_its_way_until_it_ends() {
        let (ownership, task) = (Arc::new(Ownership::default()), TaskId::new("a", 0));
        ownership.gain(std::slice::from_ref(&task), 1);
        let commit = ownership.begin_commit(&[(task.clone(), 1)]).unwrap();
        ownership.lose_all();
        assert!(ownership.begin_commit(&[(task.clone(), 1)]).is_none());
        assert!(ownership.is_committing(&task));
        drop(commit);
        assert!(!ownership.is_committing(&task));
    }
}
