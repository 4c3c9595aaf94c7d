//! The numbers that meters are made of.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::Histogram;

/// A count that one thread writes and all may read.
///
/// With one writer a load and a store are enough: nothing is locked, and nothing waits for another core.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds to it; to be called by its one thread.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before.wrapping_add(more), Ordering::Relaxed);
    }

    /// What it stands at.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A count that all may write: for what happens per batch, per epoch or more seldom.
#[derive(Debug, Default)]
pub(crate) struct SharedCount(AtomicU64);

impl SharedCount {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took each time: for what happens per epoch or more seldom.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    buckets: [AtomicU64; Histogram::BOUNDS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Durations {
    /// Something took so long.
    pub(crate) fn record(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = Histogram::BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Histogram {
        let counts = self.buckets.each_ref();
        Histogram::new(
            counts.map(|count| count.load(Ordering::Relaxed)),
            Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)),
        )
    }
}
