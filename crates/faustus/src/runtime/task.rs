//! A task: partition p of all topics and tables of a sub-topology, as its lanes share it.
//!
//! The task numbers what it delivers and knows which prefix of it has retired. It owns the shards
//! and passes the effects of retired events on: their sends to the thread's epoch outputs, their
//! table changes to the epoch undo. What has not retired never leaves it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use faustus_core::{Offset, Timestamp, TopicName, TopicPartition};

use super::{
    beside::{Beside, Put},
    dead_letter::DeadLetter,
    lane::{Delivery, InFlight},
    outputs::{EpochOutputs, EventOutputs, Origin},
    retirement::{Number, Retirement},
    shard::AnyShard,
    slots::{EventId, Writer},
    thread::{TaskKey, Touch, Touched},
};
use crate::{Error, channel::AnyQueue, membership::TaskId};

/// A source partition of the task.
#[derive(Debug)]
pub(crate) struct SourceProgress {
    pub(crate) partition: TopicPartition,
    /// The position after the retired prefix, as far as it is known by [`TaskCore::progress`].
    pub(crate) retired: Offset,
    /// The position that the last cut epoch commits.
    pub(crate) cut: Offset,
    /// The position that the last epoch that came to pass committed.
    pub(crate) committed: Offset,
}

impl SourceProgress {
    /// A source that begins at `from`.
    pub(crate) fn new(partition: TopicPartition, from: Offset) -> Self {
        Self {
            partition,
            retired: from,
            cut: from,
            committed: from,
        }
    }

    /// The same source, back at what is committed.
    pub(crate) fn restarted(&self) -> Self {
        Self::new(self.partition.clone(), self.committed)
    }
}

/// The state that all lanes of a task share.
pub(crate) struct TaskCore {
    pub(crate) id: TaskId,
    pub(crate) key: TaskKey,
    /// In the order of the tables in the sub-topology.
    pub(crate) shards: Vec<Rc<dyn AnyShard>>,
    /// The topics of its sources, in their order.
    topics: Box<[TopicName]>,
    tracker: RefCell<Retirement>,
    /// Delivered and not yet counted as retired by `progress`, with the position after each.
    deliveries: RefCell<VecDeque<(Rc<Delivery>, Offset)>>,
    sources: RefCell<Vec<SourceProgress>>,
    /// Sends of events that were completed before an earlier event retired.
    waiting: RefCell<BTreeMap<Number, Vec<(Origin, EventOutputs)>>>,
    /// What they hold, in bytes.
    waiting_bytes: Cell<usize>,
    /// Bytes of records that retired since the last cut: what their events did is kept.
    retired_bytes: Cell<usize>,
    /// Bytes of records whose events are in the epoch under way.
    cut_bytes: Cell<usize>,
    outputs: Rc<RefCell<EpochOutputs>>,
    touch: Touch,
    /// Bytes delivered and not retired, as far as `progress` knows.
    bytes: Cell<usize>,
    /// No lane may take an event: the task is parked or about to be rolled back.
    held: Cell<bool>,
    /// It holds as much as it may.
    full: Cell<bool>,
    stream_time: Cell<Timestamp>,
    /// Something was written outside of all events since the last cut.
    wrote_alone: Cell<bool>,
    /// What is to become of records when they are taken, decided before.
    notes: RefCell<HashMap<Writer, Note>>,
    /// How often the event of a record failed, for records that have not been committed.
    failures: RefCell<HashMap<Writer, u32>>,
    /// The channels it reads, in the order of its sources; `None` if it reads topics.
    channels: Option<Arc<[Arc<dyn AnyQueue>]>>,
    feeding: Feeding,
}

/// Channels that events put something into, until there is room in them.
#[derive(Default)]
struct Feeding {
    any: Cell<bool>,
    into: RefCell<Vec<Arc<dyn AnyQueue>>>,
}

/// What a task begins with.
pub(crate) struct Beginning {
    /// In the order of the tables in the sub-topology.
    pub(crate) shards: Vec<Rc<dyn AnyShard>>,
    pub(crate) sources: Vec<SourceProgress>,
    /// The channels it reads, if it reads channels.
    pub(crate) channels: Option<Arc<[Arc<dyn AnyQueue>]>>,
    pub(crate) stream_time: Timestamp,
}

/// What is to become of a record instead of giving it to its agent.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// The log refused what its event did: it fails with this error, once.
    Refused(Error),
    /// It is passed over, each time it comes until that is committed. To forget it at a rollback
    /// would be to fail again: two records that the log refuses would take back each other's skip
    /// for ever.
    Skip,
    /// This goes out in the event's place, each time it comes, as with [`Skip`](Self::Skip).
    DeadLetter(Rc<DeadLetter>),
    /// The log refused the dead letter, too: only a person can decide.
    Undeliverable(Error),
}

impl TaskCore {
    pub(crate) fn new(
        id: TaskId,
        key: TaskKey,
        beginning: Beginning,
        outputs: Rc<RefCell<EpochOutputs>>,
        touched: &Touched,
    ) -> Self {
        let Beginning {
            shards,
            sources,
            channels,
            stream_time,
        } = beginning;
        let topics = sources.iter().map(|source| source.partition.topic.clone());
        Self {
            id,
            key,
            shards,
            topics: topics.collect(),
            tracker: RefCell::default(),
            deliveries: RefCell::default(),
            sources: RefCell::new(sources),
            waiting: RefCell::default(),
            waiting_bytes: Cell::new(0),
            retired_bytes: Cell::new(0),
            cut_bytes: Cell::new(0),
            outputs,
            touch: touched.by(key),
            bytes: Cell::new(0),
            held: Cell::new(false),
            full: Cell::new(false),
            stream_time: Cell::new(stream_time),
            wrote_alone: Cell::new(false),
            notes: RefCell::default(),
            failures: RefCell::default(),
            channels,
            feeding: Feeding::default(),
        }
    }

    /// The same task as it began, back at what is committed.
    pub(crate) fn restarted(&self) -> Beginning {
        Beginning {
            shards: self.shards.clone(),
            sources: self
                .sources()
                .iter()
                .map(SourceProgress::restarted)
                .collect(),
            channels: self.channels.clone(),
            stream_time: self.stream_time(),
        }
    }

    /// The topic of one of its sources.
    pub(crate) fn topic(&self, source: u32) -> &TopicName {
        &self.topics[source as usize]
    }

    /// The shard of the table of this name.
    pub(crate) fn shard(&self, table: &str) -> Option<Rc<dyn AnyShard>> {
        self.shards
            .iter()
            .find(|shard| shard.table() == table)
            .map(Rc::clone)
    }

    /// Has the thread look at the task at the end of its round.
    pub(crate) fn touch(&self) -> &Touch {
        &self.touch
    }

    /// Decides what becomes of a record when it is taken. What is passed over stays so, though what
    /// its event did before is refused later.
    pub(crate) fn note(&self, record: Writer, note: Note) {
        let mut notes = self.notes.borrow_mut();
        let note = match (notes.get(&record), note) {
            (Some(Note::Skip), _) => return,
            (Some(Note::DeadLetter(_)), Note::Refused(error)) => Note::Undeliverable(error),
            (_, note) => note,
        };
        notes.insert(record, note);
    }

    /// Whether the log refused the dead letter about a record.
    pub(crate) fn is_undeliverable(&self, record: Writer) -> bool {
        matches!(
            self.notes.borrow().get(&record),
            Some(Note::Undeliverable(_))
        )
    }

    /// Counts a failure of a record's event and gives how many there were.
    pub(crate) fn count_failure(&self, record: Writer) -> u32 {
        let mut failures = self.failures.borrow_mut();
        let count = failures.entry(record).or_default();
        *count += 1;
        *count
    }

    /// Forgets the failures of an event.
    pub(crate) fn forgive(&self, event: Option<&InFlight>) {
        if let Some(event) = event {
            let record = event.writer();
            self.failures.borrow_mut().remove(&record);
            if self.is_undeliverable(record) {
                self.notes.borrow_mut().remove(&record);
            }
        }
    }

    /// Takes over what another run of the same task knew of failures.
    pub(crate) fn remember(&self, before: &Self) {
        self.failures.borrow_mut().extend(before.failures.take());
        self.notes.borrow_mut().extend(before.notes.take());
    }

    /// What was cut is committed: nothing of it needs to be kept or remembered.
    pub(crate) fn committed(&self) {
        self.cut_bytes.set(0);
        self.touch.tell();
        for source in self.sources.borrow_mut().iter_mut() {
            source.committed = source.cut;
        }
        let sources = self.sources.borrow();
        for (queue, source) in self.channels().iter().zip(&*sources) {
            queue.committed(source.committed);
        }
        self.failures
            .borrow_mut()
            .retain(|record, _| record.offset >= sources[record.source as usize].cut);
        self.notes
            .borrow_mut()
            .retain(|record, _| record.offset >= sources[record.source as usize].cut);
    }

    /// What was decided for a record.
    pub(crate) fn take_note(&self, event: &InFlight) -> Option<Note> {
        let mut notes = self.notes.borrow_mut();
        if notes.is_empty() {
            return None;
        }
        match notes.get(&event.writer())? {
            Note::Refused(_) => notes.remove(&event.writer()),
            note => Some(note.clone()),
        }
    }

    /// Numbers a batch that `readers` agents read; `position` is the position after it.
    pub(crate) fn deliver(
        &self,
        source: u32,
        batch: faustus_core::Batch,
        position: Offset,
        readers: u32,
    ) -> Rc<Delivery> {
        let base = self.tracker.borrow_mut().deliver(batch.len(), readers);
        self.bytes.set(self.bytes.get() + batch.bytes());
        let delivery = Rc::new(Delivery {
            batch,
            source,
            base,
        });
        self.deliveries
            .borrow_mut()
            .push_back((Rc::clone(&delivery), position));
        delivery
    }

    /// A reader is done with `event`; `outputs` is what it sent, and is left empty.
    pub(crate) fn complete(&self, event: &InFlight, outputs: &mut EventOutputs) {
        if let Some(beside) = outputs.take_beside() {
            self.put_into_channels(*beside);
        }
        let mut tracker = self.tracker.borrow_mut();
        let grew = tracker.complete(event.number());
        let retired = tracker.retired();
        drop(tracker);
        if !grew {
            let mut waiting = self.waiting.borrow_mut();
            self.wait(&mut waiting, event, outputs);
            return;
        }
        self.touch.tell();
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            if !outputs.is_empty() {
                self.publish(self.origin(event), outputs);
            }
        } else {
            self.wait(&mut waiting, event, outputs);
            while let Some(entry) = waiting.first_entry() {
                if *entry.key() >= retired {
                    break;
                }
                for (origin, mut outputs) in entry.remove() {
                    self.waiting_bytes
                        .set(self.waiting_bytes.get() - outputs.bytes());
                    self.publish(origin, &mut outputs);
                }
            }
        }
        for shard in &self.shards {
            shard.retire_below(retired);
        }
    }

    /// What one lane took from `first` to `last` retires as a whole.
    pub(crate) fn join(&self, first: Number, last: Number) {
        self.tracker.borrow_mut().join(first, last);
    }

    /// What was joined from `first` on is not any more.
    pub(crate) fn part(&self, first: Number) {
        self.tracker.borrow_mut().part(first);
    }

    /// Sends what belongs to no event with the next epoch.
    pub(crate) fn send_alone(&self, outputs: &mut EventOutputs) {
        let origin = Origin {
            task: self.key,
            record: Writer::NOBODY,
        };
        self.publish(origin, outputs);
        self.touch.tell();
    }

    /// Something was written that belongs to no event: the next epoch holds it.
    pub(crate) fn wrote_alone(&self) {
        self.wrote_alone.set(true);
        self.touch.tell();
    }

    /// Undoes what an event that has not completed wrote.
    pub(crate) fn roll_back_event(&self, event: EventId) {
        for shard in &self.shards {
            shard.roll_back_event(event);
        }
    }

    /// Brings the positions of the retired prefix up to date. Whether any record retired since the last cut.
    pub(crate) fn progress(&self) -> bool {
        let retired = self.tracker.borrow().retired();
        let mut deliveries = self.deliveries.borrow_mut();
        let mut sources = self.sources.borrow_mut();
        let mut records = false;
        while let Some((delivery, position)) = deliveries.front() {
            let done = retired.saturating_sub(delivery.base);
            let len = delivery.batch.len();
            let done = usize::try_from(done).unwrap_or(usize::MAX).min(len);
            let source = &mut sources[delivery.source as usize];
            if done > 0 {
                let last = delivery.batch.get(done - 1);
                records |= last.offset() >= source.cut;
                self.stream_time
                    .set(self.stream_time.get().max(last.timestamp()));
            }
            if done < len {
                if done > 0 {
                    source.retired = delivery.batch.get(done).offset();
                }
                break;
            }
            source.retired = *position;
            let bytes = delivery.batch.bytes();
            self.bytes.set(self.bytes.get().saturating_sub(bytes));
            self.retired_bytes.set(self.retired_bytes.get() + bytes);
            deliveries.pop_front();
        }
        for (queue, source) in self.channels().iter().zip(&*sources) {
            queue.retired(source.retired);
        }
        records
            || self.wrote_alone.get()
            || sources.iter().any(|source| source.retired > source.cut)
    }

    /// What is retired is cut: it belongs to the epoch that is being made.
    pub(crate) fn cut(&self) {
        self.wrote_alone.set(false);
        self.cut_bytes
            .set(self.cut_bytes.get() + self.retired_bytes.take());
        for source in self.sources.borrow_mut().iter_mut() {
            source.cut = source.retired;
        }
    }

    /// The source partitions with their positions.
    pub(crate) fn sources(&self) -> std::cell::RefMut<'_, Vec<SourceProgress>> {
        self.sources.borrow_mut()
    }

    /// Bytes of retired records that are not committed, a measure of what undo and outputs hold.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        self.retired_bytes.get() + self.cut_bytes.get()
    }

    /// Bytes delivered and not retired, as of the last [`progress`](Self::progress), and those that
    /// completed events sent.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get() + self.waiting_bytes.get()
    }

    /// How many records were delivered and have not retired.
    pub(crate) fn held_records(&self) -> u64 {
        let tracker = self.tracker.borrow();
        tracker.delivered() - tracker.retired()
    }

    /// Whether everything delivered has retired and is committed.
    pub(crate) fn is_settled(&self) -> bool {
        self.tracker.borrow().is_idle()
            && !self.is_uncommitted()
            && self.channels().iter().all(|queue| queue.waiting() == 0)
    }

    /// The channels it reads, in the order of its sources.
    pub(crate) fn channels(&self) -> &[Arc<dyn AnyQueue>] {
        self.channels.as_deref().unwrap_or_default()
    }

    /// The same to keep, if there are any.
    pub(crate) fn shared_channels(&self) -> Option<Arc<[Arc<dyn AnyQueue>]>> {
        self.channels.clone()
    }

    /// Whether events put something into channels that may be full.
    #[inline]
    pub(crate) fn feeds_channels(&self) -> bool {
        self.feeding.any.get()
    }

    /// A channel that is full and that events here put something into.
    pub(crate) fn full_channel(&self) -> Option<String> {
        let into = self.feeding.into.borrow();
        let full = into.iter().find(|queue| !queue.has_room());
        full.map(|queue| queue.name().to_owned())
    }

    /// Waits for room in the channels that events put something into.
    #[cold]
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut into = self.feeding.into.borrow_mut();
        into.retain(|queue| queue.poll_room(cx).is_pending());
        if into.is_empty() {
            self.feeding.any.set(false);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Puts what a completed event has for channels there.
    #[cold]
    fn put_into_channels(&self, beside: Beside) {
        let mut feeding = self.feeding.into.borrow_mut();
        for Put { into, put } in beside.puts {
            put();
            if !feeding.iter().any(|queue| queue.name() == into.name()) {
                feeding.push(into);
            }
            self.feeding.any.set(true);
        }
    }

    /// Whether something retired that is not committed.
    pub(crate) fn is_uncommitted(&self) -> bool {
        self.progress();
        let sources = self.sources.borrow();
        sources
            .iter()
            .any(|source| source.retired != source.committed)
    }

    /// How many events retired since the task started.
    pub(crate) fn retired(&self) -> Number {
        self.tracker.borrow().retired()
    }

    /// The greatest time stamp of a retired event.
    pub(crate) fn stream_time(&self) -> Timestamp {
        self.stream_time.get()
    }

    /// Says whether nothing more is fetched until something of what there is retires. Whether that is new.
    pub(crate) fn fill(&self, full: bool) -> bool {
        self.full.replace(full) != full
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.get()
    }

    pub(crate) fn hold(&self, held: bool) {
        self.held.set(held);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.get()
    }

    /// Keeps what an event sent until all before it have retired.
    fn wait(
        &self,
        waiting: &mut BTreeMap<Number, Vec<(Origin, EventOutputs)>>,
        event: &InFlight,
        outputs: &mut EventOutputs,
    ) {
        if !outputs.is_empty() {
            self.waiting_bytes
                .set(self.waiting_bytes.get() + outputs.bytes());
            waiting
                .entry(event.number())
                .or_default()
                .push((self.origin(event), std::mem::take(outputs)));
        }
    }

    fn publish(&self, origin: Origin, outputs: &mut EventOutputs) {
        self.outputs.borrow_mut().append(origin, outputs);
    }

    fn origin(&self, event: &InFlight) -> Origin {
        Origin {
            task: self.key,
            record: event.writer(),
        }
    }
}

impl std::fmt::Debug for TaskCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
