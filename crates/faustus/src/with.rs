//! Forms of fields for `#[serde(with = "…")]`: what records of Python's Faust hold and serde's own forms
//! do not.

pub mod base64;
pub mod iso;

use serde::{Deserialize, Deserializer};

/// Reads `null` as the default of the field's type, as Python's Faust does for fields that have one:
/// `#[serde(default, deserialize_with = "faustus::with::null_as_default")]`.
///
/// # Errors
///
/// When the value is neither `null` nor of the type.
///
/// # Examples
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Order {
///     #[serde(default, deserialize_with = "faustus::with::null_as_default")]
///     items: Vec<String>,
/// }
///
/// let order: Order = serde_json::from_str(r#"{"items":null}"#).unwrap();
/// assert!(order.items.is_empty());
/// ```
pub fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
