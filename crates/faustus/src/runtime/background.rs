//! What runs beside the agents of a worker, and the order of its start and end.
//!
//! It starts in this order: `on_start` hooks, services, then (the agents, by the worker, and) tasks, timers and
//! crontabs. It ends in the reverse order: jobs, (agents,) services, `on_shutdown` hooks. Each of these ends takes
//! the worker's drain time at most; what does not end by then is left behind, with its name in the log.

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};

use faustus_core::{BoxFuture, TopicPartition};
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot};

use super::{
    attempt::attempt,
    jobs::{JobContext, JobDef, Jobs, StartFn},
    leader::Leadership,
    mistakes::twice,
    plan::Plan,
    services::{ServiceDef, Services, start_order},
    spawn::{TaskGuard, spawn_within},
    topology::AppDef,
    worker::{Environment, Request},
};
use crate::{Error, ErrorKind, Leader, Result, membership::TaskId};

/// What the program registered to run beside its agents.
#[derive(Default)]
pub(crate) struct BackgroundDef {
    pub(crate) jobs: Vec<JobDef>,
    pub(crate) services: Vec<ServiceDef>,
    pub(crate) on_start: Vec<HookDef>,
    pub(crate) on_shutdown: Vec<HookDef>,
    pub(crate) on_assigned: Vec<PartitionsHookDef>,
    pub(crate) on_revoked: Vec<PartitionsHookDef>,
    /// Handed out to who wants to know whether this worker leads.
    pub(crate) leader: Option<Leader>,
    /// Of crontabs that name none, or what is wrong with it; else UTC.
    pub(crate) timezone: Option<Result<TimeZone, String>>,
}

/// A function of the program, by its path in the program.
pub(crate) struct HookDef {
    pub(crate) name: &'static str,
    pub(crate) start: StartFn,
}

/// A function of the program that is told partitions.
pub(crate) struct PartitionsHookDef {
    pub(crate) name: &'static str,
    pub(crate) start: PartitionsFn,
}

pub(crate) type PartitionsFn =
    Arc<dyn Fn(BTreeSet<TopicPartition>) -> BoxFuture<'static, Result> + Send + Sync>;

impl BackgroundDef {
    /// Whether there is work for a leader, or somebody who asks for one.
    pub(crate) fn needs_leader(&self) -> bool {
        self.leader.is_some() || self.jobs.iter().any(|job| job.on_leader)
    }

    fn timezone(&self) -> TimeZone {
        let zone = self.timezone.as_ref();
        zone.and_then(|zone| zone.as_ref().ok())
            .map_or(TimeZone::UTC, TimeZone::clone)
    }

    /// Whether anybody wants to be told of partitions.
    pub(crate) fn has_partition_hooks(&self) -> bool {
        !(self.on_assigned.is_empty() && self.on_revoked.is_empty())
    }

    /// All mistakes.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut found: Vec<String> = self.jobs.iter().filter_map(JobDef::mistake).collect();
        let jobs = self.jobs.iter().map(|job| &job.name);
        let services = self.services.iter().map(|service| &service.name);
        for (what, twice) in [
            ("tasks, timers or crontabs", twice(jobs)),
            ("services", twice(services)),
        ] {
            let each = twice.into_iter().map(|name| {
                format!("two {what} are named {name:?}: logs could not tell them apart, give each its own")
            });
            found.extend(each);
        }
        if let Some(Err(mistake)) = &self.timezone {
            found.push(format!("the application's time zone: {mistake}"));
        }
        found.extend(start_order(&self.services).err().unwrap_or_default());
        found
    }
}

/// What runs beside the agents of one worker.
pub(crate) struct Background {
    def: Arc<AppDef>,
    plan: Arc<Plan>,
    context: JobContext,
    /// How long each part of the end may take.
    patience: Duration,
    services: Services,
    jobs: Option<Jobs>,
    /// To the one that runs the hooks of partitions, one after the other.
    moves: mpsc::UnboundedSender<Move>,
    mover: Option<TaskGuard>,
}

/// Partitions that came or went.
struct Move {
    came: bool,
    partitions: BTreeSet<TopicPartition>,
    /// Told when all hooks have run.
    done: oneshot::Sender<()>,
}

impl Background {
    pub(crate) fn new(
        def: &Arc<AppDef>,
        plan: &Arc<Plan>,
        env: &Environment,
        leadership: Arc<Leadership>,
    ) -> Self {
        if let Some(leader) = &def.background.leader {
            leader.follow(&leadership);
        }
        let context = JobContext {
            clock: Arc::clone(&env.clock),
            spawn: Arc::clone(&env.spawn),
            leadership,
            timezone: def.background.timezone(),
            seed: env.seed,
        };
        let (moves, to_run) = mpsc::unbounded_channel();
        let patience = env.settings.drain_timeout;
        let mover = def.background.has_partition_hooks().then(|| {
            let running = run_moves(Arc::clone(def), context.clone(), patience, to_run);
            spawn_within(&context.spawn, running)
        });
        Self {
            def: Arc::clone(def),
            plan: Arc::clone(plan),
            services: Services::new(context.clone()),
            context,
            patience,
            jobs: None,
            moves,
            mover,
        }
    }

    /// Runs the hooks of the start and starts the services. Gives the requests that came meanwhile, or
    /// `None` if one of them was to end.
    ///
    /// # Errors
    ///
    /// Of the first hook or service that does not start.
    pub(crate) async fn begin(
        &mut self,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Result<Option<Vec<Request>>> {
        let mut held = Vec::new();
        let mut starting = pin!(self.start());
        loop {
            tokio::select! {
                biased;
                started = &mut starting => return started.map(|()| Some(held)),
                request = requests.recv() => match request {
                    None | Some(Request::Shutdown) => return Ok(None),
                    Some(request) => held.push(request),
                }
            }
        }
    }

    async fn start(&mut self) -> Result {
        for hook in &self.def.background.on_start {
            let (_running, result) = self.spawn(&hook.start);
            let result = result.await.unwrap_or_else(|_| Err(ended()));
            result.map_err(|error| error.context(format!("on_start hook {}", hook.name)))?;
        }
        self.services.start(&self.def.background.services).await
    }

    /// Tasks read what this plan says.
    pub(crate) fn go_by(&mut self, plan: &Arc<Plan>) {
        self.plan = Arc::clone(plan);
    }

    pub(crate) fn start_jobs(&mut self) {
        self.jobs = Some(Jobs::start(&self.def.background.jobs, &self.context));
    }

    /// The failure of a service that takes the worker with it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn failed(&mut self) -> Error {
        self.services.failed().await
    }

    /// The first part of the end; what came before begins no more.
    pub(crate) async fn stop_jobs(&mut self) {
        if let Some(jobs) = self.jobs.take() {
            jobs.stop(self.patience).await;
        }
    }

    /// The last part of the end.
    pub(crate) async fn stop(&mut self) {
        self.services.stop(self.patience).await;
        let clock = &self.context.clock;
        let deadline = clock.monotonic() + self.patience;
        for HookDef { name, start } in self.def.background.on_shutdown.iter().rev() {
            let (_running, result) = self.spawn(start);
            let left = deadline.saturating_sub(clock.monotonic());
            tokio::select! {
                biased;
                result = result => {
                    if let Err(error) = result.unwrap_or_else(|_| Err(ended())) {
                        tracing::error!(hook = %format_args!("on_shutdown {name}"), %error, "hook failed");
                    }
                }
                () = clock.sleep(left) => {
                    tracing::warn!(hook = %format_args!("on_shutdown {name}"), "hook did not end in time and is left behind");
                }
            }
        }
    }

    /// These tasks are ours now; nobody waits for what is told of it.
    pub(crate) fn assigned(&self, tasks: &[TaskId]) {
        self.tell_moved(true, tasks);
    }

    /// These tasks are lost already; nobody waits for what is told of it.
    pub(crate) fn lost(&self, tasks: &[TaskId]) {
        self.tell_moved(false, tasks);
    }

    /// These tasks are stopped and about to go; waits a bounded time for what is told of it.
    pub(crate) async fn revoked(&self, tasks: &[TaskId]) {
        let Some(told) = self.tell_moved(false, tasks) else {
            return;
        };
        tokio::select! {
            biased;
            _ = told => {}
            () = self.context.clock.sleep(self.patience) => {
                tracing::warn!(hook = "on_partitions_revoked", "hooks did not end in time; the partitions go");
            }
        }
    }

    /// What ends when all hooks have run, if there are any.
    fn tell_moved(&self, came: bool, tasks: &[TaskId]) -> Option<oneshot::Receiver<()>> {
        self.mover.as_ref()?;
        let partitions: BTreeSet<_> = tasks.iter().flat_map(|t| self.plan.sources(t)).collect();
        if partitions.is_empty() {
            return None;
        }
        let (done, told) = oneshot::channel();
        let moved = Move {
            came,
            partitions,
            done,
        };
        self.moves.send(moved).ok()?;
        Some(told)
    }

    /// Runs a hook off the caller's thread, which it may block.
    fn spawn(&self, hook: &StartFn) -> (TaskGuard, oneshot::Receiver<Result>) {
        let (hook, (done, result)) = (Arc::clone(hook), oneshot::channel());
        let running = spawn_within(&self.context.spawn, async move {
            let _ = done.send(attempt(|| hook()).await);
        });
        (running, result)
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Lost, "the runtime ends")
}

async fn run_moves(
    def: Arc<AppDef>,
    context: JobContext,
    patience: Duration,
    mut moves: mpsc::UnboundedReceiver<Move>,
) {
    while let Some(Move {
        came,
        partitions,
        done,
    }) = moves.recv().await
    {
        let (what, hooks) = if came {
            ("on_partitions_assigned", &def.background.on_assigned)
        } else {
            ("on_partitions_revoked", &def.background.on_revoked)
        };
        for PartitionsHookDef { name, start } in hooks {
            let running = attempt(|| start(partitions.clone()));
            tokio::select! {
                biased;
                result = running => {
                    if let Err(error) = result {
                        tracing::error!(hook = %format_args!("{what} {name}"), %error, "hook failed");
                    }
                }
                () = context.clock.sleep(patience) => {
                    tracing::warn!(hook = %format_args!("{what} {name}"), "hook did not end in time and is dropped");
                }
            }
        }
        let _ = done.send(());
    }
}
