//! A record with a field of every type that Faust knows, as `every.py` has it.

use std::collections::{BTreeMap, BTreeSet};

use faustus::prelude::*;
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Clone, Debug, Hash, PartialEq, Eq, Record, Serialize, Deserialize)]
#[record(namespace = "test.Point")]
pub(crate) struct Point {
    pub(crate) x: i64,
    pub(crate) y: i64,
}

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
#[record(namespace = "test.Circle")]
pub(crate) struct Circle {
    r: f64,
}

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
#[record(namespace = "test.Square")]
pub(crate) struct Square {
    side: f64,
}

#[derive(Clone, Debug, PartialEq, Record)]
#[record(namespace = "test.Shape")]
pub(crate) enum Shape {
    Circle(Circle),
    Square(Square),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Color {
    Red,
    Blue,
}

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
#[record(namespace = "test.Every")]
pub(crate) struct Every {
    int: i64,
    float: f64,
    str: String,
    yes: bool,
    no: bool,
    #[serde(rename = "base64", with = "faustus::with::base64")]
    bytes: Vec<u8>,
    #[serde(with = "faustus::with::iso")]
    at: Timestamp,
    #[serde(with = "faustus::with::iso")]
    ats: Vec<Timestamp>,
    #[serde(with = "faustus::with::iso")]
    day: Date,
    amount: Decimal,
    amounts: BTreeMap<String, Decimal>,
    id: Uuid,
    color: Color,
    colors: BTreeSet<Color>,
    numbers: Vec<i64>,
    names: BTreeMap<String, String>,
    tags: BTreeSet<String>,
    pair: (i64, String),
    many: Vec<i64>,
    place: (f64, f64),
    point: Point,
    points: Vec<Point>,
    by_name: BTreeMap<String, Point>,
    shape: Shape,
    shapes: Vec<Shape>,
    anything: Value,
    maybe: Option<i64>,
    #[serde(with = "faustus::with::iso", default)]
    maybe_at: Option<Timestamp>,
    maybe_point: Option<Point>,
    maybe_shape: Option<Shape>,
    #[serde(default = "three")]
    defaulted: i64,
    #[serde(default = "none")]
    noted: String,
    #[serde(skip)]
    left_out: String,
}

fn three() -> i64 {
    3
}

fn none() -> String {
    "none".to_owned()
}

/// The fields that need not be there.
pub(crate) const OPTIONAL: [&str; 6] = [
    "maybe",
    "maybe_at",
    "maybe_point",
    "maybe_shape",
    "defaulted",
    "noted",
];

/// All fields have something in them: Python's `FULL`.
pub(crate) fn full() -> Every {
    let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Every {
        int: i64::MIN,
        float: 0.1,
        str: "é \"q\" \\ 中 😀 \0\u{7f}\u{2028}".to_owned(),
        yes: true,
        no: false,
        bytes: b"ab\x00\xff'".to_vec(),
        at: "2020-01-02T03:04:05.000006Z".parse().unwrap(),
        ats: vec![
            "2020-01-02T03:04:05Z".parse().unwrap(),
            "1999-12-31T23:59:59.999999Z".parse().unwrap(),
        ],
        day: "2020-02-29".parse().unwrap(),
        amount: "1.10".parse().unwrap(),
        amounts: BTreeMap::from([("k".to_owned(), "-3.14159265358979323846".parse().unwrap())]),
        id: Uuid::from_u128(1),
        color: Color::Red,
        colors: BTreeSet::from([Color::Blue]),
        numbers: vec![1, -2],
        names: BTreeMap::from([named("é", "ü"), named("b", "")]),
        tags: BTreeSet::from(["one".to_owned()]),
        pair: (1, "a".to_owned()),
        many: vec![1, 2, 3],
        place: (1.5, -2.25),
        point: Point { x: 1, y: 2 },
        points: vec![Point { x: 3, y: 4 }, Point { x: -5, y: 6 }],
        by_name: BTreeMap::from([("k".to_owned(), Point { x: 7, y: 8 })]),
        shape: Shape::Circle(Circle { r: 2.5 }),
        shapes: vec![
            Shape::Square(Square { side: 2.0 }),
            Shape::Circle(Circle { r: 0.5 }),
        ],
        anything: json!({"a": [1, 2.5, "é", true, null]}),
        maybe: Some(7),
        maybe_at: Some("2020-01-02T00:00:00Z".parse().unwrap()),
        maybe_point: Some(Point { x: 9, y: 10 }),
        maybe_shape: Some(Shape::Square(Square { side: 1.5 })),
        defaulted: 4,
        noted: "é".to_owned(),
        left_out: String::new(),
    }
}

/// Nothing is there that need not be: Python's `BARE`.
pub(crate) fn bare() -> Every {
    Every {
        int: i64::MAX,
        float: 1e-7,
        str: String::new(),
        bytes: Vec::new(),
        ats: Vec::new(),
        amounts: BTreeMap::new(),
        colors: BTreeSet::new(),
        numbers: Vec::new(),
        names: BTreeMap::new(),
        tags: BTreeSet::new(),
        many: Vec::new(),
        points: Vec::new(),
        by_name: BTreeMap::new(),
        shapes: Vec::new(),
        anything: Value::Null,
        maybe: None,
        maybe_at: None,
        maybe_point: None,
        maybe_shape: None,
        defaulted: 3,
        noted: none(),
        ..full()
    }
}
