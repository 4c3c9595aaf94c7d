//! Which tasks of a thread want something of it, so that no round looks at all of them.
//!
//! A task tells the thread whenever it did something ([`Touched`]). The thread then looks at that
//! task once, at the end of the round, and keeps what it saw here until it is seen otherwise. So a
//! round costs what was done in it, however many tasks the thread has.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
};

use super::{Running, TaskKey};

/// Where tasks tell their thread that they did something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched(Rc<RefCell<Vec<TaskKey>>>);

impl Touched {
    /// How the task of this key tells it.
    pub(crate) fn by(&self, key: TaskKey) -> Touch {
        Touch {
            key,
            told: Cell::new(false),
            touched: self.clone(),
        }
    }

    /// Takes the tasks that did something since the last call, each once.
    pub(super) fn take(&self) -> Vec<TaskKey> {
        self.0.take()
    }
}

/// A task's way to tell its thread that it did something.
#[derive(Debug)]
pub(crate) struct Touch {
    key: TaskKey,
    /// The thread knows and has not looked yet.
    told: Cell<bool>,
    touched: Touched,
}

impl Touch {
    /// The task did something.
    pub(crate) fn tell(&self) {
        if !self.told.replace(true) {
            self.touched.0.borrow_mut().push(self.key);
        }
    }

    /// The thread looks now: what is done from here on is told anew.
    pub(crate) fn looked(&self) {
        self.told.set(false);
    }
}

/// The tasks that want something, as they were seen last.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Something retired that no epoch holds.
    pub(super) dirty: BTreeSet<TaskKey>,
    /// So much retired that their epoch should not wait for its time.
    pub(super) heavy: BTreeSet<TaskKey>,
    /// An event or an instance that failed waits to be tried again.
    pub(super) retrying: BTreeSet<TaskKey>,
}

impl Agenda {
    /// Notes how a task is that did something.
    pub(super) fn note(&mut self, key: TaskKey, task: &Running) {
        let mark = |set: &mut BTreeSet<TaskKey>, is: bool| {
            if is {
                set.insert(key);
            } else {
                set.remove(&key);
            }
        };
        mark(&mut self.dirty, task.core.progress());
        mark(&mut self.heavy, task.is_heavy());
        mark(&mut self.retrying, task.is_retrying());
    }

    /// The task is gone.
    pub(super) fn forget(&mut self, key: TaskKey) {
        self.dirty.remove(&key);
        self.heavy.remove(&key);
        self.retrying.remove(&key);
    }
}
