//! Which tasks this worker may commit for, and since which assignment.
//!
//! The control loop of the worker writes it before it tells threads anything; committers look at it
//! under the generation permit. So an epoch of an assignment that is over is never stored, even if
//! the same task came back meanwhile or its thread hangs and knows nothing.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::membership::TaskId;

#[derive(Debug, Default)]
pub(crate) struct Ownership {
    tasks: Mutex<HashMap<TaskId, u64>>,
}

impl Ownership {
    /// These tasks are ours from `assignment` on; those that are already keep their assignment.
    pub(crate) fn gain(&self, tasks: &[TaskId], assignment: u64) {
        let mut owned = self.tasks.lock();
        for task in tasks {
            owned.entry(task.clone()).or_insert(assignment);
        }
    }

    /// These tasks are no longer ours.
    pub(crate) fn give_up(&self, tasks: &[TaskId]) {
        let mut owned = self.tasks.lock();
        for task in tasks {
            owned.remove(task);
        }
    }

    /// No task is ours any more.
    pub(crate) fn lose_all(&self) {
        self.tasks.lock().clear();
    }

    /// Whether all `tasks` are ours and have been since these assignments.
    pub(crate) fn covers(&self, tasks: &[(TaskId, u64)]) -> bool {
        let owned = self.tasks.lock();
        tasks
            .iter()
            .all(|(task, assignment)| owned.get(task) == Some(assignment))
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
}
