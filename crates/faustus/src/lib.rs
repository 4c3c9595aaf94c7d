//! faustus.
