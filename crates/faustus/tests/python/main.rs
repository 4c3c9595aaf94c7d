//! Python's Faust 0.15.3 and this crate on one Kafka: each asks the agents of the other, and reads the
//! records and keys of the other.
//!
//! Faust is installed from the package index into a virtual environment below `target`, once. Where
//! that cannot be done the tests fail and say why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests wait in real time")]

#[path = "../common/mod.rs"]
mod common;

mod asking;
mod every;
mod faust;
mod records;
