//! Whole applications on virtual time, with many seeds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "agents of tests wait as those of users do"
)]

#[path = "../common/mod.rs"]
mod common;

mod agents;
mod asking;
mod basics;
mod batches;
mod channels;
mod chaos;
mod crashes;
mod failures;
mod forbidden;
mod leader;
mod lifecycle;
mod manual;
mod mistakes;
mod offload;
mod outcomes;
mod patterns;
mod policies;
mod prefix;
mod readers;
mod records;
mod regressions;
mod scenario;
mod sends;
mod sensors;
mod settings;
mod sinks;
mod sources;
mod state;
mod stores;
mod table_handles;
mod time;
mod zombies;
