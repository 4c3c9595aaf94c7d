//! What can be said of a record that is sent to an agent.

use faustus_core::Timestamp;

/// What can be said of a record beside key and value.
///
/// # Examples
///
/// ```
/// use faustus::{SendOptions, Timestamp};
///
/// let options = SendOptions::default()
///     .timestamp(Timestamp(1_767_225_600_000))
///     .header("origin", "shop")
///     .reply_to("answers", "order-7");
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    pub(super) timestamp: Option<Timestamp>,
    pub(super) partition: Option<u32>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) reply_to: Option<(String, String)>,
}

impl SendOptions {
    /// The time of the event; without: now.
    #[must_use]
    pub fn timestamp(self, timestamp: Timestamp) -> Self {
        Self {
            timestamp: Some(timestamp),
            ..self
        }
    }

    /// The partition, counted from 0; without: that of the key.
    #[must_use]
    pub fn partition(self, partition: u32) -> Self {
        Self {
            partition: Some(partition),
            ..self
        }
    }

    /// A header more; names may repeat.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Where the agent's replies go, and the id that they repeat: any topic, which somebody else reads.
    #[must_use]
    pub fn reply_to(self, topic: &str, correlation_id: &str) -> Self {
        Self {
            reply_to: Some((topic.to_owned(), correlation_id.to_owned())),
            ..self
        }
    }
}
