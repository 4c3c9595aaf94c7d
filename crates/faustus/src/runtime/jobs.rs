//! Tasks, timers and crontabs while they run.
//!
//! Each is one future beside the agents; none ever overlaps itself, and an error or a panic of one
//! ends none. At the end of a worker tasks are dropped where they wait, ticks that run may end, and
//! what does neither within a bound is left behind with its name in the log.

use std::{fmt, sync::Arc, time::Duration};

use faustus_core::{BoxFuture, Clock};
use futures_util::future::join_all;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::{
    attempt::{Pauses, attempt},
    leader::{AtRevoke, Leadership},
    schedule::{Crontab, Now, Schedule, Ticks, Times},
    spawn::{Spawn, Spawned, TaskGuard, spawn_within},
};
use crate::{Result, time::Every};

/// How often a timer may tell that it misses ticks.
const TELL: Duration = Duration::from_secs(60);

/// Starts the user's function.
pub(crate) type StartFn = Arc<dyn Fn() -> BoxFuture<'static, Result> + Send + Sync>;

/// A task, timer or crontab of the program.
pub(crate) struct JobDef {
    pub(crate) name: Arc<str>,
    pub(crate) when: When,
    pub(crate) on_leader: bool,
    pub(crate) start: StartFn,
}

/// When a job runs.
#[derive(Clone, Debug)]
pub(crate) enum When {
    /// From the start on; again if it fails.
    Once,
    Every(Every),
    /// With what is wrong with it.
    Crontab(Arc<str>, Result<Arc<Crontab>, String>),
}

impl JobDef {
    /// What is wrong with it.
    pub(crate) fn mistake(&self) -> Option<String> {
        let what = match &self.when {
            When::Once => None,
            When::Every(every) => every.mistake(),
            When::Crontab(text, crontab) => crontab
                .as_ref()
                .err()
                .map(|mistake| format!("{text:?}: {mistake}")),
        };
        what.map(|what| format!("{self} has {what}"))
    }
}

impl fmt::Display for JobDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.when {
            When::Once => "task",
            When::Every(_) => "timer",
            When::Crontab(..) => "crontab",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// What jobs run with.
#[derive(Clone)]
pub(crate) struct JobContext {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawn: Arc<dyn Spawn>,
    pub(crate) leadership: Arc<Leadership>,
    /// Of crontabs that name none.
    pub(crate) timezone: TimeZone,
    /// Decides jitter.
    pub(crate) seed: u64,
}

/// The jobs of a worker that runs.
pub(crate) struct Jobs {
    jobs: Vec<(String, Spawned, TaskGuard)>,
    stopping: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
}

impl Jobs {
    pub(crate) fn start(defs: &[JobDef], context: &JobContext) -> Self {
        let stopping = watch::Sender::new(false);
        let start = |(index, def): (u64, &JobDef)| {
            let (ended, alive) = Spawned::new();
            let job = Job {
                name: Arc::clone(&def.name),
                title: def.to_string(),
                on_leader: def.on_leader,
                start: Arc::clone(&def.start),
                context: context.clone(),
            };
            let (when, stopping) = (def.when.clone(), stopping.subscribe());
            let guard = spawn_within(&context.spawn, async move {
                job.run(&when, index, stopping).await;
                drop(alive);
            });
            (def.to_string(), ended, guard)
        };
        Self {
            jobs: (0..).zip(defs).map(start).collect(),
            clock: Arc::clone(&context.clock),
            stopping,
        }
    }

    /// Lets no tick begin any more, and waits for those that run.
    pub(crate) async fn stop(self, patience: Duration) {
        self.stopping.send_replace(true);
        let deadline = self.clock.monotonic() + patience;
        let ends = self.jobs.into_iter().map(|(title, ended, guard)| {
            let clock = Arc::clone(&self.clock);
            async move {
                let left = deadline.saturating_sub(clock.monotonic());
                tokio::select! {
                    biased;
                    () = ended.ended() => {}
                    () = clock.sleep(left) => {
                        tracing::warn!(job = title, "job did not end in time and is left behind");
                    }
                }
                drop(guard);
            }
        });
        join_all(ends).await;
    }
}

struct Job {
    name: Arc<str>,
    title: String,
    on_leader: bool,
    start: StartFn,
    context: JobContext,
}

impl Job {
    async fn run(&self, when: &When, index: u64, mut stopping: watch::Receiver<bool>) {
        let now = self.now();
        let schedule = match when {
            When::Once => {
                tokio::select! {
                    biased;
                    _ = stopping.wait_for(|stops| *stops) => {}
                    () = self.run_task() => {}
                }
                return;
            }
            When::Every(every) => {
                let seed = self.context.seed.wrapping_add(index);
                Schedule::Timer(Ticks::new(*every, now.monotonic, seed))
            }
            When::Crontab(_, Ok(crontab)) => {
                let crontab = crontab.in_zone(&self.context.timezone);
                Schedule::Crontab(Times::new(crontab, now.wall))
            }
            // Nothing starts with such a mistake.
            When::Crontab(_, Err(_)) => return,
        };
        self.run_ticks(schedule, stopping).await;
    }

    /// Until it ends without an error.
    async fn run_task(&self) {
        let leadership = &self.context.leadership;
        let mut pauses = Pauses::new();
        loop {
            if self.on_leader {
                leadership.gained().await;
            }
            let begun = self.context.clock.monotonic();
            match self.attempt(AtRevoke::Drop).await {
                Some(Ok(())) => return,
                // Not the leader any more.
                None => {}
                Some(Err(error)) => {
                    let ran = self.context.clock.monotonic().saturating_sub(begun);
                    let pause = pauses.after(ran);
                    tracing::error!(job = self.title, %error, ?pause, "job failed; it starts again after a pause");
                    self.context.clock.sleep(pause).await;
                }
            }
        }
    }

    async fn run_ticks(&self, mut schedule: Schedule, mut stopping: watch::Receiver<bool>) {
        let mut told: Option<Duration> = None;
        loop {
            while let Some(wait) = schedule.wait(self.now()) {
                tokio::select! {
                    biased;
                    _ = stopping.wait_for(|stops| *stops) => return,
                    () = self.context.clock.sleep(wait) => {}
                }
            }
            if *stopping.borrow() {
                return;
            }
            if let Some(Err(error)) = self.attempt(AtRevoke::Finish).await {
                tracing::error!(job = self.title, %error, "job failed; it goes on when it is due again");
            }
            let now = self.now();
            let missed = schedule.done(now);
            let is_time = told.is_none_or(|told| now.monotonic.saturating_sub(told) >= TELL);
            if missed > 0 && is_time {
                told = Some(now.monotonic);
                tracing::warn!(
                    job = self.title,
                    missed,
                    "job took longer than it has until it is due again; what it missed is left out"
                );
            }
        }
    }

    /// Runs it once; `None` if it is for the leader and this worker is not, or ceases to be.
    async fn attempt(&self, at_revoke: AtRevoke) -> Option<Result> {
        let attempt = attempt(|| (self.start)());
        if self.on_leader {
            let leadership = &self.context.leadership;
            leadership.lead(&self.name, at_revoke, attempt).await
        } else {
            Some(attempt.await)
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic: self.context.clock.monotonic(),
            wall: self.context.clock.now(),
        }
    }
}
