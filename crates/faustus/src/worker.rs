//! A worker: an application that runs.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use faustus_core::{
    Clock, Offset, OffsetSpec, StoreError, StoreProvider, TopicPartition, Transport,
};
use faustus_store::FjallStores;
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    App, Codec, Ended, Error, ErrorKind, Json, LaneStatus, Monitor, Result, Settings, TaskStatus,
    TokioClock,
    runtime::{AgentOrder, Answer, Answers, AppDef, Environment, Meters, Request, Spawn, Threads},
};

/// How long a thread may take to say how it is before others say it for it.
const PATIENCE: Duration = Duration::from_secs(1);

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
    /// Is told why it failed.
    failure: watch::Sender<Option<Error>>,
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
        let (failure, failed) = watch::channel(None);
        let meters = Meters::new(&def, Arc::clone(&clock));
        let about = About {
            failed,
            clock: Arc::clone(&clock),
            transport: Arc::downgrade(&transport),
            meters: Arc::clone(&meters),
            agents: def
                .agents
                .iter()
                .map(|agent| Arc::clone(&agent.name))
                .collect(),
        };
        let handle = WorkerHandle {
            requests: sender,
            about: Arc::new(about),
        };
        if let Some(own) = &def.own_worker {
            own.follow(&handle);
        }
        let mut settings = Settings::default();
        for configure in &def.configure {
            configure(&mut settings);
        }
        let env = Environment {
            transport,
            stores: None,
            clock,
            spawn,
            meters,
            settings,
            seed,
            seeded_order: false,
        };
        let worker = Self {
            def,
            env,
            requests,
            failure,
        };
        (worker, handle)
    }

    /// The same worker with these settings, instead of what [`App::configure`] says.
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
            failure,
        } = self;
        if env.settings.worker_id.is_empty() {
            env.settings.worker_id = random_id(env.seed);
        }
        async move {
            let def = Arc::new(def);
            let ended = run_with_stores(&def, env, requests).await;
            if let Err(error) = &ended {
                for topic in &def.topics {
                    topic.refuse(error);
                }
                failure.send_replace(Some(error.clone()));
            }
            ended
        }
    }
}

/// Runs the worker with its tables kept where the settings say, unless they are kept elsewhere.
async fn run_with_stores(
    def: &Arc<AppDef>,
    mut env: Environment,
    requests: mpsc::UnboundedReceiver<Request>,
) -> Result<Ended> {
    if let (None, Some(directory)) = (&env.stores, &env.settings.stores) {
        env.stores = Some(Arc::new(open_stores(directory)?));
    }
    crate::runtime::run(Arc::clone(def), env, requests).await
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("app", &self.def.name)
            .finish_non_exhaustive()
    }
}

/// A handle to a running worker; cheap to clone.
#[derive(Clone)]
pub struct WorkerHandle {
    requests: mpsc::UnboundedSender<Request>,
    about: Arc<About>,
}

/// What handles know of their worker.
struct About {
    /// Why the worker failed; closed when it has ended.
    failed: watch::Receiver<Option<Error>>,
    clock: Arc<dyn Clock>,
    /// To ask for the ends of partitions; a handle keeps no log open.
    transport: Weak<dyn Transport>,
    meters: Arc<Meters>,
    /// The names of all agents.
    agents: Arc<[Arc<str>]>,
}

/// A handle that does not keep the worker waiting for orders.
pub(crate) struct WeakHandle {
    requests: mpsc::WeakUnboundedSender<Request>,
    about: Arc<About>,
}

impl WeakHandle {
    /// The handle, while others hold one.
    pub(crate) fn upgrade(&self) -> Option<WorkerHandle> {
        Some(WorkerHandle {
            requests: self.requests.upgrade()?,
            about: Arc::clone(&self.about),
        })
    }
}

impl WorkerHandle {
    pub(crate) fn downgrade(&self) -> WeakHandle {
        WeakHandle {
            requests: self.requests.downgrade(),
            about: Arc::clone(&self.about),
        }
    }

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

    /// Ends all instances of an agent in this worker and starts new ones. Does not wait.
    ///
    /// What they had in hand is rolled back and given to the new ones. What waits to be tried again or
    /// is parked goes on waiting.
    ///
    /// # Errors
    ///
    /// When the application has no agent of this name, or the worker has ended.
    pub fn restart_agent(&self, name: &str) -> Result {
        self.order(name, AgentOrder::Restart)
    }

    /// Lets an agent take no more events in this worker, until [`resume_agent`](Self::resume_agent) or
    /// the worker's end. Does not wait.
    ///
    /// An event in hand is finished; to take it away, too, [restart](Self::restart_agent) the agent
    /// after this call: the event then waits for the agent to be resumed. Nothing is lost, and nothing
    /// behind what waits is committed: agents that read the same topic go on for as much as a
    /// task may hold in memory, agents that write the same table wait.
    ///
    /// # Errors
    ///
    /// As [`restart_agent`](Self::restart_agent).
    pub fn pause_agent(&self, name: &str) -> Result {
        self.order(name, AgentOrder::Pause)
    }

    /// Lets an agent that was [paused](Self::pause_agent) take events again. Does not wait.
    ///
    /// # Errors
    ///
    /// As [`restart_agent`](Self::restart_agent).
    pub fn resume_agent(&self, name: &str) -> Result {
        self.order(name, AgentOrder::Resume)
    }

    fn order(&self, name: &str, order: AgentOrder) -> Result {
        let Some(name) = self.about.agents.iter().find(|agent| ***agent == *name) else {
            let names = self.about.agents.join(", ");
            let what = format!("there is no agent {name}; the application's agents are {names}");
            return Err(Error::config(what));
        };
        let request = Request::Agent(Arc::clone(name), order);
        let sent = self.requests.send(request);
        sent.map_err(|_| ended(self.about.failed.borrow().as_ref()))
    }

    /// Waits until the worker has checked its topics and can send.
    ///
    /// # Errors
    ///
    /// When the worker has ended; if it could not start, or failed, the error says why.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn started(&self) -> Result {
        self.status().await.map(drop)
    }

    /// How the tasks of this worker are.
    ///
    /// A thread that something blocks cannot tell: after a second its tasks are said to be
    /// [blocked](crate::TaskState::Blocked).
    ///
    /// # Errors
    ///
    /// When the worker has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn status(&self) -> Result<Vec<TaskStatus>> {
        self.ask(Request::Status, Some(PATIENCE)).await
    }

    /// How the lanes of all agents of this worker are, by agent, task and lane: each waits, has an
    /// event in hand since then, tries again, is parked or paused.
    ///
    /// A thread that something blocks cannot tell: after a second it is said which of its lanes
    /// [blocks](crate::LaneState::Blocking) it, and that the others are
    /// [blocked](crate::LaneState::Blocked).
    ///
    /// # Errors
    ///
    /// When the worker has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn agents(&self) -> Result<Vec<LaneStatus>> {
        let mut lanes = self.ask(Request::Agents, Some(PATIENCE)).await?;
        lanes.sort_by(|a, b| (&a.agent, &a.task, a.lane).cmp(&(&b.agent, &b.task, b.lane)));
        Ok(lanes)
    }

    /// What this worker did since its start, and how it stands, in figures.
    ///
    /// The log is asked for the ends of the partitions that are read here; where it does not answer
    /// within a second, they are those of the time before. Nothing else is waited for: the figures are
    /// there while threads block, and after the worker's end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn monitor(&self) -> Monitor {
        let partitions = self.about.meters.gauges.partitions();
        if let Some(transport) = self
            .about
            .transport
            .upgrade()
            .filter(|_| !partitions.is_empty())
        {
            let admin = transport.admin();
            tokio::select! {
                biased;
                ends = admin.offsets(&partitions, OffsetSpec::HighWatermark) => match ends {
                    Ok(ends) => self.about.meters.learn_ends(&partitions, &ends),
                    Err(error) => tracing::debug!(%error, "the ends of partitions cannot be read"),
                },
                () = self.about.clock.sleep(PATIENCE) => {
                    tracing::debug!("the log does not tell the ends of partitions in time");
                }
            }
        }
        self.monitor_now()
    }

    /// As [`monitor`](Self::monitor), but at once: the log is asked for nothing, so the ends of
    /// partitions, and with them the lag, are those of the last [`monitor`](Self::monitor).
    #[must_use]
    pub fn monitor_now(&self) -> Monitor {
        self.about.meters.read()
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
        let entries = self.ask(|to| Request::Dump(name.into(), to), None).await?;
        let mut table = BTreeMap::new();
        for (key, value) in entries {
            table.insert(Json.decode(&key)?, Json.decode(&value)?);
        }
        Ok(table)
    }

    /// Asks all threads. One that does not answer within `patience` is spoken for.
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Answers<T>>) -> Request,
        patience: Option<Duration>,
    ) -> Result<Vec<T>> {
        let (to, answer) = oneshot::channel();
        if self.requests.send(request(to)).is_err() {
            return Err(self.ended().await);
        }
        let answers = tokio::select! {
            biased;
            answers = answer => answers.ok(),
            // A request that is sent while the worker ends may be neither refused nor dropped.
            () = self.requests.closed() => None,
        };
        let Some(answers) = answers else {
            return Err(self.ended().await);
        };
        let answers = answers.into_iter().map(async |Answer { answer, instead }| {
            let Some(patience) = patience else {
                return answer.await.unwrap_or_default();
            };
            tokio::select! {
                biased;
                answer = answer => answer.unwrap_or_default(),
                () = self.about.clock.sleep(patience) => instead(),
            }
        });
        Ok(join_all(answers).await.into_iter().flatten().collect())
    }

    /// Why the worker answers no more. It takes no requests, so it is about to tell.
    async fn ended(&self) -> Error {
        let mut failed = self.about.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(failure) => ended(failure.as_ref()),
            Err(_) => ended(None),
        }
    }
}

impl fmt::Debug for WorkerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerHandle")
            .field("agents", &self.about.agents)
            .finish_non_exhaustive()
    }
}

fn ended(failure: Option<&Error>) -> Error {
    match failure {
        Some(error) => error.clone().context("the worker has ended"),
        None => Error::new(ErrorKind::Lost, "the worker has ended"),
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

/// The id of a worker that is given none.
pub(crate) fn random_id(seed: u64) -> String {
    format!("{seed:016x}")
}

/// A number that differs at each start.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
