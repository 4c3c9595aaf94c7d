//! Values that may be absent: records without a value.

use bytes::Bytes;
use faustus_core::{Codec, CodecError};

use super::chain::chained;

/// A codec of `Option<T>`: `None` is a record without a value, a tombstone, and `Some` is what the
/// codec inside makes of it.
///
/// [`Json`](crate::Json) alone writes `None` as the text `null`, which is a value.
///
/// # Examples
///
/// ```
/// use faustus::{Codec, Json, Nullable};
///
/// let codec = Nullable(Json);
/// let nothing: Option<u8> = codec.absent().unwrap();
/// assert!(codec.is_absent(&nothing));
/// assert_eq!(codec.decode(b"7").unwrap(), Some(7));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Nullable<C>(
    /// The codec of values that are there.
    pub C,
);

chained!(Nullable<C>);

impl<T, C: Codec<T>> Codec<Option<T>> for Nullable<C> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn encode(&self, value: &Option<T>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match value {
            Some(value) => self.0.encode(value, out),
            None => Err(CodecError::new(
                "an absent value has no bytes: it is a record without a value",
            )),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Option<T>, CodecError> {
        self.0.decode(bytes).map(Some)
    }

    fn decode_within(&self, bytes: &[u8], memory: &Bytes) -> Result<Option<T>, CodecError> {
        self.0.decode_within(bytes, memory).map(Some)
    }

    fn absent(&self) -> Option<Option<T>> {
        Some(None)
    }

    fn is_absent(&self, value: &Option<T>) -> bool {
        value.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Binary, Json};

    #[test]
    fn what_is_absent_stays_absent_through_a_chain() {
        let codec = Nullable(Json).then(Binary);
        let nothing: Option<u8> = codec.absent().unwrap();
        assert!(codec.is_absent(&nothing));
        assert!(!codec.is_absent(&Some(0)));
    }

    #[test]
    fn a_null_that_was_written_is_a_value_and_none_is_not() {
        let codec = Nullable(Json);
        assert_eq!(codec.decode(b"null").unwrap(), Some(None::<u8>));
        let mut bytes = Vec::new();
        assert!(codec.encode(&None::<u8>, &mut bytes).is_err());
        assert!(Codec::<u8>::absent(&Json).is_none());
        assert!(!Codec::<Option<u8>>::is_absent(&Json, &None));
    }
}
