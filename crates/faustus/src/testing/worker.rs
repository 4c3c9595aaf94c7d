//! The handle of a simulated worker.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
};

use faustus_log::Faults;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::{Ended, Result, TaskStatus, WorkerHandle};

use super::one_thread::OneThread;

/// What a cluster keeps of a worker.
pub(super) struct WorkerState {
    pub(super) handle: WorkerHandle,
    pub(super) spawned: Arc<OneThread>,
    pub(super) ended: RefCell<Option<oneshot::Receiver<Result<Ended>>>>,
    /// It runs: it neither ended nor crashed.
    pub(super) alive: Rc<Cell<bool>>,
    /// The application's name, which is its group's.
    pub(super) groups: String,
    /// It has agents that read topics.
    pub(super) reads_topics: bool,
}

impl WorkerState {
    /// It runs and is not frozen.
    pub(super) fn is_awake(&self) -> bool {
        self.alive.get() && !self.spawned.is_frozen()
    }
}

/// A worker of a simulation.
pub struct TestWorker {
    state: Rc<WorkerState>,
    faults: Faults,
}

impl TestWorker {
    pub(super) fn new(state: Rc<WorkerState>, faults: Faults) -> Self {
        Self { state, faults }
    }

    /// The faults of this worker's calls to the log.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The worker's handle.
    #[must_use]
    pub fn handle(&self) -> &WorkerHandle {
        &self.state.handle
    }

    /// Ends the worker as `kill -9` would: nothing more of it happens.
    pub fn crash(self) {
        self.state.alive.set(false);
        self.state.spawned.abort_all();
    }

    /// Stops the whole worker as `SIGSTOP` would, until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.state.spawned.freeze();
    }

    /// Blocks the worker's threads as user code that does not return would, until
    /// [`thaw`](Self::thaw); its membership and committers go on.
    pub fn block_threads(&self) {
        self.state.spawned.block_threads();
    }

    /// Lets go on what was frozen or blocked.
    pub fn thaw(&self) {
        self.state.spawned.thaw();
    }

    /// Ends the worker in good order.
    ///
    /// # Errors
    ///
    /// Why it ended before, if it did.
    ///
    /// # Panics
    ///
    /// If it panicked, or was ended already.
    pub async fn shutdown(self) -> Result<Ended> {
        self.state.handle.shutdown();
        self.ended().await
    }

    /// Waits until the worker ends by itself.
    ///
    /// # Errors
    ///
    /// Why it ended.
    ///
    /// # Panics
    ///
    /// If it panicked, or was ended already.
    pub async fn ended(self) -> Result<Ended> {
        let ended = self.state.ended.take();
        match ended {
            Some(ended) => match ended.await {
                Ok(ended) => ended,
                Err(_) => panic!("the worker panicked"),
            },
            None => panic!("the worker was ended already"),
        }
    }

    /// The entries of table `name` in this worker's tasks.
    ///
    /// # Panics
    ///
    /// If the worker has ended or the table is of other types.
    pub async fn table<K, V>(&self, name: &str) -> BTreeMap<K, V>
    where
        K: Ord + Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        let table = self.state.handle.table(name).await;
        table.unwrap_or_else(|error| panic!("table {name}: {error}"))
    }

    /// How the tasks of this worker are.
    ///
    /// # Panics
    ///
    /// If the worker has ended.
    pub async fn status(&self) -> Vec<TaskStatus> {
        let status = self.state.handle.status().await;
        status.unwrap_or_else(|error| panic!("status: {error}"))
    }
}

impl std::fmt::Debug for TestWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestWorker").finish_non_exhaustive()
    }
}
