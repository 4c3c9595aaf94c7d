//! Apache Kafka as a Faustus transport.
//!
//! [`KafkaTransport`] implements [`faustus_core::Transport`]. Records are fetched and produced by
//! librdkafka on threads of this crate; group membership, committed offsets and topics are spoken on
//! the wire protocol directly, because no client library lets its user choose assignments or send
//! member data. Needs Kafka 2.8 or newer, and a C compiler to build.
//!
//! # Where things differ from what one may expect
//!
//! - A record's time stamp of 0 is stored as 1: librdkafka takes 0 for "now".
//! - A commit of offsets that names a topic which does not exist is refused, but brokers store the
//!   other topics' offsets of that commit.
//! - A commit with offsets returns when it is decided; until the coordinator has told all partitions,
//!   a moment later, readers stop below it and `fetch_offsets` says that offsets are unstable.
//! - What a member sends with its join must be a `ConsumerProtocolSubscription`; brokers read it.

mod admin;
mod background;
mod config;
mod coordinator;
mod directory;
mod error;
mod native;
mod net;
mod options;
mod read;
mod thread;
mod transport;
mod write;

pub use options::{Compression, KafkaOptions, check_addresses};
pub use transport::KafkaTransport;
