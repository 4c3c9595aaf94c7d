//! faustus-core.
