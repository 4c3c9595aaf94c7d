//! The list of all settings.

use std::{path::Path, time::Duration};

use super::{Group, Kind, Setting};
use crate::{
    Guarantee, LogAddress,
    settings::{
        Compression, LogFormat,
        text::{
            HOUR, choice, count, duration, flag, levels, name, path, show_duration, show_size, size,
        },
    },
};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// The words of [`Compression`].
const COMPRESSIONS: &[(&str, Compression)] = &[
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    #[cfg(feature = "zstd")]
    ("zstd", Compression::Zstd),
];

/// The words of [`LogFormat`].
const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

/// All settings, in the order in which they are told.
pub(crate) const CATALOGUE: &[Setting] = &[
    Setting {
        name: "log",
        group: Group::Log,
        kind: Kind::Address,
        help: "Where the log is: a directory, memory://, or kafka://host:port,host:port",
        otherwise: Some("the directory <app>-data"),
        get: |s| s.log.as_ref().map(|log| log.expose().to_owned()),
        set: |s, text| {
            let address = LogAddress::from(text);
            address.place()?;
            s.log = Some(address);
            Ok(())
        },
    },
    Setting {
        name: "fsync",
        group: Group::Log,
        kind: Kind::Flag,
        help: "Have a log in a directory survive a power loss too, at the cost of a disk's round trip a write",
        otherwise: None,
        get: |s| Some(s.fsync.to_string()),
        set: |s, text| flag(text).map(|on| s.fsync = on),
    },
    Setting {
        name: "disk-reserve",
        group: Group::Log,
        kind: Kind::Size,
        help: "How much of the disk a log in a directory leaves free",
        otherwise: None,
        get: |s| Some(show_size(s.disk_reserve)),
        set: |s, text| size(text, 0..=TIB).map(|bytes| s.disk_reserve = bytes),
    },
    Setting {
        name: "accept-loss",
        group: Group::Log,
        kind: Kind::Flag,
        help: "Go on with a log in a directory that lost acknowledged records, with what is left of it",
        otherwise: None,
        get: |s| Some(s.accept_loss.to_string()),
        set: |s, text| flag(text).map(|on| s.accept_loss = on),
    },
    Setting {
        name: "exactly-once",
        group: Group::Processing,
        kind: Kind::Flag,
        help: "Let every event count exactly once, whatever crashes, instead of at least once",
        otherwise: None,
        get: |s| Some((s.guarantee == Guarantee::ExactlyOnce).to_string()),
        set: |s, text| flag(text).map(|exactly_once| s.guarantee = guarantee(exactly_once)),
    },
    Setting {
        name: "commit-interval",
        group: Group::Processing,
        kind: Kind::Duration,
        help: "At least once: how long table changes and offsets gather before they are stored",
        otherwise: None,
        get: |s| Some(show_duration(s.commit_interval)),
        set: |s, text| duration(text, MILLISECOND..=HOUR).map(|time| s.commit_interval = time),
    },
    Setting {
        name: "transaction-interval",
        group: Group::Processing,
        kind: Kind::Duration,
        help: "Exactly once: how long it takes until readers see what an epoch sent",
        otherwise: Some("100 ms on Kafka, else as short as can be"),
        get: |s| s.transaction_interval.map(show_duration),
        set: |s, text| {
            duration(text, Duration::ZERO..=HOUR).map(|time| s.transaction_interval = Some(time))
        },
    },
    Setting {
        name: "epoch-bytes",
        group: Group::Processing,
        kind: Kind::Size,
        help: "Commit early when so much was sent since the last commit",
        otherwise: None,
        get: |s| Some(show_size(s.epoch_bytes as u64)),
        set: |s, text| size(text, 1..=KIB * MIB).map(|bytes| s.epoch_bytes = bytes),
    },
    Setting {
        name: "task-bytes",
        group: Group::Processing,
        kind: Kind::Size,
        help: "How much a partition may hold that is in flight: keys and values of its events",
        otherwise: None,
        get: |s| Some(show_size(s.task_bytes as u64)),
        set: |s, text| size(text, 1..=KIB * MIB).map(|bytes| s.task_bytes = bytes),
    },
    Setting {
        name: "threads",
        group: Group::Worker,
        kind: Kind::Count,
        help: "How many worker threads; each runs some of the partitions",
        otherwise: Some("one per core"),
        get: |s| Some(s.threads.to_string()),
        set: |s, text| count(text, 1..=1024).map(|threads| s.threads = threads),
    },
    Setting {
        name: "worker-id",
        group: Group::Worker,
        kind: Kind::Name,
        help: "The worker's name, unlike that of all other workers of the application",
        otherwise: Some("random"),
        get: |s| Some(s.worker_id.clone()).filter(|id| !id.is_empty()),
        set: |s, text| name(text).map(|id| s.worker_id = id),
    },
    Setting {
        name: "instance",
        group: Group::Worker,
        kind: Kind::Name,
        help: "Keep the place in the group over restarts, under this name",
        otherwise: Some("none"),
        get: |s| s.instance.clone(),
        set: |s, text| name(text).map(|instance| s.instance = Some(instance)),
    },
    Setting {
        name: "session-timeout",
        group: Group::Worker,
        kind: Kind::Duration,
        help: "Without a sign of life for so long others take the worker's partitions",
        otherwise: None,
        get: |s| Some(show_duration(s.session_timeout)),
        set: |s, text| duration(text, SECOND..=HOUR).map(|time| s.session_timeout = time),
    },
    Setting {
        name: "drain-timeout",
        group: Group::Worker,
        kind: Kind::Duration,
        help: "How long events in flight may take to end when the worker stops or gives partitions away",
        otherwise: None,
        get: |s| Some(show_duration(s.drain_timeout)),
        set: |s, text| duration(text, Duration::ZERO..=HOUR).map(|time| s.drain_timeout = time),
    },
    Setting {
        name: "blocked-after",
        group: Group::Worker,
        kind: Kind::Duration,
        help: "How long an agent may hold its thread without an await before the log tells of it; 0 s: never",
        otherwise: None,
        get: |s| Some(show_duration(s.blocked_after)),
        set: |s, text| duration(text, Duration::ZERO..=HOUR).map(|time| s.blocked_after = time),
    },
    Setting {
        name: "status-line",
        group: Group::Worker,
        kind: Kind::Flag,
        help: "Show how the worker stands in a live line on its terminal",
        otherwise: Some("unless standard output is a terminal too"),
        get: |s| s.status_line.map(|on| on.to_string()),
        set: |s, text| flag(text).map(|on| s.status_line = Some(on)),
    },
    Setting {
        name: "create-topics",
        group: Group::Topics,
        kind: Kind::Flag,
        help: "Make topics that are missing; otherwise the start says which are",
        otherwise: None,
        get: |s| Some(s.create_topics.to_string()),
        set: |s, text| flag(text).map(|on| s.create_topics = on),
    },
    Setting {
        name: "topic-partitions",
        group: Group::Topics,
        kind: Kind::Count,
        help: "How many partitions a topic gets that must be made and that nothing else decides",
        otherwise: None,
        get: |s| Some(s.topic_partitions.to_string()),
        set: |s, text| count(text, 1..=100_000).map(|number| s.topic_partitions = number),
    },
    Setting {
        name: "topic-replicas",
        group: Group::Topics,
        kind: Kind::Count,
        help: "On how many brokers a topic is kept that must be made",
        otherwise: Some("what the brokers say"),
        get: |s| s.topic_replicas.map(|number| number.to_string()),
        set: |s, text| count(text, 1..=1000).map(|number| s.topic_replicas = Some(number)),
    },
    Setting {
        name: "topic-refresh",
        group: Group::Topics,
        kind: Kind::Duration,
        help: "How often topics that a pattern takes are looked for",
        otherwise: None,
        get: |s| Some(show_duration(s.topic_refresh)),
        set: |s, text| duration(text, MILLISECOND..=HOUR).map(|time| s.topic_refresh = time),
    },
    Setting {
        name: "stores",
        group: Group::Tables,
        kind: Kind::Directory,
        help: "Keep tables in this directory between starts",
        otherwise: Some("in memory"),
        get: |s| s.stores.as_deref().map(shown),
        set: |s, text| path(text).map(|path| s.stores = Some(path)),
    },
    Setting {
        name: "store-memory",
        group: Group::Tables,
        kind: Kind::Size,
        help: "How much of what is in stores is kept in memory too",
        otherwise: None,
        get: |s| Some(show_size(s.store_memory as u64)),
        set: |s, text| size(text, 0..=TIB).map(|bytes| s.store_memory = bytes),
    },
    Setting {
        name: "ask-timeout",
        group: Group::Asking,
        kind: Kind::Duration,
        help: "How long a reply is awaited if the program does not say",
        otherwise: None,
        get: |s| Some(show_duration(s.ask_timeout)),
        set: |s, text| duration(text, MILLISECOND..=24 * HOUR).map(|time| s.ask_timeout = time),
    },
    Setting {
        name: "reply-retention",
        group: Group::Asking,
        kind: Kind::Duration,
        help: "How long replies are kept that nobody reads",
        otherwise: None,
        get: |s| Some(show_duration(s.reply_retention)),
        set: |s, text| duration(text, SECOND..=10_000 * HOUR).map(|time| s.reply_retention = time),
    },
    Setting {
        name: "log-level",
        group: Group::Messages,
        kind: Kind::Levels,
        help: "Which messages are written: a level, and levels of parts, as in warn,faustus::membership=debug",
        otherwise: None,
        get: |s| Some(s.log_level.clone()),
        set: |s, text| levels(text).map(|levels| s.log_level = levels),
    },
    Setting {
        name: "log-format",
        group: Group::Messages,
        kind: Kind::Choice,
        help: "How messages are written: text, or json with one object a line",
        otherwise: None,
        get: |s| word(s.log_format, FORMATS),
        set: |s, text| choice(text, FORMATS).map(|meant| s.log_format = meant),
    },
    Setting {
        name: "log-file",
        group: Group::Messages,
        kind: Kind::File,
        help: "Add messages to this file; SIGHUP opens it anew",
        otherwise: Some("standard error"),
        get: |s| s.log_file.as_deref().map(shown),
        set: |s, text| path(text).map(|path| s.log_file = Some(path)),
    },
    Setting {
        name: "kafka-client-id",
        group: Group::Kafka,
        kind: Kind::Name,
        help: "The name that brokers show in their logs and quotas",
        otherwise: None,
        get: |s| Some(s.kafka_client_id.clone()),
        set: |s, text| name(text).map(|id| s.kafka_client_id = id),
    },
    Setting {
        name: "kafka-compression",
        group: Group::Kafka,
        kind: Kind::Choice,
        help: "How records are compressed: none, gzip, snappy, lz4, or zstd where it is built in",
        otherwise: None,
        get: |s| word(s.kafka_compression, COMPRESSIONS),
        set: |s, text| choice(text, COMPRESSIONS).map(|meant| s.kafka_compression = meant),
    },
    Setting {
        name: "kafka-linger",
        group: Group::Kafka,
        kind: Kind::Duration,
        help: "How long a record waits for others to share its request",
        otherwise: None,
        get: |s| Some(show_duration(s.kafka_linger)),
        set: |s, text| {
            duration(text, Duration::ZERO..=10 * SECOND).map(|time| s.kafka_linger = time)
        },
    },
    Setting {
        name: "kafka-fetch-ahead",
        group: Group::Kafka,
        kind: Kind::Size,
        help: "How much is fetched ahead for one partition",
        otherwise: None,
        get: |s| Some(show_size(s.kafka_fetch_ahead as u64)),
        set: |s, text| size(text, 256 * KIB..=8 * MIB).map(|bytes| s.kafka_fetch_ahead = bytes),
    },
    Setting {
        name: "kafka-connect-timeout",
        group: Group::Kafka,
        kind: Kind::Duration,
        help: "How long the first connection may take, over all addresses",
        otherwise: None,
        get: |s| Some(show_duration(s.kafka_connect_timeout)),
        set: |s, text| {
            duration(text, MILLISECOND..=HOUR).map(|time| s.kafka_connect_timeout = time)
        },
    },
    Setting {
        name: "kafka-request-timeout",
        group: Group::Kafka,
        kind: Kind::Duration,
        help: "How long one call of the group or of an administrator may take, retries included",
        otherwise: None,
        get: |s| Some(show_duration(s.kafka_request_timeout)),
        set: |s, text| {
            duration(text, MILLISECOND..=HOUR).map(|time| s.kafka_request_timeout = time)
        },
    },
    Setting {
        name: "kafka-delivery-timeout",
        group: Group::Kafka,
        kind: Kind::Duration,
        help: "How long a record is tried before the outcome counts as unknown",
        otherwise: Some("20 s, or 2/3 of session-timeout"),
        get: |s| s.kafka_delivery_timeout.map(show_duration),
        set: |s, text| {
            duration(text, MILLISECOND..=HOUR).map(|time| s.kafka_delivery_timeout = Some(time))
        },
    },
];

/// The word of a list that means `value`.
fn word<T: Copy + PartialEq>(value: T, words: &[(&str, T)]) -> Option<String> {
    let word = words.iter().find(|(_, meant)| *meant == value);
    word.map(|(word, _)| (*word).to_owned())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn guarantee(exactly_once: bool) -> Guarantee {
    if exactly_once {
        Guarantee::ExactlyOnce
    } else {
        Guarantee::AtLeastOnce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_group_stand_together() {
        let mut groups: Vec<_> = CATALOGUE.iter().map(|setting| setting.group).collect();
        groups.dedup();
        let count = groups.len();
        groups.sort_by_key(|group| group.title());
        groups.dedup();
        assert_eq!(groups.len(), count);
    }

    #[test]
    fn helps_are_sentences_without_a_full_stop() {
        for setting in CATALOGUE {
            let begins = setting.help.starts_with(char::is_uppercase);
            assert!(begins && !setting.help.ends_with('.'), "{}", setting.name);
        }
    }
}
