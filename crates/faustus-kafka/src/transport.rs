//! The transport: what its parts share, and how it begins and ends.

use std::{fmt, sync::Arc, time::Duration};

use faustus_core::{
    Admin, BoxFuture, Coordinator, Log, Producer, TransactionalProducer, Transport, TransportError,
    TransportTraits,
};

use crate::{
    admin::KafkaAdmin,
    background::Background,
    config,
    coordinator::KafkaCoordinator,
    directory::Directory,
    net::Cluster,
    options::{Address, KafkaOptions, parse_bootstrap},
    read::{Fetcher, KafkaLog},
    write::{Idempotent, KafkaProducer, KafkaTransactionalProducer, Turns},
};

/// Apache Kafka as a transport.
///
/// Records go through librdkafka; groups and topics are spoken to directly. Its threads end soon
/// after the last handle of it, of its parts and of their readers and producers is dropped. It works
/// under any executor.
pub struct KafkaTransport {
    bootstrap: String,
    addresses: Vec<Address>,
    options: KafkaOptions,
    cluster: Arc<Cluster>,
    directory: Arc<Directory>,
    fetcher: Arc<Fetcher>,
    producer: Idempotent,
    turns: Turns,
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
    /// Connects to the cluster that the brokers in `bootstrap` (`host:port`, several separated by
    /// commas) belong to.
    ///
    /// # Errors
    ///
    /// [`TransportError::Invalid`] for an address that cannot be read,
    /// [`TransportError::Unavailable`] if no broker answers within the connect timeout; the text says
    /// what to check.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing stays connected.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use faustus_core::Transport;
    /// use faustus_kafka::{KafkaOptions, KafkaTransport};
    ///
    /// # async fn example() -> Result<(), faustus_core::TransportError> {
    /// let kafka = KafkaTransport::connect("127.0.0.1:9092", KafkaOptions::default()).await?;
    /// let topics = kafka.admin().list_topics().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(
        bootstrap: &str,
        options: KafkaOptions,
    ) -> Result<Arc<Self>, TransportError> {
        let addresses = parse_bootstrap(bootstrap)?;
        let cluster = Arc::new(Cluster::new(addresses.clone(), &options));
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
        let directory = Arc::new(Directory::new(Arc::clone(&cluster)));
        let fetcher = Fetcher::start(
            &addresses,
            &options,
            Arc::clone(&cluster),
            Arc::clone(&background),
            Arc::clone(&directory),
        )?;
        let producer = Idempotent::new(
            config::producer(&addresses, &options),
            Arc::clone(&directory),
            Arc::clone(&background),
        );
        Ok(Arc::new(Self {
            bootstrap: bootstrap.to_owned(),
            addresses,
            options,
            cluster,
            directory,
            fetcher,
            producer,
            turns: Turns::default(),
            background,
        }))
    }
}

impl Transport for KafkaTransport {
    fn traits(&self) -> TransportTraits {
        TransportTraits {
            name: format!("kafka {}", self.bootstrap),
            transaction_interval: Duration::from_millis(100),
            shared: true,
        }
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(KafkaLog(Arc::clone(&self.fetcher)))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(KafkaAdmin::new(
            Arc::clone(&self.cluster),
            Arc::clone(&self.directory),
            Arc::clone(&self.background),
        ))
    }

    fn coordinator(&self, group: &str) -> Arc<dyn Coordinator> {
        Arc::new(KafkaCoordinator::new(
            group,
            Arc::clone(&self.cluster),
            Arc::clone(&self.background),
        ))
    }

    fn producer(&self) -> BoxFuture<'_, Result<Box<dyn Producer>, TransportError>> {
        Box::pin(async {
            let producer: KafkaProducer = self.producer.producer().await?;
            Ok(Box::new(producer) as Box<dyn Producer>)
        })
    }

    fn transactional_producer<'a>(
        &'a self,
        transactional_id: &'a str,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalProducer>, TransportError>> {
        Box::pin(async move {
            let config =
                config::transactional(&self.addresses, &self.options, transactional_id, timeout);
            let producer = KafkaTransactionalProducer::start(
                config,
                timeout,
                self.turns.of(transactional_id).await,
                Arc::clone(&self.directory),
                Arc::clone(&self.background),
            );
            let producer = producer.await?;
            Ok(Box::new(producer) as Box<dyn TransactionalProducer>)
        })
    }
}
