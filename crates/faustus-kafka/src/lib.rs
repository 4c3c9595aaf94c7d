//! Apache Kafka as a Faustus transport.

#![allow(dead_code)]
mod admin;
mod background;
mod coordinator;
mod error;
mod net;
mod options;
mod transport;

pub use options::{Compression, KafkaOptions};
pub use transport::KafkaTransport;
