//! Intervals, and on which workers something runs: what timers, crontabs and tasks are described with.

use std::{future::Future, time::Duration};

use crate::{Result, TaskFn};

/// `n` milliseconds.
#[must_use]
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `n` seconds.
#[must_use]
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` minutes.
#[must_use]
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(60))
}

/// `n` hours.
#[must_use]
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(60 * 60))
}

/// How often a [timer](crate::App::timer) ticks; a [`Duration`] is one, too.
///
/// # Examples
///
/// ```
/// use faustus::prelude::*;
///
/// async fn poll() -> faustus::Result {
///     Ok(())
/// }
///
/// let app = App::new("poller")
///     .timer("poll", secs(30), poll)
///     .timer("poll-in-turns", every(secs(30)).jitter(secs(5)), poll);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    pub(crate) interval: Duration,
    pub(crate) jitter: Duration,
}

/// A tick each `interval`, which is more than zero.
#[must_use]
pub const fn every(interval: Duration) -> Every {
    Every {
        interval,
        jitter: Duration::ZERO,
    }
}

impl Every {
    /// Delays each tick by a random time below `most`, which is less than the interval, so that many
    /// workers do not all do it at once. The ticks do not drift for it.
    #[must_use]
    pub const fn jitter(self, most: Duration) -> Self {
        Self {
            jitter: most,
            ..self
        }
    }

    /// What is wrong with it.
    pub(crate) fn mistake(&self) -> Option<String> {
        let Self { interval, jitter } = self;
        if interval.is_zero() {
            return Some("an interval of zero: give it how long it is from tick to tick".into());
        }
        (jitter >= interval).then(|| {
            format!("a jitter of {jitter:?}, which must be less than the interval of {interval:?}")
        })
    }
}

impl From<Duration> for Every {
    fn from(interval: Duration) -> Self {
        every(interval)
    }
}

/// A task that runs on the leader alone, made by [`on_leader`].
#[derive(Clone, Copy, Debug)]
pub struct OnLeader<F>(F);

/// The same timer, crontab or task, on one worker of the application: its leader.
///
/// The leader is the worker that has the one partition of the topic `<app>-__assignor-__leader`. It is
/// chosen with each assignment, stays while it can, and another one follows when it leaves, dies or
/// is not heard of for a session. A tick that is due while nobody leads is left out.
///
/// A worker does this work only within the *lease* of its membership: until the session after its last
/// heartbeat that was answered ends, less a margin. What runs when the lease ends is dropped
/// where it waits, before the group can have chosen another leader. So two workers never do it at
/// the same time, except for a step that one had begun when it was stopped (as by `SIGSTOP`) or that
/// does not await; and sends that have left are not taken back.
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
/// let app = App::new("bank").crontab("close-day", "0 0 * * *", on_leader(close_day));
/// ```
#[must_use]
pub const fn on_leader<F>(task: F) -> OnLeader<F> {
    OnLeader(task)
}

#[diagnostic::do_not_recommend]
impl<F, S, M> TaskFn<S, OnLeader<M>> for OnLeader<F>
where
    F: TaskFn<S, M>,
{
    const ON_LEADER: bool = true;

    fn start(&self, state: S) -> impl Future<Output = Result> + Send + 'static {
        self.0.start(state)
    }
}

/// A span as exactly as people want to read it.
pub(crate) fn rounded(span: Duration) -> Duration {
    let micros = span.as_micros();
    let micros = if micros < 10_000 {
        micros
    } else {
        micros / 1_000 * 1_000
    };
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_for_people_are_told_without_what_nobody_reads() {
        let told = [244_549_355, 1_288_753, 999].map(|nanos| rounded(Duration::from_nanos(nanos)));
        assert_eq!(format!("{told:?}"), "[244ms, 1.288ms, 0ns]");
    }
}
