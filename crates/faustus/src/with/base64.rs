//! Bytes as base64 text: `#[serde(with = "faustus::with::base64")]` on a field of `Vec<u8>`.
//!
//! Without it the bytes are a list of numbers. (Python's Faust writes the text `b'…'`, which it cannot
//! read back.)
//!
//! ```
//! #[derive(serde::Serialize)]
//! struct Picture {
//!     #[serde(with = "faustus::with::base64")]
//!     png: Vec<u8>,
//! }
//!
//! let json = serde_json::to_string(&Picture { png: b"foo".to_vec() }).unwrap();
//! assert_eq!(json, r#"{"png":"Zm9v"}"#);
//! ```

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Writes the bytes.
///
/// # Errors
///
/// When the serializer takes no text.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

/// Reads the bytes.
///
/// # Errors
///
/// When the value is no base64 text.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(D::Error::custom)
}
