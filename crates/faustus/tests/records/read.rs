//! What Faust takes from others and what it refuses, against what we do.

use std::fmt::Debug;

use faustus::{Binary, Codec, Json, JsonKey, JsonRecord, Key, Raw, Text as AsText, Yaml};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{types::*, vectors::Vectors};

/// Faust takes these and we refuse them: a field has the type that it was declared with.
const REFUSED: &[&str] = &[
    "value_type=Coerced: coerce: text, ints, floats",
    "value_type=Drawing: polymorphic field without metadata",
    "value_type=Loose: other types than declared",
    "value_type=Money: decimals: \"NaN\"",
    "value_type=Money: decimals: \"Infinity\"",
    "value_type=Nested: null in place of a nested record",
    "value_type=Nested: nested record with a missing field",
    "value_type=Point: metadata of a record with allow_blessed_key",
    "value_type=Point: null for a required field",
    "value_type=Point: text for an int field",
    "value_type=Point: float for an int field",
    "value_type=Point: repeated field: last wins",
    "value_type=Times: isodates: null",
    "value_type=float: text",
    "value_type=float: text NaN",
    "value_type=int: text",
    "value_type=int: float",
    "value_type=int: bool",
    "value_type=str: number",
    "value_type=str: null",
    // JSON has none of these.
    "no value_type: NaN",
    "no value_type: Infinity",
    "no value_type: float 1e400",
    "no value_type: lone surrogate escape",
];

/// Faust refuses these and we take them.
const TAKEN: &[&str] = &[
    // serde reads a struct from a list of its fields.
    "value_type=Point: list instead of an object",
    "value_type=Times: isodates: 2020-01-02T03:04:05.123456789Z",
    "value_type=Times: isodates: 20200102T030405Z",
    // A namespace is of no interest where the type is known.
    "no value_type: record with metadata of an unknown namespace",
    // A tag makes nothing and is read over: an empty list.
    "yaml: python tag",
];

#[test]
fn what_faust_takes_is_taken_but_for_named_differences() {
    let mut vectors = Vectors::of(include_str!("vectors/read.json"));
    let mut different = Vec::new();
    let mut check = |prefix: &str, read: &dyn Fn(&[u8]) -> Result<(), String>, keys: bool| {
        vectors.each(prefix, |vector| {
            let bytes = if keys { vector.key() } else { vector.value() };
            // A message without one: not the codec's.
            let Some(bytes) = bytes else { return };
            let ours = read(&bytes);
            if ours.is_ok() != vector.accepted {
                different.push((vector.what.clone(), ours));
            }
        });
    };
    macro_rules! values {
        ($($prefix:literal: $type:ty, $codec:expr;)*) => {$(
            check($prefix, &|bytes| value::<$type>(&$codec, bytes), false);
        )*};
    }
    values! {
        "value_type=Blessed: ": Blessed, Json;
        "value_type=Coerced: ": CoercedAll, Json;
        "value_type=Decimal: ": Decimal, Json;
        "value_type=Drawing: ": Drawing, Json;
        "value_type=Loose: ": Loose, Json;
        "value_type=Money: ": Money, Json;
        "value_type=MoneyAsText: ": MoneyAsText, Json;
        "value_type=Nested: ": NestedMany, Json;
        "value_type=Optionals: ": Optionals, Json;
        "value_type=Painted: ": Painted, Json;
        "value_type=Point: ": Point, Json;
        "value_type=Times: ": Times, Json;
        "value_type=TimesAsText: ": TimesAsText, Json;
        "value_type=Validated: ": Validated, Json;
        "value_type=bytes: ": String, Json;
        "value_type=float: ": f64, Json;
        "value_type=int: ": i64, Json;
        "value_type=str: ": String, Json;
        "no value_type: ": Value, Json;
        "binary: ": Vec<u8>, Binary;
        "raw int: ": i64, AsText;
        "raw str: ": String, Raw;
        "yaml: ": Value, Yaml;
        "null value": Value, Json;
    }
    check("key, json: ", &key::<JsonKey<Value>>, true);
    check("key, Point: ", &key::<JsonKey<Point, JsonRecord>>, true);
    check("key, str: ", &key::<String>, true);
    vectors.check_all_seen("");

    for (what, ours) in different {
        let expected = if ours.is_ok() { TAKEN } else { REFUSED };
        assert!(expected.contains(&what.as_str()), "{what}: {ours:?}");
    }
}

fn value<T: Debug>(codec: &impl Codec<T>, bytes: &[u8]) -> Result<(), String> {
    codec
        .decode(bytes)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn key<K: Key>(bytes: &[u8]) -> Result<(), String> {
    K::from_raw(bytes)
        .map(drop)
        .map_err(|error| error.to_string())
}
