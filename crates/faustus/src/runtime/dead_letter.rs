//! A dead letter: the record that goes out in the place of an event that failed for good.
//!
//! It is written into the event's own outputs, so that it is stored with the event or not at all. It
//! keeps what the record was, byte for byte, and says in further headers what went wrong.

use std::{fmt, sync::Arc};

use faustus_core::{Offset, TopicPartition};

use super::{lane::InFlight, outputs::EventOutputs};
use crate::{Error, Result, topic::TopicShared};

/// The longest text of an error that a letter carries, in bytes: an error may quote a whole record.
const LONGEST_ERROR: usize = 4096;

/// Where a letter goes, and what it says besides the record.
pub(crate) struct DeadLetter {
    topic: Arc<TopicShared>,
    headers: [(&'static str, String); 7],
}

impl DeadLetter {
    /// The letter about the event of `agent` at `offset`, after `failures` failures.
    pub(crate) fn new(
        topic: &Arc<TopicShared>,
        agent: &str,
        (partition, offset): (&TopicPartition, Offset),
        error: &Error,
        failures: u32,
    ) -> Self {
        let mut text = error.to_string();
        text.truncate(text.floor_char_boundary(LONGEST_ERROR));
        Self {
            topic: Arc::clone(topic),
            headers: [
                ("faustus-error", text),
                ("faustus-error-kind", error.kind().to_string()),
                ("faustus-agent", agent.to_owned()),
                ("faustus-topic", partition.topic.to_string()),
                ("faustus-partition", partition.partition.to_string()),
                ("faustus-offset", offset.to_string()),
                ("faustus-failures", failures.to_string()),
            ],
        }
    }

    /// Why the event failed.
    pub(crate) fn error(&self) -> &str {
        &self.headers[0].1
    }

    /// Adds the letter to what the event sends.
    ///
    /// # Errors
    ///
    /// When it is longer than its topic takes.
    pub(crate) fn write(&self, event: &InFlight, outputs: &mut EventOutputs) -> Result {
        let record = event.record();
        let spread = u64::try_from(record.offset().0).unwrap_or_default();
        let partition = self.topic.partition(record.key(), spread)?;
        outputs.push(
            self.topic.index,
            partition,
            record.timestamp(),
            |mut letter| {
                if let Some(key) = record.key() {
                    letter = letter.key(key);
                }
                if let Some(value) = record.value() {
                    letter = letter.value(value);
                }
                letter = letter.headers(record.headers());
                for (name, text) in &self.headers {
                    letter = letter.header(name, Some(text.as_bytes()));
                }
                self.topic.check_len(letter.bytes())?;
                letter.finish();
                Ok(())
            },
        )
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("topic", &self.topic.name)
            .finish_non_exhaustive()
    }
}
