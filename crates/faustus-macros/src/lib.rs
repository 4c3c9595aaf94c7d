//! faustus-macros.
