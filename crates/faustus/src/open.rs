//! Which log an address means.

use std::sync::Arc;

use faustus_core::{Clock, Transport};
use faustus_log::{DirectoryLog, DirectoryOptions, MemoryLog};

use crate::{Error, Result, Settings};

/// Opens the log at `address`.
///
/// | address | log |
/// |---|---|
/// | `memory://` | in the memory of this process, gone with it |
/// | `kafka://host:port,host:port` | a Kafka cluster; needs the cargo feature `kafka` |
/// | `file:///path` or a path | a directory of this process alone |
///
/// # Errors
///
/// An address that means nothing, a directory that is damaged or in use, a cluster that does not
/// answer.
///
/// # Cancel safety
///
/// Cancel safe.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use faustus::{TokioClock, open_log};
///
/// # #[tokio::main]
/// # async fn main() -> faustus::Result {
/// let log = open_log("memory://", Arc::new(TokioClock::real())).await?;
/// assert_eq!(log.traits().name, "memory");
/// # Ok(())
/// # }
/// ```
pub async fn open_log(address: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Transport>> {
    open_log_for(address, clock, &Settings::default()).await
}

/// Opens the log at `address` for a worker with these settings.
///
/// On Kafka a record that cannot be delivered is given up well before the worker's session ends, so
/// that a worker whose tasks went to another one has nothing left to deliver.
///
/// # Errors
///
/// As [`open_log`].
///
/// # Cancel safety
///
/// Cancel safe.
pub async fn open_log_for(
    address: &str,
    clock: Arc<dyn Clock>,
    settings: &Settings,
) -> Result<Arc<dyn Transport>> {
    match address.split_once("://") {
        Some(("memory", "")) => Ok(Arc::new(MemoryLog::new(clock, crate::worker::random()))),
        Some(("kafka", servers)) => open_kafka(servers, settings).await,
        Some(("file", path)) => open_directory(path, clock, settings),
        Some((scheme, _)) => Err(Error::config(format!(
            "log {address:?} is of no known kind {scheme:?}: use memory://, kafka://host:port or a directory"
        ))),
        None => open_directory(address, clock, settings),
    }
}

fn open_directory(
    path: &str,
    clock: Arc<dyn Clock>,
    settings: &Settings,
) -> Result<Arc<dyn Transport>> {
    let options = DirectoryOptions::default().accept_loss(settings.accept_loss);
    let log = DirectoryLog::open(path, clock, options);
    Ok(Arc::new(log.map_err(|error| {
        Error::from(error).context(format!("log {path}"))
    })?))
}

#[cfg(feature = "kafka")]
async fn open_kafka(servers: &str, settings: &Settings) -> Result<Arc<dyn Transport>> {
    let options = faustus_kafka::KafkaOptions::default();
    let patience = options
        .delivery_timeout
        .min(settings.session_timeout * 2 / 3);
    let options = options.delivery_timeout(patience);
    Ok(faustus_kafka::KafkaTransport::connect(servers, options).await?)
}

#[cfg(not(feature = "kafka"))]
async fn open_kafka(servers: &str, _: &Settings) -> Result<Arc<dyn Transport>> {
    Err(Error::config(format!(
        "kafka://{servers} needs Kafka's client: build with the cargo feature `kafka` of faustus"
    )))
}
