//! Keys that are JSON.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    ops::Deref,
};

use faustus_core::{Codec, CodecError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Key;
use crate::Json;

/// A key whose bytes are the JSON of `K`: records, tuples, and what programs write whose keys are JSON.
///
/// `C` is the codec; [`JsonRecord`](crate::JsonRecord) makes the keys that Python's Faust makes of
/// records, with their metadata. The key dereferences to what is inside.
///
/// # Examples
///
/// ```
/// use faustus::{JsonKey, Key};
///
/// let key: JsonKey<_> = JsonKey::new(("a".to_owned(), 1)).unwrap();
/// assert_eq!(&*key.raw(), br#"["a",1]"#);
/// assert_eq!(JsonKey::from_raw(b"[\"a\", 1]").unwrap(), key);
/// assert_eq!(key.0, "a");
/// ```
pub struct JsonKey<K, C = Json> {
    key: K,
    /// Made once, so that asking for it cannot fail.
    raw: Box<[u8]>,
    codec: PhantomData<fn() -> C>,
}

impl<K, C: Codec<K> + Default> JsonKey<K, C> {
    /// The key `key`.
    ///
    /// # Errors
    ///
    /// When it has no JSON form.
    pub fn new(key: K) -> Result<Self, CodecError> {
        let mut raw = Vec::new();
        C::default().encode(&key, &mut raw)?;
        Ok(Self {
            key,
            raw: raw.into(),
            codec: PhantomData,
        })
    }
}

impl<K, C> JsonKey<K, C> {
    /// What is inside.
    #[must_use]
    pub fn into_inner(self) -> K {
        self.key
    }
}

impl<K: Hash + Eq, C: Codec<K> + Default> Key for JsonKey<K, C> {
    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.raw)
    }

    /// Equal keys have equal bytes, so those of a key that was written otherwise, with blanks perhaps,
    /// are made anew.
    fn from_raw(raw: &[u8]) -> Result<Self, CodecError> {
        Self::new(C::default().decode(raw)?)
    }
}

impl<K, C> Deref for JsonKey<K, C> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.key
    }
}

impl<K: Clone, C> Clone for JsonKey<K, C> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            raw: self.raw.clone(),
            codec: PhantomData,
        }
    }
}

impl<K: PartialEq, C> PartialEq for JsonKey<K, C> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<K: Eq, C> Eq for JsonKey<K, C> {}

impl<K: Hash, C> Hash for JsonKey<K, C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl<K: fmt::Debug, C> fmt::Debug for JsonKey<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// As a part of other data the key is what is inside.
impl<K: Serialize, C> Serialize for JsonKey<K, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.key.serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de>, C: Codec<K> + Default> Deserialize<'de> for JsonKey<K, C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(K::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
