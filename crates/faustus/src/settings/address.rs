//! Where a log is, without showing who may use it.

use std::fmt;

use crate::{near::did_you_mean, sensitive::HIDDEN};

/// The address of a log, as [`open_log`](crate::open_log) reads it.
///
/// Names and passwords in it (`kafka://ann:tulip@host`) are never shown.
///
/// # Examples
///
/// ```
/// use faustus::LogAddress;
///
/// let address = LogAddress::from("kafka://ann:tulip@broker:9092");
/// assert_eq!(address.to_string(), "kafka://***@broker:9092");
/// assert_eq!(address.expose(), "kafka://ann:tulip@broker:9092");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LogAddress(String);

impl LogAddress {
    /// The address with what is secret in it, to be used and not to be shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The directory that it means, if it means one.
    #[cfg(feature = "cli")]
    pub(crate) fn directory(&self) -> Option<&str> {
        match self.place() {
            Ok(Place::Directory(path)) => Some(path),
            _ => None,
        }
    }

    /// What it means, or what is wrong with it, as far as it shows without a look at the log.
    pub(crate) fn place(&self) -> Result<Place<'_>, String> {
        let write = "write memory://, kafka://host:port or a directory";
        match self.0.split_once("://") {
            Some(("memory", "")) => Ok(Place::Memory),
            Some(("memory", _)) => Err(format!("{self} has a name, and memory has none; {write}")),
            Some(("kafka", servers)) => kafka(servers),
            Some(("file", "")) => Err(format!("{self} names no directory; {write}")),
            Some(("file", path)) => Ok(Place::Directory(path)),
            Some((scheme, _)) => {
                let near = did_you_mean(scheme, ["kafka", "memory", "file"]);
                Err(format!(
                    "{self} is of no known kind {scheme:?}{near}; {write}"
                ))
            }
            None if self.0.is_empty() => Err(format!("it is empty; {write}")),
            None if is_half_an_address(&self.0) => Err(format!(
                "{self} looks like half an address; {write}, this one as ./{self}"
            )),
            None => Ok(Place::Directory(&self.0)),
        }
    }
}

/// Whether a name of a directory is more likely `kafka://host:port` or `memory://` without a part.
fn is_half_an_address(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    let begins = |scheme: &str| {
        let rest = text.strip_prefix(scheme);
        rest.is_some_and(|rest| rest.starts_with(':') || rest.starts_with("//"))
    };
    let ends_with_port = text.rsplit_once(':').is_some_and(|(_, port)| is_port(port));
    text == "memory"
        || ["kafka", "memory", "file"].into_iter().any(begins)
        || ends_with_port && !text.contains('/')
}

/// Where a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// In the memory of this process.
    Memory,
    /// In a directory.
    Directory(&'a str),
    /// In the cluster of these servers.
    #[cfg(feature = "kafka")]
    Kafka(&'a str),
}

#[cfg(feature = "kafka")]
fn kafka(servers: &str) -> Result<Place<'_>, String> {
    match faustus_kafka::check_addresses(servers) {
        Ok(()) => Ok(Place::Kafka(servers)),
        Err(faustus_core::TransportError::Invalid(wrong)) => Err(wrong),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: &str) -> Result<Place<'_>, String> {
    Err(
        "Kafka's client is not built in; build with the cargo feature `kafka` of faustus"
            .to_owned(),
    )
}

impl From<&str> for LogAddress {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for LogAddress {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for LogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self.0.find("://") {
            Some(at) => self.0.split_at(at + 3),
            None => ("", self.0.as_str()),
        };
        let is_path = matches!(scheme, "" | "file://");
        match rest.rfind('@') {
            // A path may have an `@`; a name and a password have a colon between them.
            Some(at) if !is_path || rest[..at].contains(':') => {
                write!(f, "{scheme}{HIDDEN}{}", &rest[at..])
            }
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for LogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_hidden_wherever_they_stand() {
        let shown = |text: &str| LogAddress::from(text).to_string();
        assert_eq!(shown("kafka://ann:tulip@a:1"), "kafka://***@a:1");
        assert_eq!(shown("kafka://ann:tu@lip@a:1,b"), "kafka://***@a:1,b");
        assert_eq!(shown("kafka://ann:x@a,bob:y@b"), "kafka://***@b");
        assert_eq!(shown("kafak://tulip@a"), "kafak://***@a");
        assert_eq!(shown("ann:tulip@a:1"), "***@a:1");
        assert_eq!(shown("file:///ann:tulip@a"), "file://***@a");
    }

    #[test]
    fn addresses_without_secrets_are_shown_as_they_are() {
        for text in ["kafka://a:1", "memory://", "data@home", "file:///data@home"] {
            assert_eq!(LogAddress::from(text).to_string(), text);
        }
        let address = LogAddress::from("kafka://ann:tulip@a");
        assert_eq!(format!("{address:?}"), r#""kafka://***@a""#);
    }

    #[test]
    fn each_kind_of_log_has_an_address() {
        let is = |text: &str, place| assert_eq!(LogAddress::from(text).place(), Ok(place));
        is("bank-data", Place::Directory("bank-data"));
        is("file:///bank", Place::Directory("/bank"));
        is("memory://", Place::Memory);
        #[cfg(feature = "kafka")]
        is("kafka://a", Place::Kafka("a"));
    }

    #[test]
    fn half_an_address_is_no_directory() {
        for text in [
            "broker:9092",
            "ann:tulip@a:1",
            "kafka:broker",
            "kafka//a",
            "memory:",
            "memory",
        ] {
            let wrong = LogAddress::from(text).place().unwrap_err();
            assert!(wrong.contains("half an address"), "{wrong}");
            assert!(!wrong.contains("tulip"), "{wrong}");
        }
        for text in [
            "./broker:9092",
            "memory-data",
            "/kafka:9092",
            "kafka",
            "a:b",
        ] {
            assert_eq!(LogAddress::from(text).place(), Ok(Place::Directory(text)));
        }
    }

    #[test]
    fn what_means_no_log_is_refused_without_its_secrets() {
        let wrong = |text: &str| LogAddress::from(text).place().unwrap_err();
        assert!(wrong("pigeon://ann:tulip@a").starts_with("pigeon://***@a is of no known kind"));
        assert!(wrong("kafak://a").contains("did you mean \"kafka\"?"));
        assert!(wrong("").contains("empty"));
        assert!(wrong("file://").contains("no directory"));
        assert!(wrong("memory://orders").contains("memory://"));
        assert!(!wrong("kafka://ann:tulip@a").contains("tulip"));
    }
}
