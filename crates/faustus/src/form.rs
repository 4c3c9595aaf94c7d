//! Values and keys without their types, as people write and see them on a command line: JSON.
//!
//! The application knows the types only where it names topics and tables. There a [`Form`] is made,
//! which keeps what can be said and done without them.

mod model;

use std::{any::type_name, sync::Arc};

use faustus_core::Codec;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Error, Result};
pub(crate) use model::Model;
#[cfg(feature = "cli")]
pub(crate) use model::ModelField;

/// The values of a topic or a table, or the keys of a table.
pub(crate) trait Form: Send + Sync {
    /// The type's name in Rust, without paths.
    fn type_name(&self) -> String;

    /// The name of the codec.
    fn codec(&self) -> String;

    /// The bytes that are stored for what somebody wrote: `None` for a record without a value.
    ///
    /// # Errors
    ///
    /// When it is not of the type.
    fn encode(&self, text: &str) -> Result<Option<Vec<u8>>>;

    /// Stored bytes as JSON, if the type has such a form.
    ///
    /// # Errors
    ///
    /// When the bytes are not of the type.
    fn show(&self, bytes: &[u8]) -> Result<Value>;

    /// The records in the type.
    fn models(&self) -> Vec<Model>;
}

type Read<T> = dyn Fn(&str) -> Result<T> + Send + Sync;
type Show<T> = dyn Fn(&T) -> Result<Value> + Send + Sync;

/// How a type and JSON text become each other.
pub(crate) struct JsonForm<T> {
    read: Arc<Read<T>>,
    show: Arc<Show<T>>,
    models: fn() -> Vec<Model>,
}

impl<T: Serialize + DeserializeOwned + 'static> JsonForm<T> {
    pub(crate) fn new() -> Self {
        let read = |text: &str| {
            let mut reader = serde_json::Deserializer::from_str(text);
            let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
                let (path, inner) = (error.path().to_string(), error.inner());
                match path.as_str() {
                    // Of the value as a whole, or of a key before it is known.
                    "." | "?" => Error::data(inner.to_string()),
                    path => Error::data(format!("{path}: {inner}")),
                }
            })?;
            reader
                .end()
                .map_err(|error| Error::data(error.to_string()))?;
            Ok(value)
        };
        Self {
            read: Arc::new(read),
            show: Arc::new(|value| Ok(serde_json::to_value(value)?)),
            models: model::of::<T>,
        }
    }
}

impl<T: 'static> JsonForm<T> {
    /// The form of values that may be absent: `null`.
    pub(crate) fn nullable(self) -> JsonForm<Option<T>> {
        let Self { read, show, models } = self;
        JsonForm {
            read: Arc::new(move |text| match text.trim() {
                "null" => Ok(None),
                text => read(text).map(Some),
            }),
            show: Arc::new(move |value| {
                value.as_ref().map_or(Ok(Value::Null), |value| show(value))
            }),
            models,
        }
    }
}

impl<T> Clone for JsonForm<T> {
    fn clone(&self) -> Self {
        Self {
            read: Arc::clone(&self.read),
            show: Arc::clone(&self.show),
            models: self.models,
        }
    }
}

/// A type with the codec that stores it, and its JSON form if it has one.
pub(crate) struct Typed<T> {
    pub(crate) codec: Arc<dyn Codec<T>>,
    pub(crate) json: Option<JsonForm<T>>,
}

impl<T> Form for Typed<T> {
    fn type_name(&self) -> String {
        short_name(type_name::<T>())
    }

    fn codec(&self) -> String {
        self.codec.name().to_owned()
    }

    fn encode(&self, text: &str) -> Result<Option<Vec<u8>>> {
        let value = match &self.json {
            Some(json) => (json.read)(text),
            // The text is what is stored, if it can be read back.
            None => self.codec.decode(text.as_bytes()).map_err(Error::from),
        };
        let value = value.map_err(|error| {
            let is = if self.json.is_some() {
                "JSON"
            } else {
                self.codec.name()
            };
            error.context(format!("the value is no {} in {is}", self.type_name()))
        })?;
        if self.codec.is_absent(&value) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.codec.encode(&value, &mut bytes)?;
        Ok(Some(bytes))
    }

    fn show(&self, bytes: &[u8]) -> Result<Value> {
        let value = self.codec.decode(bytes)?;
        match &self.json {
            Some(json) => (json.show)(&value),
            None => Ok(Value::String(String::from_utf8_lossy(bytes).into_owned())),
        }
    }

    fn models(&self) -> Vec<Model> {
        self.json
            .as_ref()
            .map_or_else(Vec::new, |json| (json.models)())
    }
}

/// A type's name with the paths left out: `Option<String>` of `core::option::Option<alloc::…::String>`.
pub(crate) fn short_name(name: &str) -> String {
    let mut short = String::new();
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c| is_part(c) != is_part(first))
            .unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        short.push_str(part.rsplit("::").next().unwrap_or(part));
        rest = after;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Json, Nullable, Raw};

    fn numbers() -> Typed<Vec<u8>> {
        Typed {
            codec: Arc::new(Json),
            json: Some(JsonForm::new()),
        }
    }

    #[test]
    fn what_is_written_is_checked_by_its_type() {
        assert_eq!(numbers().encode(" [1, 2] ").unwrap().unwrap(), b"[1,2]");
        let error = numbers().encode("[1, 300]").unwrap_err().to_string();
        assert!(
            error.starts_with("the value is no Vec<u8> in JSON: [1]: "),
            "{error}"
        );
        assert!(numbers().encode("[1] and more").is_err());
        assert_eq!(numbers().show(b"[3]").unwrap(), serde_json::json!([3]));
    }

    #[test]
    fn null_is_a_record_without_a_value_where_there_may_be_none() {
        let json: Arc<dyn Codec<Vec<u8>>> = Arc::new(Json);
        let nullable = Typed {
            codec: Arc::new(Nullable(json)),
            json: Some(JsonForm::<Vec<u8>>::new().nullable()),
        };
        assert_eq!(nullable.encode("null").unwrap(), None);
        assert_eq!(nullable.encode("[7]").unwrap().unwrap(), b"[7]");
        assert!(numbers().encode("null").is_err());
    }

    #[test]
    fn a_type_without_json_is_taken_as_it_is_stored() {
        let raw: Typed<Vec<u8>> = Typed {
            codec: Arc::new(Raw),
            json: None,
        };
        assert_eq!(raw.encode("[1, 2]").unwrap().unwrap(), b"[1, 2]");
    }

    #[test]
    fn names_of_types_are_told_without_paths() {
        assert_eq!(short_name(type_name::<Option<String>>()), "Option<String>");
        assert_eq!(short_name("(a::B, &[c::d::E; 3])"), "(B, &[E; 3])");
    }
}
