//! A failure as it is told to the application: which agent, which record, why, and what becomes of it.

use std::{fmt, sync::Arc};

use faustus_core::{RecordRef, TopicPartition};

use crate::{Error, Verdict};

/// A failure of an agent, as [`AgentBuilder::on_error`](crate::AgentBuilder::on_error) is told of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// The agent's name.
    pub agent: &'a str,
    /// The record whose event failed; `None` if the agent failed without an event.
    pub record: Option<FailedRecord<'a>>,
    /// Why it failed.
    pub error: &'a Error,
    /// How often this event has failed by now, this time included; failures before its offset was
    /// committed count, those before a restart of the worker do not.
    pub failures: u32,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// The record of an event that failed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FailedRecord<'a> {
    /// Where it stands.
    pub partition: &'a TopicPartition,
    /// Its offset, key, value, time stamp and headers, as they came.
    pub record: RecordRef<'a>,
}

impl fmt::Display for FailedRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.record.offset())
    }
}

/// A function that is told of failures.
pub(crate) type OnError = Arc<dyn Fn(&Failure<'_>) + Send + Sync>;
