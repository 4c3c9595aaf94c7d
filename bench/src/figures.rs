//! Figures: what a case tells of a round.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::measure::{Meter, peak_rss_mb};

/// Figures by their names, in the order they are told.
pub(crate) type Figures = Map<String, Value>;

/// Figures from pairs.
pub(crate) fn figures<const N: usize>(each: [(&str, f64); N]) -> Figures {
    let each = each.into_iter();
    each.map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

/// What some work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) seconds: f64,
    /// CPU seconds of all threads, user and system.
    pub(crate) cpu_seconds: f64,
    /// The most memory this process ever had, in MB.
    pub(crate) peak_rss_mb: f64,
}

impl Taken {
    /// What was taken from the start of `meter` until now.
    #[inline(never)]
    pub(crate) fn since(meter: &Meter) -> Result<Self> {
        Ok(Self {
            seconds: meter.seconds(),
            cpu_seconds: meter.cpu_seconds()?,
            peak_rss_mb: peak_rss_mb()?,
        })
    }

    /// The figures of work on `events`.
    pub(crate) fn rates(&self, events: u64) -> Figures {
        let count = events as f64;
        figures([
            ("events", count),
            ("events_per_cpu_s", count / self.cpu_seconds),
            ("events_per_s", count / self.seconds),
            ("rss_mb", self.peak_rss_mb),
            ("cpu_s", self.cpu_seconds),
            ("seconds", self.seconds),
        ])
    }
}
