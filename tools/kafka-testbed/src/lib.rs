//! Starts a real Apache Kafka on loopback for tests, benchmarks and fault runs.
//!
//! A [`Cluster`] is one or more nodes, each a broker and a controller (KRaft), on free ports and
//! in a temporary directory. Nodes can be killed, paused and started again. The brokers end with
//! their owner, in whichever way it ends.
//!
//! It needs Java 17 or newer and, the first time, Maven, which resolves the jars into
//! `$KAFKA_TESTBED_CACHE` or `~/.cache/kafka-testbed`. Without them there is an [`Error`] that
//! says so, never a test that is skipped.
//!
//! ```no_run
//! let cluster = kafka_testbed::Cluster::start(3)?;
//! println!("bootstrap.servers={}", cluster.bootstrap());
//! cluster.kill(2)?;
//! cluster.start_node(2)?;
//! # Ok::<(), kafka_testbed::Error>(())
//! ```

mod builder;
mod cluster;
mod error;
mod jars;
mod java;
mod node;
mod ports;
mod properties;
mod random;
mod ready;
mod state;
mod storage;
mod watchdog;
mod wire;

use std::sync::OnceLock;

pub use builder::ClusterBuilder;
pub use cluster::Cluster;
pub use error::Error;
pub use jars::resolve_jars;

/// The release of Kafka that is started.
pub const VERSION: &str = "4.3.1";

/// A cluster of one node for all tests of a process, started by the first call. It ends with the
/// process. Tests that kill or pause nodes start a cluster of their own.
///
/// # Panics
///
/// When the cluster cannot be started, with the text of the [`Error`].
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Result<Cluster, Error>> = OnceLock::new();
    match SHARED.get_or_init(|| Cluster::start(1)) {
        Ok(cluster) => cluster,
        Err(error) => panic!("no Kafka for this test: {error}"),
    }
}
