//! The embedded log: a [`Transport`](faustus_core::Transport) without a server.
//!
//! [`MemoryLog`] behaves as a Kafka broker does, transactions, compaction, consumer groups and
//! timeouts included, in the memory of one process; on a virtual clock it is deterministic.
//! [`DirectoryLog`] is the same broker kept in a directory, and [`DirectoryReader`] looks at one that
//! nobody has open. [`FaultyTransport`] makes any transport fail or wait at chosen calls.

mod broker;
mod directory;
mod faults;
mod ids;
mod memory;
mod options;
mod shell;

pub use directory::{
    DirectoryLog, DirectoryOptions, DirectoryReader, StoredBatch, StoredPartition, StoredTopic,
};
pub use faults::{Call, Fault, Faults, FaultyTransport, Rule, Site};
pub use memory::MemoryLog;
pub use options::LogOptions;
