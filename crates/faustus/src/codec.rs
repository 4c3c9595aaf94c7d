//! The codecs that come with Faustus, chains of them, and how to name them.
//!
//! Contract: what a codec writes it reads back; whatever bytes come, reading them gives a value or an
//! error, in memory bounded by the bytes or by a limit of the codec, and never overflows the stack. A
//! codec of `Vec<u8>` goes from bytes to bytes and so can stand at the end of a [`Chain`].

mod chain;
#[cfg(any(
    feature = "gzip",
    feature = "lz4",
    feature = "snappy",
    feature = "zstd"
))]
mod compressed;
mod explained;
mod json;
mod metadata;
#[cfg(feature = "msgpack")]
mod msgpack;
mod named;
mod nullable;
mod plain;
#[cfg(feature = "yaml")]
mod yaml;

pub use chain::Chain;
#[cfg(feature = "gzip")]
pub use compressed::Gzip;
#[cfg(feature = "lz4")]
pub use compressed::Lz4;
#[cfg(feature = "snappy")]
pub use compressed::Snappy;
#[cfg(feature = "zstd")]
pub use compressed::Zstd;
pub use json::Json;
pub(crate) use json::encode_json;
pub use metadata::JsonRecord;
#[cfg(feature = "msgpack")]
pub use msgpack::MsgPack;
pub use named::Codecs;
pub use nullable::Nullable;
pub use plain::{Binary, Raw, Text};
#[cfg(feature = "yaml")]
pub use yaml::Yaml;
