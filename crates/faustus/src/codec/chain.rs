//! Codecs one after the other.

use std::sync::OnceLock;

use bytes::Bytes;
use faustus_core::{Codec, CodecError};

/// Two codecs one after the other: what `first` writes is written again by `next`, a codec from bytes
/// to bytes. Made by `first.then(next)`; chains can be continued.
///
/// # Examples
///
/// ```
/// use faustus::{Binary, Codec, Json};
///
/// let codec = Json.then(Binary);
/// let mut bytes = Vec::new();
/// codec.encode(&[1, 2], &mut bytes).unwrap();
/// assert_eq!(bytes, b"WzEsMl0=");
/// let numbers: [u8; 2] = codec.decode(&bytes).unwrap();
/// assert_eq!(numbers, [1, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct Chain<A, B> {
    first: A,
    next: B,
    name: OnceLock<String>,
}

impl<A, B> Chain<A, B> {
    /// `first`, then `next`; for a codec of your own, which has no `then`.
    #[must_use]
    pub fn new(first: A, next: B) -> Self {
        Self {
            first,
            next,
            name: OnceLock::new(),
        }
    }
}

impl<T, A: Codec<T>, B: Codec<Vec<u8>>> Codec<T> for Chain<A, B> {
    fn name(&self) -> &str {
        self.name
            .get_or_init(|| format!("{}|{}", self.first.name(), self.next.name()))
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut bytes = Vec::new();
        self.first.encode(value, &mut bytes)?;
        self.next.encode(&bytes, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let bytes = self.next.decode(bytes)?;
        self.first.decode(&bytes)
    }

    fn decode_within(&self, bytes: &[u8], _: &Bytes) -> Result<T, CodecError> {
        let memory = Bytes::from(self.next.decode(bytes)?);
        self.first.decode_within(&memory, &memory)
    }

    fn absent(&self) -> Option<T> {
        self.first.absent()
    }

    fn is_absent(&self, value: &T) -> bool {
        self.first.is_absent(value)
    }
}

/// Gives codecs the method `then`.
///
/// It is no trait's: a codec implements `Codec<T>` for many `T`, and the call would not say which.
macro_rules! chained {
    ($($codec:ident $(<$($of:ident),*>)?),* $(,)?) => {$(
        impl$(<$($of),*>)? $codec$(<$($of),*>)? {
            /// This codec, and then `next` on the bytes that this one writes.
            #[must_use]
            pub fn then<N>(self, next: N) -> $crate::codec::Chain<Self, N> {
                $crate::codec::Chain::new(self, next)
            }
        }
    )*};
}
pub(super) use chained;

chained!(Chain<A, B>);
