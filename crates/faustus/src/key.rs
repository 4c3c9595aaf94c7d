//! Keys: what routes a record to a partition and a lane, and what a table is looked up by.

mod json;

use std::{
    any::type_name,
    borrow::Cow,
    hash::{BuildHasher, Hash},
};

use bytes::Bytes;
use faustus_core::CodecError;
use foldhash::fast::FixedState;

pub use json::JsonKey;

/// A value that has a raw form: the bytes of a record's key in a topic.
///
/// Text is its UTF-8, bytes are themselves, integers are decimal digits. Equal values must have
/// equal bytes, and different ones different bytes. [`JsonKey`] is for keys that are JSON.
///
/// # Examples
///
/// ```
/// use faustus::Key;
///
/// assert_eq!(&*"a1".raw(), b"a1");
/// assert_eq!(&*42_u64.raw(), b"42");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a record or a table",
    label = "not text, bytes or an integer",
    note = "wrap it as `faustus::JsonKey` if its JSON is to be the key, or implement `faustus::Key` for a type of your own",
    note = "floats are no keys: equal ones can have different bytes"
)]
pub trait Key: Hash + Eq {
    /// The bytes of the key.
    fn raw(&self) -> Cow<'_, [u8]>;

    /// Reads a key back from its bytes; borrowed keys cannot be read.
    ///
    /// # Errors
    ///
    /// When the bytes are not those of a key of this type.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::Key;
    ///
    /// assert_eq!(u64::from_raw(b"42").unwrap(), 42);
    /// assert!(u64::from_raw(b"a1").is_err());
    /// ```
    fn from_raw(raw: &[u8]) -> Result<Self, CodecError>
    where
        Self: Sized;
}

impl Key for str {
    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.as_bytes())
    }
}

impl Key for String {
    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.as_bytes())
    }

    fn from_raw(raw: &[u8]) -> Result<Self, CodecError> {
        let text = std::str::from_utf8(raw).map_err(CodecError::new)?;
        Ok(text.to_owned())
    }
}

impl Key for [u8] {
    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self)
    }
}

impl Key for Vec<u8> {
    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self)
    }

    fn from_raw(raw: &[u8]) -> Result<Self, CodecError> {
        Ok(raw.to_vec())
    }
}

impl Key for Bytes {
    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self)
    }

    fn from_raw(raw: &[u8]) -> Result<Self, CodecError> {
        Ok(Bytes::copy_from_slice(raw))
    }
}

impl<K: Key + ?Sized> Key for &K {
    fn raw(&self) -> Cow<'_, [u8]> {
        (**self).raw()
    }

    fn from_raw(_: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::new(format!(
            "a key of type {} is borrowed and cannot be read; read an owned one",
            type_name::<Self>()
        )))
    }
}

macro_rules! integer_keys {
    ($($integer:ty),*) => {$(
        impl Key for $integer {
            fn raw(&self) -> Cow<'_, [u8]> {
                Cow::Owned(self.to_string().into_bytes())
            }

            fn from_raw(raw: &[u8]) -> Result<Self, CodecError> {
                let text = std::str::from_utf8(raw).map_err(CodecError::new)?;
                text.parse().map_err(CodecError::new)
            }
        }
    )*};
}

integer_keys!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

/// The key of a record to be sent, or `()` for none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a record",
    label = "not text, bytes or an integer",
    note = "send under `&()` for no key, wrap it as `faustus::JsonKey` if its JSON is to be the key, or implement \
            `faustus::Key` for a type of your own"
)]
pub trait MaybeKey {
    /// The bytes, if there is a key.
    fn maybe_raw(&self) -> Option<Cow<'_, [u8]>>;
}

impl MaybeKey for () {
    fn maybe_raw(&self) -> Option<Cow<'_, [u8]>> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<K: Key + ?Sized> MaybeKey for K {
    fn maybe_raw(&self) -> Option<Cow<'_, [u8]>> {
        Some(self.raw())
    }
}

impl<K: Key> MaybeKey for Option<K> {
    fn maybe_raw(&self) -> Option<Cow<'_, [u8]>> {
        self.as_ref().map(Key::raw)
    }
}

/// Which of `lanes` lanes a key belongs to.
///
/// This must not be the hash that chooses partitions: with a number of lanes that divides the
/// number of partitions, all keys of a partition would fall on one lane.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the remainder is below a u32"
)]
pub(crate) fn lane_of(raw_key: &[u8], lanes: u32) -> u32 {
    if lanes == 1 {
        return 0;
    }
    (FixedState::with_seed(0x5eed).hash_one(raw_key) % u64::from(lanes)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use faustus_core::partition_for_key;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_is_read_back_from_its_bytes(
            text in ".*",
            bytes: Vec<u8>,
            signed: i64,
            unsigned: u128,
        ) {
            prop_assert_eq!(&String::from_raw(&text.raw()).unwrap(), &text);
            prop_assert_eq!(&Vec::from_raw(&bytes.raw()).unwrap(), &bytes);
            prop_assert_eq!(i64::from_raw(&signed.raw()).unwrap(), signed);
            prop_assert_eq!(u128::from_raw(&unsigned.raw()).unwrap(), unsigned);
        }
    }

    #[test]
    fn bytes_of_another_type_are_no_key() {
        assert!(String::from_raw(b"\xff").is_err());
        assert!(u8::from_raw(b"256").is_err());
        assert!(u8::from_raw(b"").is_err());
        assert!(<&str>::from_raw(b"a").is_err());
    }

    #[test]
    fn the_keys_of_one_of_eight_partitions_use_all_of_four_lanes() {
        let mut used = [0; 4];
        for key in (0..1000).map(|i| format!("account-{i}")) {
            if partition_for_key(key.as_bytes(), 8) == 3 {
                used[lane_of(key.as_bytes(), 4) as usize] += 1;
            }
        }
        assert!(used.iter().all(|&n| n > 15), "{used:?}");
    }
}
