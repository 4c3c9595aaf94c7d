//! What reads bytes from others, to be called with any bytes.
//!
//! Contract: each function here returns, whatever it is given. It panics if what was read is not written
//! and read again as the same.

use std::{borrow::Cow, collections::BTreeMap};

use faustus::{
    __fuzzed::{Reply, read_reply, read_request, write_reply, write_request},
    Binary, Codec, Codecs, Gzip, Json, JsonKey, Key, Lz4, MsgPack, Nullable, Raw, Record,
    Sensitive, Snappy, Text, Yaml,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A record with everything in it that is read in a way of its own.
#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Order {
    id: u64,
    #[serde(default)]
    note: Option<String>,
    lines: Vec<Line>,
    #[serde(with = "faustus::with::iso", default)]
    at: Option<Timestamp>,
    #[serde(with = "faustus::with::base64", default)]
    blob: Vec<u8>,
    #[serde(default)]
    secret: Option<Sensitive<u32>>,
    #[serde(default)]
    tags: BTreeMap<String, i128>,
    #[serde(default)]
    payment: Option<Payment>,
}

/// A record in a record.
#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Line {
    item: String,
    amount: f64,
    #[serde(flatten)]
    price: Price,
}

/// A record whose fields stand in another one.
#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Price {
    cents: i64,
}

/// One of several records, which may hold one again.
#[derive(Clone, Debug, PartialEq, Record)]
enum Payment {
    Card(Card),
    Split(Split),
}

/// A record.
#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Card {
    number: Sensitive<String>,
}

/// A record that holds itself.
#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Split {
    parts: Vec<Payment>,
}

/// Reads JSON.
pub fn json(bytes: &[u8]) {
    again::<Order>(&Json, bytes);
    again::<Order>(&Json.with_metadata(), bytes);
    again::<Payment>(&Json.with_metadata(), bytes);
    again::<Option<Vec<String>>>(&Nullable(Json), bytes);
    read::<Value>(&Json, bytes);
    read::<f64>(&Json, bytes);
}

/// Reads MessagePack.
pub fn msgpack(bytes: &[u8]) {
    again::<Order>(&MsgPack, bytes);
    again::<Payment>(&MsgPack, bytes);
    again::<Vec<(u8, String)>>(&MsgPack, bytes);
    read::<Value>(&MsgPack, bytes);
}

/// Reads YAML.
pub fn yaml(bytes: &[u8]) {
    read::<Order>(&Yaml, bytes);
    read::<Payment>(&Yaml, bytes);
    read::<Value>(&Yaml, bytes);
}

/// Reads codecs without structure, compressed bytes and chains; the first byte chooses.
pub fn chain(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return;
    };
    const LIMIT: usize = 1 << 20;
    match choice % 8 {
        0 => again::<Vec<u8>>(&Gzip::default().limit(LIMIT), bytes),
        1 => again::<Vec<u8>>(&Lz4::default().limit(LIMIT), bytes),
        2 => again::<Vec<u8>>(&Snappy::default().limit(LIMIT), bytes),
        3 => again::<Vec<u8>>(&Binary, bytes),
        4 => again::<Order>(&Json.then(Gzip::default().limit(LIMIT)).then(Binary), bytes),
        5 => again::<String>(&Raw.then(Lz4::default().limit(LIMIT)), bytes),
        6 => again::<i64>(&Text, bytes),
        _ => {
            let name = String::from_utf8_lossy(bytes);
            if let Ok(codec) = Codecs::new().get::<Order>(&name) {
                let _ = codec.decode(name.as_bytes());
            }
        }
    }
}

/// Reads keys.
pub fn key(bytes: &[u8]) {
    key_again::<String>(bytes);
    key_again::<Vec<u8>>(bytes);
    key_again::<i128>(bytes);
    key_again::<u8>(bytes);
    key_again::<JsonKey<(String, i64)>>(bytes);
}

/// Reads a request: its value, then the names and values of headers, with a zero byte between any two.
pub fn request(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0);
    let sent = parts.next().unwrap_or_default();
    let names_and_values: Vec<&[u8]> = parts.collect();
    let headers = names_and_values.chunks_exact(2);
    let headers: Vec<_> = headers
        .map(|pair| (String::from_utf8_lossy(pair[0]), pair[1]))
        .collect();
    let (asker, value) = read_request(sent, &headers);
    let (Some((reply_to, id)), Ok(value)) = (asker, value) else {
        return;
    };
    assert!(!reply_to.is_empty() && reply_to.len() <= 249, "{reply_to}");
    read::<Order>(&Json, &value);
    let is_json = serde_json::from_slice::<Value>(&value).is_ok();
    if let (true, Some(id)) = (is_json, id) {
        let written = write_request(&reply_to, &id, &value);
        let written = written.unwrap_or_else(|error| panic!("{bytes:?} is not written: {error}"));
        let (asker, again) = read_request(&written, &[(Cow::Borrowed("other"), b"header")]);
        assert_eq!(asker, Some((reply_to, Some(id))));
        let again = again.unwrap_or_else(|error| panic!("{bytes:?} is not read again: {error}"));
        assert_eq!(
            again.trim_ascii(),
            value.trim_ascii(),
            "read again: {bytes:?}"
        );
    }
}

/// Reads a reply; its value is read as what was asked for.
pub fn reply(bytes: &[u8]) {
    let Ok(reply) = read_reply(bytes) else {
        return;
    };
    if let (_, Ok(value)) = &reply {
        read::<Order>(&Json, value.as_bytes());
        read::<Payment>(&Json, value.as_bytes());
    }
    for key in [None, Some(bytes)] {
        let written = write_reply(key, &reply);
        let written = written.unwrap_or_else(|error| panic!("{bytes:?} is not written: {error}"));
        match read_reply(&written) {
            Ok(again) => assert_eq!(shortened(again), shortened(reply.clone()), "{bytes:?}"),
            Err(error) => panic!("{bytes:?} is not read again: {error}"),
        }
    }
}

/// With no more of an error than is written for sure.
fn shortened((id, answer): Reply) -> Reply {
    let shortened = |error: String| error[..error.floor_char_boundary(990)].to_owned();
    (id, answer.map_err(shortened))
}

/// Reads a value and writes it; what was written must be read and written as the same bytes. (The value
/// itself may differ from the first: times lose what is below a microsecond.)
fn again<T>(codec: &impl Codec<T>, bytes: &[u8]) {
    let Ok(value) = codec.decode(bytes) else {
        return;
    };
    let written = write(codec, &value);
    match codec.decode(&written) {
        Ok(value) => assert_eq!(write(codec, &value), written, "read again: {bytes:?}"),
        Err(error) => panic!("{bytes:?} is not read again: {error}"),
    }
}

fn write<T>(codec: &impl Codec<T>, value: &T) -> Vec<u8> {
    let mut written = Vec::new();
    match codec.encode(value, &mut written) {
        Ok(()) => written,
        Err(error) => panic!("what was read is not written: {error}"),
    }
}

fn read<T: DeserializeOwned>(codec: &impl Codec<T>, bytes: &[u8]) {
    let _ = codec.decode(bytes);
}

fn key_again<K: Key + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(key) = K::from_raw(bytes) else {
        return;
    };
    match K::from_raw(&key.raw()) {
        Ok(read) => assert_eq!(read, key),
        Err(error) => panic!("{key:?} is not read again: {error}"),
    }
}
