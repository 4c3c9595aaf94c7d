//! A task at work: its source readers, its lanes and their instances.
//!
//! What becomes of failures is in `failures`, what people order and ask of agents in `agents`.
//!
//! A running task is made when recovery has ended and thrown away whole: by the end of its
//! assignment, or by a rollback, after which another is made with the same shards from the
//! committed offsets.

mod agents;
mod failures;

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use faustus_core::{
    BoxFuture, Clock, Log, Offset, PartitionReader, ReadOptions, TopicPartition, TransportError,
};
use tokio::sync::mpsc;

use crate::{
    Error, FailurePolicy, MessagesOut, Result,
    failure::OnError,
    runtime::{
        current::in_lane,
        lane::{Inbox, LaneCore, Turn},
        meters::{Meters, TaskGauge, ThreadCounts},
        outputs::TopicIndex,
        patterns::PlannedSource,
        plan::PlannedSub,
        task::TaskCore,
        topology::{AgentDef, AppDef, LocalFuture, SubTopologyDef},
    },
};

use super::{ReadyQueue, Token};
use failures::Retry;

pub(crate) use agents::AgentOrder;
pub(crate) use failures::{Parked, RESUME, panicked};

/// Instances that end by themselves without taking an event, until the task is parked.
const MAX_IDLE_ENDS: u32 = 3;

/// How long a source that could not be read waits before it is read again.
const AGAIN: Duration = Duration::from_millis(50);

/// How many times as much as is in flight may have retired without being committed.
const UNCOMMITTED_FACTOR: usize = 32;

type Opening = BoxFuture<'static, Result<Box<dyn PartitionReader>, TransportError>>;

enum Reader {
    Opening(Opening),
    Open(Box<dyn PartitionReader>),
}

/// A source partition and who reads it.
struct Source {
    /// Its place in the task.
    place: u32,
    topic: TopicIndex,
    partition: TopicPartition,
    /// It may come and go: a pattern found it.
    found: bool,
    /// The position after what was delivered.
    position: Offset,
    reader: Reader,
    /// The lanes of all agents that read it.
    lanes: Vec<usize>,
    /// How many agents those are.
    agents: u32,
    waker: Waker,
    /// It was not polled because the task held too much or stood still.
    starved: bool,
}

/// A lane with its instance.
struct LaneSlot {
    core: Rc<LaneCore>,
    policy: FailurePolicy,
    on_error: Option<OnError>,
    /// The agent that it brings records to, if it is one of the framework's own.
    feeds: Option<Arc<str>>,
    start: Arc<dyn Fn(Rc<LaneCore>) -> LocalFuture<Result> + Send + Sync>,
    instance: Option<LocalFuture<Result>>,
    waker: Waker,
    /// The first instance starts at once, the ones after it when there is an event for them.
    started: bool,
    /// What the lane had taken when the instance started.
    taken_at_start: u64,
    /// What the lane had taken when it was last polled, and the round in which it took that.
    taken: (u64, Duration),
    idle_ends: u32,
    /// Failures of an instance without an event.
    lone_failures: u32,
    retry: Option<Retry>,
}

/// See the module.
pub(crate) struct Running {
    pub(crate) core: Rc<TaskCore>,
    sources: Vec<Source>,
    lanes: Vec<LaneSlot>,
    parked: Option<Parked>,
    draining: bool,
    limit: usize,
    outside: Outside,
}

/// What a task needs of the world outside of its thread.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Stops the worker, for this reason.
    pub(crate) stop: mpsc::UnboundedSender<Error>,
    pub(crate) meters: Arc<Meters>,
    /// Those of this thread.
    pub(crate) counts: Arc<ThreadCounts>,
}

impl Running {
    pub(crate) fn new(
        def: &AppDef,
        sub: &PlannedSub,
        core: Rc<TaskCore>,
        outside: Outside,
        queue: &Arc<ReadyQueue>,
        limit: usize,
    ) -> Self {
        let key = core.key;
        let mut lanes = Vec::new();
        let reads: Vec<&PlannedSource> = sub.sources_of(core.id.partition).collect();
        // By place: the lanes that read it, and how many agents those are of.
        let mut readers: Vec<(Vec<usize>, u32)> = vec![(Vec::new(), 0); reads.len()];
        // Lanes k of agents that write the same table take turns; agents are joined transitively.
        let mut turns: HashMap<(usize, u32), Rc<Turn>> = HashMap::new();
        let groups = turn_groups(def, &sub.def);
        for ((&agent, group), place) in sub.def.agents.iter().zip(groups).zip(0_u16..) {
            let counts = &outside.counts.agents[agent];
            let agent: &AgentDef = &def.agents[agent];
            let inputs = inputs(&reads, agent);
            let read = |place: &usize| inputs[*place] != NO_INPUT;
            let read: Vec<usize> = (0..reads.len()).filter(read).collect();
            for &place in &read {
                readers[place].1 += 1;
            }
            let shared = agent.unordered.then(Inbox::shared);
            for lane in 0..agent.concurrency {
                let waker = queue.waker(Token::Lane(key, lanes.len()));
                let turn = group.map(|group| Rc::clone(turns.entry((group, lane)).or_default()));
                let of = (lane, agent.concurrency);
                let name = (Arc::clone(&agent.name), place, Arc::clone(counts));
                let watch = outside.meters.sensors.watch(&agent.name, &outside.clock);
                waker.wake_by_ref();
                let core = Rc::clone(&core);
                let inbox = match &shared {
                    Some(shared) => shared.clone(),
                    None => Inbox::default(),
                };
                let inputs = (Rc::clone(&inputs), inbox, Arc::clone(&outside.clock));
                let core = LaneCore::new(name, of, inputs, core, turn, (waker.clone(), watch));
                for &place in &read {
                    readers[place].0.push(lanes.len());
                }
                lanes.push(LaneSlot {
                    core,
                    policy: agent.policy.clone(),
                    on_error: agent.on_error.clone(),
                    feeds: agent.feeds.clone(),
                    start: Arc::clone(&agent.start),
                    instance: None,
                    waker,
                    started: false,
                    taken_at_start: 0,
                    taken: (0, Duration::ZERO),
                    idle_ends: 0,
                    lone_failures: 0,
                    retry: None,
                });
            }
        }
        let progress = core.sources();
        let each = readers.into_iter().zip(&reads).zip(progress.iter());
        let sources = each
            .zip(0_u32..)
            .map(|((((lanes, agents), read), source), place)| {
                let waker = queue.waker(Token::Source(key, place as usize));
                waker.wake_by_ref();
                Source {
                    place,
                    // What a pattern found counts as the pattern's.
                    topic: read.read_as[0],
                    partition: source.partition.clone(),
                    found: read.found,
                    position: source.cut,
                    reader: Reader::Opening(open(&outside.log, &source.partition, source.cut)),
                    lanes,
                    agents,
                    waker,
                    starved: false,
                }
            });
        let sources = sources.collect();
        drop(progress);
        Self {
            core,
            sources,
            lanes,
            parked: None,
            draining: false,
            limit,
            outside,
        }
    }

    /// Fetches from a source if there is room, and delivers.
    pub(crate) fn poll_source(&mut self, index: usize) {
        if self.draining {
            return;
        }
        if !self.has_room() || self.parked.is_some() {
            self.sources[index].starved = true;
            if self.core.fill(true) {
                let partition = &self.sources[index].partition;
                let sensors = &self.outside.meters.sensors;
                sensors.tell(|sensor| sensor.on_topic_buffer_full(partition));
                for lane in &self.lanes {
                    lane.core.stop_collecting();
                }
            }
            return;
        }
        let source = &mut self.sources[index];
        let waker = source.waker.clone();
        let mut cx = Context::from_waker(&waker);
        if let Reader::Opening(opening) = &mut source.reader {
            match opening.as_mut().poll(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(reader)) => source.reader = Reader::Open(reader),
                Poll::Ready(Err(error)) => return self.source_failed(index, &error),
            }
        }
        let Reader::Open(reader) = &mut source.reader else {
            return;
        };
        match reader.poll_fetch(&mut cx) {
            Poll::Pending => {}
            Poll::Ready(Err(error)) => self.source_failed(index, &error),
            Poll::Ready(Ok(fetched)) => {
                source.position = fetched.position;
                if let Some(topic) = self.outside.counts.topics.get(source.topic as usize) {
                    topic.fetched(&fetched.batch);
                }
                let sensors = &self.outside.meters.sensors;
                sensors.fetched(&source.partition, &fetched.batch);
                let agents = if fetched.batch.is_empty() {
                    0
                } else {
                    source.agents
                };
                let delivery =
                    self.core
                        .deliver(source.place, fetched.batch, fetched.position, agents);
                for &lane in &source.lanes {
                    self.lanes[lane].core.deliver(&delivery);
                }
                source.waker.wake_by_ref();
            }
        }
    }

    fn source_failed(&mut self, index: usize, error: &TransportError) {
        let source = &mut self.sources[index];
        let opening = open(&self.outside.log, &source.partition, source.position);
        let unknown = matches!(
            error,
            TransportError::UnknownTopic(_) | TransportError::UnknownPartition(_)
        );
        // Not all brokers may know a topic that was just found; one that has gone is soon left.
        let may_come = source.found && unknown;
        if error.is_transient() || may_come {
            tracing::warn!(partition = %source.partition, %error, "reading goes on when the log is back");
            let pause = if may_come { AGAIN * 20 } else { AGAIN };
            let pause = self.outside.clock.sleep(pause);
            source.reader = Reader::Opening(Box::pin(async move {
                pause.await;
                opening.await
            }));
            source.waker.wake_by_ref();
            return;
        }
        // To be opened when somebody resumes.
        source.reader = Reader::Opening(opening);
        source.starved = true;
        let reason = format!("{} cannot be read: {error}", source.partition);
        self.park(Parked {
            record: None,
            reason,
        });
    }

    /// Polls a lane's instance, starting one if there is something to do.
    pub(crate) fn poll_lane(&mut self, index: usize, now: Duration) {
        self.poll_instance(index, now);
        self.lanes[index].core.publish();
    }

    fn poll_instance(&mut self, index: usize, now: Duration) {
        let lane = &mut self.lanes[index];
        lane.core.serve_verdicts();
        if lane.retry.as_ref().is_some_and(|retry| retry.at > now) {
            return;
        }
        if lane.retry.take().is_some() {
            lane.core.give_again();
        }
        lane.core.refill_budget();
        if lane.instance.is_none() {
            let first = !std::mem::replace(&mut lane.started, true);
            if self.draining || self.parked.is_some() || !(first || lane.core.has_work()) {
                return;
            }
            lane.taken_at_start = lane.core.taken();
            let started = catch_unwind(AssertUnwindSafe(|| (lane.start)(Rc::clone(&lane.core))));
            match started {
                Ok(instance) => lane.instance = Some(instance),
                Err(panic) => return self.failed(index, &panicked(&*panic), now),
            }
        }
        let Some(instance) = lane.instance.as_mut() else {
            return;
        };
        let mut cx = Context::from_waker(&lane.waker);
        let polled = in_lane(&lane.core, || {
            catch_unwind(AssertUnwindSafe(|| instance.as_mut().poll(&mut cx)))
        });
        if lane.taken.0 != lane.core.taken() {
            lane.taken = (lane.core.taken(), now);
        }
        match polled {
            Ok(Poll::Pending) => {
                // A parked lane keeps its failure until it is resumed.
                if let Some(error) = lane.core.failure().filter(|_| self.parked.is_none()) {
                    if lane.core.failed_in_hand() {
                        lane.instance = None;
                    }
                    self.failed(index, &error, now);
                }
            }
            Ok(Poll::Ready(Ok(()))) => self.ended(index, now),
            Ok(Poll::Ready(Err(error))) => {
                lane.instance = None;
                self.failed(index, &error, now);
            }
            Err(panic) => {
                lane.instance = None;
                self.failed(index, &panicked(&*panic), now);
            }
        }
    }

    /// An instance returned `Ok`: that completes the event in flight.
    fn ended(&mut self, index: usize, now: Duration) {
        let lane = &mut self.lanes[index];
        lane.instance = None;
        if let Some(error) = lane.core.failure() {
            return self.failed(index, &error, now);
        }
        lane.core.complete();
        if lane.core.is_draining() {
            return;
        }
        if lane.core.taken() > lane.taken_at_start {
            lane.idle_ends = 0;
        } else {
            lane.idle_ends += 1;
        }
        if lane.idle_ends >= MAX_IDLE_ENDS {
            let reason = format!(
                "agent {} returned {MAX_IDLE_ENDS} times without taking an event: it should loop until next() gives None",
                lane.core.agent
            );
            return self.park(Parked {
                record: None,
                reason,
            });
        }
        lane.core.wake();
    }

    /// Tells all lanes to end.
    pub(crate) fn drain(&mut self) {
        for lane in &mut self.lanes {
            lane.retry = None;
            lane.core.drain();
        }
        self.sources.clear();
        self.draining = true;
    }

    /// Whether no instance is left, nor an event that left one.
    pub(crate) fn is_drained(&self) -> bool {
        let mut lanes = self.lanes.iter();
        lanes.all(|lane| lane.instance.is_none() && !lane.core.has_detached())
    }

    /// Drops all instances; their events are not completed.
    pub(crate) fn abandon(&mut self) {
        for lane in &mut self.lanes {
            lane.instance = None;
            lane.core.forget_detached();
        }
    }

    /// Whether the task may take more: what has not retired is bounded, and so is what was not
    /// committed, or a log that does not answer would let undo and outputs grow for ever.
    fn has_room(&self) -> bool {
        self.core.bytes() < self.limit
            && self.core.uncommitted_bytes() < self.limit * UNCOMMITTED_FACTOR
    }

    /// Whether so much has retired that its epoch should not wait for its time.
    pub(crate) fn is_heavy(&self) -> bool {
        self.core.uncommitted_bytes() > self.limit * UNCOMMITTED_FACTOR / 2
            || self.core.channels().iter().any(|queue| queue.is_heavy())
    }

    /// Polls the sources that waited for room, if there is some.
    pub(crate) fn feed(&mut self) {
        if self.has_room() && self.parked.is_none() {
            self.core.fill(false);
            for source in self.sources.iter_mut().filter(|source| source.starved) {
                source.starved = false;
                source.waker.wake_by_ref();
            }
        }
    }

    /// Shows how the task stands.
    pub(crate) fn show(&self, gauge: &TaskGauge) {
        let core = &*self.core;
        gauge.set_parked(self.parked.is_some());
        gauge.hold(core.held_records(), core.bytes());
        let sensors = &self.outside.meters.sensors;
        let progress = core.sources();
        // A task that is to end has let go of its readers.
        let fetched = |place: usize| self.sources.get(place).map(|source| source.position);
        let sources = progress.iter().enumerate();
        let sources =
            sources.map(|(place, source)| (fetched(place).unwrap_or(source.retired), source));
        let (event_time, in_log) = (core.stream_time(), core.channels().is_empty());
        gauge.place(sources, (event_time, in_log), |partition, from, to| {
            let messages = MessagesOut {
                partition,
                from,
                to,
            };
            sensors.tell(|sensor| sensor.on_messages_out(&messages));
        });
    }

    /// Whether something that failed waits to be tried again.
    pub(crate) fn is_retrying(&self) -> bool {
        self.lanes.iter().any(|lane| lane.retry.is_some())
    }

    /// The earliest moment at which a failed event is to be tried again; wakes what is due.
    pub(crate) fn next_retry(&self, now: Duration) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        for lane in &self.lanes {
            match &lane.retry {
                Some(retry) if retry.at <= now => lane.waker.wake_by_ref(),
                Some(retry) => next = Some(next.map_or(retry.at, |next| next.min(retry.at))),
                None => {}
            }
        }
        next
    }
}

/// In place of the input of an agent that does not read a source.
const NO_INPUT: u16 = u16::MAX;

/// For each source of the task, which input of the agent it is.
fn inputs(reads: &[&PlannedSource], agent: &AgentDef) -> Rc<[u16]> {
    let inputs = reads.iter().map(|source| {
        let input = source.input_of(agent);
        input
            .and_then(|input| u16::try_from(input).ok())
            .unwrap_or(NO_INPUT)
    });
    inputs.collect()
}

/// The agents' groups: those that write a table in common have one, an agent alone at its tables none.
fn turn_groups(def: &AppDef, sub: &SubTopologyDef) -> Vec<Option<usize>> {
    let mut group: Vec<usize> = (0..sub.agents.len()).collect();
    for a in 0..group.len() {
        for b in a + 1..group.len() {
            let tables = &def.agents[sub.agents[b]].tables;
            let mut others = def.agents[sub.agents[a]].tables.iter();
            if group[a] != group[b] && others.any(|table| tables.contains(table)) {
                let (from, to) = (group[b], group[a]);
                group
                    .iter_mut()
                    .filter(|g| **g == from)
                    .for_each(|g| *g = to);
            }
        }
    }
    let size = |g: usize| group.iter().filter(|other| **other == g).count();
    group.iter().map(|&g| (size(g) > 1).then_some(g)).collect()
}

fn open(log: &Arc<dyn Log>, partition: &TopicPartition, from: Offset) -> Opening {
    let (log, partition) = (Arc::clone(log), partition.clone());
    Box::pin(async move { log.read(&partition, from, ReadOptions::default()).await })
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}
