//! Time, CPU time and memory of this process.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::{
    sys::resource::{UsageWho, getrusage},
    time::{ClockId, clock_gettime},
};

/// What has passed since a moment.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    began: Instant,
    cpu: Duration,
}

impl Meter {
    /// Begins now.
    #[inline(never)]
    pub fn start() -> Result<Self> {
        Ok(Self {
            began: Instant::now(),
            cpu: cpu_time()?,
        })
    }

    /// Seconds.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// CPU seconds of all threads, user and system.
    pub fn cpu_seconds(&self) -> Result<f64> {
        Ok((cpu_time()? - self.cpu).as_secs_f64())
    }
}

fn cpu_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::new(
            u64::try_from(time.tv_sec()).unwrap_or_default(),
            u32::try_from(time.tv_usec() * 1000).unwrap_or_default(),
        )
    };
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}

/// The time of a clock that all processes share.
pub fn shared_clock() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

/// The most memory this process had, in MB.
pub fn peak_rss_mb() -> Result<f64> {
    status("VmHWM:")
}

/// The memory this process has now, in MB.
pub fn rss_mb() -> Result<f64> {
    status("VmRSS:")
}

fn status(field: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: f64 = kib.context("/proc/self/status has no memory")?.parse()?;
    Ok(kib * 1024.0 / 1e6)
}
