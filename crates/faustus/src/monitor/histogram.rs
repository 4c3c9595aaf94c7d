//! How long something took, each time that it happened.

use std::time::Duration;

/// How often something happened, and how long it took: counts by upper bounds in seconds, and their sum.
///
/// # Examples
///
/// ```
/// let took = faustus::Histogram::default();
/// assert_eq!((took.count(), took.mean()), (0, None));
/// assert_eq!(took.buckets().last(), Some((f64::INFINITY, 0)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; Self::BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// The upper bounds of the buckets but the last, in seconds; the last has none.
    pub const BOUNDS: [f64; 16] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        300.0,
    ];

    pub(crate) fn new(counts: [u64; Self::BOUNDS.len() + 1], sum: Duration) -> Self {
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
}
