//! The records of the captured messages, as the Python programs declare them.

use std::collections::BTreeMap;

use faustus::Record;
use garde::Validate;
use jiff::{Timestamp, civil};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Makes records that are written and read.
macro_rules! records {
    ($(
        $(#[$meta:meta])*
        $name:ident($namespace:literal) { $($(#[$of_field:meta])* $field:ident: $ty:ty,)* }
    )*) => {$(
        #[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
        #[record(namespace = $namespace)]
        $(#[$meta])*
        pub(crate) struct $name { $($(#[$of_field])* pub(crate) $field: $ty,)* }
    )*};
}

records! {
    #[derive(Eq, Hash)]
    Point("vec.Point") { x: i64, y: i64, }
    DefaultNamespace("programs.plain.DefaultNamespace") { x: i64, }
    Nested("vec.Nested") { p: Point, tag: Option<String>, inner: Option<NoMetadata>, }
    Defaults("vec.Defaults") {
        required: String,
        a: i64,
        b: String,
        c: Option<i64>,
        d: Option<Vec<String>>,
    }
    Parent("vec.Parent") { id: String, note: String, }
    Child("vec.Child") { #[serde(flatten)] parent: Parent, extra: i64, z: i64, }
    Times("vec.Times") {
        #[serde(with = "faustus::with::iso")]
        at: Timestamp,
        #[serde(with = "faustus::with::iso", default)]
        maybe: Option<Timestamp>,
        #[serde(with = "faustus::with::iso", default)]
        many: Option<Vec<Timestamp>>,
    }
    NaiveTimes("vec.Times") {
        #[serde(with = "faustus::with::iso")]
        at: civil::DateTime,
        maybe: Option<String>,
        many: Option<String>,
    }
    Date("vec.Dates") { #[serde(with = "faustus::with::iso")] value: civil::Date, }
    Time("vec.Dates") { #[serde(with = "faustus::with::iso")] value: civil::Time, }
    Money("vec.Money") { amount: Decimal, #[serde(default)] many: Option<Vec<Decimal>>, }
    Generic("vec.Generic") {
        ints: Vec<i64>,
        names: BTreeMap<String, String>,
        points: Vec<Point>,
        by_name: BTreeMap<String, Point>,
        tags: Vec<String>,
        pair: (i64, String),
        many: Vec<i64>,
    }
    WithNamedTuple("vec.WithNamedTuple") { r#where: (f64, f64), }
    Circle("vec.Circle") { r: f64, }
    Square("vec.Square") { side: f64, }
    Drawing("vec.Drawing") { main: Shape, #[serde(default)] others: Vec<Shape>, }
    Blessed("vec.Blessed") { x: i64, }
    AnyValue("vec.AnyValue") { value: Value, }
    Text("vec.Text") { text: String, }
    Number("vec.Number") { f: f64, }
    Integer("vec.Integer") { n: i128, }
    Flag("vec.Flag") { on: bool, }
    Blob("vec.Blob") { data: String, }
    Encoded("vec.Encoded") { data: String, }
    Painted("vec.Painted") { color: Color, }
    Identified("vec.Identified") { id: String, }
    Aliased("vec.Aliased") {
        #[serde(rename(serialize = "FIRST", deserialize = "FIRST"))]
        first: String,
        #[serde(rename = "secondName")]
        second: String,
        #[serde(skip)]
        hidden: String,
    }
    Coerced("vec.Coerced") { n: i64, f: f64, s: String, }
    Union("vec.UnionField") { value: Either, }
    CustomJson("vec.CustomJson") { value: Value, }
    Optionals("vec.Optionals") {
        a: i64,
        b: Option<String>,
        #[serde(default, deserialize_with = "faustus::with::null_as_default")]
        c: String,
        d: Option<Point>,
    }
    NestedMany("vec.Nested") { p: Point, ps: Vec<Point>, by: BTreeMap<String, Point>, }
    TimesAsText("vec.TimesAsText") { at: String, }
    MoneyAsText("vec.MoneyAsText") { amount: String, }
    CoercedAll("vec.Coerced") { n: i64, f: f64, s: String, b: bool, }
    Loose("vec.Loose") {
        n: i64,
        f: f64,
        s: String,
        data: String,
        any: Value,
        map: BTreeMap<String, i64>,
    }
}

/// A struct that is no record has no metadata, also in one that has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NoMetadata {
    pub(crate) x: i64,
}

/// One of two records.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(namespace = "vec.Shape")]
pub(crate) enum Shape {
    Circle(Circle),
    Square(Square),
}

/// An enum of values; one of them has no text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Color {
    Named(Named),
    Numbered(u8),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Named {
    Red,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Either {
    Number(i64),
    Text(String),
}

/// A record with rules.
#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize, Validate)]
#[record(namespace = "vec.Validated", validate)]
#[serde(remote = "Self")]
pub(crate) struct Validated {
    #[garde(range(max = 1000))]
    pub(crate) n: i64,
    #[garde(length(min = 1))]
    pub(crate) s: String,
}
