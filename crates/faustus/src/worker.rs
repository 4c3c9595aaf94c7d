//! A worker: an application that runs.

use std::{collections::BTreeMap, fmt, future::Future, path::Path, sync::Arc};

use faustus_core::{Clock, Offset, StoreError, StoreProvider, TopicPartition, Transport};
use faustus_store::FjallStores;
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use crate::{
    App, Codec, Ended, Error, Json, Result, Settings, TaskStatus, TokioClock,
    runtime::{Answers, AppDef, Environment, Request, Spawn, Threads},
};

/// An application with a log and settings, ready to run.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use faustus::{prelude::*, MemoryLog, TokioClock, Worker};
///
/// async fn double(mut numbers: Stream<u64, u64>) -> faustus::Result {
///     while let Some(number) = numbers.next().await? {
///         number.reply(*number * 2);
///     }
///     Ok(())
/// }
///
/// # #[tokio::main]
/// # async fn main() -> faustus::Result {
/// let app = App::new("doubler");
/// let (numbers, doubles) = (app.topic::<u64>("numbers"), app.topic::<u64>("doubles"));
/// let app = app.agent("double", &numbers, |a| a.sink(&doubles).run(double));
///
/// let log = MemoryLog::new(Arc::new(TokioClock::real()), 0);
/// let (worker, handle) = Worker::new(app, Arc::new(log));
/// let running = tokio::spawn(worker.run());
/// handle.started().await?;
/// numbers.send(&(), &21).await?;
/// handle.shutdown();
/// running.await??;
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    def: AppDef,
    env: Environment,
    requests: mpsc::UnboundedReceiver<Request>,
}

impl Worker {
    /// A worker of `app` on a log, and the handle to it.
    #[must_use]
    pub fn new<S: Clone + Send + Sync + 'static>(
        app: App<S>,
        transport: Arc<dyn Transport>,
    ) -> (Self, WorkerHandle) {
        Self::with_environment(
            app.into_def(),
            transport,
            Arc::new(TokioClock::real()),
            Arc::new(Threads::default()),
            random(),
        )
    }

    pub(crate) fn with_environment(
        def: AppDef,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
        seed: u64,
    ) -> (Self, WorkerHandle) {
        let (sender, requests) = mpsc::unbounded_channel();
        let settings = Settings::default();
        let env = Environment {
            transport,
            stores: None,
            clock,
            spawn,
            settings,
            seed,
            seeded_order: false,
        };
        (
            Self { def, env, requests },
            WorkerHandle { requests: sender },
        )
    }

    /// The same worker with other settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.env.settings = settings;
        self
    }

    /// The same worker with its tables kept in `stores`, instead of where the settings say.
    #[must_use]
    pub fn stores(mut self, stores: Arc<dyn StoreProvider>) -> Self {
        self.env.stores = Some(stores);
        self
    }

    #[cfg(feature = "testing")]
    pub(crate) fn seeded_order(mut self) -> Self {
        self.env.seeded_order = true;
        self
    }

    /// Runs until [`WorkerHandle::shutdown`], or something fails that only a person can mend.
    ///
    /// It must be awaited in a tokio runtime with time and several threads.
    ///
    /// # Errors
    ///
    /// All mistakes of the application that its log shows, in one report; a log that cannot be
    /// reached; an `on_start` hook or a service that fails; stores that are in use or cannot be read. Damaged stores are no error: they are removed
    /// and rebuilt.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the worker as a crash would: nothing is lost, nothing is finished.
    pub fn run(self) -> impl Future<Output = Result<Ended>> + Send {
        let Self {
            def,
            mut env,
            requests,
        } = self;
        async move {
            if env.settings.worker_id.is_empty() {
                env.settings.worker_id = format!("{:016x}", env.seed);
            }
            if let (None, Some(directory)) = (&env.stores, &env.settings.stores) {
                env.stores = Some(Arc::new(open_stores(directory)?));
            }
            crate::runtime::run(Arc::new(def), env, requests).await
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("app", &self.def.name)
            .finish_non_exhaustive()
    }
}

/// A handle to a running worker; cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    requests: mpsc::UnboundedSender<Request>,
}

impl WorkerHandle {
    /// Asks the worker to finish what is in flight, store it and end. Does not wait.
    pub fn shutdown(&self) {
        let _ = self.requests.send(Request::Shutdown);
    }

    /// Passes over a record that keeps a task from going on, now or when it is met.
    pub fn skip(&self, partition: &TopicPartition, offset: Offset) {
        let _ = self.requests.send(Request::Skip(partition.clone(), offset));
    }

    /// Lets parked tasks try again.
    pub fn resume(&self) {
        let _ = self.requests.send(Request::Resume);
    }

    /// Waits until the worker has checked its topics and can send.
    ///
    /// # Errors
    ///
    /// When the worker has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn started(&self) -> Result {
        self.status().await.map(drop)
    }

    /// How the tasks of this worker are.
    ///
    /// # Errors
    ///
    /// When the worker has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn status(&self) -> Result<Vec<TaskStatus>> {
        self.ask(Request::Status).await
    }

    /// The entries of table `name` in this worker's tasks, committed or not; its values are JSON.
    ///
    /// # Errors
    ///
    /// When the worker has ended, or entries are not of these types in JSON.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn table<K, V>(&self, name: &str) -> Result<BTreeMap<K, V>>
    where
        K: Ord + serde::Serialize + DeserializeOwned,
        V: serde::Serialize + DeserializeOwned,
    {
        let entries = self.ask(|to| Request::Dump(name.into(), to)).await?;
        let mut table = BTreeMap::new();
        for (key, value) in entries {
            table.insert(Json.decode(&key)?, Json.decode(&value)?);
        }
        Ok(table)
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Answers<T>>) -> Request,
    ) -> Result<Vec<T>> {
        let ended = || Error::new(crate::ErrorKind::Lost, "the worker has ended");
        let (to, answer) = oneshot::channel();
        self.requests.send(request(to)).map_err(|_| ended())?;
        let answers = tokio::select! {
            biased;
            answers = answer => answers.map_err(|_| ended())?,
            // A request that is sent while the worker ends may be neither refused nor dropped.
            () = self.requests.closed() => return Err(ended()),
        };
        let answers = join_all(answers).await;
        Ok(answers.into_iter().flatten().flatten().collect())
    }
}

/// Opens the stores in `directory`. Damaged ones are removed: changelogs hold all there was in them.
fn open_stores(directory: &Path) -> Result<FjallStores, StoreError> {
    match FjallStores::open(directory) {
        Err(StoreError::Corrupt(reason)) => {
            tracing::warn!(
                directory = %directory.display(), %reason,
                "damaged stores are removed, and all their tables rebuilt from changelogs"
            );
            FjallStores::remove(directory)?;
            FjallStores::open(directory)
        }
        opened => opened,
    }
}

/// A number that differs at each start.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
