//! What the agents tell about the work, beside what a worker's status says.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use bench::measure::Meter;

/// Wall and CPU time in seconds since the process began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// Shared by all agents and whoever waits for them.
#[derive(Debug)]
pub(crate) struct Progress {
    since_start: Meter,
    first: OnceLock<Result<Moment>>,
    sent: AtomicU64,
}

impl Progress {
    pub(crate) fn new(since_start: Meter) -> Self {
        Self {
            since_start,
            first: OnceLock::new(),
            sent: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Result<Moment> {
        Ok(Moment {
            wall: self.since_start.seconds(),
            cpu: self.since_start.cpu_seconds()?,
        })
    }

    /// An input event is in hand; the first one counts.
    pub(crate) fn begin(&self) {
        self.first.get_or_init(|| self.now());
    }

    /// A record is sent through a topic of the application's own.
    pub(crate) fn send_through(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub(crate) fn sent_through(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// When the first input event came.
    pub(crate) fn first(&self) -> Result<Moment> {
        let first = self.first.get().context("no event came")?;
        first
            .as_ref()
            .copied()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
    }
}
