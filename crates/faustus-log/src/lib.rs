//! faustus-log.
