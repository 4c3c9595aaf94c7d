//! JSON with the metadata that Python's Faust writes into records.

mod writer;

use faustus_core::{Codec, CodecError};
use serde::{Serialize, de::DeserializeOwned};

use super::{Json, chain::chained, json};
use crate::record::shape::Shaped;
use writer::WithMetadata;

/// JSON as [`Json`], with the metadata that Python's Faust writes into records, after their fields:
/// `"__faust":{"ns":"shop.Order"}`. Records inside have theirs, also in lists and maps of them.
///
/// Faust needs it where a topic has no type, or a field can hold several records.
/// [`Json`] reads the same bytes.
///
/// # Examples
///
/// ```
/// use faustus::{Codec, Json, Record};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Record, Serialize, Deserialize)]
/// #[record(namespace = "ex.Point")]
/// struct Point { x: i64, y: i64 }
///
/// let mut bytes = Vec::new();
/// Json.with_metadata().encode(&Point { x: 1, y: 2 }, &mut bytes).unwrap();
/// assert_eq!(bytes, br#"{"x":1,"y":2,"__faust":{"ns":"ex.Point"}}"#);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonRecord;

chained!(JsonRecord);

impl<T: Shaped + Serialize + DeserializeOwned> Codec<T> for JsonRecord {
    fn name(&self) -> &str {
        "json"
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        WithMetadata::new(value, T::shape())
            .serialize(&mut json::writer(out))
            .map_err(CodecError::new)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        Json.decode(bytes)
    }
}
