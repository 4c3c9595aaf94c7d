//! Golden bytes are what Python's Faust 0.15.3 wrote and took.

use faustus_core::{BatchBuilder, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{ErrorKind, Json, Raw};

fn raw(json: &'static str) -> impl FnOnce(&mut Vec<u8>) -> Result {
    move |out| {
        out.extend_from_slice(json.as_bytes());
        Ok(())
    }
}

fn request(value: &'static str, id: &str) -> String {
    let mut out = Vec::new();
    write_request(&mut out, ("f-reply-vectors", id), raw(value)).unwrap();
    String::from_utf8(out).unwrap()
}

fn reply(key: Option<&[u8]>, value: &'static str, id: Option<&str>) -> String {
    let mut out = Vec::new();
    write_reply(&mut out, key, id, raw(value)).unwrap();
    String::from_utf8(out).unwrap()
}

const POINT: &str = r#"{"x":2,"y":1,"__faust":{"ns":"vec.Point"}}"#;

#[test]
fn requests_in_envelopes_are_written_as_faust_writes_them() {
    assert_eq!(
        request("21", "cid-10"),
        r#"{"value":21,"reply_to":"f-reply-vectors","correlation_id":"cid-10","__faust":{"ns":"@ReqRepRequest"}}"#
    );
    assert_eq!(
        request(r#""\u00e9""#, "cid-15"),
        r#"{"value":"\u00e9","reply_to":"f-reply-vectors","correlation_id":"cid-15","__faust":{"ns":"@ReqRepRequest"}}"#
    );
    let list = r#"[{"x":1,"y":2,"__faust":{"ns":"vec.Point"}}]"#;
    assert!(request(list, "cid-13").ends_with(r#""__faust":{"ns":"@ReqRepRequest"}}"#));
    assert_eq!(
        request(r#"{"x":1,"y":2,"__faust":{"ns":"vec.Point"}}"#, "cid-12"),
        concat!(
            r#"{"value":{"x":1,"y":2,"__faust":{"ns":"vec.Point"}},"reply_to":"f-reply-vectors","#,
            r#""correlation_id":"cid-12","__faust":{"ns":"faust.agents.models.ModelReqRepRequest"}}"#
        )
    );
}

#[test]
fn a_record_is_known_by_its_metadata_first_or_last() {
    for record in [POINT, r#"{"__faust":{"ns":"vec.Point"},"x":2}"#] {
        assert!(is_record(record.as_bytes()), "{record}");
    }
    let others = [
        "1",
        "{}",
        r#"[{"x":2,"__faust":{"ns":"vec.Point"}}]"#,
        r#"{"a":{"x":2,"__faust":{"ns":"vec.Point"}}}"#,
        r#"{"a":{"b":"c"}}"#,
        r#""x"}}"#,
    ];
    for other in others {
        assert!(!is_record(other.as_bytes()), "{other}");
    }
}

#[test]
fn replies_are_written_as_faust_writes_them() {
    let cases: [(Option<&[u8]>, _, _, _); 6] = [
        (
            None,
            "42",
            Some("cid-1"),
            r#"{"key":null,"value":42,"correlation_id":"cid-1","__faust":{"ns":"@ReqRepResponse"}}"#,
        ),
        (
            Some(b"k"),
            "1",
            Some("cid-6"),
            r#"{"key":"k","value":1,"correlation_id":"cid-6","__faust":{"ns":"@ReqRepResponse"}}"#,
        ),
        (
            Some("é".as_bytes()),
            "1",
            Some("cid-7"),
            r#"{"key":"\u00e9","value":1,"correlation_id":"cid-7","__faust":{"ns":"@ReqRepResponse"}}"#,
        ),
        (
            Some(b"\x00\xff"),
            "42",
            Some("cid-3"),
            r#"{"key":"b'\\x00\\xff'","value":42,"correlation_id":"cid-3","__faust":{"ns":"@ReqRepResponse"}}"#,
        ),
        (
            None,
            POINT,
            Some("cid-9"),
            r#"{"key":null,"value":{"x":2,"y":1,"__faust":{"ns":"vec.Point"}},"correlation_id":"cid-9","__faust":{"ns":"faust.agents.models.ModelReqRepResponse"}}"#,
        ),
        (
            None,
            "42",
            None,
            r#"{"key":null,"value":42,"correlation_id":null,"__faust":{"ns":"@ReqRepResponse"}}"#,
        ),
    ];
    for (key, value, id, expected) in cases {
        assert_eq!(reply(key, value, id), expected);
    }
}

#[test]
fn an_error_is_a_reply_of_null_to_readers_that_do_not_know_it() {
    let mut out = Vec::new();
    write_failure(&mut out, Some(b"k"), Some("id"), "no \"such\" account").unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        r#"{"key":"k","value":null,"correlation_id":"id","error":"no \"such\" account","__faust":{"ns":"@ReqRepResponse"}}"#
    );
    let read = read_reply(text.as_bytes()).unwrap();
    assert_eq!(read.answer, Err(r#"no "such" account"#.into()));
}

#[test]
fn only_so_much_of_an_error_is_sent() {
    let mut out = Vec::new();
    write_failure(&mut out, None, None, &"é".repeat(10_000)).unwrap();
    assert!(out.len() < 6 * ERROR_BYTES);
    assert!(read_reply(&out).is_ok());
}

#[test]
fn bytes_are_shown_as_python_shows_them() {
    let cases: [(&[u8], &str); 5] = [
        (b"\xffk", r"b'\xffk'"),
        (b"\xff'", r#"b"\xff'""#),
        (b"\xff'\"", r#"b'\xff\'"'"#),
        (b"\xff\\\n\t\r", r"b'\xff\\\n\t\r'"),
        (b"\xff\x7f\x00", r"b'\xff\x7f\x00'"),
    ];
    for (bytes, text) in cases {
        assert_eq!(python_bytes(bytes), text);
    }
}

/// What each of the replies that were written by hand gave in Faust.
#[test]
fn replies_are_read_as_faust_reads_them_and_what_kills_it_is_an_error() {
    let taken = [
        (
            r#"{"key":null,"value":1,"correlation_id":"raw-0","__faust":{"ns":"@ReqRepResponse"}}"#,
            "1",
        ),
        (r#"{"key":null,"value":1,"correlation_id":"raw-1"}"#, "1"),
        (
            r#"{"key":null,"value":1,"correlation_id":"raw-2","__faust":{"ns":"faust.agents.models.ModelReqRepResponse"}}"#,
            "1",
        ),
        (
            r#"{"key":null,"value":{"x":2,"y":1,"__faust":{"ns":"vec.Point"}},"correlation_id":"raw-3","__faust":{"ns":"@ReqRepResponse"}}"#,
            POINT,
        ),
        (
            r#"{"key":null,"value":1,"correlation_id":"raw-6","__faust":{"ns":"no.such"}}"#,
            "1",
        ),
        (
            r#"{ "correlation_id" : "raw-7", "value" : [1, 2], "key" : "k", "more": 1 }"#,
            "[1, 2]",
        ),
        (
            r#"{"value":1,"correlation_id":"raw-8","__faust":{"ns":"@ReqRepResponse"}}"#,
            "1",
        ),
        (
            r#"{"key":null,"correlation_id":"raw-9","__faust":{"ns":"@ReqRepResponse"}}"#,
            "null",
        ),
    ];
    for (bytes, value) in taken {
        let read = read_reply(bytes.as_bytes()).unwrap();
        assert!(read.correlation_id.is_some_and(|id| id.starts_with("raw-")));
        assert_eq!(read.answer, Ok(value), "{bytes}");
    }
    for bytes in ["", "{", "[1]", "1", r#"{"correlation_id":7}"#, "\u{0}"] {
        assert!(read_reply(bytes.as_bytes()).is_err(), "{bytes}");
    }
}

fn asked(value: &str, headers: &[(&str, &str)]) -> Option<(String, Option<String>)> {
    let mut records = BatchBuilder::new();
    let record = records.record(Timestamp(0)).value(value.as_bytes());
    let record = headers.iter().fold(record, |record, (name, value)| {
        record.header(name, Some(value.as_bytes()))
    });
    record.finish();
    let asker = asker(records.get(0))?;
    let id = asker.correlation_id.map(Cow::into_owned);
    Some((asker.reply_to.to_string(), id))
}

fn to(topic: &str, id: Option<&str>) -> Option<(String, Option<String>)> {
    Some((topic.to_owned(), id.map(str::to_owned)))
}

/// The requests that were written by hand, and where Faust sent its replies.
#[test]
fn who_asks_is_found_where_faust_finds_it() {
    let (reply_to, id) = (REPLY_TO, CORRELATION_ID);
    let enveloped = r#"{"value":1,"reply_to":"rpc.raw-replies","correlation_id":"by-hand-8","__faust":{"ns":"@ReqRepRequest"}}"#;
    assert_eq!(asked("21", &[]), None);
    assert_eq!(
        asked("21", &[(reply_to, "r"), (id, "by-hand-0")]),
        to("r", Some("by-hand-0"))
    );
    assert_eq!(asked("21", &[(reply_to, "r")]), to("r", None));
    assert_eq!(asked("21", &[(id, "by-hand-2")]), None);
    assert_eq!(
        asked(
            "21",
            &[("faust-ag-replyto", "r"), ("faust-ag-correlationid", "x")]
        ),
        None
    );
    assert_eq!(
        asked("21", &[(reply_to, "r"), (id, "one"), (id, "second")]),
        to("r", Some("second"))
    );
    assert_eq!(
        asked(enveloped, &[]),
        to("rpc.raw-replies", Some("by-hand-8"))
    );
    assert_eq!(
        asked(enveloped, &[(reply_to, "r"), (id, "header")]),
        to("rpc.raw-replies", Some("by-hand-8"))
    );
    assert_eq!(
        asked(r#"{"value":1,"reply_to":"r","correlation_id":"x"}"#, &[]),
        None
    );
    assert_eq!(asked("21", &[(reply_to, "no topic"), (id, "x")]), None);
    assert_eq!(asked("21", &[(reply_to, ""), (id, "x")]), None);
}

#[test]
fn the_value_is_taken_out_of_its_envelope() {
    let bytes = |text: &'static str| unwrapped::<serde_json::Value>(text.as_bytes(), &Json);
    let plain = r#"{"value":{"a":[1, 2]},"reply_to":"r","correlation_id":"c","more":1,"__faust":{"ns":"@ReqRepRequest"}}"#;
    assert_eq!(bytes(plain).unwrap(), br#"{"a":[1, 2]}"#);
    let record = r#"{"value":null,"reply_to":"r","correlation_id":"c","__faust":{"ns":"faust.agents.models.ModelReqRepRequest"}}"#;
    assert_eq!(bytes(record).unwrap(), b"null");
    let bare = r#"{"value":1,"reply_to":"r","correlation_id":"c"}"#;
    assert_eq!(bytes(bare).unwrap(), bare.as_bytes());
}

#[test]
fn an_envelope_of_a_foreign_version_is_a_decode_failure_that_says_so() {
    let foreign = r#"{"value":1,"reply_to":"r","correlation_id":"c","__faust":{"ns":"faust.v9.ReqRepRequest"}}"#;
    let error = unwrapped::<u64>(foreign.as_bytes(), &Json).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(
        error
            .to_string()
            .contains("foreign kind \"faust.v9.ReqRepRequest\""),
        "{error}"
    );
    assert_eq!(
        asked(foreign, &[]),
        to("r", Some("c")),
        "who asked hears of it"
    );
    let damaged = r#"{"reply_to":"r","__faust":{"ns":"@ReqRepRequest"}}"#;
    let error = unwrapped::<u64>(damaged.as_bytes(), &Json).unwrap_err();
    assert!(
        error.to_string().contains("missing field `value`"),
        "{error}"
    );
}

#[test]
fn bytes_that_are_no_json_have_no_envelope() {
    let bytes = br#"{"value":1,"__faust":{"ns":"@ReqRepRequest"}}"#;
    assert_eq!(unwrapped::<Vec<u8>>(bytes, &Raw).unwrap(), bytes);
}

proptest! {
    #[test]
    fn what_was_asked_for_reaches_the_agent_and_comes_back(
        value: i64,
        id in ".*",
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
    ) {
        let json = value.to_string();
        let encode = |out: &mut Vec<u8>| { out.extend_from_slice(json.as_bytes()); Ok(()) };
        let mut out = Vec::new();
        write_request(&mut out, ("f-reply-1", &id), encode).unwrap();
        prop_assert_eq!(unwrapped::<i64>(&out, &Json).unwrap(), json.as_bytes());
        let address = address(&out).unwrap();
        prop_assert_eq!(address.correlation_id.as_deref(), Some(&*id));
        let mut out = Vec::new();
        write_reply(&mut out, key.as_deref(), Some(&id), encode).unwrap();
        let read = read_reply(&out).unwrap();
        prop_assert_eq!(read.correlation_id.as_deref(), Some(&*id));
        prop_assert_eq!(read.answer, Ok(&*json));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>, text in ".*") {
        let _ = read_reply(&bytes);
        let end = format!("{text}ReqRepRequest\"}}}}");
        let _ = unwrapped::<u64>(end.as_bytes(), &Json);
        let _ = asked(&end, &[]);
    }
}
