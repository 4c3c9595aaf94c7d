//! Records with missing, extra, wrong and absurdly nested fields; claims that are not kept.

use faustus::{Codec, Gzip, Json, MsgPack, Record, Sensitive, Yaml};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::types::{Drawing, Nested, Point, Validated};

#[derive(Debug, PartialEq, Record, Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<Line>,
    #[serde(default)]
    secret: Option<Sensitive<u32>>,
}

#[derive(Debug, PartialEq, Record, Serialize, Deserialize)]
struct Line {
    amount: f64,
    checked: Option<Validated>,
}

/// A record that holds itself.
#[derive(Debug, Record, Serialize, Deserialize)]
struct Tree {
    children: Vec<Tree>,
}

fn said<T: Serialize + DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
    let value: Result<T, _> = Json.decode(json.as_bytes());
    value.unwrap_err().to_string()
}

#[test]
fn a_missing_field_is_named_with_its_path() {
    let said = said::<Order>(r#"{"id":1,"lines":[{"amount":1.0,"checked":null},{}]}"#);
    assert!(
        said.starts_with("lines[1]: missing field `amount`"),
        "{said}"
    );
}

#[test]
fn a_field_of_a_wrong_type_is_named_with_its_path() {
    let said = said::<Order>(r#"{"id":1,"lines":[{"amount":"much"}]}"#);
    assert!(
        said.starts_with("lines[0].amount: invalid type: string"),
        "{said}"
    );
}

#[test]
fn an_extra_field_is_read_over_unless_the_record_denies_it() {
    #[derive(Debug, Serialize, Deserialize, Record)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        id: u64,
    }
    let order: Order = Json
        .decode(br#"{"id":1,"lines":[],"more":{"a":[1]},"__faust":{"ns":"x"}}"#)
        .unwrap();
    assert_eq!(order.lines, []);
    assert!(said::<Strict>(r#"{"id":1,"more":1}"#).starts_with("more: unknown field"));
}

#[test]
fn a_record_that_denies_unknown_fields_can_let_the_metadata_pass() {
    #[derive(Debug, Serialize, Deserialize, Record)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        id: u64,
        #[serde(rename = "__faust", default, skip_serializing)]
        _metadata: serde::de::IgnoredAny,
    }
    let json = br#"{"id":1,"__faust":{"ns":"Strict"}}"#;
    let strict: Strict = Json.decode(json).unwrap();
    let mut written = Vec::new();
    Json.with_metadata().encode(&strict, &mut written).unwrap();
    assert_eq!(written, json);
    assert!(said::<Strict>(r#"{"id":1,"more":1}"#).starts_with("more: unknown field"));
}

#[test]
fn a_repeated_field_is_an_error() {
    assert!(said::<Point>(r#"{"x":1,"x":2,"y":1}"#).contains("duplicate field `x`"));
}

#[test]
fn a_broken_rule_is_named_with_its_path() {
    let json = r#"{"id":1,"lines":[{"amount":1.0,"checked":{"n":1001,"s":""}}]}"#;
    let said = said::<Order>(json);
    assert!(
        said.starts_with("lines[0].checked: n: greater than 1000; s: length is lower"),
        "{said}"
    );
}

#[test]
fn a_record_of_an_unknown_namespace_is_an_error_that_names_the_known_ones() {
    let said = said::<Drawing>(r#"{"main":{"r":1.0,"__faust":{"ns":"vec.Oval"}}}"#);
    assert!(
        said.starts_with(
            "main: `vec.Oval` is none of the records that are expected: vec.Circle, vec.Square"
        ),
        "{said}"
    );
}

#[test]
fn a_field_of_one_of_several_records_is_named_with_its_path() {
    let said = said::<Drawing>(r#"{"main":{"r":"1","__faust":{"ns":"vec.Circle"}}}"#);
    assert!(said.starts_with("main: r: invalid type: string"), "{said}");
}

#[test]
fn what_is_sensitive_is_not_quoted_by_an_error() {
    let said = said::<Order>(r#"{"id":1,"lines":[],"secret":"tulip"}"#);
    assert!(said.starts_with("secret: a sensitive value"), "{said}");
    assert!(!said.contains("tulip"));
}

#[test]
fn text_after_the_value_is_an_error() {
    assert!(said::<Point>(r#"{"x":1,"y":2} x"#).contains("trailing characters"));
    let more: Result<u8, _> = MsgPack.decode(&[1, 2]);
    assert!(more.unwrap_err().to_string().contains("1 bytes follow"));
}

#[test]
fn absurdly_nested_json_is_an_error() {
    for depth in [200, 1_000_000] {
        assert!(said::<Value>(&"[".repeat(depth)).contains("recursion limit"));
        assert!(said::<Tree>(&r#"{"children":["#.repeat(depth)).contains("recursion limit"));
        assert!(said::<Point>(&format!(r#"{{"x":{}"#, "[".repeat(depth))).len() < 600);
        let extra = format!(r#"{{"x":1,"y":2,"z":{}"#, "[".repeat(depth));
        assert!(
            said::<Point>(&extra).contains("EOF") || said::<Point>(&extra).contains("recursion")
        );
        assert!(
            said::<Drawing>(&format!(r#"{{"main":{}"#, "[".repeat(depth))).contains("recursion")
        );
    }
}

#[test]
fn absurdly_nested_msgpack_is_an_error() {
    for depth in [200, 1_000_000] {
        let lists = vec![0x91; depth];
        assert!(Codec::<Value>::decode(&MsgPack, &lists).is_err());
        let trees = b"\x81\xa8children\x91".repeat(depth);
        assert!(Codec::<Tree>::decode(&MsgPack, &trees).is_err());
        let extra = [b"\x81\xa1z".to_vec(), lists].concat();
        assert!(Codec::<Nested>::decode(&MsgPack, &extra).is_err());
    }
    let deep = |depth: usize| [vec![0x91; depth - 1], vec![0x90]].concat();
    assert!(Codec::<Value>::decode(&MsgPack, &deep(127)).is_ok());
    assert!(Codec::<Value>::decode(&MsgPack, &deep(129)).is_err());
}

#[test]
fn absurdly_nested_yaml_is_an_error() {
    for depth in [200, 100_000] {
        assert!(Codec::<Value>::decode(&Yaml, "[".repeat(depth).as_bytes()).is_err());
        assert!(Codec::<Value>::decode(&Yaml, "- ".repeat(depth).as_bytes()).is_err());
        let trees = "{children: [".repeat(depth);
        assert!(Codec::<Tree>::decode(&Yaml, trees.as_bytes()).is_err());
    }
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Codec::<Value>::decode(&Yaml, deep(32).as_bytes()).is_ok());
    assert!(Codec::<Value>::decode(&Yaml, deep(33).as_bytes()).is_err());
}

#[test]
fn a_list_that_claims_billions_of_elements_takes_no_memory() {
    for claim in [
        &b"\xdd\xff\xff\xff\xff\x01"[..],
        b"\xc6\xff\xff\xff\xff\x01",
        b"\xdb\xff\xff\xff\xff",
    ] {
        assert!(Codec::<Vec<u64>>::decode(&MsgPack, claim).is_err());
        assert!(Codec::<String>::decode(&MsgPack, claim).is_err());
        assert!(Codec::<Value>::decode(&MsgPack, claim).is_err());
    }
}

#[test]
fn yaml_that_multiplies_itself_is_an_error() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let alias = vec![format!("*a{}", i - 1); 9].join(", ");
        yaml += &format!("a{i}: &a{i} [{alias}]\n");
    }
    assert!(Codec::<Value>::decode(&Yaml, yaml.as_bytes()).is_err());
}

#[test]
fn a_value_that_unpacks_to_more_than_the_limit_is_an_error_through_a_chain() {
    let codec = Json.then(Gzip::default().limit(1000));
    let mut bytes = Vec::new();
    codec.encode(&"a".repeat(1000), &mut bytes).unwrap();
    assert!(bytes.len() < 100);
    let value: Result<String, _> = codec.decode(&bytes);
    assert!(
        value
            .unwrap_err()
            .to_string()
            .contains("more than 1000 bytes")
    );
}
