//! What an application has beside its agents: tasks, timers, crontabs, services and hooks.

use std::{any::type_name, sync::Arc};

use super::App;
use crate::{
    Everywhere, Leader, OwnWorker, PartitionsFn, ServiceBuilder, ServiceSpec, TaskFn,
    runtime::{
        AppDef, Crontab, HookDef, JobDef, PartitionsHookDef, StartFn, When, leader_topic, zone,
    },
    time::Every,
};

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// Adds a task: a future that starts with the worker, once its log is reached, and runs beside the agents.
    ///
    /// One that fails (a panic is a failure) starts again after a second, and after twice as long each
    /// further time, a minute at most; one that ends is done. When the worker ends, it is dropped where
    /// it waits, before the agents stop.
    ///
    /// With [`on_leader`](crate::on_leader) it runs while this worker leads, from its beginning each time that it
    /// comes to lead, until it has ended once.
    #[must_use = "this gives the application back: `let app = app.task(…)`"]
    pub fn task<M>(self, name: &str, task: impl TaskFn<S, M>) -> Self {
        self.job(name, When::Once, task)
    }

    /// Adds a timer: `tick` runs at a fixed rate, for the first time after one whole interval.
    ///
    /// The ticks lie at multiples of the interval from the start on, however late one of them begins or ends:
    /// they do not drift. A tick never overlaps the one before: those that come due while it runs
    /// are left out, and the log tells of it. A tick that fails or panics is logged; the next one comes
    /// when it is due. A tick that runs when the worker ends may end, within the
    /// [drain time](crate::Settings::drain_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn tick(State(ticks): State<Topic<String>>) -> faustus::Result {
    ///     ticks.send(&(), &"tick".to_owned()).await?;
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("clock");
    /// let ticks = app.topic("ticks");
    /// let app = app
    ///     .with_state(ticks)
    ///     .timer("tick", secs(1), tick)
    ///     .timer("tick-of-the-leader", every(minutes(1)).jitter(secs(10)), on_leader(tick));
    /// ```
    #[must_use = "this gives the application back: `let app = app.timer(…)`"]
    pub fn timer<M>(self, name: &str, every: impl Into<Every>, tick: impl TaskFn<S, M>) -> Self {
        self.job(name, When::Every(every.into()), tick)
    }

    /// Adds a crontab: `run` runs when the clock on the wall of a place shows certain times.
    ///
    /// `when` has the five fields of cron (minute, hour, day of month, month, day of week; with `*`,
    /// lists, ranges, steps, names, and `L`, `W` and `#` for days) or a nickname as `@daily`, and
    /// perhaps the name of a time zone, else it is in [that of the application](Self::timezone) or UTC. What cannot be read, and what never comes, as the 30th of
    /// February, is a mistake that the start reports.
    ///
    /// Where clocks are put forward or back, the rule is cron's. If hour and minute are named
    /// (`30 2 * * *`), a time that is skipped counts when the skipped hour would have begun, and one that comes
    /// twice counts the first time. If one of them is a wildcard (`*/15 * * * *`), it is an interval:
    /// there is nothing to do in an hour that does not come, and an hour that comes twice counts twice.
    ///
    /// It never overlaps itself: times that come while it runs are left out, and so are those that come
    /// while no worker runs. Failures and the end of the worker are as for a [timer](Self::timer). Without
    /// [`on_leader`](crate::on_leader) it runs on every worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn close_day() -> faustus::Result {
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("bank")
    ///     .crontab("close-day", "0 18 * * MON-FRI Europe/Berlin", on_leader(close_day));
    /// ```
    #[must_use = "this gives the application back: `let app = app.crontab(…)`"]
    pub fn crontab<M>(self, name: &str, when: &str, run: impl TaskFn<S, M>) -> Self {
        let crontab = Crontab::parse(when).map(Arc::new);
        self.job(name, When::Crontab(when.into(), crontab), run)
    }

    /// The same application with crontabs in the time zone `name`, as `Europe/Berlin`, unless they name
    /// one themselves; without: UTC. It counts for all crontabs, also those that were added before.
    ///
    /// A name that no zone has is a mistake that the start reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn close_day() -> faustus::Result {
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("bank")
    ///     .timezone("Europe/Berlin")
    ///     .crontab("close-day", "0 18 * * MON-FRI", close_day)
    ///     .crontab("close-day-overseas", "0 18 * * MON-FRI America/New_York", close_day);
    /// ```
    #[must_use = "this gives the application back: `let app = app.timezone(…)`"]
    pub fn timezone(self, name: &str) -> Self {
        self.def.lock().background.timezone = Some(zone(name));
        self
    }

    /// Whether this worker is the application's leader: a handle to look at that, for the state of the
    /// application for instance.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{Leader, prelude::*};
    ///
    /// async fn report(State(leader): State<Leader>) -> faustus::Result {
    ///     println!("I {}", if leader.is_leader() { "lead" } else { "follow" });
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("watch");
    /// let leader = app.leader();
    /// let app = app.with_state(leader).timer("report", secs(10), report);
    /// ```
    #[must_use]
    pub fn leader(&self) -> Leader {
        let mut def = self.def.lock();
        want_leader(&mut def);
        def.background.leader.get_or_insert_default().clone()
    }

    /// The worker that runs this application: to read its [figures](crate::WorkerHandle::monitor) in a service that
    /// shows them, or to [end it](crate::WorkerHandle::shutdown).
    ///
    /// [`App::main`] runs the worker itself; this is how the program gets to it.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{OwnWorker, prelude::*};
    ///
    /// async fn report(State(worker): State<OwnWorker>) -> faustus::Result {
    ///     if let Some(worker) = worker.handle() {
    ///         let monitor = worker.monitor().await;
    ///         println!("{} epochs", monitor.epochs.committed);
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("bank");
    /// let worker = app.worker();
    /// let app = app.with_state(worker).timer("report", secs(10), report);
    /// ```
    #[must_use]
    pub fn worker(&self) -> OwnWorker {
        let mut def = self.def.lock();
        def.own_worker.get_or_insert_default().clone()
    }

    /// Adds a service, described by `build`.
    ///
    /// Services start before the agents and stop after them: each after those it
    /// [needs](ServiceBuilder::needs), else in the order in which they were added; they stop the
    /// other way round, all together within the [drain time](crate::Settings::drain_timeout).
    #[must_use = "this gives the application back: `let app = app.service(…)`"]
    pub fn service(self, name: &str, build: impl FnOnce(ServiceBuilder) -> ServiceSpec) -> Self {
        let ServiceSpec(service) = build(ServiceBuilder::new(name));
        self.def.lock().background.services.push(service);
        self
    }

    /// Adds a hook that runs before all else, once the log is reached: it can send, and no event was
    /// processed yet. A worker whose hook fails does not start.
    #[must_use = "this gives the application back: `let app = app.on_start(…)`"]
    pub fn on_start<M: Everywhere, F: TaskFn<S, M>>(self, hook: F) -> Self {
        let hook = self.hook(hook);
        self.def.lock().background.on_start.push(hook);
        self
    }

    /// Adds a hook that runs after all else, when agents and services have stopped: it can still send.
    ///
    /// The hook that was added last runs first; all together have the
    /// [drain time](crate::Settings::drain_timeout). A failure is logged. It also runs when the worker
    /// ends by an error, or did not come to its start.
    #[must_use = "this gives the application back: `let app = app.on_shutdown(…)`"]
    pub fn on_shutdown<M: Everywhere, F: TaskFn<S, M>>(self, hook: F) -> Self {
        let hook = self.hook(hook);
        self.def.lock().background.on_shutdown.push(hook);
        self
    }

    /// Adds a hook that is told the partitions of topics which have come to this worker.
    ///
    /// It runs beside the agents, which do not wait for it. All hooks of partitions run one after the other,
    /// in the order in which partitions came and went; one that takes longer than the
    /// [drain time](crate::Settings::drain_timeout) is dropped, and a failure is logged.
    #[must_use = "this gives the application back: `let app = app.on_partitions_assigned(…)`"]
    pub fn on_partitions_assigned<M, F: PartitionsFn<S, M>>(self, hook: F) -> Self {
        let hook = self.partitions_hook(hook);
        self.def.lock().background.on_assigned.push(hook);
        self
    }

    /// Adds a hook that is told the partitions which are about to leave this worker.
    ///
    /// Their agents have stopped and what they did is stored. The partitions wait for the hook for the
    /// [drain time](crate::Settings::drain_timeout) at most. It is told of partitions that are
    /// lost, too, as after a session without a sign of life; those may run elsewhere by then.
    #[must_use = "this gives the application back: `let app = app.on_partitions_revoked(…)`"]
    pub fn on_partitions_revoked<M, F: PartitionsFn<S, M>>(self, hook: F) -> Self {
        let hook = self.partitions_hook(hook);
        self.def.lock().background.on_revoked.push(hook);
        self
    }

    fn job<M, F: TaskFn<S, M>>(self, name: &str, when: When, job: F) -> Self {
        let start = self.start(job);
        let mut def = self.def.lock();
        if F::ON_LEADER {
            want_leader(&mut def);
        }
        def.background.jobs.push(JobDef {
            name: name.into(),
            when,
            on_leader: F::ON_LEADER,
            start,
        });
        drop(def);
        self
    }

    fn hook<M, F: TaskFn<S, M>>(&self, hook: F) -> HookDef {
        HookDef {
            name: type_name::<F>(),
            start: self.start(hook),
        }
    }

    fn partitions_hook<M, F: PartitionsFn<S, M>>(&self, hook: F) -> PartitionsHookDef {
        let state = self.state.clone();
        PartitionsHookDef {
            name: type_name::<F>(),
            start: Arc::new(move |partitions| Box::pin(hook.start(state.clone(), partitions))),
        }
    }

    fn start<M>(&self, job: impl TaskFn<S, M>) -> StartFn {
        let state = self.state.clone();
        Arc::new(move || Box::pin(job.start(state.clone())))
    }
}

/// The application has a leader: whoever has the partition of this topic.
fn want_leader(def: &mut AppDef) {
    let topic = leader_topic(&def.name);
    def.topic(&topic).wanted.get_or_init(|| 1);
}
