//! What can be chosen about a running worker.
//!
//! [`Settings`] is what a program sees. The command line reads it in layers, each setting by its entry
//! in the catalogue.

mod address;
#[cfg(feature = "cli")]
mod arguments;
#[cfg(all(test, feature = "cli"))]
mod book;
#[cfg(feature = "cli")]
pub(crate) mod catalogue;
#[cfg(feature = "cli")]
pub(crate) mod layers;
#[cfg(feature = "cli")]
mod show;
#[cfg(feature = "cli")]
mod text;

pub use address::LogAddress;
pub(crate) use address::Place;
#[cfg(feature = "cli")]
pub(crate) use arguments::SettingArgs;
#[cfg(feature = "top")]
pub(crate) use text::duration;

use std::{path::PathBuf, time::Duration};

use faustus_core::Transport;

/// What is promised about each event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guarantee {
    /// Nothing is lost. After a crash some events are processed again: what they did may be seen twice.
    #[default]
    AtLeastOnce,
    /// What an event does, its table changes and sends, is seen exactly once, whatever crashes.
    ExactlyOnce,
}

/// How records are compressed on their way to Kafka and there.
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
    /// With zstd: small; needs the cargo feature `zstd`.
    #[cfg(feature = "zstd")]
    Zstd,
}

/// How the messages of a worker are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// Lines for people: time, level, message, fields.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Settings of a worker. [`Settings::default`] suits most.
///
/// # Examples
///
/// ```
/// use faustus::{Guarantee, Settings};
///
/// let settings = Settings { guarantee: Guarantee::ExactlyOnce, ..Settings::default() };
/// assert_eq!(settings.commit_interval.as_secs(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is promised about each event.
    pub guarantee: Guarantee,
    /// How many worker threads; each runs some of the tasks. Default: one per core.
    pub threads: usize,
    /// At least once: how long table changes and offsets gather before they are stored. Default: 1 s.
    pub commit_interval: Duration,
    /// Exactly once: how long it takes until readers see what an epoch sent, from its first event on;
    /// the time that commits take counts, for at most a quarter. Default: what suits the log, 100 ms
    /// on Kafka and as short as can be on the embedded log.
    pub transaction_interval: Option<Duration>,
    /// How long events in flight may take to end at a revoke or shutdown; and at a shutdown also ticks
    /// of timers, all services and all hooks. Default: 10 s.
    pub drain_timeout: Duration,
    /// [`App::main`](crate::App::main): whether a worker shows how it stands in a live line on its
    /// terminal; `None`: where standard error is a terminal and standard output is something else, for what
    /// a program prints would run into the line.
    pub status_line: Option<bool>,
    /// How long an agent may hold its thread without an `.await` before the log tells of it; zero: it is
    /// never told. Default: 10 s.
    pub blocked_after: Duration,
    /// Without a sign of life for so long the group gives a worker's tasks to others. Default: 45 s.
    pub session_timeout: Duration,
    /// A commit is made early when what was sent since the last one takes so many bytes. Default: 4 MiB.
    pub epoch_bytes: usize,
    /// How much a task may hold that has not retired, in bytes of keys and values. Default: 1 MiB.
    pub task_bytes: usize,
    /// The worker's name, which must differ among the workers of an application; it is a part of its
    /// transactional ids. Default: random at each start.
    pub worker_id: String,
    /// Keep the worker's place in the group over a restart: a static member of this name.
    pub instance: Option<String>,
    /// Whether topics that are missing are made, default yes. If not, the start names those that are
    /// missing. The topic for replies to what this process asks is made all the same.
    pub create_topics: bool,
    /// How many partitions a topic gets that must be made and that nothing else decides. Default: 8.
    pub topic_partitions: u32,
    /// On how many brokers a topic is kept that must be made; `None`: what the brokers say. The
    /// embedded log ignores it.
    pub topic_replicas: Option<u16>,
    /// How often topics that a [pattern](crate::App::topic_pattern) takes are looked for; each look
    /// asks the log for the names of all its topics. Default: 30 s.
    pub topic_refresh: Duration,
    /// Where tables are kept between starts, a directory of this worker alone; `None`: in memory,
    /// restored from their changelogs at each start. Stores that turn out to be damaged are removed and rebuilt.
    pub stores: Option<PathBuf>,
    /// How much of what is in stores is kept in memory too, in bytes. Default: 128 MiB.
    pub store_memory: usize,
    /// How long a reply is awaited if [`Agent::timeout`](crate::Agent::timeout) does not say.
    /// Default: 30 s.
    pub ask_timeout: Duration,
    /// How long replies are kept that nobody reads. Default: 24 h.
    pub reply_retention: Duration,
    /// Where the log is, for [`App::main`](crate::App::main), which opens it; `None`: the directory
    /// `<app>-data`. A [`Worker`](crate::Worker) is given an open log and does not look at this.
    pub log: Option<LogAddress>,
    /// A log in a directory: whether a write is on the disk itself before it is acknowledged, so that
    /// it survives a power loss too. Default: no.
    pub fsync: bool,
    /// A log in a directory: writes are refused while less than this is free, in bytes. Default: 64 MiB.
    pub disk_reserve: u64,
    /// Go on with a log in a directory that lost records it had acknowledged, with what is left of
    /// it. Default: refuse it and say what is missing.
    pub accept_loss: bool,
    /// Which messages are written, for [`App::main`](crate::App::main): a level, and levels of parts of
    /// the program, as in `warn,faustus::membership=debug`. Default: `info`. It and the two that follow
    /// mean nothing to a [`Worker`](crate::Worker) that the program runs itself, whose messages go to the
    /// program's `tracing` subscriber.
    pub log_level: String,
    /// How messages are written. Default: as text.
    pub log_format: LogFormat,
    /// The file that messages are added to; `None`: standard error.
    pub log_file: Option<PathBuf>,
    /// Kafka: the name that brokers show in their logs and quotas. Default: `faustus`.
    pub kafka_client_id: String,
    /// Kafka: how records are compressed. Default: not at all.
    pub kafka_compression: Compression,
    /// Kafka: how long a record waits for others to share its request. Default: not at all.
    pub kafka_linger: Duration,
    /// Kafka: how much is fetched ahead for one partition, in bytes; between 256 KiB and 8 MiB.
    /// Default: 1 MiB.
    pub kafka_fetch_ahead: usize,
    /// Kafka: how long the first connection may take, over all addresses. Default: 5 s.
    pub kafka_connect_timeout: Duration,
    /// Kafka: how long one call of the group or of an administrator may take, retries included.
    /// Default: 15 s.
    pub kafka_request_timeout: Duration,
    /// Kafka: how long a record is tried before the outcome counts as unknown, for two thirds of
    /// `session_timeout` at most. Default: 20 s, or those two thirds.
    pub kafka_delivery_timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guarantee: Guarantee::AtLeastOnce,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            commit_interval: Duration::from_secs(1),
            transaction_interval: None,
            drain_timeout: Duration::from_secs(10),
            status_line: None,
            blocked_after: Duration::from_secs(10),
            session_timeout: Duration::from_secs(45),
            epoch_bytes: 4 << 20,
            task_bytes: 1 << 20,
            worker_id: String::new(),
            instance: None,
            create_topics: true,
            topic_partitions: 8,
            topic_replicas: None,
            topic_refresh: Duration::from_secs(30),
            stores: None,
            store_memory: 128 << 20,
            ask_timeout: Duration::from_secs(30),
            reply_retention: Duration::from_secs(24 * 3600),
            log: None,
            fsync: false,
            disk_reserve: 64 << 20,
            accept_loss: false,
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            log_file: None,
            kafka_client_id: "faustus".to_owned(),
            kafka_compression: Compression::None,
            kafka_linger: Duration::ZERO,
            kafka_fetch_ahead: 1 << 20,
            kafka_connect_timeout: Duration::from_secs(5),
            kafka_request_timeout: Duration::from_secs(15),
            kafka_delivery_timeout: None,
        }
    }
}

impl Settings {
    pub(crate) fn transaction_interval(&self, transport: &dyn Transport) -> Duration {
        self.transaction_interval
            .unwrap_or_else(|| transport.traits().transaction_interval)
    }
}
