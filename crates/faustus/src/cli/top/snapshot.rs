//! What workers said of themselves, moment by moment.
//!
//! Workers are told apart by their processes: what one counted is compared with what the same one had
//! counted before, so that a worker that starts anew, or is new, distorts no rate.

use std::collections::VecDeque;

use crate::{
    Histogram, Monitor, Timestamp,
    control::{Lane, Task},
};

use super::view::{Counted, Spread};

/// What all workers said at about one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// When: milliseconds since 1970.
    pub(super) at: i64,
    pub(super) workers: Vec<Seen>,
}

/// What one worker said.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) process: u32,
    pub(super) monitor: Monitor,
    pub(super) tasks: Vec<Task>,
    pub(super) lanes: Vec<Lane>,
}

/// How far back it is looked for how long things take: commits are too seldom for a second to tell.
const LOOKING_BACK: i64 = 10_000;

/// The last snapshots: the newest, the one before, and some older ones.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Snapshot>);

impl History {
    /// There is a new one.
    pub(super) fn push(&mut self, snapshot: Snapshot) {
        self.0.push_back(snapshot);
        // If the second is old enough, the first is not needed; but one before the newest there must be.
        while let [_, second, .., newest] = &*self.0.make_contiguous()
            && second.at <= newest.at - LOOKING_BACK
        {
            self.0.pop_front();
        }
    }

    pub(super) fn newest(&self) -> Option<&Snapshot> {
        self.0.back()
    }

    /// Each worker of now with what it said before.
    pub(super) fn compared(&self) -> Vec<Compared<'_>> {
        let before = self
            .0
            .len()
            .checked_sub(2)
            .and_then(|index| self.0.get(index));
        let now = self.newest().into_iter().flat_map(|now| &now.workers);
        now.map(|now| Compared {
            now,
            before: before.and_then(|before| before.of(now.process)),
            oldest: self.0.iter().find_map(|snapshot| snapshot.of(now.process)),
        })
        .collect()
    }
}

impl Snapshot {
    fn of(&self, process: u32) -> Option<&Seen> {
        self.workers.iter().find(|seen| seen.process == process)
    }
}

/// A worker, and the same one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared<'a> {
    pub(super) now: &'a Seen,
    before: Option<&'a Seen>,
    /// The oldest that is known of it.
    oldest: Option<&'a Seen>,
}

impl Compared<'_> {
    /// The wall time of the figures.
    pub(super) fn at(&self) -> Timestamp {
        self.now.monitor.read_at
    }

    /// How much time lies between now and before.
    pub(super) fn seconds(&self) -> Option<f64> {
        let before = self.before?.monitor.read_at.0;
        let millis = self.at().0.saturating_sub(before);
        (millis > 0).then(|| millis as f64 / 1000.0)
    }

    /// A count, and how fast it grows.
    pub(super) fn count(&self, of: impl Fn(&Monitor) -> u64) -> Counted {
        let total = of(&self.now.monitor);
        let grown = |before: u64| total.saturating_sub(before) as f64;
        Counted {
            total,
            per_second: self.rate(|monitor| Some(of(monitor)), grown),
        }
    }

    /// How fast a position moves; `None` if it was not there before.
    pub(super) fn speed(&self, of: impl Fn(&Monitor) -> Option<i64>) -> Option<f64> {
        let now = of(&self.now.monitor)?;
        self.rate(of, |before| now.saturating_sub(before).max(0) as f64)
    }

    fn rate<T>(&self, of: impl Fn(&Monitor) -> Option<T>, grown: impl Fn(T) -> f64) -> Option<f64> {
        let before = of(&self.before?.monitor)?;
        Some(grown(before) / self.seconds()?)
    }

    /// How long something took lately.
    pub(super) fn lately(&self, of: impl Fn(&Monitor) -> &Histogram) -> Histogram {
        let now = of(&self.now.monitor);
        match self
            .oldest
            .filter(|oldest| !std::ptr::eq(*oldest, self.now))
        {
            Some(oldest) => now.since(of(&oldest.monitor)),
            None => Histogram::default(),
        }
    }
}

/// The sum of a count over workers.
pub(super) fn sum(workers: &[Compared<'_>], of: impl Fn(&Monitor) -> u64) -> Counted {
    let mut sum = Counted::default();
    for worker in workers {
        let counted = worker.count(&of);
        sum.total += counted.total;
        if let Some(rate) = counted.per_second {
            *sum.per_second.get_or_insert(0.0) += rate;
        }
    }
    sum
}

/// How long something took in any worker.
pub(super) fn spread(workers: &[Compared<'_>], of: impl Fn(&Monitor) -> &Histogram) -> Spread {
    let each = workers.iter().map(|worker| worker.lately(&of));
    let took = each.fold(Histogram::default(), |all, one| all.plus(&one));
    let seconds = |q: f64| took.quantile(q).map(|took| took.as_secs_f64());
    Spread {
        p50_seconds: seconds(0.5),
        p99_seconds: seconds(0.99),
    }
}
