//! The transport: what its parts share, and how it begins and ends.

use std::{fmt, sync::Arc};

use faustus_core::{Admin, Coordinator, TransportError};

use crate::{
    admin::KafkaAdmin,
    background::Background,
    coordinator::KafkaCoordinator,
    net::Cluster,
    options::{KafkaOptions, parse_bootstrap},
};

/// Apache Kafka as a transport.
pub struct KafkaTransport {
    bootstrap: String,
    cluster: Arc<Cluster>,
    background: Arc<Background>,
}

impl fmt::Debug for KafkaTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaTransport")
            .field("bootstrap", &self.bootstrap)
            .finish_non_exhaustive()
    }
}

impl KafkaTransport {
    /// Connects to the cluster that `bootstrap` (`host:port`, several separated by commas) belongs to.
    ///
    /// # Errors
    ///
    /// [`TransportError::Invalid`] for an address that cannot be read,
    /// [`TransportError::Unavailable`] if no broker answers within the connect timeout; the text says
    /// what to check.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn connect(
        bootstrap: &str,
        options: KafkaOptions,
    ) -> Result<Arc<Self>, TransportError> {
        let cluster = Arc::new(Cluster::new(parse_bootstrap(bootstrap)?, &options));
        let background = Arc::new(Background::start().map_err(|error| {
            TransportError::Unavailable(format!("no thread can be started: {error}"))
        })?);
        let limit = options.connect_timeout;
        let reached = background.run({
            let cluster = Arc::clone(&cluster);
            async move { cluster.reach(limit).await }
        });
        reached
            .await
            .map_err(|_| TransportError::Closed)?
            .map_err(|error| {
                TransportError::Unavailable(format!(
                    "no Kafka broker answers at {bootstrap} ({error}); check that the address is \
                     right, that the broker runs, and that it listens without TLS and SASL there"
                ))
            })?;
        Ok(Arc::new(Self {
            bootstrap: bootstrap.to_owned(),
            cluster,
            background,
        }))
    }

    /// Topics.
    pub fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(KafkaAdmin::new(
            Arc::clone(&self.cluster),
            Arc::clone(&self.background),
        ))
    }

    /// The coordinator.
    pub fn coordinator(&self, group: &str) -> Arc<dyn Coordinator> {
        Arc::new(KafkaCoordinator::new(
            group,
            Arc::clone(&self.cluster),
            Arc::clone(&self.background),
        ))
    }
}
