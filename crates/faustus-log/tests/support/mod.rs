//! A clock on tokio's time, which tests may pause.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use faustus_core::{BoxFuture, Clock, Timestamp};
use tokio::time::Instant;

/// Tokio's time; wall time began where the process did.
#[derive(Debug)]
pub(crate) struct TokioClock {
    start: Instant,
    wall: i64,
}

impl TokioClock {
    pub(crate) fn new() -> Self {
        static WALL: LazyLock<i64> = LazyLock::new(|| {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("a clock of today");
            i64::try_from(now.as_millis()).expect("a clock of today")
        });
        Self {
            start: Instant::now(),
            wall: *WALL,
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.monotonic().as_millis()).expect("a clock of today");
        Timestamp(self.wall + millis)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
