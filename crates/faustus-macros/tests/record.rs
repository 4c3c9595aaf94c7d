//! What `#[derive(Record)]` makes, seen from a program that uses it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::mem::size_of;

use faustus::{Field, Record};

fn a_field_is_copied<R, T>(field: Field<R, T>) -> (Field<R, T>, Field<R, T>) {
    (field, field)
}

#[derive(Record)]
struct Order {
    account_id: String,
    amount: f64,
}

fn order() -> Order {
    Order {
        account_id: "a-1".to_owned(),
        amount: 2.5,
    }
}

#[test]
fn a_constant_reads_its_field() {
    assert_eq!(Order::ACCOUNT_ID.get(&order()), "a-1");
    assert_eq!(*Order::AMOUNT.get(&order()), 2.5);
}

#[test]
fn the_namespace_is_the_name_of_the_struct() {
    assert_eq!(Order::NAMESPACE, "Order");
}

#[test]
fn the_fields_are_named_in_order() {
    assert_eq!(Order::fields(), ["account_id", "amount"]);
}

#[test]
fn a_field_is_three_words_and_copied() {
    let (one, other) = a_field_is_copied(Order::ACCOUNT_ID);
    assert_eq!(one.name(), other.name());
    assert!(size_of::<Field<Order, String>>() <= 3 * size_of::<usize>());
}

#[test]
fn what_get_gives_lives_as_long_as_the_record() {
    fn longest(order: &Order) -> &str {
        let field = Order::ACCOUNT_ID;
        field.get(order)
    }
    assert_eq!(longest(&order()), "a-1");
}

#[test]
fn a_namespace_can_be_given() {
    #[derive(Record)]
    #[record(namespace = "shop.Order")]
    struct Order {
        _id: u8,
    }
    assert_eq!(Order::NAMESPACE, "shop.Order");
}

#[test]
fn raw_identifiers_lose_their_prefix() {
    #[derive(Record)]
    struct Event {
        r#type: u8,
    }
    assert_eq!(Event::TYPE.name(), "type");
    assert_eq!(*Event::TYPE.get(&Event { r#type: 7 }), 7);
}

#[test]
fn a_struct_without_fields_is_a_record() {
    #[derive(Record)]
    struct Tick {}
    assert!(Tick::fields().is_empty());
}

mod elsewhere {
    #[derive(faustus::Record)]
    pub(crate) struct Mixed {
        pub(crate) open: u8,
        closed: u8,
    }

    impl Mixed {
        pub(crate) fn new() -> Self {
            Self { open: 1, closed: 2 }
        }
    }
}

#[test]
fn a_constant_is_as_visible_as_its_field() {
    // That `CLOSED` is not visible here is refused/private.rs.
    assert_eq!(*elsewhere::Mixed::OPEN.get(&elsewhere::Mixed::new()), 1);
}

/// The names that serde really writes for `record`.
fn written<R: serde::Serialize>(record: &R) -> Vec<String> {
    let json = serde_json::to_value(record).unwrap();
    let mut names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

/// The names that the record claims.
fn claimed<R: Record>() -> Vec<String> {
    let mut names: Vec<_> = R::fields().iter().map(|&name| name.to_owned()).collect();
    names.sort();
    names
}

macro_rules! follows_serde {
    ($($test:ident: $rule:literal,)*) => {$(
        #[test]
        fn $test() {
            #[derive(Default, Record, serde::Serialize)]
            #[expect(non_snake_case, reason = "serde has its own way with such names")]
            #[serde(rename_all = $rule)]
            struct Names {
                plain: u8,
                two_words: u8,
                _odd__one_: u8,
                with2_3digits: u8,
                r#type: u8,
            }
            assert_eq!(claimed::<Names>(), written(&Names::default()));
        }
    )*};
}

follows_serde! {
    lowercase_is_serdes: "lowercase",
    uppercase_is_serdes: "UPPERCASE",
    pascal_case_is_serdes: "PascalCase",
    camel_case_is_serdes: "camelCase",
    snake_case_is_serdes: "snake_case",
    screaming_snake_case_is_serdes: "SCREAMING_SNAKE_CASE",
    kebab_case_is_serdes: "kebab-case",
    screaming_kebab_case_is_serdes: "SCREAMING-KEBAB-CASE",
}

#[test]
fn a_renamed_field_has_its_new_name() {
    #[derive(Default, Record, serde::Serialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Order {
        #[serde(rename = "sum", default = "f64::default")]
        total_amount: f64,
    }
    assert_eq!(Order::TOTAL_AMOUNT.name(), "sum");
    assert_eq!(claimed::<Order>(), written(&Order::default()));
}

#[test]
fn the_written_name_counts_where_two_are_given() {
    #[derive(Default, Record, serde::Serialize)]
    struct Order {
        #[serde(rename(serialize = "out", deserialize = "in"))]
        a: u8,
        #[serde(rename(deserialize = "in"))]
        b: u8,
    }
    assert_eq!(claimed::<Order>(), written(&Order::default()));
}

#[test]
fn fields_that_serde_does_not_write_have_a_constant_but_no_name() {
    #[derive(Default, serde::Serialize)]
    struct Inner {}

    #[derive(Default, Record, serde::Serialize)]
    struct Order {
        id: u8,
        #[serde(skip)]
        cache: u8,
        #[serde(flatten)]
        inner: Inner,
    }
    assert_eq!(claimed::<Order>(), written(&Order::default()));
    assert_eq!(*Order::CACHE.get(&Order::default()), 0);
}

#[test]
fn the_fields_of_a_flattened_record_stand_in_its_place() {
    #[derive(Default, Record, serde::Serialize)]
    struct Base {
        id: u8,
        at: u8,
    }

    #[derive(Default, Record, serde::Serialize)]
    struct Order {
        before: u8,
        #[serde(flatten)]
        base: Base,
        after: u8,
    }
    assert_eq!(Order::fields(), ["before", "id", "at", "after"]);
    assert_eq!(claimed::<Order>(), written(&Order::default()));
    assert_eq!(Order::BASE.get(&Order::default()).at, 0);
}

/// Types that are called as what the derive uses, and fields as its generic parameters.
#[test]
fn names_in_the_code_of_the_derive_are_no_ones_else() {
    #[derive(Record, serde::Serialize, serde::Deserialize)]
    struct Shape {
        probe: u8,
    }

    #[derive(Record, serde::Serialize, serde::Deserialize)]
    struct S {
        shape: Shape,
    }

    #[derive(Record)]
    enum Probe {
        S(S),
        Shape(Shape),
    }
    let probe = Probe::S(S {
        shape: Shape { probe: 1 },
    });
    let json = serde_json::to_string(&probe).unwrap();
    assert_eq!(json, r#"{"shape":{"probe":1},"__faust":{"ns":"S"}}"#);
    let read: Probe = serde_json::from_str(&json).unwrap();
    assert!(matches!(
        read,
        Probe::S(S {
            shape: Shape { probe: 1 }
        })
    ));
    assert!(Probe::fields().is_empty());
    assert!(!matches!(read, Probe::Shape(_)));
}

#[test]
fn wrong_programs_are_refused_in_our_words() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
