//! faustus-kafka.
