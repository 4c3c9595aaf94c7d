//! Fields that hold one of several records, told apart by the metadata `__faust`.
//!
//! The code that `#[derive(Record)]` makes for an enum ends here. Python's Faust writes the metadata
//! last, so a value is read as a whole before it is known what it is.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;

/// The field that holds a record's metadata.
pub(crate) const METADATA: &str = "__faust";

/// What stands in it.
#[derive(Serialize)]
pub(crate) struct Metadata {
    pub(crate) ns: &'static str,
}

/// A record with its metadata after it.
#[derive(Serialize)]
struct Tagged<'a, R> {
    #[serde(flatten)]
    record: &'a R,
    #[serde(rename = "__faust")]
    metadata: Metadata,
}

/// Writes `record` and its metadata.
pub fn serialize<R: Serialize, S: Serializer>(
    record: &R,
    namespace: &'static str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let metadata = Metadata { ns: namespace };
    // A newtype is written as what is inside; its name tells our own writer which record it is.
    serializer.serialize_newtype_struct(namespace, &Tagged { record, metadata })
}

/// One of the records that an enum `T` can hold.
#[derive(Debug)]
pub struct Variant<T> {
    /// The record's namespace.
    pub namespace: &'static str,
    /// Reads the record and puts it into the enum.
    pub read: fn(&Value) -> Result<T, String>,
}

/// Reads the record that the metadata names.
pub fn deserialize<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    variants: &[Variant<T>],
) -> Result<T, D::Error> {
    let mut value = Value::deserialize(deserializer)?;
    let metadata = value.as_object_mut().and_then(|it| it.remove(METADATA));
    let names = || {
        let names = variants.iter().map(|variant| variant.namespace);
        names.collect::<Vec<_>>().join(", ")
    };
    let namespace = metadata.as_ref().and_then(|it| it.get("ns")?.as_str());
    let namespace = namespace.ok_or_else(|| {
        D::Error::custom(format!(
            "no `{METADATA}` with an `ns` says which record it is: one of {}",
            names()
        ))
    })?;
    let variant = variants
        .iter()
        .find(|variant| variant.namespace == namespace)
        .ok_or_else(|| {
            D::Error::custom(format!(
                "`{namespace}` is none of the records that are expected: {}",
                names()
            ))
        })?;
    (variant.read)(&value).map_err(D::Error::custom)
}

/// Reads a record from `value`; an error tells which field it is about.
pub fn read<R: DeserializeOwned>(value: &Value) -> Result<R, String> {
    R::deserialize(value)
        .or_else(|_| serde_path_to_error::deserialize(value).map_err(|error| error.to_string()))
}
