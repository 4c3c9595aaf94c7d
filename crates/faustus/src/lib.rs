//! Stream processing: agents, tables, windows, exactly once, on an embedded log or on Kafka.

mod record;

pub use faustus_macros::Record;
pub use record::{Field, Record};
