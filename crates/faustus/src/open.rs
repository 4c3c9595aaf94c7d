//! Which log an address means.

use std::sync::Arc;

use faustus_core::{Clock, Transport};
use faustus_log::{DirectoryLog, DirectoryOptions, MemoryLog};

#[cfg(feature = "kafka")]
use crate::Compression;
use crate::{Error, LogAddress, Result, Settings, settings::Place};

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
    let address = LogAddress::from(address);
    let mistake = |wrong| Error::config(format!("the log cannot be opened: {wrong}"));
    match address.place().map_err(mistake)? {
        Place::Memory => Ok(Arc::new(MemoryLog::new(clock, crate::worker::random()))),
        Place::Directory(path) => open_directory(path, clock, settings),
        #[cfg(feature = "kafka")]
        Place::Kafka(servers) => {
            let options = kafka_options(settings);
            Ok(faustus_kafka::KafkaTransport::connect(servers, options).await?)
        }
    }
}

fn open_directory(
    path: &str,
    clock: Arc<dyn Clock>,
    settings: &Settings,
) -> Result<Arc<dyn Transport>> {
    let log = DirectoryLog::open(path, clock, directory_options(settings));
    Ok(Arc::new(log.map_err(|error| {
        Error::from(error).context(format!("log {path}"))
    })?))
}

fn directory_options(settings: &Settings) -> DirectoryOptions {
    DirectoryOptions::default()
        .fsync(settings.fsync)
        .reserve(settings.disk_reserve)
        .accept_loss(settings.accept_loss)
}

#[cfg(feature = "kafka")]
fn kafka_options(settings: &Settings) -> faustus_kafka::KafkaOptions {
    use faustus_kafka::Compression as Kafka;
    let options = faustus_kafka::KafkaOptions::default();
    let delivery = settings.kafka_delivery_timeout;
    let patience = delivery
        .unwrap_or(options.delivery_timeout)
        .min(settings.session_timeout * 2 / 3);
    options
        .client_id(&settings.kafka_client_id)
        .compression(match settings.kafka_compression {
            Compression::None => Kafka::None,
            Compression::Gzip => Kafka::Gzip,
            Compression::Snappy => Kafka::Snappy,
            Compression::Lz4 => Kafka::Lz4,
            #[cfg(feature = "zstd")]
            Compression::Zstd => Kafka::Zstd,
        })
        .linger(settings.kafka_linger)
        .fetch_budget(settings.kafka_fetch_ahead, 1)
        .connect_timeout(settings.kafka_connect_timeout)
        .request_timeout(settings.kafka_request_timeout)
        .delivery_timeout(patience)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_a_directory_gets_what_the_settings_say_of_it() {
        let settings = Settings::default();
        assert_eq!(directory_options(&settings), DirectoryOptions::default());
        let settings = Settings {
            fsync: true,
            disk_reserve: 7,
            accept_loss: true,
            ..settings
        };
        let options = directory_options(&settings);
        assert_eq!(
            (options.fsync, options.reserve, options.accept_loss),
            (true, 7, true)
        );
    }

    #[tokio::test]
    async fn an_address_that_means_nothing_is_an_error_without_its_secrets() {
        let opened = open_log(
            "pigeon://ann:tulip@loft",
            Arc::new(crate::TokioClock::real()),
        );
        let error = opened.await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Configuration);
        let error = error.to_string();
        assert!(
            error.contains("loft") && !error.contains("tulip"),
            "{error}"
        );
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn kafkas_client_gets_what_the_settings_say_of_it() {
        use std::time::Duration;
        let as_text = |settings: &Settings| format!("{:?}", kafka_options(settings));
        let standard = Settings::default();
        let options = faustus_kafka::KafkaOptions::default();
        assert_eq!(as_text(&standard), format!("{options:?}"));
        let millis = Duration::from_millis;
        let settings = Settings {
            kafka_client_id: "bank".to_owned(),
            kafka_compression: Compression::Lz4,
            kafka_linger: millis(1),
            kafka_fetch_ahead: 1 << 19,
            kafka_connect_timeout: millis(2),
            kafka_request_timeout: millis(3),
            kafka_delivery_timeout: Some(millis(4)),
            ..standard.clone()
        };
        let options = options
            .client_id("bank")
            .compression(faustus_kafka::Compression::Lz4)
            .linger(millis(1))
            .fetch_budget(1 << 19, 1)
            .connect_timeout(millis(2))
            .request_timeout(millis(3))
            .delivery_timeout(millis(4));
        assert_eq!(as_text(&settings), format!("{options:?}"));
        let short = Settings {
            session_timeout: Duration::from_secs(6),
            ..standard
        };
        assert_eq!(
            kafka_options(&short).delivery_timeout,
            Duration::from_secs(4)
        );
    }
}
