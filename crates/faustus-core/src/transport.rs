//! A transport: the four contracts of a log in one value.

use std::{fmt, sync::Arc, time::Duration};

use crate::{Admin, BoxFuture, Coordinator, Log, Producer, TransactionalProducer, TransportError};

/// Gives access to a log: the embedded one or Kafka. Cheap to share; closes when the last handle goes.
///
/// Every call of it and its parts comes back in bounded time, whatever becomes of brokers: whoever
/// waits has no watchdog. Only a fetch waits for as long as there is nothing to read.
pub trait Transport: Send + Sync + fmt::Debug {
    /// What the runtime must know of it.
    fn traits(&self) -> TransportTraits;

    /// Reading.
    fn log(&self) -> Arc<dyn Log>;

    /// Topics.
    fn admin(&self) -> Arc<dyn Admin>;

    /// The coordinator of `group`.
    fn coordinator(&self, group: &str) -> Arc<dyn Coordinator>;

    /// An idempotent producer.
    ///
    /// # Errors
    ///
    /// [`TransportError::Unavailable`] when the log cannot be reached.
    fn producer(&self) -> BoxFuture<'_, Result<Box<dyn Producer>, TransportError>>;

    /// The producer of `transactional_id`; an earlier one is fenced and its transaction aborted
    /// before this completes. The log aborts a transaction that is open for longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TransportError::Unavailable`] when the log cannot be reached.
    fn transactional_producer<'a>(
        &'a self,
        transactional_id: &'a str,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalProducer>, TransportError>>;
}

/// What differs between transports and matters to who uses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportTraits {
    /// Its name for people, such as `memory` or `kafka 127.0.0.1:9092`.
    pub name: String,
    /// How long outputs of exactly-once epochs gather before they are committed; zero where a
    /// commit costs so little that one is made whenever no event is ready.
    pub transaction_interval: Duration,
    /// Whether other processes can be members of a group.
    pub shared: bool,
}
