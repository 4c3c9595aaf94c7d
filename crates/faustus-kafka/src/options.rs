//! What can be set about a connection to Kafka, and the addresses it starts from.

use std::{fmt, time::Duration};

use faustus_core::TransportError;

/// How a [`KafkaTransport`](crate::KafkaTransport) talks to Kafka. The defaults suit most clusters.
///
/// # Examples
///
/// ```
/// use faustus_kafka::{Compression, KafkaOptions};
///
/// let options = KafkaOptions::default().client_id("bank").compression(Compression::Lz4);
/// assert_eq!(options.client_id, "bank");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KafkaOptions {
    /// The name that brokers show in their logs and quotas.
    pub client_id: String,
    /// How long the first connection may take, over all addresses.
    pub connect_timeout: Duration,
    /// How long one administrative or group call may take, retries included. Joining and syncing a
    /// group take as long as the rebalance timeout allows.
    pub request_timeout: Duration,
    /// How long a record of the idempotent producer is tried before the outcome counts as unknown.
    /// Under at-least-once it must stay below the group's session timeout.
    pub delivery_timeout: Duration,
    /// How long a record waits for others to share its request. Workers hand over all that an epoch
    /// sent at once, which shares requests without waiting.
    pub linger: Duration,
    /// How record batches are compressed.
    pub compression: Compression,
    /// How much is fetched ahead for one partition, in bytes; between 256 KiB and 8 MiB.
    pub fetch_ahead: usize,
    /// How often topics that are being read are looked up, to see that they were deleted or made anew.
    pub topic_check_interval: Duration,
}

impl Default for KafkaOptions {
    /// Client id `faustus`, 5 s to connect, 15 s per request, 20 s per delivery, no linger, no
    /// compression, 1 MiB ahead per partition, topics checked every 5 s.
    fn default() -> Self {
        Self {
            client_id: "faustus".to_owned(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
            delivery_timeout: Duration::from_secs(20),
            linger: Duration::ZERO,
            compression: Compression::None,
            fetch_ahead: 1024 * 1024,
            topic_check_interval: Duration::from_secs(5),
        }
    }
}

impl KafkaOptions {
    /// Sets the name that brokers show in their logs and quotas.
    #[must_use]
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            ..self
        }
    }

    /// Sets how long the first connection may take, over all addresses.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// Sets how long one administrative or group call may take, retries included.
    #[must_use]
    pub fn request_timeout(self, request_timeout: Duration) -> Self {
        Self {
            request_timeout,
            ..self
        }
    }

    /// Sets how long a record of the idempotent producer is tried.
    #[must_use]
    pub fn delivery_timeout(self, delivery_timeout: Duration) -> Self {
        Self {
            delivery_timeout,
            ..self
        }
    }

    /// Sets how long a record waits for others to share its request.
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        Self { linger, ..self }
    }

    /// Sets how record batches are compressed.
    #[must_use]
    pub fn compression(self, compression: Compression) -> Self {
        Self {
            compression,
            ..self
        }
    }

    /// Divides `budget` bytes of fetched records among `partitions`.
    #[must_use]
    pub fn fetch_budget(self, budget: usize, partitions: usize) -> Self {
        Self {
            fetch_ahead: budget / partitions.max(1),
            ..self
        }
    }

    /// Sets how often topics that are being read are looked up.
    #[must_use]
    pub fn topic_check_interval(self, topic_check_interval: Duration) -> Self {
        Self {
            topic_check_interval,
            ..self
        }
    }

    /// `fetch_ahead` within its bounds, in KiB.
    pub(crate) fn fetch_ahead_kib(&self) -> usize {
        (self.fetch_ahead / 1024).clamp(256, 8 * 1024)
    }
}

/// How record batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// With gzip: small and slow.
    Gzip,
    /// With snappy.
    Snappy,
    /// With lz4: fast.
    Lz4,
    /// With zstd; needs the cargo feature `zstd`.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    /// librdkafka's name of it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Looks whether `text` can be read as [`KafkaTransport::connect`](crate::KafkaTransport::connect)
/// reads it: `host:port`, several separated by commas.
///
/// # Errors
///
/// [`TransportError::Invalid`] that says which part is wrong, with names and passwords hidden.
///
/// # Examples
///
/// ```
/// assert!(faustus_kafka::check_addresses("a:9092,b:9092").is_ok());
/// assert!(faustus_kafka::check_addresses("a:many").is_err());
/// ```
pub fn check_addresses(text: &str) -> Result<(), TransportError> {
    parse_bootstrap(text).map(drop)
}

/// Reads `host:port,host:port`; a host without a port gets Kafka's own, 9092.
///
/// # Errors
///
/// [`TransportError::Invalid`] that says which part is wrong.
pub(crate) fn parse_bootstrap(text: &str) -> Result<Vec<Address>, TransportError> {
    if let Some((_, host)) = text.rsplit_once('@') {
        // A password may have a comma in it. Names and passwords are never shown.
        return Err(TransportError::Invalid(format!(
            "`***@{host}` has a name or a password, which this client does not take; write `{host}`"
        )));
    }
    let addresses: Vec<Address> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(parse_address)
        .collect::<Result<_, _>>()?;
    if addresses.is_empty() {
        return Err(TransportError::Invalid(
            "no Kafka address is given; write `host:port`, several separated by commas".to_owned(),
        ));
    }
    Ok(addresses)
}

fn parse_address(text: &str) -> Result<Address, TransportError> {
    let wrong = || {
        TransportError::Invalid(format!(
            "`{text}` is no Kafka address; write `host:port`, such as `127.0.0.1:9092`"
        ))
    };
    let bare_ipv6 = !text.starts_with('[') && text.matches(':').count() > 1;
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !bare_ipv6 && !port.ends_with(']') => {
            (host, port.parse().map_err(|_| wrong())?)
        }
        _ => (text, 9092),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() || port == 0 || host.contains(['/', '[', ']', ' ']) {
        return Err(wrong());
    }
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        let shown = |text: &str| {
            parse_bootstrap(text)
                .unwrap()
                .iter()
                .map(Address::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(shown("a:1, b:2,"), ["a:1", "b:2"]);
        assert_eq!(shown("kafka"), ["kafka:9092"]);
        assert_eq!(
            shown("[::1]:9093,::1,[::1]"),
            ["[::1]:9093", "[::1]:9092", "[::1]:9092"]
        );
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for text in ["", " , ", "a:b", "a:99999", ":9092", "kafka://a:1", "a:0"] {
            let error = parse_bootstrap(text).unwrap_err().to_string();
            assert!(error.contains("host:port"), "{text}: {error}");
        }
    }

    #[test]
    fn names_and_passwords_are_refused_and_not_shown() {
        for text in ["ann:tulip@a:1", "b,ann:tu@tulip@a:1", "ann:a,tulip@a:1"] {
            let error = parse_bootstrap(text).unwrap_err().to_string();
            assert!(
                error.contains("a:1") && !error.contains("tulip"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn fetch_ahead_stays_within_its_bounds() {
        let ahead = |budget, partitions| {
            KafkaOptions::default()
                .fetch_budget(budget, partitions)
                .fetch_ahead_kib()
        };
        assert_eq!(ahead(1 << 30, 2), 8192);
        assert_eq!(ahead(1 << 30, 1024), 1024);
        assert_eq!(ahead(1 << 20, 0), 1024);
        assert_eq!(ahead(1 << 20, 1000), 256);
    }
}
