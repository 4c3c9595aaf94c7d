//! The clock of a running application: that of the tokio runtime it runs in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faustus_core::{BoxFuture, Clock, Timestamp};
use tokio::time::Instant;

/// Time as tokio tells it: real, or virtual where a test has paused the runtime's clock.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start: Instant,
    /// What wall time was at the start, if it is to follow the runtime's clock.
    wall: Option<Timestamp>,
}

impl TokioClock {
    /// Real wall time, and the runtime's time for intervals.
    #[must_use]
    pub fn real() -> Self {
        Self {
            start: Instant::now(),
            wall: None,
        }
    }

    /// The runtime's time for everything, wall time beginning at `wall` now.
    #[must_use]
    pub fn beginning_at(wall: Timestamp) -> Self {
        Self {
            start: Instant::now(),
            wall: Some(wall),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is what others ask")]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let (begin, passed) = match self.wall {
            Some(Timestamp(wall)) => (wall, self.start.elapsed()),
            None => (
                0,
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
            ),
        };
        Timestamp(begin.saturating_add(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
