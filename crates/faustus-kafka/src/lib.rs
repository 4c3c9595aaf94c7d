//! Apache Kafka as a Faustus transport.

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

pub use options::{Compression, KafkaOptions};
pub use transport::KafkaTransport;
