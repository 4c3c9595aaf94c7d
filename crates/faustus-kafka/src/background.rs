//! The thread that does the network I/O of group and topic calls.
//!
//! It runs a current-thread runtime of its own, so that the crate works under any executor. Callers
//! hand it futures and await the result; a caller that goes away cancels its future, and with it
//! the connection that future held.

use std::{io, pin::pin, thread};

use futures_util::future::{Either, select};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// Runs futures on its own thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Background {
    handle: Handle,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The background thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended;

impl Background {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("faustus-kafka-io".to_owned())
            .spawn(move || {
                // An error means that the sender was dropped: the signal to end.
                let _ = runtime.block_on(stopped);
                // Name look-ups may hang in their own threads; they are left behind.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Runs `work` on the thread and gives what it gave.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Ended> {
        self.start_work(work).await.map_err(|_| Ended)
    }

    /// Starts `work` on the thread; its result comes through the channel, whose drop cancels it.
    pub(crate) fn start_work<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (mut reply, result) = oneshot::channel();
        self.handle.spawn(async move {
            let value = {
                let work = pin!(work);
                let gone = pin!(reply.closed());
                match select(work, gone).await {
                    Either::Left((value, _)) => value,
                    Either::Right(_) => return,
                }
            };
            // The caller may have gone in this very moment.
            let _ = reply.send(value);
        });
        result
    }

    /// Starts `work` that ends with the thread or by itself.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // It only panics if the runtime itself does; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::{Duration, Instant},
    };

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn work_runs_elsewhere_and_gives_its_result() {
        let background = Background::start().unwrap();
        let here = thread::current().id();
        let there = block_on(background.run(async { thread::current().id() })).unwrap();
        assert_ne!(here, there);
    }

    #[test]
    fn a_dropped_call_drops_its_work() {
        struct OnDrop(Arc<AtomicBool>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let background = Background::start().unwrap();
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = OnDrop(Arc::clone(&dropped));
        drop(background.start_work(async move {
            std::future::pending::<()>().await;
            drop(guard);
        }));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !dropped.load(Ordering::SeqCst) {
            assert!(Instant::now() < deadline, "the work still runs");
            thread::yield_now();
        }
    }

    #[test]
    fn dropping_it_ends_calls_that_are_open() {
        let background = Background::start().unwrap();
        let call = background.start_work(std::future::pending::<()>());
        drop(background);
        assert!(block_on(call).is_err());
    }
}
