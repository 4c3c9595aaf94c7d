//! The worker's control loop: between the group, which says what is ours, and the threads that do it.
//!
//! It owns the assignment: which thread runs which task, and the number of each assignment. What a
//! revoke or a loss means is decided here; how tasks end is the threads' business. A thread that does
//! not answer in time is cut off: its tasks leave [`Ownership`], so that nothing of them is stored.

mod blocked;
mod local;
mod member;
mod replan;
mod requests;

use member::Membership;
pub(crate) use requests::{Answer, Answers, Request};

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use faustus_core::{Clock, StoreProvider, Transport};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use super::{
    askers::Askers,
    background::Background,
    committer::{Committer, Measures},
    leader::Leadership,
    meters::Meters,
    ownership::Ownership,
    plan::Plan,
    recovery::RecoveryContext,
    routes::Routes,
    spawn::{Spawn, Spawned, within},
    status::Pulse,
    stored::Room,
    thread::{Command, ThreadContext, WorkerThread},
    topology::{AppDef, LocalFuture},
    watch::Watch,
};
use replan::tell_changes;

use crate::{
    Error, ErrorKind, Guarantee, Result, Settings,
    ask::{LateReplies, Replies, late_replies},
    client::Client,
    membership::{Assigned, Group, GroupEvent, TaskId, classic_group},
    table::{Home, TableReader},
};

/// What a worker works with.
#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) stores: Option<Arc<dyn StoreProvider>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawn: Arc<dyn Spawn>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) settings: Settings,
    /// For identities and, in tests, the order of everything.
    pub(crate) seed: u64,
    /// Whether the seed decides the order in which lanes are polled.
    pub(crate) seeded_order: bool,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything in flight was finished and stored, and readers see it, unless a transaction of
    /// somebody else held it back for more than two seconds.
    Drained,
    /// Some events were not finished in time; they are done again at the next start.
    Cut,
}

struct Thread {
    commands: mpsc::UnboundedSender<Command>,
    done: Spawned,
    /// Its committer, which ends after it.
    committed: Spawned,
    tasks: Vec<TaskId>,
    pulse: Arc<Pulse>,
}

/// Runs `def` until a shutdown is asked for or something fails that nobody here can mend.
///
/// # Errors
///
/// Mistakes of the description, a log that cannot be reached, the end of a thread, a failure whose
/// policy is to stop.
pub(crate) async fn run(
    def: Arc<AppDef>,
    env: Environment,
    requests: mpsc::UnboundedReceiver<Request>,
) -> Result<Ended> {
    let plan = Arc::new(Plan::make(&def, &env.settings, &*env.transport.admin()).await?);
    tell_changes(&def.name, None, &plan);
    let (replies, reading) = Replies::new(
        Arc::clone(&env.transport),
        Arc::clone(&env.clock),
        env.settings.reply_retention,
        env.seed,
    );
    let (client, sending) = Client::new(
        Arc::clone(&env.transport),
        Arc::clone(&env.clock),
        Arc::clone(&replies),
        env.settings.ask_timeout,
        Arc::clone(&env.meters),
    );
    let (late, delivering) = late_replies(
        env.transport.admin(),
        client.clone(),
        Arc::clone(&env.clock),
    );
    let sending = [
        env.spawn.task(Box::pin(sending)),
        env.spawn.task(Box::pin(reading)),
        env.spawn.task(Box::pin(delivering)),
    ];
    for topic in &def.topics {
        topic.open(&client);
    }
    for agent in &def.agents {
        for queue in agent
            .sources
            .iter()
            .filter_map(|&source| def.channel(source))
        {
            queue.read_by(&agent.name);
        }
    }
    let coordinator = env.transport.coordinator(&def.name);
    let (group, mut driver) = classic_group(
        env.member(&def, &plan),
        Arc::clone(&coordinator),
        Arc::clone(&env.clock),
    );
    let meters = Arc::clone(&env.meters);
    driver.on_join(move || meters.joining());
    let group: Arc<dyn Group> = Arc::new(group);
    let ownership = Arc::new(Ownership::default());
    let routes = Arc::new(Routes::default());
    open_tables(&def, &plan, &routes);
    let (stop, stops) = mpsc::unbounded_channel();
    let recovery = RecoveryContext {
        def: Arc::clone(&def),
        plan: Arc::clone(&plan),
        transport: Arc::clone(&env.transport),
        coordinator,
        group: Arc::clone(&group),
        ownership: Arc::clone(&ownership),
        clock: Arc::clone(&env.clock),
        meters: Arc::clone(&env.meters),
        // Each thread gets counts of its own.
        counts: env.meters.thread(),
        spawn: Arc::clone(&env.spawn),
        stores: env.stores.clone(),
        room: Arc::new(Room::new(env.settings.store_memory)),
        committers: format!("{}-{}-", def.name, env.settings.worker_id).into(),
        transaction_interval: env.settings.transaction_interval(&*env.transport),
        stop,
    };
    let leadership = Arc::new(Leadership::new(
        &def.name,
        Arc::clone(&group),
        Arc::clone(&env.clock),
    ));
    let mut background = Background::new(&def, &plan, &env, Arc::clone(&leadership));
    let mut control = Control {
        group,
        leadership,
        ownership,
        routes,
        recovery,
        requests,
        shutdown: false,
        stops,
        threads: Vec::new(),
        assignment: 0,
        clock: Arc::clone(&env.clock),
        drain: env.settings.drain_timeout,
        watch: env.watch(&def, &plan),
    };
    // Producers first: they end what a predecessor of the same name left open.
    control.start_threads(&env, &late).await?;
    let after = env.settings.blocked_after;
    let _watching = (!after.is_zero()).then(|| {
        let watching = blocked::watch(&control.threads, after, control.recovery.clone());
        env.spawn.task(Box::pin(watching))
    });
    let begun = background.begin(&mut control.requests).await;
    let (result, membership) = match begun {
        Ok(Some(held)) => {
            for request in held {
                control.serve_request(request);
            }
            let membership = Membership::start(driver, &*env.spawn);
            control.assign_local();
            background.start_jobs();
            let result = control.serve(&mut background).await;
            if result.is_err() {
                background.stop_jobs().await;
                control.lose();
                control.leave().await;
            }
            (result, Some(membership))
        }
        Ok(None) => (Ok((Ended::Drained, None)), None),
        Err(error) => (Err(error), None),
    };
    let all_committed = matches!(result, Ok((Ended::Drained, _)));
    control.end_threads(all_committed).await;
    if let Some(membership) = membership {
        membership.end().await;
    }
    background.stop().await;
    for (_, queue) in def.channels() {
        queue.close();
    }
    if result.is_ok() {
        replies.close().await;
    }
    drop(sending);
    match result? {
        (_, Some(reason)) => Err(reason),
        (ended, None) => Ok(ended),
    }
}

/// Lets the handles of tables be read.
fn open_tables(def: &AppDef, plan: &Plan, routes: &Arc<Routes>) {
    for (index, table) in def.tables.iter().enumerate() {
        let sub = plan.subs.iter().find(|sub| sub.def.tables.contains(&index));
        let home = sub.map(|sub| Home {
            subtopology: Arc::clone(&sub.def.name),
            partitions: AtomicU32::new(sub.partitions),
        });
        table.reader.get_or_init(|| TableReader {
            routes: Arc::clone(routes),
            home,
        });
    }
}

struct Control {
    group: Arc<dyn Group>,
    leadership: Arc<Leadership>,
    ownership: Arc<Ownership>,
    routes: Arc<Routes>,
    recovery: RecoveryContext,
    requests: mpsc::UnboundedReceiver<Request>,
    /// It was asked for.
    shutdown: bool,
    /// Why the worker is to stop, from tasks whose policy wants that.
    stops: mpsc::UnboundedReceiver<Error>,
    threads: Vec<Thread>,
    assignment: u64,
    clock: Arc<dyn Clock>,
    /// How long events in flight may take to end when their task is revoked.
    drain: Duration,
    watch: Watch,
}

impl Control {
    async fn start_threads(&mut self, env: &Environment, late: &LateReplies) -> Result<()> {
        let (settings, recovery) = (&env.settings, &self.recovery);
        for index in 0..settings.threads.max(1) {
            let committer_id = match settings.guarantee {
                Guarantee::ExactlyOnce => format!("{}{index}", recovery.committers),
                Guarantee::AtLeastOnce => String::new(),
            };
            let mut committer = Committer {
                transport: Arc::clone(&env.transport),
                coordinator: Arc::clone(&recovery.coordinator),
                group: Arc::clone(&self.group),
                ownership: Arc::clone(&self.ownership),
                clock: Arc::clone(&env.clock),
                guarantee: settings.guarantee,
                transactional_id: committer_id.clone(),
                transactional: None,
                producer: None,
                unknown: false,
                written: Vec::new(),
                askers: Askers::new(env.transport.admin(), Arc::clone(&env.clock), late.clone()),
                measures: Measures {
                    meters: Arc::clone(&env.meters),
                    clock: Arc::clone(&env.clock),
                },
            };
            committer.prepare().await?;
            let pulse = Arc::new(Pulse::default());
            let context = ThreadContext {
                recovery: RecoveryContext {
                    counts: env.meters.thread(),
                    ..recovery.clone()
                },
                clock: Arc::clone(&env.clock),
                guarantee: settings.guarantee,
                commit_interval: settings.commit_interval,
                task_bytes: settings.task_bytes,
                epoch_bytes: settings.epoch_bytes,
                identity: identity(env.seed, index),
                committer: committer_id.into(),
                seed: env.seeded_order.then_some(env.seed ^ index as u64),
                pulse: Arc::clone(&pulse),
            };
            let (commands, commanded) = mpsc::unbounded_channel();
            let (epochs, to_commit) = mpsc::unbounded_channel();
            let (ended, outcomes) = mpsc::unbounded_channel();
            let committing =
                move || -> LocalFuture<()> { Box::pin(committer.run(to_commit, ended)) };
            let committed = env
                .spawn
                .thread(&format!("faustus-commit-{index}"), Box::new(committing));
            let spawn = Arc::clone(&env.spawn);
            let working = move || -> LocalFuture<()> {
                context.pulse.begin();
                let thread = WorkerThread::new(context, commanded, epochs, outcomes);
                Box::pin(within(&spawn, thread.run()))
            };
            let done = env.spawn.thread(&thread_name(index), Box::new(working));
            self.threads.push(Thread {
                commands,
                done,
                committed,
                tasks: Vec::new(),
                pulse,
            });
        }
        Ok(())
    }

    /// Serves until a shutdown is asked for, or a failure has the worker stop: then it tells why.
    async fn serve(&mut self, background: &mut Background) -> Result<(Ended, Option<Error>)> {
        let mut reason = None;
        while !self.shutdown {
            let event = tokio::select! {
                biased;
                request = self.requests.recv() => {
                    self.serve_request(request.unwrap_or(Request::Shutdown));
                    continue;
                }
                Some(stop) = self.stops.recv() => {
                    reason = Some(stop);
                    break;
                }
                ended = first_ended(&mut self.threads) => {
                    return Err(Error::new(ErrorKind::Lost, format!("worker thread {ended} ended unexpectedly")));
                }
                error = background.failed() => return Err(error),
                plan = self.watch.next() => {
                    self.go_by(plan, background).await;
                    continue;
                }
                event = self.group.next_event() => event,
            };
            match event {
                GroupEvent::Assigned(Assigned {
                    added,
                    generation,
                    peers,
                    ..
                }) => {
                    let (leads, added) = self.without_leader(added);
                    tracing::info!(generation, tasks = added.len(), "tasks assigned");
                    if leads {
                        self.leadership.gain();
                    }
                    self.routes.meet(peers);
                    self.recovery.meters.assigned(generation, &added);
                    self.assign(&added);
                    background.assigned(&added);
                    // What made another worker ask for a rebalance may be a new topic.
                    self.watch.look();
                }
                GroupEvent::Revoked { tasks, generation } => {
                    let (led, tasks) = self.without_leader(tasks);
                    tracing::info!(generation, tasks = tasks.len(), "tasks revoked");
                    let (leadership, drain) = (Arc::clone(&self.leadership), self.drain);
                    let give_up = async move {
                        if led {
                            leadership.give_up(drain).await;
                        }
                    };
                    // Whoever gets them does again what was not finished.
                    let _ = tokio::join!(self.stop(&tasks), give_up);
                    background.revoked(&tasks).await;
                    self.group.revoked_done(generation);
                }
                GroupEvent::Lost { reason } => {
                    tracing::warn!(%reason, "membership lost: all tasks are dropped");
                    self.recovery.meters.rebalances.lost();
                    background.lost(&self.shared_tasks());
                    self.lose();
                    self.assign_local();
                }
                GroupEvent::Left => return Err(Error::new(ErrorKind::Lost, "the group was left")),
                GroupEvent::Failed(error) => return Err(Error::config(error.to_string())),
            }
        }
        background.stop_jobs().await;
        self.leadership.lose();
        let mine = self.shared_tasks();
        let deadline = self.clock.monotonic() + self.drain;
        let mut finished = self.stop(&mine).await;
        background.revoked(&mine).await;
        finished &= self.stop_local(deadline).await;
        self.leave().await;
        let ended = if finished { Ended::Drained } else { Ended::Cut };
        Ok((ended, reason))
    }

    /// The tasks that the group assigned.
    fn shared_tasks(&self) -> Vec<TaskId> {
        let local = self.recovery.plan.local_tasks();
        let tasks = self.threads.iter().flat_map(|thread| &thread.tasks);
        tasks
            .filter(|task| !local.contains(task))
            .cloned()
            .collect()
    }

    /// Whether the leader's task is among these, and the others.
    fn without_leader(&self, tasks: BTreeSet<TaskId>) -> (bool, Vec<TaskId>) {
        let (leader, others): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|task| self.leadership.is_by(task));
        (!leader.is_empty(), others)
    }

    /// Lets the others go on without waiting for the session to end.
    async fn leave(&self) {
        self.group.leave(false);
        let left = async {
            while !matches!(
                self.group.next_event().await,
                GroupEvent::Left | GroupEvent::Failed(_)
            ) {}
        };
        tokio::select! {
            biased;
            () = left => {}
            () = self.clock.sleep(self.drain) => {
                tracing::warn!("the group was not left in time; others wait for the session to end");
            }
        }
    }

    /// Gives each task to the thread that has the fewest.
    fn assign(&mut self, added: &[TaskId]) {
        self.assignment += 1;
        self.ownership.gain(added, self.assignment);
        let mut by_thread: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
        for task in added {
            let (index, thread) = match self
                .threads
                .iter_mut()
                .enumerate()
                .min_by_key(|(_, t)| t.tasks.len())
            {
                Some(found) => found,
                None => return,
            };
            thread.tasks.push(task.clone());
            by_thread.entry(index).or_default().push(task.clone());
        }
        for (index, tasks) in by_thread {
            self.routes.gain(&tasks, &self.threads[index].commands);
            let _ = self.threads[index].commands.send(Command::Start {
                tasks,
                assignment: self.assignment,
            });
        }
    }

    /// Brings tasks to an orderly end; whether all was finished. A thread that does not answer is cut
    /// off.
    async fn stop(&mut self, tasks: &[TaskId]) -> bool {
        let deadline = self.clock.monotonic() + self.drain;
        self.recovery.meters.revoked(tasks);
        self.routes.give_up(tasks);
        let wanted: HashSet<&TaskId> = tasks.iter().collect();
        let mut waits = Vec::new();
        for thread in &mut self.threads {
            let (mine, others) = thread
                .tasks
                .drain(..)
                .partition(|task| wanted.contains(task));
            thread.tasks = others;
            if !Vec::is_empty(&mine) {
                let (done, ended) = oneshot::channel();
                let _ = thread.commands.send(Command::Stop {
                    tasks: mine,
                    deadline,
                    done,
                });
                waits.push(ended);
            }
        }
        // Beyond the drain a thread gets as long again for the last epoch.
        let mut patience = self.clock.sleep(self.drain * 2);
        let mut ended = join_all(waits);
        let finished = loop {
            tokio::select! {
                biased;
                finished = &mut ended => {
                    let finished = finished.iter().all(|finished| *finished == Ok(true));
                    if !finished {
                        tracing::warn!("events in flight were not finished in time; they are done again");
                    }
                    break finished;
                }
                () = &mut patience => {
                    tracing::error!("a worker thread does not answer; what it did since its last epoch is dropped");
                    break false;
                }
                // Nobody wants to know how it is more than who waits for something that does not end.
                Some(request) = self.requests.recv() => self.serve_request(request),
            }
        };
        self.ownership.give_up(tasks);
        finished
    }

    fn lose(&mut self) {
        self.leadership.lose();
        self.ownership.lose_all();
        self.routes.lose_all();
        let assignment = self.assignment;
        for thread in &mut self.threads {
            thread.tasks.clear();
            let _ = thread.commands.send(Command::Drop { assignment });
        }
    }

    /// Where all is committed, the committers end when it can be read, too.
    async fn end_threads(&mut self, all_committed: bool) {
        let ends = self.threads.drain(..).map(|thread| async move {
            drop(thread.commands);
            thread.done.ended().await;
            if all_committed {
                thread.committed.ended().await;
            }
        });
        let patience = self.clock.sleep(self.drain);
        tokio::select! {
            biased;
            _ = join_all(ends) => {}
            () = patience => tracing::error!("a worker thread is blocked and is left behind"),
        }
    }
}

/// The index of the first thread that ended by itself.
async fn first_ended(threads: &mut [Thread]) -> usize {
    let ends = threads
        .iter_mut()
        .map(|thread| Box::pin(thread.done.wait()));
    futures_util::future::select_all(ends).await.1
}

/// The name of the worker thread of this index.
fn thread_name(index: usize) -> String {
    format!("faustus-worker-{index}")
}

/// A number for a worker thread that no other one has, as far as seeds differ.
fn identity(seed: u64, index: usize) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(index as u64)
}
