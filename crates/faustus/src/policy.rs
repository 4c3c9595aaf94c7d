//! What becomes of an event that failed: how often it is tried again, and what comes after that.

use std::{fmt, sync::Arc, time::Duration};

use crate::{Topic, topic::TopicShared};

/// The longest wait between two attempts, unless the first is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What becomes of an event whose agent failed, that does not decode, or whose output the log refused.
///
/// A policy is *attempts and an end*: the event is tried again so many times, and if it still fails,
/// its task is parked, it is skipped, it goes to a topic of dead letters, or the worker stops.
///
/// Whatever the policy, the event's writes and sends are undone first, and no later event of the
/// partition is committed before it.
///
/// What would fail in the same way for ever comes to its end at once: a record that does not decode,
/// and what only a change of the program mends ([`ErrorKind::Data`](crate::ErrorKind::Data) and
/// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration)).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use faustus::prelude::*;
///
/// # async fn charge(mut orders: Stream<String>) -> faustus::Result { Ok(()) }
/// let app = App::new("shop");
/// let (orders, dead) = (app.topic::<String>("orders"), app.topic::<String>("orders-dead"));
/// let policy = FailurePolicy::retry(5, Duration::from_millis(100)).then_dead_letter(&dead);
/// let app = app.agent("charge", &orders, |a| a.on_failure(policy).run(charge));
/// ```
#[derive(Clone)]
pub struct FailurePolicy {
    retries: u32,
    backoff: Duration,
    end: End,
}

/// What comes after the last attempt.
#[derive(Clone)]
enum End {
    Park,
    Skip,
    Stop,
    DeadLetter(Arc<TopicShared>),
}

impl Default for FailurePolicy {
    /// Five more attempts, the first after 100 ms, then the task is parked.
    fn default() -> Self {
        Self::retry(5, Duration::from_millis(100))
    }
}

impl FailurePolicy {
    /// Try again up to `max` times, after `backoff`, twice that, four times … but never more than ten
    /// seconds (or `backoff`, if that is longer); then park the task, or what
    /// [`then_skip`](Self::then_skip), [`then_dead_letter`](Self::then_dead_letter) or
    /// [`then_stop`](Self::then_stop) says.
    #[must_use]
    pub const fn retry(max: u32, backoff: Duration) -> Self {
        Self {
            retries: max,
            backoff,
            end: End::Park,
        }
    }

    /// Park the task at once: it stands still, visibly, while others go on, until somebody
    /// [resumes](crate::WorkerHandle::resume) it or [skips](crate::WorkerHandle::skip) the record.
    #[must_use]
    pub const fn park() -> Self {
        Self::retry(0, Duration::ZERO)
    }

    /// Go on with the next event; the failure is logged.
    #[must_use]
    pub fn skip() -> Self {
        Self::park().then_skip()
    }

    /// Send the record to `topic` and go on: see [`then_dead_letter`](Self::then_dead_letter).
    #[must_use]
    pub fn dead_letter<T>(topic: &Topic<T>) -> Self {
        Self::park().then_dead_letter(topic)
    }

    /// End the worker: see [`then_stop`](Self::then_stop).
    #[must_use]
    pub fn stop() -> Self {
        Self::park().then_stop()
    }

    /// The same attempts, and in the end the task is parked.
    #[must_use]
    pub fn then_park(self) -> Self {
        self.then(End::Park)
    }

    /// The same attempts, and in the end the record is passed over; the failure is logged.
    #[must_use]
    pub fn then_skip(self) -> Self {
        self.then(End::Skip)
    }

    /// The same attempts, and in the end the record goes to `topic` in the event's place: key, value,
    /// time stamp and headers as they came, the cause in further headers.
    ///
    /// The letter belongs to the event: it is stored with the event's offset, exactly once if the
    /// worker is so set. The topic is made with the others of the application. If it does not take
    /// the letter, the task is parked.
    ///
    /// The headers are `faustus-error`, `faustus-error-kind`, `faustus-agent`, `faustus-topic`,
    /// `faustus-partition`, `faustus-offset` and `faustus-failures`, all of them text, and they come
    /// after those that the record had: a letter that fails again in an agent of its own topic has
    /// them twice, and loses none.
    #[must_use]
    pub fn then_dead_letter<T>(self, topic: &Topic<T>) -> Self {
        self.then(End::DeadLetter(Arc::clone(&topic.shared)))
    }

    /// The same attempts, and in the end the worker stops with an error that names the record.
    ///
    /// It stops in good order: what other agents have in flight is finished and stored. The event is
    /// not done, so whoever starts next meets it again.
    #[must_use]
    pub fn then_stop(self) -> Self {
        self.then(End::Stop)
    }

    fn then(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// What to do after `failures` failures of the same event, the last of which can (not) pass.
    pub(crate) fn decide(&self, failures: u32, can_pass: bool) -> Verdict {
        if can_pass && failures <= self.retries {
            let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
            let after = self
                .backoff
                .saturating_mul(factor)
                .min(self.backoff.max(LONGEST_WAIT));
            return Verdict::Retry { after };
        }
        match self.end {
            End::Park => Verdict::Park,
            End::Skip => Verdict::Skip,
            End::Stop => Verdict::Stop,
            End::DeadLetter(_) => Verdict::DeadLetter,
        }
    }

    /// What to do with an instance that failed without an event: there is nothing to pass over or to
    /// send away, so in the end the task is parked unless the worker is to stop.
    pub(crate) fn decide_alone(&self, failures: u32, can_pass: bool) -> Verdict {
        match Self::default().decide(failures, can_pass) {
            Verdict::Park if matches!(self.end, End::Stop) => Verdict::Stop,
            verdict => verdict,
        }
    }

    /// Where dead letters go, if that is how it ends.
    pub(crate) fn letters(&self) -> Option<&Arc<TopicShared>> {
        match &self.end {
            End::DeadLetter(topic) => Some(topic),
            End::Park | End::Skip | End::Stop => None,
        }
    }
}

impl fmt::Debug for FailurePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end: &dyn fmt::Debug = match &self.end {
            End::Park => &"park",
            End::Skip => &"skip",
            End::Stop => &"stop",
            End::DeadLetter(topic) => &format_args!("dead letter to {}", topic.name),
        };
        f.debug_struct("FailurePolicy")
            .field("retries", &self.retries)
            .field("backoff", &self.backoff)
            .field("then", end)
            .finish()
    }
}

/// What a [`FailurePolicy`] decided about one failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is tried again.
    Retry {
        /// After this time.
        after: Duration,
    },
    /// The record is passed over.
    Skip,
    /// The record goes to the topic of dead letters.
    DeadLetter,
    /// The worker stops.
    Stop,
    /// The task stands still until somebody resumes it or skips the record.
    Park,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::App;

    #[test]
    fn retries_double_their_wait_and_end_in_parking() {
        let policy = FailurePolicy::retry(3, Duration::from_secs(4));
        let waits: Vec<_> = (1..=4)
            .map(|failures| policy.decide(failures, true))
            .collect();
        let after = |seconds| Verdict::Retry {
            after: Duration::from_secs(seconds),
        };
        assert_eq!(waits, [after(4), after(8), after(10), Verdict::Park]);
    }

    #[test]
    fn every_end_may_follow_retries_or_stand_alone() {
        let app = App::new("app");
        let dead = app.topic::<u32>("dead");
        let retry = || FailurePolicy::retry(1, Duration::from_secs(1));
        let ends = [
            (FailurePolicy::park(), retry().then_park(), Verdict::Park),
            (FailurePolicy::skip(), retry().then_skip(), Verdict::Skip),
            (FailurePolicy::stop(), retry().then_stop(), Verdict::Stop),
            (
                FailurePolicy::dead_letter(&dead),
                retry().then_dead_letter(&dead),
                Verdict::DeadLetter,
            ),
        ];
        for (alone, after_retries, end) in ends {
            assert_eq!(alone.decide(1, true), end);
            let after = Duration::from_secs(1);
            assert_eq!(after_retries.decide(1, true), Verdict::Retry { after });
            assert_eq!(after_retries.decide(2, true), end);
            assert_eq!(
                after_retries.letters().is_some(),
                end == Verdict::DeadLetter
            );
        }
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        assert_eq!(FailurePolicy::default().decide(1, false), Verdict::Park);
        let skip = FailurePolicy::default().then_skip();
        assert_eq!(skip.decide(1, false), Verdict::Skip);
    }

    #[test]
    fn without_an_event_there_is_nothing_to_skip() {
        assert_eq!(FailurePolicy::skip().decide_alone(6, true), Verdict::Park);
        assert_eq!(FailurePolicy::stop().decide_alone(6, true), Verdict::Stop);
        let first = FailurePolicy::skip().decide_alone(1, true);
        assert!(matches!(first, Verdict::Retry { .. }));
    }
}
