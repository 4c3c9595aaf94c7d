//! What the integration tests share: a real broker, a transport to it, a real clock.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use faustus_core::{BoxFuture, Clock, Timestamp};
use faustus_kafka::{KafkaOptions, KafkaTransport};

/// A transport to the broker that all tests of a process share.
///
/// # Panics
///
/// If the broker cannot be started: the tests fail then, they are not skipped.
pub(crate) async fn transport() -> Arc<KafkaTransport> {
    if let Ok(k) = std::env::var("K") {
        return connect(&k).await;
    }
    connect(&kafka_testbed::shared().bootstrap()).await
}

/// A transport to the brokers at `bootstrap` that notices quickly what becomes of topics.
pub(crate) async fn connect(bootstrap: &str) -> Arc<KafkaTransport> {
    let options = KafkaOptions::default().topic_check_interval(Duration::from_secs(1));
    let transport = KafkaTransport::connect(bootstrap, options).await;
    transport.expect("the broker can be reached")
}

/// The real clock.
#[derive(Debug)]
pub(crate) struct RealClock(Instant);

impl RealClock {
    /// A clock that begins now.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Timestamp(i64::try_from(since.as_millis()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
