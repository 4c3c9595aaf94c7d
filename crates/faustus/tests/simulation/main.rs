//! Whole applications on virtual time, with many seeds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "agents of tests wait as those of users do"
)]

#[path = "../common/mod.rs"]
mod common;

mod basics;
mod batches;
mod chaos;
mod crashes;
mod failures;
mod forbidden;
mod leader;
mod lifecycle;
mod manual;
mod offload;
mod outcomes;
mod prefix;
mod readers;
mod scenario;
mod sources;
mod state;
mod stores;
mod time;
mod zombies;
