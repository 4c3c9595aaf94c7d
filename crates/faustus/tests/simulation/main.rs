//! Whole applications on virtual time, with many seeds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bank;
mod basics;
mod chaos;
mod crashes;
mod failures;
mod flow;
mod outcomes;
mod prefix;
mod readers;
mod state;
mod zombies;
