//! Where tables are kept besides their changelogs: in memory, or in a directory.
//!
//! [`MemoryStores`] keeps partitions in maps, for tests and applications without a disk.
//! [`FjallStores`] (feature `fjall`, on by default, pure Rust) keeps them in one directory per
//! worker process. Both are a [`StoreProvider`](faustus_core::StoreProvider) and pass the same tests.
//! [`validity`] decides whether what a store holds may still be used.

#[cfg(feature = "fjall")]
mod checkpoint;
#[cfg(feature = "fjall")]
mod disk;
mod memory;
mod validity;

#[cfg(feature = "fjall")]
pub use disk::{FjallOptions, FjallStores};
pub use memory::MemoryStores;
pub use validity::{RebuildReason, validity};
