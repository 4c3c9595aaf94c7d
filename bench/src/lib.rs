//! What the programs of this package share.

pub mod columns;
pub mod measure;
pub mod median;
