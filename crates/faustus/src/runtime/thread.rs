//! A worker thread: the tasks that are pinned to it, and the one epoch it has under way.
//!
//! The thread is one future that polls sources, recoveries and lanes from its own ready queue, cuts
//! epochs and hands them to its committer. It never blocks and never waits for one of them in
//! particular. What it guarantees:
//!
//! - An epoch is cut between two polls, and holds what retired until then, all of it or nothing.
//! - While an epoch is under way what retires is kept for the next one.
//! - An epoch that did not come to pass rolls all tasks of the thread back to the one before.
//!
//! It knows nothing of groups: what it works on is told by [`Command`]s.

mod agenda;
mod epochs;
mod measuring;
mod ready;
mod running;

pub(crate) use agenda::{Touch, Touched};
pub(crate) use ready::{ReadyQueue, Token};
pub(crate) use running::{AgentOrder, Outside, Parked, RESUME, Running, panicked};

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet, HashSet},
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use faustus_core::{BoxFuture, Clock, Offset, TopicPartition};
use tokio::sync::{mpsc, oneshot};

use super::{
    epoch::{Epoch, EpochId, Outcome},
    meters::TaskGauge,
    outputs::EpochOutputs,
    plan::Plan,
    recovery::{RecoveryContext, recover},
    sensors::Told,
    shard::{AnyShard, Look},
    status::{LaneState, LaneStatus, Pulse, TaskState, TaskStatus},
    task::Beginning,
    topology::LocalFuture,
};
use crate::{Error, ErrorKind, Guarantee, Result, membership::TaskId};

use agenda::Agenda;
use epochs::UnderWay;

/// Tells the tasks that a thread ever had apart.
pub(crate) type TaskKey = u64;

/// The shards of a task that is being recovered, once they hold all that was in the log.
pub(crate) type Whole = Rc<OnceCell<Vec<Rc<dyn AnyShard>>>>;

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Recover these tasks and run them, for the assignment of this number.
    Start { tasks: Vec<TaskId>, assignment: u64 },
    /// Bring these tasks to an end: finish what is in flight until `deadline`, store it, and answer
    /// whether all of it was finished.
    Stop {
        tasks: Vec<TaskId>,
        deadline: Duration,
        done: oneshot::Sender<bool>,
    },
    /// Forget all tasks of assignments up to this one and store nothing of them.
    Drop { assignment: u64 },
    /// Go on by this plan, in which these tasks, that were to end before, read something else.
    Plan(Arc<Plan>, Vec<TaskId>),
    /// Pass over a record.
    Skip(TopicPartition, Offset),
    /// Let parked tasks go on.
    Resume,
    /// Obey an order about an agent.
    Agent(Arc<str>, AgentOrder),
    /// Tell how the tasks are.
    Status(oneshot::Sender<Vec<TaskStatus>>),
    /// Tell how the lanes are.
    Agents(oneshot::Sender<Vec<LaneStatus>>),
    /// Look at a task's part of a table.
    Look(TaskId, Look),
    /// Give the entries of a table, encoded, of all tasks here.
    Dump(Arc<str>, oneshot::Sender<Vec<(Vec<u8>, Vec<u8>)>>),
}

/// What a thread is given at its start.
#[derive(Clone)]
pub(crate) struct ThreadContext {
    pub(crate) recovery: RecoveryContext,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guarantee: Guarantee,
    /// How long at-least-once epochs gather.
    pub(crate) commit_interval: Duration,
    /// How much a task may hold that has not retired, in bytes.
    pub(crate) task_bytes: usize,
    /// An epoch is cut early when its outputs are that long.
    pub(crate) epoch_bytes: usize,
    /// A number that no other worker thread has.
    pub(crate) identity: u64,
    /// The transactional id of the committer; empty at least once.
    pub(crate) committer: Arc<str>,
    /// Decides the order in which what is ready is polled; `None`: first in, first out.
    pub(crate) seed: Option<u64>,
    /// Shows others what the thread is doing.
    pub(crate) pulse: Arc<Pulse>,
}

enum State {
    /// The recovery, and the shards once they are whole.
    Recovering(LocalFuture<Result<Beginning>>, Whole),
    Running(Running),
    /// Recovery found something that only a person can decide.
    Refused(String),
}

struct Task {
    id: TaskId,
    assignment: u64,
    state: State,
    /// When it began to recover.
    since: Duration,
    gauge: Rc<TaskGauge>,
}

/// Tasks that are to end, and who waits for it.
struct Stopping {
    tasks: Vec<TaskKey>,
    deadline: Duration,
    /// Whether nothing in flight had to be abandoned.
    finished: bool,
    done: Option<oneshot::Sender<bool>>,
}

pub(crate) struct WorkerThread {
    context: ThreadContext,
    commands: mpsc::UnboundedReceiver<Command>,
    epochs: mpsc::UnboundedSender<Epoch>,
    outcomes: mpsc::UnboundedReceiver<(EpochId, Outcome)>,
    tasks: BTreeMap<TaskKey, Task>,
    stopping: Vec<Stopping>,
    /// Records to be passed over, of tasks that do not run here yet.
    skips: Vec<(TopicPartition, Offset)>,
    /// Agents that are to take no events, also in tasks that come.
    paused: BTreeSet<Arc<str>>,
    next_key: TaskKey,
    ready: Arc<ReadyQueue>,
    touched: Touched,
    agenda: Agenda,
    outputs: Rc<RefCell<EpochOutputs>>,
    /// What sensors heard of each table.
    told: Vec<Told>,
    under_way: Option<UnderWay>,
    epoch_count: u64,
    /// How long the last epochs took from the cut until they were stored, smoothed.
    commit_takes: Duration,
    /// When something first retired that no epoch holds.
    dirty_since: Option<Duration>,
    last_purge: Duration,
    /// No epoch is cut before; after a failure.
    not_before: Duration,
    sleep: Option<(Duration, BoxFuture<'static, ()>)>,
    random: u64,
    closed: bool,
}

impl WorkerThread {
    pub(crate) fn new(
        context: ThreadContext,
        commands: mpsc::UnboundedReceiver<Command>,
        epochs: mpsc::UnboundedSender<Epoch>,
        outcomes: mpsc::UnboundedReceiver<(EpochId, Outcome)>,
    ) -> Self {
        let random = context.seed.unwrap_or_default();
        let last_purge = context.clock.monotonic();
        Self {
            context,
            commands,
            epochs,
            outcomes,
            tasks: BTreeMap::new(),
            stopping: Vec::new(),
            skips: Vec::new(),
            paused: BTreeSet::new(),
            next_key: 0,
            ready: Arc::default(),
            touched: Touched::default(),
            agenda: Agenda::default(),
            outputs: Rc::default(),
            told: Vec::new(),
            under_way: None,
            epoch_count: 0,
            commit_takes: Duration::ZERO,
            dirty_since: None,
            last_purge,
            not_before: Duration::ZERO,
            sleep: None,
            random,
            closed: false,
        }
    }

    /// Works until nobody can send commands any more.
    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ready.register(cx.waker());
        // After some rounds the runtime gets its turn, or its timers and sockets would starve.
        for _ in 0..16 {
            let now = self.context.clock.monotonic();
            self.take_commands(cx);
            if self.closed {
                return Poll::Ready(());
            }
            self.take_outcomes(cx);
            if self.closed {
                return Poll::Ready(());
            }
            let worked = self.poll_ready(now);
            let wake_at = self.settle(now);
            if !worked && self.ready.len() == 0 {
                if self.poll_sleep(wake_at, now, cx) {
                    continue;
                }
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the moment has come already.
    fn poll_sleep(&mut self, at: Option<Duration>, now: Duration, cx: &mut Context<'_>) -> bool {
        let Some(at) = at else {
            self.sleep = None;
            return false;
        };
        if self.sleep.as_ref().is_none_or(|(armed, _)| *armed != at) {
            self.sleep = Some((at, self.context.clock.sleep(at.saturating_sub(now))));
        }
        let slept = self
            .sleep
            .as_mut()
            .is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
        if slept {
            self.sleep = None;
        }
        slept
    }

    fn take_commands(&mut self, cx: &mut Context<'_>) {
        loop {
            match self.commands.poll_recv(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => {
                    self.closed = true;
                    return;
                }
                Poll::Ready(Some(command)) => self.obey(command),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Start { tasks, assignment } => {
                self.start(tasks.into_iter().map(|id| (id, assignment)).collect());
            }
            Command::Stop {
                tasks,
                deadline,
                done,
            } => self.stop(&tasks, deadline, done),
            Command::Drop { assignment } => {
                let tasks = self.tasks.iter();
                let old = tasks.filter(|(_, task)| task.assignment <= assignment);
                self.forget(&old.map(|(key, _)| *key).collect());
            }
            Command::Plan(plan, changed) => {
                // One that has not ended, as the thread was blocked, is not ours any more.
                let left = self
                    .tasks
                    .iter()
                    .filter(|(_, task)| changed.contains(&task.id));
                self.forget(&left.map(|(key, _)| *key).collect());
                self.context.recovery.plan = plan;
            }
            Command::Skip(partition, offset) => self.skip((partition, offset)),
            Command::Resume => self.resume(),
            Command::Agent(agent, order) => self.order(agent, order),
            Command::Status(answer) => {
                let plan = &self.context.recovery.plan;
                let status = |task: &Task| task.status(plan.is_local(&task.id));
                let _ = answer.send(self.tasks.values().map(status).collect());
            }
            Command::Agents(answer) => {
                let _ = answer.send(self.lanes());
            }
            Command::Look(task, look) => {
                let shard = self.shard(&task, look.table());
                look.at(shard);
            }
            Command::Dump(table, answer) => {
                let _ = answer.send(self.dump(&table));
            }
        }
    }

    /// Recovers tasks and runs them, each for the assignment of this number.
    fn start(&mut self, tasks: Vec<(TaskId, u64)>) {
        // A thread that was cut off still has what it was told to end: nothing of that may be stored.
        let ids: HashSet<&TaskId> = tasks.iter().map(|(id, _)| id).collect();
        let before = self.tasks.iter().filter(|(_, task)| ids.contains(&task.id));
        let before = before.map(|(key, _)| *key).collect();
        self.forget(&before);
        for (id, assignment) in tasks {
            let key = self.next_key;
            self.next_key += 1;
            self.context.pulse.gain(key, id.clone());
            let whole = Whole::default();
            let meters = &self.context.recovery.meters;
            let gauge = Rc::new(meters.gauges.task(&id));
            meters
                .sensors
                .tell(|sensor| sensor.on_assignment_start(&id));
            let recovery = recover(
                self.context.recovery.clone(),
                id.clone(),
                Rc::clone(&whole),
                Rc::clone(&gauge),
            );
            self.tasks.insert(
                key,
                Task {
                    id,
                    assignment,
                    state: State::Recovering(Box::pin(recovery), whole),
                    since: self.context.clock.monotonic(),
                    gauge,
                },
            );
            self.ready.waker(Token::Recovery(key)).wake();
        }
    }

    /// Drops tasks with all that they did since their last epoch was cut.
    fn forget(&mut self, keys: &BTreeSet<TaskKey>) {
        for key in keys {
            self.remove(*key);
        }
        self.outputs.borrow_mut().forget(keys);
    }

    fn remove(&mut self, key: TaskKey) {
        self.tasks.remove(&key);
        self.agenda.forget(key);
        self.context.pulse.give_up(key);
    }

    fn stop(&mut self, ids: &[TaskId], deadline: Duration, done: oneshot::Sender<bool>) {
        let ids: HashSet<&TaskId> = ids.iter().collect();
        let mut keys = Vec::new();
        self.tasks.retain(|key, task| {
            if !ids.contains(&task.id) {
                return true;
            }
            // What does not run yet has nothing to store.
            let State::Running(running) = &mut task.state else {
                self.context.pulse.give_up(*key);
                return false;
            };
            running.drain();
            keys.push(*key);
            true
        });
        self.stopping.push(Stopping {
            tasks: keys,
            deadline,
            finished: true,
            done: Some(done),
        });
    }

    /// Passes over a record now, or when its task runs and meets it.
    fn skip(&mut self, record: (TopicPartition, Offset)) {
        let mut known = false;
        for task in self.tasks.values_mut() {
            if let State::Running(running) = &mut task.state {
                known |= running.skip(&record.0, record.1);
            }
        }
        if !known {
            self.skips.push(record);
        }
    }

    fn resume(&mut self) {
        let mut again = Vec::new();
        for task in self.tasks.values_mut() {
            match &mut task.state {
                State::Running(running) => running.resume(),
                State::Refused(_) => again.push((task.id.clone(), task.assignment)),
                State::Recovering(..) => {}
            }
        }
        self.start(again);
    }

    fn order(&mut self, agent: Arc<str>, order: AgentOrder) {
        for task in self.tasks.values_mut() {
            if let State::Running(running) = &mut task.state {
                running.order(&agent, order);
            }
        }
        match order {
            AgentOrder::Pause => self.paused.insert(agent),
            AgentOrder::Resume => self.paused.remove(&agent),
            AgentOrder::Restart => false,
        };
    }

    /// How the lanes of all tasks here are.
    fn lanes(&self) -> Vec<LaneStatus> {
        let mut lanes = Vec::new();
        for task in self.tasks.values() {
            let state = match &task.state {
                State::Running(running) => {
                    running.lanes(&mut lanes);
                    continue;
                }
                State::Recovering(..) => LaneState::Recovering,
                State::Refused(reason) => LaneState::Parked {
                    reason: reason.clone(),
                    record: None,
                },
            };
            let of_task = self.context.recovery.lanes(&task.id);
            lanes.extend(of_task.into_iter().map(|(agent, lane)| LaneStatus {
                agent,
                task: task.id.clone(),
                lane,
                taken: 0,
                state: state.clone(),
            }));
        }
        lanes
    }

    /// A task's part of a table, if it can be looked at.
    fn shard(&self, id: &TaskId, table: &str) -> Result<Rc<dyn AnyShard>> {
        let task = self.tasks.values().find(|task| task.id == *id);
        let shards = match task.map(|task| &task.state) {
            Some(State::Running(running)) => &running.core.shards,
            Some(State::Recovering(_, whole)) => whole.get().ok_or_else(|| {
                let what = format!("table {table} is still being recovered in task {id}");
                Error::new(ErrorKind::Unavailable, what)
            })?,
            Some(State::Refused(reason)) => {
                let what = format!("table {table} cannot be read, task {id} is parked: {reason}");
                return Err(Error::new(ErrorKind::Unavailable, what));
            }
            None => {
                let what = format!("task {id} with its part of table {table} has just left");
                return Err(Error::new(ErrorKind::Lost, what));
            }
        };
        let shard = shards.iter().find(|shard| shard.table() == table);
        shard
            .map(Rc::clone)
            .ok_or_else(|| Error::config(format!("task {id} has no table {table}")))
    }

    fn dump(&self, table: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut entries = Vec::new();
        for task in self.tasks.values() {
            let State::Running(running) = &task.state else {
                continue;
            };
            if let Some(shard) = running.core.shard(table) {
                let dumped =
                    shard.dump(&mut |key, value| entries.push((key.to_vec(), value.to_vec())));
                if let Err(error) = dumped {
                    tracing::error!(table, %error, "table cannot be read");
                }
            }
        }
        entries
    }

    /// Polls what is ready, each at most once. Whether there was anything.
    fn poll_ready(&mut self, now: Duration) -> bool {
        let round = self.ready.len();
        for _ in 0..round {
            let seeded = self.context.seed.is_some();
            let random = &mut self.random;
            let pick = |len| if seeded { next_random(random) % len } else { 0 };
            let Some(token) = self.ready.pop(pick) else {
                break;
            };
            self.poll_token(token, now);
        }
        round > 0
    }

    fn poll_token(&mut self, token: Token, now: Duration) {
        let (Token::Recovery(key) | Token::Source(key, _) | Token::Lane(key, _)) = token;
        let Some(task) = self.tasks.get_mut(&key) else {
            return;
        };
        if let State::Running(running) = &task.state {
            running.core.touch().tell();
        }
        match (&mut task.state, token) {
            (State::Running(running), Token::Source(_, index)) => running.poll_source(index),
            (State::Running(running), Token::Lane(_, index)) => {
                self.context.pulse.enter(key, index, now);
                running.poll_lane(index, now);
                self.context.pulse.leave();
            }
            (State::Recovering(recovery, _), Token::Recovery(_)) => {
                let waker = self.ready.waker(token);
                let polled = recovery.as_mut().poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(recovered) = polled {
                    self.recovered(key, recovered);
                }
            }
            _ => {}
        }
    }
}

impl Task {
    fn status(&self, local: bool) -> TaskStatus {
        let (state, retired) = match &self.state {
            State::Recovering(..) => (TaskState::Recovering, 0),
            State::Refused(reason) => (TaskState::Parked(reason.clone()), 0),
            State::Running(running) => {
                let state = match running.parked() {
                    Some(parked) => TaskState::Parked(parked.reason.clone()),
                    None if running.core.is_settled() => TaskState::Idle,
                    None => TaskState::Busy,
                };
                (state, running.core.retired())
            }
        };
        let sources = match &self.state {
            State::Running(running) if !local => running
                .core
                .sources()
                .iter()
                .map(|source| source.partition.clone())
                .collect(),
            State::Running(_) | State::Recovering(..) | State::Refused(_) => Vec::new(),
        };
        let uncommitted = match &self.state {
            State::Running(running) => running.core.is_uncommitted(),
            State::Recovering(..) | State::Refused(_) => false,
        };
        TaskStatus {
            task: self.id.clone(),
            local,
            state,
            sources,
            retired,
            uncommitted,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
fn next_random(state: &mut u64) -> usize {
    splitmix(state) as usize
}

/// SplitMix64, enough to vary an order or a jitter.
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
