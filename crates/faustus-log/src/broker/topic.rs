//! A topic: its identity, its settings by Kafka's names, its partitions.

use std::{collections::BTreeMap, time::Duration};

use faustus_core::{CleanupPolicy, TopicConfig, TopicId, TransportError};

use super::partition::Partition;
use crate::LogOptions;

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: TopicId,
    pub(crate) settings: Settings,
    pub(crate) partitions: Vec<Partition>,
}

/// Settings of Kafka that change nothing here; they are kept and shown.
const WITHOUT_EFFECT: [&str; 10] = [
    "compression.type",
    "flush.messages",
    "flush.ms",
    "max.compaction.lag.ms",
    "min.cleanable.dirty.ratio",
    "min.insync.replicas",
    "segment.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// The effective settings of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) cleanup: CleanupPolicy,
    /// `None`: for ever.
    pub(crate) retention: Option<Duration>,
    /// How long a tombstone stays after a compaction first met it.
    pub(crate) delete_retention: Duration,
    /// Younger records are not compacted.
    pub(crate) min_compaction_lag: Duration,
    pub(crate) max_message_bytes: usize,
    /// Settings without effect here.
    pub(crate) other: BTreeMap<String, String>,
}

impl Settings {
    /// The settings of a new topic.
    pub(crate) fn new(config: &TopicConfig, defaults: &LogOptions) -> Result<Self, TransportError> {
        let mut settings = Self {
            cleanup: config.cleanup.unwrap_or(CleanupPolicy::Delete),
            retention: config.retention.unwrap_or(defaults.retention),
            delete_retention: Duration::from_secs(24 * 3600),
            min_compaction_lag: Duration::ZERO,
            max_message_bytes: defaults.max_message_bytes,
            other: BTreeMap::new(),
        };
        for (name, value) in &config.other {
            settings.set(name, value)?;
        }
        Ok(settings)
    }

    /// Sets one setting by Kafka's name.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), TransportError> {
        let invalid = || TransportError::Invalid(format!("{name} cannot be {value:?}"));
        let millis = || value.parse().map(Duration::from_millis);
        match name {
            "cleanup.policy" => {
                self.cleanup = match value {
                    "delete" => CleanupPolicy::Delete,
                    "compact" => CleanupPolicy::Compact,
                    "compact,delete" | "delete,compact" => CleanupPolicy::CompactAndDelete,
                    _ => return Err(invalid()),
                };
            }
            "retention.ms" if value == "-1" => self.retention = None,
            "retention.ms" => self.retention = Some(millis().map_err(|_| invalid())?),
            "delete.retention.ms" => self.delete_retention = millis().map_err(|_| invalid())?,
            "min.compaction.lag.ms" => self.min_compaction_lag = millis().map_err(|_| invalid())?,
            "max.message.bytes" => {
                self.max_message_bytes = value.parse().map_err(|_| invalid())?;
            }
            "message.timestamp.type" if value == "CreateTime" => {
                self.other.insert(name.to_owned(), value.to_owned());
            }
            "retention.bytes" if value == "-1" => {
                self.other.insert(name.to_owned(), value.to_owned());
            }
            _ if WITHOUT_EFFECT.contains(&name) => {
                self.other.insert(name.to_owned(), value.to_owned());
            }
            _ => {
                return Err(TransportError::Invalid(format!(
                    "the embedded log has no topic setting {name}={value}"
                )));
            }
        }
        Ok(())
    }

    /// All settings by Kafka's names.
    pub(crate) fn describe(&self) -> BTreeMap<String, String> {
        let mut all = self.other.clone();
        let retention = self
            .retention
            .map_or_else(|| "-1".to_owned(), |r| r.as_millis().to_string());
        let lag = self.min_compaction_lag.as_millis().to_string();
        all.extend([
            ("cleanup.policy".into(), self.cleanup.as_str().into()),
            ("retention.ms".into(), retention),
            (
                "delete.retention.ms".into(),
                self.delete_retention.as_millis().to_string(),
            ),
            ("min.compaction.lag.ms".into(), lag),
            (
                "max.message.bytes".into(),
                self.max_message_bytes.to_string(),
            ),
        ]);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_given() {
        let mut config = TopicConfig {
            cleanup: Some(CleanupPolicy::Compact),
            retention: Some(None),
            ..TopicConfig::default()
        };
        config.other = [
            ("delete.retention.ms", "100"),
            ("segment.ms", "5"),
            ("max.message.bytes", "77"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let described = Settings::new(&config, &LogOptions::default())
            .unwrap()
            .describe();
        let get = |name: &str| described[name].as_str();
        assert_eq!(
            (get("cleanup.policy"), get("retention.ms")),
            ("compact", "-1")
        );
        assert_eq!(
            (get("delete.retention.ms"), get("max.message.bytes")),
            ("100", "77")
        );
        assert_eq!(get("segment.ms"), "5");
    }

    #[test]
    fn an_unknown_or_unreadable_setting_is_refused() {
        for (name, value) in [
            ("retension.ms", "1"),
            ("retention.ms", "x"),
            ("cleanup.policy", "none"),
        ] {
            let mut config = TopicConfig::default();
            config.other.insert(name.into(), value.into());
            assert!(matches!(
                Settings::new(&config, &LogOptions::default()),
                Err(TransportError::Invalid(_))
            ));
        }
    }
}
