//! Whole applications on a real Kafka.
//!
//! All tests share one broker, and each has names of its own there; those that harm the broker start
//! another, those about permissions share another. What an application has done is read by a
//! committed reader outside of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "agents of tests wait as those of users do"
)]

#[path = "../common/mod.rs"]
mod common;

mod asking;
mod blocked;
mod broker;
mod channels;
mod failures;
mod forbidden;
mod leader;
mod outage;
mod outcomes;
mod patterns;
mod permissions;
mod prefix;
mod state;
mod stores;
mod sums;
