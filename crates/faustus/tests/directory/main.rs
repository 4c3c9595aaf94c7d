//! Whole applications on the log in a directory, in real time.
//!
//! Each test has a directory of its own. What an application has done is read by a committed reader
//! outside of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "agents of tests wait as those of users do"
)]

#[path = "../common/mod.rs"]
mod common;

mod chain;
mod damage;
mod disk;
mod kills;
mod prefix;
mod stores;
mod sums;
