//! What becomes of failures: attempts, and after them a skip, a dead letter, the worker's end, or
//! parking and the ways out of it.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use faustus_core::{Offset, TopicPartition};

use super::{LaneSlot, Running};
use crate::{
    Error, ErrorKind, EventEnd, FailedRecord, Failure, Verdict,
    runtime::{
        dead_letter::DeadLetter,
        lane::{InFlight, LaneCore},
        slots::Writer,
        task::Note,
    },
};

/// Why a task stands still.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    /// The record that cannot be processed, if it is one.
    pub(crate) record: Option<(TopicPartition, Offset)>,
    pub(crate) reason: String,
}

/// How a task goes on whose cause of failure is mended.
pub(crate) const RESUME: &str = "mend the cause, then `resume`";

/// A failure that waits for its next attempt.
#[derive(Debug)]
pub(crate) struct Retry {
    pub(super) at: Duration,
    pub(super) failures: u32,
    pub(super) error: Error,
}

impl Running {
    /// The event in flight failed, or the instance without one.
    pub(super) fn failed(&mut self, index: usize, error: &Error, now: Duration) {
        let lane = &mut self.lanes[index];
        lane.core.roll_back();
        if self.draining {
            // It is not completed, and so it is done again by whoever comes next.
            lane.instance = None;
            return;
        }
        let parted = lane.core.part();
        if parted > 0 {
            // Which of them it was is known when each has been given alone.
            let (agent, feeds) = (&lane.core.agent, lane.feeds.as_deref());
            tracing::warn!(%agent, feeds, events = parted, %error, "batch failed; its events are given one by one");
            return;
        }
        match lane.core.current() {
            Some(event) => self.event_failed(index, &event, error, now),
            None => self.instance_failed(index, error, now),
        }
    }

    fn event_failed(&mut self, index: usize, event: &InFlight, error: &Error, now: Duration) {
        let lane = &mut self.lanes[index];
        lane.core.counts.failures.add(1);
        lane.core.watch_current(EventEnd::Failed);
        let agent = Arc::clone(&lane.core.agent);
        let failing = lane.called();
        let record = event.writer();
        let offset = record.offset;
        let partition = self.sources[record.source as usize].partition.clone();
        let failures = self.core.count_failure(record);
        let mut error = error.clone();
        let mut verdict = if self.core.is_undeliverable(record) {
            error = error.context("the dead letter is refused, too");
            Verdict::Park
        } else {
            lane.policy.decide(failures, can_pass(&error))
        };
        if verdict == Verdict::DeadLetter
            && let Some(topic) = lane.policy.letters()
        {
            let letter = DeadLetter::new(topic, &agent, (&partition, offset), &error, failures);
            if let Err(refused) = lane.core.dead_letter(Rc::new(letter)) {
                error = error.context(format_args!("no dead letter can be sent ({refused})"));
                verdict = Verdict::Park;
            }
        }
        let failed = FailedRecord {
            partition: &partition,
            record: event.record(),
        };
        lane.tell(&error, Some(failed), failures, verdict);
        let feeds = lane.feeds.as_deref();
        match verdict {
            Verdict::Retry { after } => {
                tracing::warn!(%agent, feeds, record = %record_at(&partition, offset), failures, %error, pause = ?after, "event failed; it is tried again");
                lane.core.counts.retries.add(1);
                if lane.instance.is_none() {
                    lane.core.give_again();
                }
                lane.retry = Some(Retry {
                    at: now + after,
                    failures,
                    error,
                });
            }
            Verdict::Skip => {
                tracing::error!(%agent, feeds, record = %record_at(&partition, offset), %error, "event failed and is skipped");
                lane.core.skip(&error.to_string());
            }
            Verdict::DeadLetter => {
                tracing::error!(%agent, feeds, record = %record_at(&partition, offset), %error, "event failed and goes to the dead letters");
            }
            Verdict::Stop => {
                let place = format!("{failing} failed at {partition}@{offset}");
                self.stop_worker(index, &error, error.clone().context(place));
            }
            Verdict::Park => {
                let reason = format!("{failing} failed: {error}");
                lane.core.counts.parkings.add(1);
                // Its event may succeed yet, but nobody knows when.
                lane.core.answer_failure_early(&error.to_string());
                lane.core.refuse_event(error);
                self.park(Parked {
                    record: Some((partition, offset)),
                    reason,
                });
            }
        }
    }

    /// An instance failed that had no event in flight.
    fn instance_failed(&mut self, index: usize, error: &Error, now: Duration) {
        let lane = &mut self.lanes[index];
        let agent = Arc::clone(&lane.core.agent);
        if lane.core.taken() > lane.taken_at_start {
            lane.lone_failures = 0;
        }
        lane.lone_failures += 1;
        let failures = lane.lone_failures;
        let verdict = lane.policy.decide_alone(failures, can_pass(error));
        lane.tell(error, None, failures, verdict);
        let place = format!("{} failed without an event", lane.called());
        let feeds = lane.feeds.as_deref();
        match verdict {
            Verdict::Retry { after } => {
                tracing::warn!(%agent, feeds, failures, %error, pause = ?after, "agent failed without an event; it starts again");
                lane.retry = Some(Retry {
                    at: now + after,
                    failures,
                    error: error.clone(),
                });
            }
            Verdict::Stop => self.stop_worker(index, error, error.clone().context(place)),
            Verdict::Skip | Verdict::DeadLetter | Verdict::Park => self.park(Parked {
                record: None,
                reason: format!("{place}: {error}"),
            }),
        }
    }

    /// Has the worker end with `reason`; until then the task stands still.
    fn stop_worker(&mut self, index: usize, error: &Error, reason: Error) {
        let core = &self.lanes[index].core;
        let record = core.current().map(|event| {
            let record = event.writer();
            let source = &self.sources[record.source as usize];
            (source.partition.clone(), record.offset)
        });
        if record.is_some() {
            core.answer_failure_early(&error.to_string());
            core.refuse_event(error.clone());
        }
        self.park(Parked {
            record,
            reason: format!("the worker stops: {reason}"),
        });
        // Nobody listens any more if the worker ends already.
        let _ = self.outside.stop.send(reason);
    }

    /// Lets no lane take another event.
    pub(crate) fn park(&mut self, parked: Parked) {
        let task = &self.core.id;
        match &parked.record {
            Some((partition, offset)) => {
                let record = record_at(partition, *offset);
                let remedy = format_args!("{RESUME}, or `skip {record}`");
                tracing::error!(%task, %record, reason = %parked.reason, %remedy, "task parked");
            }
            None => {
                tracing::error!(%task, reason = %parked.reason, remedy = RESUME, "task parked");
            }
        }
        self.core.hold(true);
        self.parked = Some(parked);
    }

    pub(crate) fn parked(&self) -> Option<&Parked> {
        self.parked.as_ref()
    }

    /// Passes over a record, now or when it comes. Whether it is one of this task.
    pub(crate) fn skip(&mut self, partition: &TopicPartition, offset: Offset) -> bool {
        let Some(source) = self.sources.iter().find(|s| s.partition == *partition) else {
            return false;
        };
        let record = |lane: &LaneCore| Writer {
            source: source.place,
            offset,
            agent: lane.place,
        };
        let is_it = |lane: &LaneSlot| {
            // Of a batch in flight nothing can be taken out: if it fails, the record comes again, alone.
            let current = lane.core.current().filter(|_| !lane.core.has_batch());
            current.is_some_and(|event| event.writer() == record(&lane.core))
        };
        let mut found = false;
        for lane in self.lanes.iter_mut().filter(|lane| is_it(lane)) {
            tracing::warn!(agent = %lane.core.agent, record = %record_at(partition, offset), "record is passed over");
            lane.instance = None;
            lane.retry = None;
            lane.core.skip("the event is skipped, as asked for");
            found = true;
        }
        if !found {
            for &lane in &source.lanes {
                self.core.note(record(&self.lanes[lane].core), Note::Skip);
            }
        }
        if self
            .parked
            .as_ref()
            .is_some_and(|p| p.record == Some((partition.clone(), offset)))
        {
            self.resume();
        }
        true
    }

    /// Goes on after parking; a failed event is tried again.
    pub(crate) fn resume(&mut self) {
        if self.parked.take().is_none() {
            return;
        }
        self.core.hold(false);
        for lane in &mut self.lanes {
            (lane.idle_ends, lane.lone_failures) = (0, 0);
            if lane.core.current().is_some()
                && (lane.instance.is_none() || lane.core.failure().is_some())
            {
                self.core.forgive(lane.core.current().as_ref());
                lane.core.give_again();
            }
            lane.core.wake();
        }
        self.feed();
    }
}

impl LaneSlot {
    /// The agent as it is told of, with the one of the program that it works for.
    fn called(&self) -> String {
        let agent = &self.core.agent;
        match &self.feeds {
            Some(fed) => format!("agent {agent}, which brings records to agent {fed},"),
            None => format!("agent {agent}"),
        }
    }

    /// Tells the agent's `on_error`, which can do nothing about it.
    fn tell(
        &self,
        error: &Error,
        record: Option<FailedRecord<'_>>,
        failures: u32,
        verdict: Verdict,
    ) {
        let Some(tell) = &self.on_error else { return };
        let agent = &*self.core.agent;
        let failure = Failure {
            agent,
            record,
            error,
            failures,
            verdict,
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| tell(&failure))) {
            let error = panicked(&*panic);
            tracing::error!(agent, hook = "on_error", %error, "hook panicked; that changes nothing");
        }
    }
}

/// How a record is called.
fn record_at(partition: &TopicPartition, offset: Offset) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{partition}@{offset}"))
}

/// Whether the same may not fail the next time.
fn can_pass(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::Data | ErrorKind::Configuration)
}

/// The error that a panic is.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    // A mistake of the program, found where no error could be returned.
    if let Some(error) = panic.downcast_ref::<Error>() {
        return error.clone();
    }
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    Error::new(
        ErrorKind::Application,
        format!("panic: {}", text.as_deref().unwrap_or("(no text)")),
    )
}
