//! When timers and crontabs are due: arithmetic that is told the time and waits for nobody.
//!
//! What it guarantees, whatever the time it is told:
//!
//! - the ticks of a timer lie on a grid, `start + n * interval`, each delayed by its jitter alone: how
//!   late one was begun or ended moves no other;
//! - a tick that came late is still one, those that passed before it was over are left out and counted;
//! - a crontab fires once for a time of its own, also when the clock is put back a little.

mod crontab;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use faustus_core::Timestamp;

pub(crate) use crontab::{Crontab, zone};

use super::thread::splitmix;
use crate::time::Every;

/// How long a crontab waits at most before it looks at the clock again, which may be set meanwhile.
const LOOK: Duration = Duration::from_secs(60);

/// A clock that is put back by more than this, in milliseconds, was wrong before: its times come again.
const CORRECTION: i64 = 3 * 60 * 60 * 1000;

/// How many missed times of a crontab are counted one by one.
const COUNTED: u64 = 1000;

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) monotonic: Duration,
    pub(crate) wall: Timestamp,
}

/// When something is due.
#[derive(Debug)]
pub(crate) enum Schedule {
    Timer(Ticks),
    Crontab(Times),
}

impl Schedule {
    /// How long to wait before asking again; `None`: it is due.
    pub(crate) fn wait(&mut self, now: Now) -> Option<Duration> {
        match self {
            Self::Timer(ticks) => ticks.wait(now.monotonic),
            Self::Crontab(times) => times.wait(now.wall),
        }
    }

    /// What was due is over. Gives how many more were due meanwhile, which are left out.
    pub(crate) fn done(&mut self, now: Now) -> u64 {
        match self {
            Self::Timer(ticks) => ticks.done(now.monotonic),
            Self::Crontab(times) => times.done(now.wall),
        }
    }
}

/// The ticks of a timer, in monotonic time.
#[derive(Debug)]
pub(crate) struct Ticks {
    every: Every,
    /// The place in the grid of the next tick.
    point: Duration,
    /// Its jitter.
    delay: Duration,
    random: u64,
}

impl Ticks {
    /// Ticks from one interval after `now` on; `seed` decides their jitter.
    pub(crate) fn new(every: Every, now: Duration, seed: u64) -> Self {
        let mut ticks = Self {
            every,
            point: now.saturating_add(every.interval),
            delay: Duration::ZERO,
            random: seed,
        };
        ticks.delay = ticks.draw();
        ticks
    }

    fn due(&self) -> Duration {
        self.point.saturating_add(self.delay)
    }

    fn wait(&self, now: Duration) -> Option<Duration> {
        self.due().checked_sub(now).filter(|left| !left.is_zero())
    }

    fn done(&mut self, now: Duration) -> u64 {
        self.point = self.point.saturating_add(self.every.interval);
        self.delay = self.draw();
        let interval = nanos(self.every.interval).max(1);
        let missed = nanos(now.saturating_sub(self.due())).div_ceil(interval);
        let skipped = Duration::from_nanos(missed.saturating_mul(interval));
        self.point = self.point.saturating_add(skipped);
        missed
    }

    fn draw(&mut self) -> Duration {
        match nanos(self.every.jitter) {
            0 => Duration::ZERO,
            most => Duration::from_nanos(splitmix(&mut self.random) % most),
        }
    }
}

/// Exact for five centuries.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The times of a crontab, by the wall clock.
#[derive(Debug)]
pub(crate) struct Times {
    crontab: Arc<Crontab>,
    due: Option<Timestamp>,
    /// The latest time that the clock has told.
    seen: Timestamp,
}

impl Times {
    /// The times after `now`.
    pub(crate) fn new(crontab: Arc<Crontab>, now: Timestamp) -> Self {
        Self {
            due: crontab.next(now),
            seen: now,
            crontab,
        }
    }

    fn wait(&mut self, now: Timestamp) -> Option<Duration> {
        if now.0 < self.seen.0.saturating_sub(CORRECTION) {
            *self = Self::new(Arc::clone(&self.crontab), now);
        }
        self.seen = self.seen.max(now);
        let left = self.due.map_or(i64::MAX, |due| due.0.saturating_sub(now.0));
        let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
        Some(Duration::from_millis(left).min(LOOK))
    }

    fn done(&mut self, now: Timestamp) -> u64 {
        let Some(mut due) = self.due else { return 0 };
        let mut missed = 0;
        while let Some(next) = self.crontab.next(due)
            && next <= now
            && missed < COUNTED
        {
            due = next;
            missed += 1;
        }
        self.due = self.crontab.next(due.max(now));
        missed
    }
}
