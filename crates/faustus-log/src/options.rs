//! What can be chosen about an embedded log.

use std::time::Duration;

/// Settings of an embedded log that hold for all its topics and groups.
///
/// The defaults are Kafka's, but that a new group waits for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogOptions {
    /// How long the first rebalance of an empty group waits for more members; default zero.
    pub initial_rebalance_delay: Duration,
    /// `max.message.bytes` of topics that do not set it; default 1,048,588 bytes.
    pub max_message_bytes: usize,
    /// `retention.ms` of topics that do not set it, `None` for ever; default 7 days.
    pub retention: Option<Duration>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            initial_rebalance_delay: Duration::ZERO,
            max_message_bytes: 1_048_588,
            retention: Some(Duration::from_secs(7 * 24 * 3600)),
        }
    }
}

impl LogOptions {
    /// Sets how long the first rebalance of an empty group waits for more members.
    #[must_use]
    pub fn initial_rebalance_delay(self, delay: Duration) -> Self {
        Self {
            initial_rebalance_delay: delay,
            ..self
        }
    }

    /// Sets `max.message.bytes` of topics that do not set it.
    #[must_use]
    pub fn max_message_bytes(self, bytes: usize) -> Self {
        Self {
            max_message_bytes: bytes,
            ..self
        }
    }

    /// Sets `retention.ms` of topics that do not set it, `None` for ever.
    #[must_use]
    pub fn retention(self, retention: Option<Duration>) -> Self {
        Self { retention, ..self }
    }
}
