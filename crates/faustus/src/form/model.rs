//! Which fields a type has, asked of its own `Deserialize`: it says what it looks for.
//!
//! A struct is told of one of its fields and asks for that field's value; what it asks for is the
//! field's type, and there the reading ends. It is read as often as there are fields. So no value has
//! to be made up, and a type that reads itself in a way of its own shows as what it asks for, or as
//! `any`, and does no harm.

use std::{collections::BTreeMap, fmt};

use serde::{
    Serialize,
    de::{
        self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
};

/// A record: a type with named fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) fields: Vec<ModelField>,
}

/// A field of a record. The type ends with `?` if the field may be absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ModelField {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// No type has so many fields that it would be read more often.
const ROUNDS: usize = 10_000;

/// How deep types are asked that contain types.
const DEEPEST: usize = 16;

/// The records in `T`, itself first if it is one.
pub(crate) fn of<T: DeserializeOwned>() -> Vec<Model> {
    let mut found = Found::default();
    for _ in 0..ROUNDS {
        found.open = false;
        let probe = Probe {
            found: &mut found,
            depth: 0,
        };
        // It always fails, as nothing is read.
        let _ = T::deserialize(probe);
        if !found.open {
            break;
        }
    }
    let Found {
        order, mut models, ..
    } = found;
    let models = order.iter().filter_map(|name| models.remove(name));
    models.map(|known| known.model).collect()
}

/// What is found while types are asked.
#[derive(Default)]
struct Found {
    order: Vec<&'static str>,
    models: BTreeMap<&'static str, Known>,
    /// The type that was asked for last.
    kind: String,
    /// There is more to be asked of it.
    open: bool,
}

struct Known {
    model: Model,
    /// How many fields are known.
    done: usize,
    /// It is being asked at the moment: what is asked again is inside of itself.
    asked: bool,
}

/// The reading ends here, on purpose, or for a reason of the type's own.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is read here")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Hears what a type asks for.
struct Probe<'a> {
    found: &'a mut Found,
    depth: usize,
}

impl<'a> Probe<'a> {
    fn is<T>(self, kind: &str) -> Result<T, Stop> {
        kind.clone_into(&mut self.found.kind);
        Err(Stop)
    }

    /// Asks what is inside, and says what that makes of the whole.
    fn around<T>(
        self,
        ask: impl FnOnce(Probe<'_>) -> Result<T, Stop>,
        whole: impl FnOnce(&str) -> String,
    ) -> Result<T, Stop> {
        "any".clone_into(&mut self.found.kind);
        if self.depth == DEEPEST {
            return Err(Stop);
        }
        let asked = ask(Probe {
            found: self.found,
            depth: self.depth + 1,
        });
        self.found.kind = whole(&self.found.kind);
        asked
    }

    fn record<'de, V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let Self { found, depth } = self;
        if !found.models.contains_key(name) {
            found.order.push(name);
        }
        let known = found.models.entry(name).or_insert_with(|| Known {
            model: Model {
                name: name.to_owned(),
                fields: Vec::new(),
            },
            done: 0,
            asked: false,
        });
        let (done, again) = (known.done, known.asked);
        if let (Some(field), false) = (fields.get(done), again || depth == DEEPEST) {
            known.asked = true;
            "any".clone_into(&mut found.kind);
            found.open = false;
            let _ = visitor.visit_map(OneField {
                name: Some(field),
                probe: Probe {
                    found,
                    depth: depth + 1,
                },
            });
            let kind = std::mem::take(&mut found.kind);
            let inside = found.open;
            if let Some(known) = found.models.get_mut(name) {
                known.asked = false;
                if !inside {
                    known.done += 1;
                    known.model.fields.push(ModelField {
                        name: (*field).to_owned(),
                        kind,
                    });
                }
            }
            found.open = inside || done + 1 < fields.len();
        }
        name.clone_into(&mut found.kind);
        Err(Stop)
    }
}

macro_rules! leaves {
    ($($method:ident => $kind:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
            self.is($kind)
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    leaves! {
        deserialize_any => "any",
        deserialize_bool => "bool",
        deserialize_i8 => "i8",
        deserialize_i16 => "i16",
        deserialize_i32 => "i32",
        deserialize_i64 => "i64",
        deserialize_i128 => "i128",
        deserialize_u8 => "u8",
        deserialize_u16 => "u16",
        deserialize_u32 => "u32",
        deserialize_u64 => "u64",
        deserialize_u128 => "u128",
        deserialize_f32 => "f32",
        deserialize_f64 => "f64",
        deserialize_char => "text",
        deserialize_str => "text",
        deserialize_string => "text",
        deserialize_bytes => "bytes",
        deserialize_byte_buf => "bytes",
        deserialize_unit => "null",
        deserialize_identifier => "text",
        deserialize_ignored_any => "any",
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.around(
            |probe| visitor.visit_some(probe),
            |inner| format!("{inner}?"),
        )
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: V,
    ) -> Result<V::Value, Stop> {
        self.is("null")
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.around(|probe| visitor.visit_newtype_struct(probe), str::to_owned)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.around(
            |probe| visitor.visit_seq(OneElement(probe)),
            |inner| format!("[{inner}]"),
        )
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, _: V) -> Result<V::Value, Stop> {
        self.is(&format!("list of {len}"))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        _: V,
    ) -> Result<V::Value, Stop> {
        self.is(&format!("list of {len}"))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.around(
            |probe| {
                visitor.visit_map(OneField {
                    name: Some(&""),
                    probe,
                })
            },
            |inner| format!("{{{inner}}}"),
        )
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.record(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Stop> {
        self.is(&variants.join(" or "))
    }
}

/// A map of one entry, whose value is not there.
struct OneField<'a> {
    name: Option<&'a &'static str>,
    probe: Probe<'a>,
}

impl<'de> MapAccess<'de> for OneField<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        let Some(name) = self.name.take() else {
            return Ok(None);
        };
        seed.deserialize(BorrowedStrDeserializer::new(name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(Probe {
            found: self.probe.found,
            depth: self.probe.depth,
        })
    }
}

/// A list of one element, which is not there.
struct OneElement<'a>(Probe<'a>);

impl<'de> SeqAccess<'de> for OneElement<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        let element = seed.deserialize(Probe {
            found: self.0.found,
            depth: self.0.depth,
        });
        element.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the fields' types are asked for")]
    struct Order {
        #[serde(rename = "accountId")]
        account: String,
        amount: f64,
        items: Vec<Item>,
        note: Option<String>,
        by_day: HashMap<String, u64>,
        state: State,
        pair: (u8, u8),
        parent: Option<Box<Order>>,
        anything: serde_json::Value,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the fields' types are asked for")]
    struct Item {
        name: String,
        count: u32,
    }

    #[derive(Deserialize)]
    enum State {
        Open,
        Closed,
    }

    fn fields(model: &Model) -> Vec<(&str, &str)> {
        let each = model.fields.iter();
        each.map(|field| (&*field.name, &*field.kind)).collect()
    }

    #[test]
    fn a_record_tells_its_fields_and_the_records_inside() {
        let models = of::<Vec<Order>>();
        assert_eq!(models.len(), 2, "{models:?}");
        assert_eq!(models[0].name, "Order");
        let expected = [
            ("accountId", "text"),
            ("amount", "f64"),
            ("items", "[Item]"),
            ("note", "text?"),
            ("by_day", "{u64}"),
            ("state", "Open or Closed"),
            ("pair", "list of 2"),
            ("parent", "Order?"),
            ("anything", "any"),
        ];
        assert_eq!(fields(&models[0]), expected);
        assert_eq!(models[1].name, "Item");
        assert_eq!(fields(&models[1]), [("name", "text"), ("count", "u32")]);
        let _ = [State::Open, State::Closed];
    }

    #[test]
    fn what_is_no_record_has_none() {
        assert!(of::<String>().is_empty());
        assert!(of::<HashMap<String, Vec<u8>>>().is_empty());
    }
}
