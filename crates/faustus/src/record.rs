//! What the framework knows about a type that travels through topics: its name and its fields.
//!
//! Contract: [`Record`] is made by `#[derive(Record)]`. A [`Field`] names one field of one type; it
//! is three words, is copied freely, borrows from the record it is given and never allocates.

pub mod polymorphic;
pub(crate) mod shape;
#[cfg(feature = "validate")]
mod validation;
mod values;

use std::fmt;

use faustus_core::CodecError;
use serde::Serialize;
use serde_json::Value;

use shape::Shaped;
#[cfg(feature = "validate")]
pub use validation::validated;

/// A type with a name and named fields, made by `#[derive(Record)]`.
///
/// For each field the derive also makes an associated constant of type [`Field`], named like the
/// field in capitals and as visible as the field.
///
/// An enum of records is a record too: see the [derive](macro@crate::Record).
///
/// # Examples
///
/// ```
/// use faustus::Record;
///
/// #[derive(Record)]
/// struct Order {
///     account_id: String,
///     amount: f64,
/// }
///
/// let order = Order { account_id: "a-1".to_owned(), amount: 9.5 };
/// assert_eq!(Order::NAMESPACE, "Order");
/// assert_eq!(Order::fields(), ["account_id", "amount"]);
/// assert_eq!(Order::ACCOUNT_ID.name(), "account_id");
/// assert_eq!(Order::ACCOUNT_ID.get(&order), "a-1");
/// assert_eq!(*Order::AMOUNT.get(&order), 9.5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record",
    label = "this type has no name and fields that the framework knows",
    note = "add `#[derive(Record)]` to `{Self}`"
)]
pub trait Record: Shaped {
    /// The name of the type in messages, and in the metadata that Python's Faust writes; the type's own name unless
    /// `#[record(namespace = "…")]` says otherwise.
    const NAMESPACE: &'static str;

    /// The names of the fields in the order of their declaration, as they are serialized:
    /// `#[serde(rename)]` and `rename_all` are followed, skipped fields are left out, and the fields
    /// of a flattened record stand in its place. An enum of records has none.
    fn fields() -> &'static [&'static str];

    /// The fields with their values, in the order of [`fields`](Self::fields), for people: what is
    /// [`Sensitive`](crate::Sensitive) shows as `***`, at any depth.
    ///
    /// # Errors
    ///
    /// When the record has no JSON form.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::Record;
    ///
    /// #[derive(Record, serde::Serialize)]
    /// struct Order { id: u64, items: Vec<String> }
    ///
    /// let order = Order { id: 7, items: vec!["tea".to_owned()] };
    /// for (name, value) in order.to_fields().unwrap() {
    ///     println!("{name}: {value}");
    /// }
    /// ```
    fn to_fields(&self) -> Result<Vec<(String, Value)>, CodecError>
    where
        Self: Sized + Serialize,
    {
        values::of(self, Self::fields()).map_err(CodecError::new)
    }
}

/// A field of type `T` of the record `R`, such as `Order::ACCOUNT_ID`.
pub struct Field<R, T> {
    name: &'static str,
    get: fn(&R) -> &T,
}

impl<R, T> Field<R, T> {
    /// The field called `name` that `get` reads; `#[derive(Record)]` makes these.
    #[must_use]
    pub const fn new(name: &'static str, get: fn(&R) -> &T) -> Self {
        Self { name, get }
    }

    /// The name of the field as it is serialized.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The field's value in `record`.
    #[must_use]
    pub fn get<'r>(&self, record: &'r R) -> &'r T {
        (self.get)(record)
    }
}

impl<R, T> Clone for Field<R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Field<R, T> {}

impl<R, T> fmt::Debug for Field<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.name).finish()
    }
}
