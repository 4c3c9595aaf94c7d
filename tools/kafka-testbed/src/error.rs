//! The one error type. Guarantees that every message says what is missing or which node failed,
//! with the end of that node's log where there is one.

use std::io;
use std::path::Path;

/// What a machine must have, as an example of the command that installs it.
const INSTALL: &str = "install Java 17 or newer and Maven, for example with \
     `apt-get install openjdk-17-jre-headless maven`";

/// Why a cluster, or one node of it, could not be started or reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program the testbed runs is not on the `PATH`.
    #[error("`{program}` is not on the PATH: {INSTALL}")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
    },
    /// The `java` on the `PATH` cannot run this Kafka.
    #[error("`java` is too old or does not run ({found}): {INSTALL}")]
    Java {
        /// What `java -version` answered.
        found: String,
    },
    /// Maven could not resolve the jars.
    #[error("maven could not resolve the jars of Kafka {version}:\n{output}")]
    Maven {
        /// The Kafka release.
        version: &'static str,
        /// What Maven printed.
        output: String,
    },
    /// Neither `KAFKA_TESTBED_CACHE` nor `HOME` says where the jars may be kept.
    #[error("no place for the jars: set KAFKA_TESTBED_CACHE or HOME")]
    NoCache,
    /// The data directory of a node could not be formatted.
    #[error("could not format the storage of a node:\n{output}")]
    Format {
        /// What the storage tool printed.
        output: String,
    },
    /// No free ports were found.
    #[error("no {wanted} free ports on 127.0.0.1 between {first} and {last}")]
    NoPorts {
        /// How many were needed.
        wanted: usize,
        /// Lowest port that was tried.
        first: u16,
        /// Highest port that was tried.
        last: u16,
    },
    /// A cluster needs at least one node.
    #[error("a cluster needs at least one node")]
    NoNodes,
    /// The cluster has no node of that number.
    #[error("no node {node}: the nodes are 1 to {nodes}")]
    NoSuchNode {
        /// The number that was asked for.
        node: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// The node was killed or died before.
    #[error("node {node} does not run")]
    NotRunning {
        /// The node.
        node: usize,
    },
    /// The node was to be started but runs.
    #[error("node {node} already runs")]
    AlreadyRunning {
        /// The node.
        node: usize,
    },
    /// A node that was waited for ended by itself.
    #[error("node {node} ended by itself ({status}); the end of its log:\n{log}")]
    Died {
        /// The node.
        node: usize,
        /// How the process ended.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// A node did not become ready in time.
    #[error("node {node} is not ready after {seconds} s: {reason}; the end of its log:\n{log}")]
    NotReady {
        /// The node.
        node: usize,
        /// How long the cluster waited.
        seconds: u64,
        /// What the last question to the broker found.
        reason: String,
        /// The last lines of its log.
        log: String,
    },
    /// The operating system refused something.
    #[error("could not {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the operating system answered.
        source: io::Error,
    },
}

impl Error {
    /// A closure for `map_err` that says what was tried.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action: action.into(),
            source,
        }
    }

    /// As [`Error::io`], for an action on a path.
    pub(crate) fn path(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(format!("{action} {}", path.display()))
    }
}
