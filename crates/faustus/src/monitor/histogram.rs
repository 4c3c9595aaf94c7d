//! How long something took, each time that it happened.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::form;

/// How often something happened, and how long it took: counts by upper bounds in seconds, and their sum.
///
/// Serde gives it `counts`, one for each of [`BOUNDS`](Self::BOUNDS) and one for what took longer, and
/// `sum_nanos`, the sum in nanoseconds.
///
/// # Examples
///
/// ```
/// let took = faustus::Histogram::default();
/// assert_eq!((took.count(), took.mean()), (0, None));
/// assert_eq!(took.buckets().last(), Some((f64::INFINITY, 0)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    #[serde(rename = "sum_nanos", with = "form::nanos")]
    sum: Duration,
}

/// One for each bound, and one for what has none.
const BUCKETS: usize = Histogram::BOUNDS.len() + 1;

impl Histogram {
    /// The upper bounds of the buckets but the last, in seconds; the last has none.
    pub const BOUNDS: [f64; 16] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        300.0,
    ];

    pub(crate) fn new(counts: [u64; BUCKETS], sum: Duration) -> Self {
        Self { counts, sum }
    }

    /// How often it happened.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long it took, all times together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// How long it took on average; `None` if it never happened.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let count = self.count();
        (count > 0).then(|| Duration::from_nanos(nanos(self.sum) / count))
    }

    /// For each bucket its upper bound, in seconds, and how often it took no longer than that.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = Self::BOUNDS.into_iter().chain([f64::INFINITY]);
        let mut below = 0;
        bounds.zip(self.counts).map(move |(bound, count)| {
            below += count;
            (bound, below)
        })
    }

    /// What happened since `before`, an earlier reading of the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{Monitor, WorkerHandle, secs};
    ///
    /// /// How long commits take now, not since the worker's start.
    /// async fn commits_of_a_minute(worker: &WorkerHandle) -> Option<std::time::Duration> {
    ///     let before = worker.monitor_now();
    ///     tokio::time::sleep(secs(60)).await;
    ///     let took = worker.monitor_now().epochs.whole.since(&before.epochs.whole);
    ///     took.quantile(0.99)
    /// }
    /// ```
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let count = |bucket: usize| self.counts[bucket].saturating_sub(before.counts[bucket]);
        Self::new(
            std::array::from_fn(count),
            self.sum.saturating_sub(before.sum),
        )
    }

    /// What is in either, as of several workers.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let count = |bucket: usize| self.counts[bucket].saturating_add(other.counts[bucket]);
        Self::new(
            std::array::from_fn(count),
            self.sum.saturating_add(other.sum),
        )
    }

    /// How long the share `q` of all times took at most, 0.5 for the median; `None` if it never happened.
    ///
    /// What is known of a time is its bucket, within which it is guessed. What took longer than the last
    /// of [`BOUNDS`](Self::BOUNDS) counts as that.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * count as f64).max(f64::MIN_POSITIVE);
        let lower = std::iter::once(0.0).chain(Self::BOUNDS);
        let mut below = 0;
        for ((lower, upper), count) in lower.zip(Self::BOUNDS).zip(self.counts) {
            if count > 0 && (below + count) as f64 >= rank {
                let within = (rank - below as f64) / count as f64;
                let seconds = lower + (upper - lower) * within;
                return Some(Duration::from_secs_f64(seconds));
            }
            below += count;
        }
        Some(Duration::from_secs_f64(
            Self::BOUNDS[Self::BOUNDS.len() - 1],
        ))
    }

    /// For each bucket its upper bound, in seconds, and how often it took longer than the bound before
    /// and no longer than this one.
    #[cfg(feature = "prometheus")]
    pub(super) fn each(&self) -> Vec<(f64, u64)> {
        let bounds = Self::BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.counts).collect()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Durations;

    #[test]
    fn seconds_are_counted_as_seconds() {
        let durations = Durations::default();
        for millis in [1, 2, 250, 251, 400_000] {
            durations.record(Duration::from_millis(millis));
        }
        let read = durations.read();
        assert_eq!(read.count(), 5);
        assert_eq!(read.sum(), Duration::from_millis(400_504));
        assert_eq!(read.mean(), Some(Duration::from_micros(80_100_800)));
        let at = |bound: f64| read.buckets().find(|(upper, _)| *upper >= bound).unwrap().1;
        assert_eq!(at(0.001), 1, "a bound is in its bucket");
        assert_eq!(at(0.0025), 2);
        assert_eq!(at(0.25), 3);
        assert_eq!(at(0.5), 4);
        assert_eq!(at(300.0), 4);
        assert_eq!(at(f64::INFINITY), 5);
    }

    #[test]
    fn quantiles_are_of_what_happened_between_two_readings() {
        let durations = Durations::default();
        for _ in 0..100 {
            durations.record(Duration::from_secs(20));
        }
        let before = durations.read();
        for _ in 0..98 {
            durations.record(Duration::from_millis(8));
        }
        for _ in 0..2 {
            durations.record(Duration::from_millis(400));
        }
        let since = durations.read().since(&before);
        assert_eq!(since.count(), 100);
        assert_eq!(since.mean(), Some(Duration::from_micros(15_840)));
        let half = since.quantile(0.5).unwrap();
        assert!((5..=10).contains(&half.as_millis()), "{half:?}");
        let most = since.quantile(0.99).unwrap();
        assert!((250..=500).contains(&most.as_millis()), "{most:?}");
        let both = since.plus(&before);
        assert_eq!(both, durations.read());
        assert!(both.quantile(0.99).unwrap() > Duration::from_secs(10));
    }

    #[test]
    fn nothing_has_no_quantile_and_what_has_no_bound_has_the_last_one() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        let durations = Durations::default();
        durations.record(Duration::from_secs(1000));
        let last = Some(Duration::from_secs(300));
        assert_eq!(durations.read().quantile(0.5), last);
        assert_eq!(durations.read().quantile(0.0), last);
    }
}
