//! How values become bytes.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;

/// Encodes and decodes values of type `T`.
///
/// A codec is chosen per topic and table. It must be pure: equal values give equal bytes, because
/// the bytes of a key decide its partition.
///
/// # Examples
///
/// ```
/// use faustus_core::{Codec, CodecError};
///
/// #[derive(Debug)]
/// struct BigEndian;
///
/// impl Codec<u32> for BigEndian {
///     fn name(&self) -> &str {
///         "big-endian"
///     }
///     fn encode(&self, value: &u32, out: &mut Vec<u8>) -> Result<(), CodecError> {
///         out.extend_from_slice(&value.to_be_bytes());
///         Ok(())
///     }
///     fn decode(&self, bytes: &[u8]) -> Result<u32, CodecError> {
///         Ok(u32::from_be_bytes(bytes.try_into().map_err(CodecError::new)?))
///     }
/// }
///
/// assert_eq!(BigEndian.decode(&[0, 0, 1, 0]).unwrap(), 256);
/// assert!(BigEndian.decode(b"x").is_err());
/// ```
pub trait Codec<T>: Send + Sync + fmt::Debug {
    /// The codec's name as it stands in settings and messages, such as `json`.
    fn name(&self) -> &str;

    /// Appends the encoded form of `value` to `out`.
    ///
    /// # Errors
    ///
    /// When `value` has no encoded form; what was appended until then is meaningless.
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads a value back.
    ///
    /// # Errors
    ///
    /// When `bytes` are not an encoded `T`.
    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError>;

    /// Reads a value back from `bytes`, which lie in `memory`: the same as [`decode`](Self::decode),
    /// but a value that is bytes itself may share the memory instead of copying its part.
    ///
    /// A value that shares keeps all of `memory`, a whole batch of records, alive.
    ///
    /// # Errors
    ///
    /// When `bytes` are not an encoded `T`.
    fn decode_within(&self, bytes: &[u8], memory: &Bytes) -> Result<T, CodecError> {
        let _ = memory;
        self.decode(bytes)
    }

    /// What a record without a value stands for; `None`, the default: it is an error.
    fn absent(&self) -> Option<T> {
        None
    }

    /// Whether `value` is sent as a record without a value, a tombstone, instead of being encoded.
    fn is_absent(&self, value: &T) -> bool {
        let _ = value;
        false
    }
}

impl<T, C: Codec<T> + ?Sized> Codec<T> for Arc<C> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        (**self).encode(value, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        (**self).decode(bytes)
    }

    fn decode_within(&self, bytes: &[u8], memory: &Bytes) -> Result<T, CodecError> {
        (**self).decode_within(bytes, memory)
    }

    fn absent(&self) -> Option<T> {
        (**self).absent()
    }

    fn is_absent(&self, value: &T) -> bool {
        (**self).is_absent(value)
    }
}

/// Why a value could not be encoded or bytes not be decoded.
#[derive(Debug)]
pub struct CodecError(Box<dyn Error + Send + Sync>);

impl CodecError {
    /// Wraps the cause, an error or a message.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
