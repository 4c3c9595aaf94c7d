//! Faustus.
mod codec;
mod error;
mod key;
mod runtime;
pub use codec::{Json, Raw};
pub use error::{Error, ErrorKind, Result};
pub use key::{Key, MaybeKey};
pub use faustus_core::{Codec, CodecError};
