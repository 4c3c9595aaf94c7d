//! The derive macros of Faustus; import them from `faustus`.
//!
//! Contract: what the macros make refers to `::faustus` only, compiles without warnings under strict
//! lints, and every program they do not support is refused with a sentence that says what to do.

mod names;
mod record;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `faustus::Record` for a struct with named fields and makes a constant for each field.
///
/// For `struct Order { account_id: String }` it makes `Order::ACCOUNT_ID`, a
/// `faustus::Field<Order, String>` with the visibility of the field. The names that it gives follow
/// `#[serde(rename = "…")]` and `#[serde(rename_all = "…")]`; where serde is told to write and read
/// under different names, the name that is written counts.
///
/// `#[record(namespace = "…")]` on the struct sets `Record::NAMESPACE`, which is the struct's name
/// otherwise.
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
#[proc_macro_derive(Record, attributes(record, serde))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
