//! What Python's Faust wrote is read, and written again as the same bytes.

use std::fmt::Debug;

use faustus::{Codec, Codecs, Json, JsonKey, JsonRecord, Key, Raw, Yaml};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    types::*,
    vectors::{Vector, Vectors},
};

fn vectors() -> Vectors {
    Vectors::of(include_str!("vectors/written.json"))
}

/// Reads the value and writes it again: the bytes are the same.
fn same<T: Debug>(codec: &impl Codec<T>) -> impl Fn(&Vector) {
    move |vector| {
        let bytes = vector.value().unwrap();
        let value = codec.decode(&bytes).unwrap();
        let mut written = Vec::new();
        codec.encode(&value, &mut written).unwrap();
        let (written, bytes) = (String::from_utf8(written), String::from_utf8(bytes));
        assert_eq!(written.unwrap(), bytes.unwrap(), "{}", vector.what);
    }
}

/// Reads the value and writes it again: it means the same, fields of maps perhaps in another order.
fn same_meaning<T: Debug>(codec: &impl Codec<T>) -> impl Fn(&Vector) {
    move |vector| {
        let bytes = vector.value().unwrap();
        let mut written = Vec::new();
        let value = codec.decode(&bytes).unwrap();
        codec.encode(&value, &mut written).unwrap();
        let [ours, theirs]: [Value; 2] =
            [written, bytes].map(|json| serde_json::from_slice(&json).unwrap());
        assert_eq!(ours, theirs, "{}", vector.what);
    }
}

fn read<T>(codec: &impl Codec<T>, vector: &Vector) -> T {
    codec.decode(&vector.value().unwrap()).unwrap()
}

fn refused<T: Debug>(codec: &impl Codec<T>) -> impl Fn(&Vector) {
    move |vector| {
        let value = codec.decode(&vector.value().unwrap());
        assert!(value.is_err(), "{}: {value:?}", vector.what);
    }
}

#[test]
fn records_are_written_as_faust_writes_them() {
    let mut vectors = vectors();
    let mut record = |what: &str, check: &dyn Fn(&Vector)| {
        vectors.each(&format!("record: {what}"), check);
    };
    let json = JsonRecord;
    record("two integer fields", &same::<Point>(&json));
    record("namespace not given", &same::<DefaultNamespace>(&json));
    record("include_metadata=False", &same::<NoMetadata>(&Json));
    record("nested record", &same::<Nested>(&json));
    record("all defaults", &same::<Defaults>(&json));
    record("defaults overridden", &same::<Defaults>(&json));
    record("inherited fields", &same::<Child>(&json));
    record("datetime UTC", &same::<Times>(&json));
    record("datetime optional and list", &same::<Times>(&json));
    record("datetime naive", &same::<NaiveTimes>(&json));
    // The same instants, in UTC.
    record("datetime +02:00", &|vector| {
        let at = read::<Times>(&json, vector).at.to_string();
        assert_eq!(at, "2020-01-02T01:04:05.000006Z");
    });
    record("datetime -05:30", &|vector| {
        let at = read::<Times>(&json, vector).at.to_string();
        assert_eq!(at, "2020-01-02T08:34:05Z");
    });
    record("date.", &same::<Date>(&json));
    record("time naive", &same::<Time>(&json));
    // A time of day is nowhere.
    record("time UTC", &refused::<Time>(&json));
    record("decimal", &|vector| match vector.what.as_str() {
        "record: decimal" => same::<Money>(&json)(vector),
        // The same numbers, in a form without exponents; and zero has no sign.
        _ => {
            let money: Money = read(&json, vector);
            let text = format!("{} {:?}", money.amount, money.many);
            assert!(
                ["100 None", "0.00 Some([3.14159265358979323846, 0.0000001])"]
                    .contains(&text.as_str()),
                "{text}"
            );
        }
    });
    record("list, dict", &same_meaning::<Generic>(&json));
    record("empty containers", &same::<Generic>(&json));
    record("named tuple", &same::<WithNamedTuple>(&json));
    record("polymorphic fields", &same::<Drawing>(&json));
    record("polymorphic record itself", &same::<Shape>(&json));
    record("allow_blessed_key", &same::<Blessed>(&json));
    record("Any holding", &same_meaning::<AnyValue>(&json));
    record("text lone surrogate", &refused::<Text>(&json));
    for text in [
        "ASCII", "empty", "Latin", "CJK", "beyond", "quotes", "control", "U+2028", "HTML",
    ] {
        record(&format!("text {text}"), &same::<Text>(&json));
    }
    for float in ["float NaN", "float Infinity", "float -Infinity"] {
        record(float, &refused::<Number>(&json));
    }
    record("float field holding an int", &|vector| {
        assert_eq!(read::<Number>(&json, vector).f, 1.0);
    });
    for float in ["1", "0.1", "-0.0", "5e", "2.675"] {
        record(&format!("float {float}"), &same::<Number>(&json));
    }
    record("int ", &same::<Integer>(&json));
    record("bool ", &same::<Flag>(&json));
    record("bytes field.", &same::<Blob>(&json));
    record("bytes field with encoding", &same::<Encoded>(&json));
    record("enum", &same::<Painted>(&json));
    record("UUID", &same::<Identified>(&json));
    record("renamed and excluded fields", &same::<Aliased>(&json));
    record("coerce", &same::<Coerced>(&json));
    record("validation", &same::<Validated>(&json));
    record("union of", &same::<Union>(&json));
    record("object with __json__", &same::<CustomJson>(&json));
    for any in [
        "dict with",
        "Counter",
        "deque",
        "frozenset",
        "set of",
        "bytes inside",
    ] {
        record(any, &same_meaning::<AnyValue>(&json));
    }
    vectors.check_all_seen("record:");
}

#[test]
fn bare_values_are_written_as_faust_writes_them() {
    let mut vectors = vectors();
    vectors.each("value: ", |vector| match vector.what.as_str() {
        // Faust passes bytes through a JSON topic as they are.
        "value: bytes: passed through unserialized" => refused::<Value>(&Json)(vector),
        "value: record without topic value_type" => same::<Point>(&JsonRecord)(vector),
        "value: list of records" => same::<Vec<Point>>(&JsonRecord)(vector),
        "value: dict" => same_meaning::<Value>(&Json)(vector),
        _ => same::<Value>(&Json)(vector),
    });
    vectors.each("topic typed with the record", same::<Point>(&JsonRecord));
    vectors.each(
        "topic typed with one record, another",
        same::<Blessed>(&JsonRecord),
    );
}

#[test]
fn chains_write_and_read_in_fausts_order() {
    for name in ["json", "json|binary"] {
        vectors().each(&format!("codec {name}: value"), |vector| {
            let codecs = Codecs::new();
            match vector.what.rsplit("value ").next().unwrap() {
                // Bytes are not encoded by Faust, whatever the codec.
                "bytes" => refused::<Value>(&codecs.get(name).unwrap())(vector),
                "record" => {
                    let codec = codecs.with::<Point>("json", JsonRecord);
                    same::<Point>(&codec.get(name).unwrap())(vector);
                }
                // Its fields are not in the order of the alphabet.
                "dict" => drop(read::<Value>(&codecs.get(name).unwrap(), vector)),
                _ => same::<Value>(&codecs.get(name).unwrap())(vector),
            }
        });
    }
    for name in ["raw", "binary", "raw|binary", "binary|binary"] {
        let codec = Codecs::new().get::<String>(name).unwrap();
        vectors().each(&format!("codec {name}: value str"), same::<String>(&codec));
    }
    vectors().each("codec raw: value bytes", |vector| {
        let bytes: Vec<u8> = read(&Raw, vector);
        assert_eq!(bytes, b"\0foo\xff");
    });
}

#[test]
fn yaml_of_faust_is_read() {
    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(vector: &Vector, theirs: &T) {
        assert_eq!(&read::<T>(&Yaml, vector), theirs);
        let mut written = Vec::new();
        Yaml.encode(theirs, &mut written).unwrap();
        assert_eq!(&Codec::<T>::decode(&Yaml, &written).unwrap(), theirs);
    }
    vectors().each("codec yaml: value", |vector| {
        match vector.what.trim_start_matches("codec yaml: value ") {
            "str" => check(vector, &"foo".to_owned()),
            "str é" => check(vector, &"é".to_owned()),
            "int" => check(vector, &1),
            "float" => check(vector, &1.0),
            "None" => check(vector, &None::<u8>),
            "list" => check(vector, &(1, "a".to_owned(), None::<u8>)),
            "record" => check(vector, &Point { x: 1, y: 2 }),
            "multi-line str" => check(vector, &"a\nb: c".to_owned()),
            "bytes" => refused::<Value>(&Yaml)(vector),
            _ => drop(read::<Value>(&Yaml, vector)),
        }
    });
}

#[test]
fn keys_have_fausts_bytes() {
    fn check<K: Key + Debug>(vector: &Vector) {
        let bytes = vector.key().unwrap();
        let key = K::from_raw(&bytes).unwrap();
        assert_eq!(&*key.raw(), bytes, "{}", vector.what);
    }
    vectors().each("key, raw (default): str", check::<String>);
    vectors().each("key, raw (default): bytes", check::<Vec<u8>>);
    vectors().each("key, json: str", check::<JsonKey<String>>);
    vectors().each("key, json: int", check::<JsonKey<i64>>);
    vectors().each("key, json: tuple", check::<JsonKey<(String, i64)>>);
    vectors().each("key, json: record", |vector| {
        if vector.what == "key, json: record" {
            check::<JsonKey<Point, JsonRecord>>(vector);
        }
    });
}
