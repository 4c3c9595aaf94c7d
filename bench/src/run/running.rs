//! A worker at work.

use std::time::Duration;

use anyhow::{Result, ensure};
use faustus::{Ended, TaskState, TaskStatus, Worker, WorkerHandle};
use tokio::task::JoinHandle;

use super::told;

/// How often a worker is asked how it is, where that cannot be told otherwise.
const POLL: Duration = Duration::from_millis(5);

/// It is asked that much more seldom for each so many tasks, as all of them answer.
const TASKS: usize = 256;

/// A worker that was started.
pub(super) struct Running {
    pub(super) handle: WorkerHandle,
    ended: JoinHandle<faustus::Result<Ended>>,
    tasks: usize,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a worker that will have so many tasks.
    pub(super) fn start(worker: Worker, handle: WorkerHandle, tasks: usize) -> Self {
        let ended = tokio::spawn(worker.run());
        Self {
            handle,
            ended,
            tasks,
            reader: None,
        }
    }

    /// Has its figures read each second.
    pub(super) fn read_each_second(mut self) -> Self {
        let handle = self.handle.clone();
        self.reader = Some(tokio::spawn(async move {
            loop {
                std::hint::black_box(handle.monitor().await);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }));
        self
    }

    /// Waits until all tasks run and are as `wanted`.
    pub(super) async fn until(&mut self, wanted: impl Fn(&[TaskStatus]) -> bool) -> Result<()> {
        let pause = POLL * u32::try_from(1 + self.tasks / TASKS)?;
        loop {
            let tasks = match self.handle.status().await {
                Ok(tasks) => tasks,
                Err(error) => {
                    (&mut self.ended).await?.map_err(told)?;
                    return Err(told(error));
                }
            };
            let parked = tasks.iter().find_map(|task| match &task.state {
                TaskState::Parked(reason) => Some(reason),
                _ => None,
            });
            ensure!(parked.is_none(), "a task is parked: {parked:?}");
            let runs = |task: &TaskStatus| task.state != TaskState::Recovering;
            if tasks.len() == self.tasks && tasks.iter().all(runs) && wanted(&tasks) {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Ends it in order, so that all is stored.
    pub(super) async fn end(self) -> Result<()> {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
        self.handle.shutdown();
        let ended = self.ended.await?.map_err(told)?;
        ensure!(ended == Ended::Drained, "the worker was cut off");
        Ok(())
    }
}
