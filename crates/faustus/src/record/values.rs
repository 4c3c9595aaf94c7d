//! A record's fields with their values, for people: what a command line shows.

use serde::Serialize;
use serde_json::Value;

use super::shape::{Shape, Shaped};
use crate::sensitive::HIDDEN;

/// The fields of `record` by name, in `order` and then the others, with sensitive values hidden.
pub(super) fn of<R: Serialize + Shaped>(
    record: &R,
    order: &[&'static str],
) -> serde_json::Result<Vec<(String, Value)>> {
    let mut value = serde_json::to_value(record)?;
    hide(&mut value, R::shape());
    let Value::Object(mut fields) = value else {
        return Ok(Vec::new());
    };
    let mut ordered = Vec::with_capacity(fields.len());
    for name in order {
        ordered.extend(fields.remove_entry(*name));
    }
    ordered.extend(fields);
    Ok(ordered)
}

/// Puts something else in the place of sensitive values.
fn hide(value: &mut Value, shape: Shape) {
    match (shape, value) {
        (Shape::Plain, _) | (_, Value::Null) => {}
        (Shape::Sensitive, value) => *value = Value::from(HIDDEN),
        (Shape::Record(record), Value::Object(fields)) => {
            for (name, value) in fields {
                hide(value, record.field(name).unwrap_or(Shape::Plain));
            }
        }
        (Shape::OneOf(_), value) => {
            let namespace = value[super::polymorphic::METADATA]["ns"].as_str();
            if let Some(record) = namespace.and_then(|namespace| shape.one_of(namespace)) {
                hide(value, Shape::Record(record));
            }
        }
        (Shape::Each(_), Value::Array(values)) => {
            for value in values {
                hide(value, shape.element());
            }
        }
        (Shape::Each(_), Value::Object(values)) => {
            for (_, value) in values {
                hide(value, shape.element());
            }
        }
        _ => {}
    }
}
