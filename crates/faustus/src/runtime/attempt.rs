//! Attempts of what the user wrote: a panic is an error, and who fails tries again after a while.

use std::{panic::AssertUnwindSafe, time::Duration};

use faustus_core::BoxFuture;
use futures_util::FutureExt as _;

use super::thread::panicked;
use crate::Result;

/// The first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What ran this long has not failed again, but for another reason.
const SOUND: Duration = Duration::from_secs(60);

/// Runs a function of the user's; a panic is an error.
pub(crate) async fn attempt<'a>(start: impl FnOnce() -> BoxFuture<'a, Result>) -> Result {
    let attempt = AssertUnwindSafe(async { start().await });
    attempt
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// The pauses between attempts: each twice as long as the one before, up to a bound.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { next: PAUSES.0 }
    }

    /// The pause after an attempt that `ran` so long.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        let pause = if ran >= SOUND { PAUSES.0 } else { self.next };
        self.next = (pause * 2).min(PAUSES.1);
        pause
    }
}
