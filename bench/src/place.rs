//! The logs that cases run on.

use std::sync::Arc;

use anyhow::Result;
use faustus::{MemoryLog, TokioClock, Transport};
use serde::{Deserialize, Serialize};

use crate::cases::Place;

/// Where a log is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Address {
    /// In the process.
    Memory,
    /// At a broker.
    Kafka(String),
}

impl Address {
    /// Opens the log.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Transport>> {
        match self {
            Self::Memory => Ok(Arc::new(MemoryLog::new(Arc::new(TokioClock::real()), 1))),
            #[cfg(feature = "kafka")]
            Self::Kafka(bootstrap) => {
                let options = faustus_kafka::KafkaOptions::default();
                Ok(faustus_kafka::KafkaTransport::connect(bootstrap, options).await?)
            }
            #[cfg(not(feature = "kafka"))]
            Self::Kafka(_) => anyhow::bail!("built without Kafka"),
        }
    }
}

/// What the cases of one call need beside themselves.
#[derive(Default)]
pub(crate) struct Grounds {
    #[cfg(feature = "kafka")]
    kafka: Option<kafka_testbed::Cluster>,
}

impl Grounds {
    /// Where a log of this kind is; a broker starts with the first that needs it.
    pub(crate) fn address(&mut self, place: Place) -> Result<Address> {
        Ok(match place {
            Place::Memory => Address::Memory,
            #[cfg(feature = "kafka")]
            Place::Kafka => {
                let cluster = match self.kafka.take() {
                    Some(cluster) => cluster,
                    None => kafka_testbed::Cluster::start(1)?,
                };
                let bootstrap = cluster.bootstrap();
                self.kafka = Some(cluster);
                Address::Kafka(bootstrap)
            }
        })
    }
}
