//! What can be chosen about a running worker.

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
    /// Without a sign of life for so long the group gives a worker's tasks to others. Default: 45 s.
    pub session_timeout: Duration,
    /// How much a task may hold that has not retired, in bytes of keys and values. Default: 1 MiB.
    pub task_bytes: usize,
    /// The worker's name, which must differ among the workers of an application; it is a part of its
    /// transactional ids. Default: random at each start.
    pub worker_id: String,
    /// Keep the worker's place in the group over a restart: a static member of this name.
    pub instance: Option<String>,
    /// Where tables are kept between starts, a directory of this worker alone; `None`: in memory,
    /// restored from their changelogs at each start. A worker keeps up to 128 MiB of what is in them
    /// in memory too. Stores that turn out to be damaged are removed and rebuilt.
    pub stores: Option<PathBuf>,
    /// Go on with a log in a directory that lost records it had acknowledged, with what is left of
    /// it. Default: refuse it and say what is missing.
    pub accept_loss: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guarantee: Guarantee::AtLeastOnce,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            commit_interval: Duration::from_secs(1),
            transaction_interval: None,
            drain_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(45),
            task_bytes: 1 << 20,
            worker_id: String::new(),
            instance: None,
            stores: None,
            accept_loss: false,
        }
    }
}

impl Settings {
    pub(crate) fn transaction_interval(&self, transport: &dyn Transport) -> Duration {
        self.transaction_interval
            .unwrap_or_else(|| transport.traits().transaction_interval)
    }
}
