//! What is written is read back as the same, by every codec.

use std::collections::BTreeMap;

use faustus::{
    Binary, Codec, Gzip, Json, JsonKey, JsonRecord, Key, Lz4, MsgPack, Nullable, Raw, Record,
    Sensitive, Snappy, Text, Yaml,
};
use jiff::Timestamp;
use proptest::{collection::vec, option, prelude::*};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::types::{Circle, Point, Shape, Square};

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Everything {
    text: String,
    number: f64,
    integer: i64,
    maybe: Option<u32>,
    points: Vec<Point>,
    by_name: BTreeMap<String, Point>,
    shape: Option<Shape>,
    #[serde(with = "faustus::with::iso")]
    at: Timestamp,
    #[serde(with = "faustus::with::base64")]
    bytes: Vec<u8>,
    price: Decimal,
    secret: Sensitive<String>,
    #[serde(flatten)]
    more: More,
}

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct More {
    more: bool,
}

prop_compose! {
    fn points()(x: i64, y: i64) -> Point {
        Point { x, y }
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let number = || any::<f64>().prop_filter("JSON has none", |f| f.is_finite());
    prop_oneof![
        number().prop_map(|r| Shape::Circle(Circle { r })),
        number().prop_map(|side| Shape::Square(Square { side })),
    ]
}

prop_compose! {
    fn everything()(
        (text, secret) in (".*", ".*"),
        number in any::<f64>().prop_filter("JSON has none", |f| f.is_finite()),
        integer: i64,
        maybe: Option<u32>,
        points_ in vec(points(), 0..3),
        by_name in proptest::collection::btree_map(".*", points(), 0..3),
        shape in option::of(shapes()),
        // The years 1 to 9999.
        micros in -62_135_596_800_000_000..253_402_207_200_000_000_i64,
        bytes: Vec<u8>,
        (units, scale) in (any::<i64>(), 0..19_u32),
        more: bool,
    ) -> Everything {
        Everything {
            text,
            number,
            integer,
            maybe,
            points: points_,
            by_name,
            shape,
            at: Timestamp::from_microsecond(micros).unwrap(),
            bytes,
            price: Decimal::new(units, scale),
            secret: secret.into(),
            more: More { more },
        }
    }
}

fn check<T: PartialEq + std::fmt::Debug>(codec: &impl Codec<T>, value: &T) {
    let mut bytes = b"before".to_vec();
    codec.encode(value, &mut bytes).unwrap();
    let written = bytes.strip_prefix(b"before").unwrap();
    assert_eq!(&codec.decode(written).unwrap(), value);
    let memory = bytes::Bytes::copy_from_slice(written);
    assert_eq!(&codec.decode_within(&memory, &memory).unwrap(), value);
}

proptest! {
    #[test]
    fn records_survive_every_codec_of_records(value in everything()) {
        check(&Json, &value);
        check(&JsonRecord, &value);
        check(&MsgPack, &value);
        check(&Yaml, &value);
        check(&Json.then(Gzip::default()).then(Binary), &value);
        check(&Nullable(MsgPack).then(Lz4::default()), &Some(value));
    }

    #[test]
    fn bytes_survive_every_codec_of_bytes(value: Vec<u8>) {
        check(&Raw, &value);
        check(&Binary, &value);
        check(&Gzip::default(), &value);
        check(&Lz4::default(), &value);
        check(&Snappy::default(), &value);
        check(&Raw, &bytes::Bytes::from(value));
    }

    #[test]
    fn text_survives_every_codec_of_text(value in ".*", number: i64, float: f64) {
        check(&Raw, &value);
        check(&Binary, &value);
        check(&Text, &value);
        check(&Text, &number);
        if float.is_finite() {
            check(&Text, &float);
        }
    }

    #[test]
    fn a_number_comes_back_to_the_last_bit(bits: u64) {
        let number = f64::from_bits(bits);
        if number.is_finite() {
            let mut bytes = Vec::new();
            Json.encode(&number, &mut bytes).unwrap();
            let read: f64 = Json.decode(&bytes).unwrap();
            prop_assert_eq!(read.to_bits(), bits);
        }
    }

    #[test]
    fn a_json_key_has_the_bytes_of_its_json(text in ".*", point in points()) {
        let key = JsonKey::<_, JsonRecord>::new(point.clone()).unwrap();
        prop_assert_eq!(&JsonKey::from_raw(&key.raw()).unwrap(), &key);
        prop_assert_eq!(&*key, &point);
        let key: JsonKey<_> = JsonKey::new(text.clone()).unwrap();
        let mut bytes = Vec::new();
        Json.encode(&text, &mut bytes).unwrap();
        prop_assert_eq!(&*key.raw(), &bytes);
    }
}
