//! The logs that cases run on.

use anyhow::Result;
use tempfile::TempDir;

use crate::cases::Place;

/// What the cases of one call need beside themselves.
#[derive(Default)]
pub(crate) struct Grounds {
    directories: Vec<TempDir>,
    #[cfg(feature = "kafka")]
    kafka: Option<kafka_testbed::Cluster>,
}

impl Grounds {
    /// The address of a log of this kind. A directory is always a new one; a broker starts with the
    /// first case that needs it and serves the others too.
    pub(crate) fn address(&mut self, place: Place) -> Result<String> {
        Ok(match place {
            Place::Memory => "memory://".to_owned(),
            Place::Directory => {
                let directory = tempfile::tempdir()?;
                let address = directory.path().to_string_lossy().into_owned();
                self.directories.push(directory);
                address
            }
            #[cfg(feature = "kafka")]
            Place::Kafka => {
                let cluster = match self.kafka.take() {
                    Some(cluster) => cluster,
                    None => kafka_testbed::Cluster::start(1)?,
                };
                let bootstrap = cluster.bootstrap();
                self.kafka = Some(cluster);
                format!("kafka://{bootstrap}")
            }
            #[cfg(not(feature = "kafka"))]
            Place::Kafka => anyhow::bail!("this was built without Kafka"),
        })
    }

    /// Removes what no later case uses.
    pub(crate) fn tidy(&mut self) {
        self.directories.clear();
    }
}
