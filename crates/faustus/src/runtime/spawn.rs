//! The spawn seam: threads and tasks in production, tasks of one thread in tests.
//!
//! Whoever runs the user's code says by [`within`] which of the two it is, so that what the user
//! hands over from there ([`here`]) goes the same way.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use faustus_core::BoxFuture;
use tokio::{runtime::Handle, sync::oneshot, task::AbortHandle};

use super::topology::LocalFuture;

/// Makes the future that a thread runs, on that thread.
pub(crate) type MakeLocal = Box<dyn FnOnce() -> LocalFuture<()> + Send>;

/// Starts what runs beside the caller.
pub(crate) trait Spawn: Send + Sync {
    /// Runs a future that stays on its thread, on a thread of its own.
    fn thread(&self, name: &str, make: MakeLocal) -> Spawned;

    /// Runs a future among others, until the handle is dropped.
    fn task(&self, future: BoxFuture<'static, ()>) -> TaskGuard;

    /// Runs a function that may block, to its end.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>);
}

tokio::task_local! {
    static HERE: Arc<dyn Spawn>;
}

/// The same future, in which [`here`] gives `spawn`.
pub(crate) fn within<F: Future>(
    spawn: &Arc<dyn Spawn>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    HERE.scope(Arc::clone(spawn), future)
}

/// Runs a future among others, until the handle is dropped.
pub(crate) fn spawn_within(
    spawn: &Arc<dyn Spawn>,
    future: impl Future<Output = ()> + Send + 'static,
) -> TaskGuard {
    spawn.task(Box::pin(within(spawn, future)))
}

/// What the future that asks is run by; outside of any worker the runtime that it is in.
pub(crate) fn here() -> Arc<dyn Spawn> {
    HERE.try_with(Arc::clone)
        .unwrap_or_else(|_| Arc::new(Threads::default()))
}

/// Ends a task when it is dropped.
#[derive(Debug)]
pub(crate) struct TaskGuard(AbortHandle);

impl TaskGuard {
    pub(crate) fn new(task: AbortHandle) -> Self {
        Self(task)
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells the end of what was spawned, also by a panic.
#[derive(Debug)]
pub(crate) struct Spawned {
    ended: oneshot::Receiver<()>,
    over: bool,
}

impl Spawned {
    /// The handle, and what is to be dropped at the end.
    pub(crate) fn new() -> (Self, oneshot::Sender<()>) {
        let (alive, ended) = oneshot::channel();
        (Self { ended, over: false }, alive)
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) {
        self.wait().await;
    }

    /// Waits for the end; may be called again.
    pub(crate) fn wait(&mut self) -> impl Future<Output = ()> + '_ {
        std::future::poll_fn(move |cx: &mut Context<'_>| {
            if !self.over && Pin::new(&mut self.ended).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.over = true;
            Poll::Ready(())
        })
    }
}

/// Operating system threads, each with a tokio runtime of its own, and the runtime of who asks first,
/// which is the worker's caller: tasks that a thread asks for later run there, too, and not beside
/// its lanes.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    runtime: OnceLock<Handle>,
}

impl Threads {
    fn runtime(&self) -> &Handle {
        self.runtime.get_or_init(Handle::current)
    }
}

impl Spawn for Threads {
    fn thread(&self, name: &str, make: MakeLocal) -> Spawned {
        let (spawned, alive) = Spawned::new();
        let work = move || {
            let _alive = alive;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(Default::default());
            match runtime {
                Ok(runtime) => runtime.block_on(make()),
                Err(error) => tracing::error!(%error, "a thread cannot start its runtime"),
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
        {
            tracing::error!(thread = name, %error, "a thread cannot be started");
        }
        spawned
    }

    fn task(&self, future: BoxFuture<'static, ()>) -> TaskGuard {
        TaskGuard::new(self.runtime().spawn(future).abort_handle())
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        drop(self.runtime().spawn_blocking(work));
    }
}
