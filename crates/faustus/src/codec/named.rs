//! Codecs by name, as they stand in settings and on command lines.

use std::{
    any::{Any, TypeId, type_name},
    collections::BTreeMap,
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use faustus_core::Codec;
use serde::{Serialize, de::DeserializeOwned};

use super::{Binary, Chain, Json, Raw, Text};
use crate::{Error, Result, near::nearest};

/// The names that Faustus knows, whatever features it is built with.
const KNOWN: [&str; 10] = [
    "json", "raw", "text", "binary", "msgpack", "yaml", "gzip", "lz4", "snappy", "zstd",
];

/// Finds codecs by name: those of Faustus and your own, alone or in chains such as `json|gzip`.
///
/// A chain is written in the order in which its codecs write, as in Python's Faust: `json|binary` is
/// the base64 of JSON.
///
/// | name | of which types | feature |
/// |---|---|---|
/// | `json` | all | |
/// | `raw` | text, bytes | |
/// | `text` | text, numbers, `bool`, `char` | |
/// | `binary` | text, bytes | |
/// | `msgpack` | all | `msgpack` |
/// | `yaml` | all | `yaml` |
/// | `gzip`, `lz4`, `snappy`, `zstd` | bytes | of the same name |
///
/// # Examples
///
/// ```
/// use faustus::{Binary, Codec, Codecs, Json, prelude::*};
///
/// let codecs = Codecs::new().with::<Vec<u8>>("base64", Binary);
/// let app = App::new("shop");
/// let orders: Topic<u64> = app.topic("orders").codec(codecs.get("json|base64")?);
///
/// let said = codecs.get::<u64>("jsno").unwrap_err().to_string();
/// assert_eq!(said, "there is no codec `jsno`: did you mean `json`?");
/// # Ok::<(), faustus::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Codecs {
    /// `Arc<dyn Codec<T>>` by name and the type `T`.
    own: BTreeMap<(String, TypeId), Arc<dyn Any + Send + Sync>>,
}

impl Codecs {
    /// The codecs of Faustus.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same codecs, and `codec` for values of type `T` under `name`, also if Faustus has one of
    /// that name. A codec of `Vec<u8>` can also follow others in a chain.
    #[must_use]
    pub fn with<T: 'static>(mut self, name: &str, codec: impl Codec<T> + 'static) -> Self {
        let codec: Arc<dyn Codec<T>> = Arc::new(codec);
        self.own
            .insert((name.to_owned(), TypeId::of::<T>()), Arc::new(codec));
        self
    }

    /// The codec called `name` for values of type `T`, which may be a chain.
    ///
    /// # Errors
    ///
    /// When there is no such codec, or it does not serve this type; the text says which one does.
    pub fn get<T>(&self, name: &str) -> Result<Arc<dyn Codec<T>>>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let mut parts = name.split('|').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let mut codec = match self.own(first) {
            Some(codec) => codec,
            None => known(first, || self.names())?,
        };
        for part in parts {
            let next = match self.own(part) {
                Some(codec) => codec,
                None => bytes_to_bytes(part, || self.names())?,
            };
            codec = Arc::new(Chain::new(codec, next));
        }
        Ok(codec)
    }

    fn own<T: 'static>(&self, name: &str) -> Option<Arc<dyn Codec<T>>> {
        let codec = self.own.get(&(name.to_owned(), TypeId::of::<T>()))?;
        codec.downcast_ref::<Arc<dyn Codec<T>>>().cloned()
    }

    fn names(&self) -> Vec<&str> {
        let own = self.own.keys().map(|(name, _)| name.as_str());
        own.chain(KNOWN).collect()
    }
}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A codec of Faustus.
fn known<'a, T>(name: &str, names: impl Fn() -> Vec<&'a str>) -> Result<Arc<dyn Codec<T>>>
where
    T: Serialize + DeserializeOwned + 'static,
{
    let of_some = match name {
        "json" => return Ok(Arc::new(Json)),
        #[cfg(feature = "msgpack")]
        "msgpack" => return Ok(Arc::new(super::MsgPack)),
        #[cfg(feature = "yaml")]
        "yaml" => return Ok(Arc::new(super::Yaml)),
        "raw" => one_of([
            serves::<String, T>(Raw),
            serves::<Vec<u8>, T>(Raw),
            serves::<Bytes, T>(Raw),
        ]),
        "binary" => one_of([serves::<String, T>(Binary), serves::<Vec<u8>, T>(Binary)]),
        "text" => as_text(),
        _ => serves_at(&bytes_to_bytes(name, names)?),
    };
    of_some.ok_or_else(|| {
        let of = match name {
            "raw" | "binary" => "text and bytes",
            "text" => "text, numbers, `bool` and `char`",
            _ => "bytes",
        };
        Error::config(format!(
            "codec `{name}` is for {of}, not for {}; for this there is `json`, alone or in a chain \
             such as `json|gzip`",
            type_name::<T>()
        ))
    })
}

/// A codec of Faustus that can follow others.
fn bytes_to_bytes<'a>(
    name: &str,
    names: impl Fn() -> Vec<&'a str>,
) -> Result<Arc<dyn Codec<Vec<u8>>>> {
    let said = match name {
        "raw" => return Ok(Arc::new(Raw)),
        "binary" => return Ok(Arc::new(Binary)),
        #[cfg(feature = "gzip")]
        "gzip" => return Ok(Arc::new(super::Gzip::default())),
        #[cfg(feature = "lz4")]
        "lz4" => return Ok(Arc::new(super::Lz4::default())),
        #[cfg(feature = "snappy")]
        "snappy" => return Ok(Arc::new(super::Snappy::default())),
        #[cfg(feature = "zstd")]
        "zstd" => return Ok(Arc::new(super::Zstd::default())),
        "json" | "text" => format!("codec `{name}` can only be the first of a chain"),
        #[cfg(feature = "msgpack")]
        "msgpack" => format!("codec `{name}` can only be the first of a chain"),
        #[cfg(feature = "yaml")]
        "yaml" => format!("codec `{name}` can only be the first of a chain"),
        "" => "a codec has no name; a chain is written as in `json|gzip`".to_owned(),
        "pickle" | "pickle_restricted" | "pickle_fickling" => format!(
            "codec `{name}` is refused: to read a pickle is to run code that its writer chose; \
             have the Python side write `json`"
        ),
        _ if KNOWN.contains(&name) => {
            format!("codec `{name}` needs the cargo feature `{name}` of `faustus`")
        }
        _ => unknown(name, &names()),
    };
    Err(Error::config(said))
}

/// Names the codec that was most likely meant.
fn unknown(name: &str, names: &[&str]) -> String {
    match nearest(name, names.iter().copied()) {
        Some(known) => format!("there is no codec `{name}`: did you mean `{known}`?"),
        None => format!("there is no codec `{name}`: known are {}", names.join(", ")),
    }
}

/// `codec` of `X` as one of `T`, if that is the same type.
fn serves<X: 'static, T: 'static>(codec: impl Codec<X> + 'static) -> Option<Arc<dyn Codec<T>>> {
    let codec: Arc<dyn Codec<X>> = Arc::new(codec);
    serves_at(&codec)
}

fn serves_at<X: 'static, T: 'static>(codec: &Arc<dyn Codec<X>>) -> Option<Arc<dyn Codec<T>>> {
    let codec: &dyn Any = codec;
    codec.downcast_ref::<Arc<dyn Codec<T>>>().cloned()
}

fn one_of<T, const N: usize>(codecs: [Option<Arc<dyn Codec<T>>>; N]) -> Option<Arc<dyn Codec<T>>> {
    codecs.into_iter().flatten().next()
}

/// [`Text`], if `T` is of the types that are known to have a text form.
fn as_text<T: 'static>() -> Option<Arc<dyn Codec<T>>> {
    macro_rules! of {
        ($($text:ty),*) => { one_of([$(serves::<$text, T>(Text)),*]) };
    }
    of!(
        String, bool, char, f32, f64, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128,
        isize
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: Serialize + DeserializeOwned + 'static>(name: &str) -> String {
        let codec = Codecs::new().get::<T>(name);
        codec.unwrap_err().to_string()
    }

    #[test]
    fn a_chain_writes_from_left_to_right_and_reads_from_right_to_left() {
        let codec = Codecs::new().get("json|binary|binary").unwrap();
        let mut bytes = Vec::new();
        codec.encode(&vec![1, 2], &mut bytes).unwrap();
        assert_eq!(bytes, b"V3pFc01sMD0=");
        assert_eq!(codec.decode(&bytes).unwrap(), [1, 2]);
        assert_eq!(codec.name(), "json|binary|binary");
    }

    #[test]
    fn a_codec_serves_only_its_types() {
        assert!(Codecs::new().get::<String>("raw").is_ok());
        assert!(Codecs::new().get::<Vec<u8>>("raw|binary").is_ok());
        assert!(Codecs::new().get::<u16>("text").is_ok());
        assert!(said::<Vec<String>>("raw").starts_with("codec `raw` is for text and bytes"));
        assert!(said::<Vec<String>>("text").starts_with("codec `text` is for text, numbers"));
    }

    #[test]
    fn a_codec_of_ones_own_is_found_by_type_and_name() {
        let codecs = Codecs::new()
            .with::<u8>("own", Text)
            .with::<Vec<u8>>("own", Binary);
        let mut bytes = Vec::new();
        let codec = codecs.get::<u8>("own|own").unwrap();
        codec.encode(&7, &mut bytes).unwrap();
        assert_eq!(bytes, b"Nw==");
        assert!(codecs.get::<u16>("own").is_err());
    }

    #[test]
    fn pickle_is_refused_with_the_reason() {
        for name in ["pickle", "json|pickle", "pickle_restricted"] {
            assert!(said::<u8>(name).contains("run code that its writer chose"));
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_one_or_all() {
        assert!(said::<u8>("json|gzp").ends_with("did you mean `gzip`?"));
        assert!(said::<u8>("protobuf").contains("known are json, raw"));
        assert!(said::<u8>("json|").starts_with("a codec has no name"));
        assert!(said::<u8>("").starts_with("a codec has no name"));
        assert!(said::<u8>("json|json").ends_with("can only be the first of a chain"));
    }

    #[cfg(not(feature = "zstd"))]
    #[test]
    fn a_codec_that_was_not_built_in_names_its_feature() {
        assert!(said::<u8>("json|zstd").contains("needs the cargo feature `zstd`"));
    }
}
