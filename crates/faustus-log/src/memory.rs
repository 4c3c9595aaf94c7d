//! The log in memory: a whole broker in one process, for tests and for programs whose data may go
//! with them.

use std::{sync::Arc, time::Duration};

use faustus_core::{
    Admin, BoxFuture, Clock, Coordinator, Log, Producer, TransactionalProducer, Transport,
    TransportError, TransportTraits,
};

use crate::{
    LogOptions,
    broker::Broker,
    shell::{Core, Shared},
};

/// A log that lives as long as its handles; clones are handles of the same log.
///
/// # Examples
///
/// ```
/// # use faustus_core::{BoxFuture, Clock, Timestamp};
/// # use std::{future, sync::Arc, time::Duration};
/// # #[derive(Debug)]
/// # struct Still;
/// # impl Clock for Still {
/// #     fn now(&self) -> Timestamp { Timestamp(0) }
/// #     fn monotonic(&self) -> Duration { Duration::ZERO }
/// #     fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> { Box::pin(future::pending()) }
/// # }
/// use faustus_core::Transport;
/// use faustus_log::MemoryLog;
///
/// let log = MemoryLog::new(Arc::new(Still), 7);
/// assert_eq!(log.traits().name, "memory");
/// ```
#[derive(Clone, Debug)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

impl MemoryLog {
    /// An empty log whose ids follow from `seed` and whose timeouts run on `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self::with_options(clock, seed, LogOptions::default())
    }

    /// An empty log with settings of its own.
    #[must_use]
    pub fn with_options(clock: Arc<dyn Clock>, seed: u64, options: LogOptions) -> Self {
        let broker = Broker::new(seed, options, None);
        Self {
            shared: Arc::new(Shared::new(Core::new(clock, broker, None), ())),
        }
    }

    /// Deletes what is past its retention and compacts all that can be, at once; a log does so by
    /// itself from time to time.
    pub fn clean(&self) {
        self.shared.call(|broker, now| broker.clean(now.wall, true));
    }
}

impl Transport for MemoryLog {
    fn traits(&self) -> TransportTraits {
        TransportTraits {
            name: "memory".into(),
            transaction_interval: Duration::ZERO,
            shared: false,
        }
    }

    fn log(&self) -> Arc<dyn Log> {
        self.shared.log()
    }

    fn admin(&self) -> Arc<dyn Admin> {
        self.shared.admin()
    }

    fn coordinator(&self, group: &str) -> Arc<dyn Coordinator> {
        self.shared.coordinator(group)
    }

    fn producer(&self) -> BoxFuture<'_, Result<Box<dyn Producer>, TransportError>> {
        Box::pin(async move { Ok(self.shared.producer()) })
    }

    fn transactional_producer<'a>(
        &'a self,
        transactional_id: &'a str,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalProducer>, TransportError>> {
        self.shared
            .transactional_producer(transactional_id, timeout)
    }
}
