//! faustus-store.
