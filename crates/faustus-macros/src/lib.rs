//! The derive macros of Faustus; import them from `faustus`.
//!
//! Contract: what the macros make refers to `::faustus` only, compiles without warnings under strict
//! lints, and every program they do not support is refused with a sentence that says what to do.

mod attributes;
mod names;
mod record;
mod variants;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `faustus::Record` for a struct with named fields and makes a constant for each field.
///
/// For `struct Order { account_id: String }` it makes `Order::ACCOUNT_ID`, a
/// `faustus::Field<Order, String>` with the visibility of the field. The names that it gives follow
/// `#[serde(rename = "…")]` and `#[serde(rename_all = "…")]`; where serde is told to write and read
/// under different names, the name that is written counts. The fields of a field with
/// `#[serde(flatten)]` count as the struct's own.
///
/// `#[record(namespace = "…")]` sets `Record::NAMESPACE`, which is the type's own name otherwise.
///
/// # Examples
///
/// ```
/// use faustus::Record;
///
/// #[derive(Record, serde::Serialize)]
/// #[record(namespace = "shop.Order")]
/// #[serde(rename_all = "camelCase")]
/// struct Order {
///     account_id: String,
///     #[serde(rename = "sum")]
///     amount: f64,
///     r#type: u8,
/// }
///
/// assert_eq!(Order::NAMESPACE, "shop.Order");
/// assert_eq!(Order::fields(), ["accountId", "sum", "type"]);
/// assert_eq!(Order::TYPE.name(), "type");
/// ```
///
/// # Validation
///
/// `#[record(validate)]`, with the feature `validate` of `faustus` and the crate `garde`, makes a
/// record that breaks the rules of its fields one that does not decode, wherever it stands. serde's code
/// for the struct is wrapped for it, which `#[serde(remote = "Self")]` must allow:
///
/// ```
/// # #[cfg(feature = "validate")] {
/// use faustus::{Codec, Json, Record};
/// use garde::Validate;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Record, Serialize, Deserialize, Validate)]
/// #[record(validate)]
/// #[serde(remote = "Self")]
/// struct Order {
///     #[garde(range(min = 1))]
///     quantity: u32,
/// }
///
/// let order: Result<Order, _> = Json.decode(br#"{"quantity":0}"#);
/// let said = order.unwrap_err().to_string();
/// assert!(said.starts_with("quantity: lower than 1"), "{said}");
/// # }
/// ```
///
/// # Enums
///
/// An enum whose variants hold a record each is a field, or a topic's value, that can be any of them.
/// The derive makes serde's traits for it: a variant is written as its record with the metadata
/// `"__faust":{"ns":"…"}`, as Python's Faust does, and read by it.
///
/// ```
/// use faustus::{Codec, Json, Record};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Record, Serialize, Deserialize)]
/// struct Circle { r: f64 }
///
/// #[derive(Record, Serialize, Deserialize)]
/// struct Square { side: f64 }
///
/// #[derive(Record)]
/// enum Shape { Circle(Circle), Square(Square) }
///
/// let json = br#"{"side":2.0,"__faust":{"ns":"Square"}}"#;
/// let shape: Shape = Json.decode(json).unwrap();
/// assert!(matches!(&shape, Shape::Square(square) if square.side == 2.0));
/// let mut bytes = Vec::new();
/// Json.encode(&shape, &mut bytes).unwrap();
/// assert_eq!(bytes, json);
/// ```
#[proc_macro_derive(Record, attributes(record, serde))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
