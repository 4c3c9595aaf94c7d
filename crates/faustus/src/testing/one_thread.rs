//! A worker's threads as tasks of the simulation's one thread, which can be stopped like a process.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::runtime::{MakeLocal, Spawn, Spawned, TaskGuard};

/// All of a worker as tasks of the simulation's one thread.
#[derive(Debug, Default)]
pub(super) struct OneThread {
    tasks: Mutex<Vec<AbortHandle>>,
    all: Arc<Freezer>,
    /// The worker threads alone, without the group's and the committers'.
    threads: Arc<Freezer>,
}

impl OneThread {
    /// What all of the worker stands behind.
    pub(super) fn all(&self) -> Arc<Freezer> {
        Arc::clone(&self.all)
    }

    pub(super) fn freeze(&self) {
        self.all.set(true);
    }

    pub(super) fn block_threads(&self) {
        self.threads.set(true);
    }

    pub(super) fn thaw(&self) {
        self.all.set(false);
        self.threads.set(false);
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.all.state.lock().0
    }

    pub(super) fn abort_all(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
    }

    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) -> AbortHandle {
        let task = tokio::task::spawn_local(future).abort_handle();
        let mut tasks = self.tasks.lock();
        if tasks.len() == tasks.capacity() {
            tasks.retain(|task| !task.is_finished());
        }
        tasks.push(task.clone());
        task
    }
}

impl Spawn for OneThread {
    fn thread(&self, name: &str, make: MakeLocal) -> Spawned {
        let (spawned, alive) = Spawned::new();
        let threads = if name.starts_with("faustus-worker") {
            Arc::clone(&self.threads)
        } else {
            Arc::default()
        };
        let work = async move {
            let _alive = alive;
            make().await;
        };
        self.spawn(freezable(Arc::clone(&self.all), freezable(threads, work)));
        spawned
    }

    fn task(&self, future: faustus_core::BoxFuture<'static, ()>) -> TaskGuard {
        TaskGuard::new(self.spawn(freezable(Arc::clone(&self.all), future)))
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        self.spawn(freezable(Arc::clone(&self.all), async { work() }));
    }
}

/// While frozen, futures behind it are not polled.
#[derive(Debug, Default)]
pub(super) struct Freezer {
    /// Whether it is frozen, and who waits.
    state: Mutex<(bool, Vec<Waker>)>,
}

impl Freezer {
    fn set(&self, frozen: bool) {
        let waiting = {
            let mut state = self.state.lock();
            state.0 = frozen;
            if frozen {
                Vec::new()
            } else {
                std::mem::take(&mut state.1)
            }
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn stops(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        if state.0 {
            state.1.push(cx.waker().clone());
        }
        state.0
    }
}

pub(super) async fn freezable(freezer: Arc<Freezer>, future: impl Future<Output = ()>) {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| {
        if freezer.stops(cx) {
            Poll::Pending
        } else {
            future.as_mut().poll(cx)
        }
    })
    .await;
}
