//! The metadata of records inside other things, and fields as a command line shows them.

use std::collections::{BTreeMap, HashMap};

use faustus::{Codec, Json, Record, Sensitive};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Leaf {
    v: u8,
}

/// A struct that is no record, with one inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NoRecord {
    leaf: Leaf,
}

#[derive(Clone, Debug, PartialEq, Record)]
enum Either {
    Leaf(Leaf),
    Branch(Branch),
}

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Branch {
    #[serde(flatten)]
    base: Base,
    of: Vec<Either>,
    leaf: Option<Box<Leaf>>,
}

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Base {
    base: Leaf,
}

fn written<T>(codec: &impl Codec<T>, value: &T) -> String {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

const LEAF: &str = r#"{"v":1,"__faust":{"ns":"Leaf"}}"#;

fn leaf() -> Leaf {
    Leaf { v: 1 }
}

#[test]
fn records_in_collections_have_their_metadata() {
    let json = Json.with_metadata();
    assert_eq!(written(&json, &vec![leaf()]), format!("[{LEAF}]"));
    assert_eq!(written(&json, &[leaf()]), format!("[{LEAF}]"));
    assert_eq!(written(&json, &Some(Box::new(leaf()))), LEAF);
    let map = HashMap::from([("a".to_owned(), vec![leaf()])]);
    assert_eq!(written(&json, &map), format!(r#"{{"a":[{LEAF}]}}"#));
    let map = BTreeMap::from([(7, leaf())]);
    assert_eq!(written(&json, &map), format!(r#"{{"7":{LEAF}}}"#));
}

#[test]
fn a_struct_that_is_no_record_hides_what_is_inside() {
    #[derive(Record, Serialize, Deserialize)]
    struct Outer {
        inner: NoRecord,
    }
    let outer = Outer {
        inner: NoRecord { leaf: leaf() },
    };
    assert_eq!(
        written(&Json.with_metadata(), &outer),
        r#"{"inner":{"leaf":{"v":1}},"__faust":{"ns":"Outer"}}"#
    );
}

#[test]
fn one_of_several_records_has_its_metadata_once_and_what_is_inside_its_own() {
    let branch = Either::Branch(Branch {
        base: Base { base: leaf() },
        of: vec![Either::Leaf(leaf())],
        leaf: Some(Box::new(leaf())),
    });
    let with =
        format!(r#"{{"base":{LEAF},"of":[{LEAF}],"leaf":{LEAF},"__faust":{{"ns":"Branch"}}}}"#);
    assert_eq!(written(&Json.with_metadata(), &branch), with);
    // Without metadata only what is needed to read it has some.
    let without = format!(
        r#"{{"base":{{"v":1}},"of":[{LEAF}],"leaf":{{"v":1}},"__faust":{{"ns":"Branch"}}}}"#
    );
    assert_eq!(written(&Json, &branch), without);
    for json in [with, without] {
        let read: Either = Json.decode(json.as_bytes()).unwrap();
        assert_eq!(read, branch);
    }
}

#[test]
fn a_record_that_keeps_unknown_fields_writes_its_metadata_once() {
    #[derive(Record, Serialize, Deserialize)]
    struct Open {
        id: u8,
        #[serde(flatten)]
        more: BTreeMap<String, Value>,
    }
    let json = r#"{"id":1,"a":[2],"__faust":{"ns":"Open"}}"#;
    let open: Open = Json.decode(json.as_bytes()).unwrap();
    assert_eq!(written(&Json.with_metadata(), &open), json);
}

#[test]
fn metadata_of_any_form_is_read_over() {
    for metadata in ["{}", "null", "[1]", "7", r#"{"ns":"other","more":[{}]}"#] {
        let json = format!(r#"{{"__faust":{metadata},"v":1}}"#);
        let read: Leaf = Json.decode(json.as_bytes()).unwrap();
        assert_eq!(read, leaf());
    }
}

#[test]
fn fields_are_shown_in_order_and_without_what_is_sensitive() {
    #[derive(Record, Serialize)]
    struct Account {
        user: String,
        #[serde(flatten)]
        login: Login,
        old: Vec<Login>,
        id: u8,
    }
    #[derive(Record, Serialize)]
    struct Login {
        password: Sensitive<String>,
        hint: Option<Sensitive<String>>,
    }
    let login = || Login {
        password: "tulip".to_owned().into(),
        hint: None,
    };
    let account = Account {
        user: "ann".to_owned(),
        login: login(),
        old: vec![login()],
        id: 7,
    };
    assert_eq!(Account::fields(), ["user", "password", "hint", "old", "id"]);
    let shown = |name: &str, value: Value| (name.to_owned(), value);
    assert_eq!(
        account.to_fields().unwrap(),
        [
            shown("user", json!("ann")),
            shown("password", json!("***")),
            shown("hint", Value::Null),
            shown("old", json!([{"password": "***", "hint": null}])),
            shown("id", json!(7)),
        ]
    );
}

#[test]
fn what_is_sensitive_in_one_of_several_records_is_hidden() {
    #[derive(Record, Serialize, Deserialize)]
    struct Card {
        number: Sensitive<u64>,
    }
    #[derive(Record)]
    enum Payment {
        Card(Card),
    }
    #[derive(Record, Serialize, Deserialize)]
    struct Paid {
        by: Payment,
    }
    let paid = Paid {
        by: Payment::Card(Card { number: 42.into() }),
    };
    let fields = paid.to_fields().unwrap();
    assert_eq!(
        fields[0].1,
        json!({"number": "***", "__faust": {"ns": "Card"}})
    );
}
