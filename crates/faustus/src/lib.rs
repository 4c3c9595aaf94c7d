//! faustus.

pub mod membership;
