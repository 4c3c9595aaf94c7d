//! How long and how often a call is tried again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A deadline and a pause that grows from 20 ms to half a second.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Instant,
    pause: Duration,
}

impl Retry {
    /// Tries for `limit` from now on.
    pub(crate) fn within(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
            pause: Duration::from_millis(20),
        }
    }

    /// What is left of the time.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Pauses before the next try; false if there is no time left for one.
    pub(crate) async fn again(&mut self) -> bool {
        if self.left() <= self.pause {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(500));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_end_before_the_deadline() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut retry = Retry::within(Duration::from_millis(100));
            let mut tries = 1;
            while retry.again().await {
                tries += 1;
            }
            // Pauses of 20 and 40 ms fit, another of 80 does not.
            assert!((1..=3).contains(&tries), "{tries} tries");
        });
    }
}
