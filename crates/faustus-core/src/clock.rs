//! The clock seam: everything that depends on time asks a [`Clock`], so that tests can turn it.

use std::{fmt, time::Duration};

use crate::{BoxFuture, Timestamp};

/// Wall time, monotonic time and sleep, real or virtual.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time, for time stamps; it may jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, for intervals and deadlines; it never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes after `duration` of monotonic time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future only forgets the wait.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
