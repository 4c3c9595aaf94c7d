//! A worker that runs beside the test.

use std::sync::Arc;

use faustus::{App, Ended, Settings, TaskState, TaskStatus, Worker, WorkerHandle};
use faustus_core::Transport;
use tokio::task::JoinHandle;

/// A worker, and the handle to it.
pub(crate) struct Running {
    /// The application's name, which is its group's.
    pub(crate) app: String,
    pub(crate) handle: WorkerHandle,
    ended: JoinHandle<faustus::Result<Ended>>,
}

impl Running {
    /// Starts a worker and waits until it has checked its topics.
    pub(crate) async fn start<S: Clone + Send + Sync + 'static>(
        app: App<S>,
        log: &Arc<dyn Transport>,
        settings: Settings,
    ) -> Self {
        let name = app.name();
        match Self::try_start(app, log, settings).await {
            Ok(running) => running,
            Err(error) => panic!("{name} does not start: {error}"),
        }
    }

    /// As [`start`](Self::start), or why the worker ended at once.
    pub(crate) async fn try_start<S: Clone + Send + Sync + 'static>(
        app: App<S>,
        log: &Arc<dyn Transport>,
        settings: Settings,
    ) -> faustus::Result<Self> {
        let name = app.name();
        let (worker, handle) = Worker::new(app, Arc::clone(log));
        let ended = tokio::spawn(worker.settings(settings).run());
        let running = Self {
            app: name,
            handle,
            ended,
        };
        if running.handle.started().await.is_err() {
            running.ended.await.unwrap()?;
            panic!("the worker ended as if asked to");
        }
        Ok(running)
    }

    /// Ends it in good order.
    pub(crate) async fn shutdown(self) -> Ended {
        self.handle.shutdown();
        self.ended().await
    }

    /// Waits until it has ended in good order.
    pub(crate) async fn ended(self) -> Ended {
        self.ended.await.unwrap().unwrap()
    }

    /// Drops the future of its run, which ends it as a crash would.
    pub(crate) async fn crash(self) {
        self.ended.abort();
        let ended = self.ended.await;
        assert!(ended.is_err(), "it had ended before: {ended:?}");
    }

    pub(crate) async fn status(&self) -> Vec<TaskStatus> {
        self.handle.status().await.unwrap()
    }

    /// The partition numbers of parked tasks, and why each is.
    pub(crate) async fn parked(&self) -> Vec<(u32, String)> {
        let statuses = self.status().await.into_iter();
        let parked = statuses.filter_map(|status| match status.state {
            TaskState::Parked(why) => Some((status.task.partition, why)),
            _ => None,
        });
        parked.collect()
    }
}
