//! A serializer around another one that adds the metadata to each record it passes.
//!
//! serde does not tell a serializer which type it writes, so the [`Shape`] of the type walks along: each
//! value that is passed on is wrapped together with its shape.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple},
};
use serde_json::Value;

use crate::record::{
    polymorphic::{METADATA, Metadata},
    shape::{RecordShape, Shape},
};

/// A value, written with the metadata of all records in it.
pub(super) struct WithMetadata<'a, T: ?Sized> {
    value: &'a T,
    shape: Shape,
    /// Whether somebody else adds the metadata of the value itself.
    tagged: bool,
}

impl<'a, T: ?Sized> WithMetadata<'a, T> {
    pub(super) fn new(value: &'a T, shape: Shape) -> Self {
        Self {
            value,
            shape,
            tagged: false,
        }
    }
}

impl<T: Serialize + ?Sized> Serialize for WithMetadata<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        let &Self {
            value,
            shape,
            tagged,
        } = self;
        value.serialize(Writer {
            inner,
            shape,
            tagged,
        })
    }
}

struct Writer<S> {
    inner: S,
    shape: Shape,
    tagged: bool,
}

impl<S> Writer<S> {
    /// The record that is being written, if it is one.
    fn record(&self) -> Option<&'static RecordShape> {
        match self.shape {
            Shape::Record(record) => Some(record),
            _ => None,
        }
    }

    /// The metadata to add.
    fn metadata(&self) -> Option<Metadata> {
        let record = self.record().filter(|_| !self.tagged)?;
        Some(Metadata {
            ns: record.namespace,
        })
    }
}

macro_rules! passed_on {
    ($($method:ident($value:ident: $type:ty);)*) => {$(
        fn $method(self, $value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method($value)
        }
    )*};
}

impl<S: Serializer> Serializer for Writer<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Elements<S::SerializeSeq>;
    type SerializeTuple = Elements<S::SerializeTuple>;
    type SerializeTupleStruct = S::SerializeTupleStruct;
    type SerializeTupleVariant = S::SerializeTupleVariant;
    type SerializeMap = Entries<S::SerializeMap>;
    type SerializeStruct = Fields<S::SerializeStruct>;
    type SerializeStructVariant = S::SerializeStructVariant;

    passed_on! {
        serialize_bool(v: bool);
        serialize_i8(v: i8);
        serialize_i16(v: i16);
        serialize_i32(v: i32);
        serialize_i64(v: i64);
        serialize_i128(v: i128);
        serialize_u8(v: u8);
        serialize_u16(v: u16);
        serialize_u32(v: u32);
        serialize_u64(v: u64);
        serialize_u128(v: u128);
        serialize_f32(v: f32);
        serialize_f64(v: f64);
        serialize_char(v: char);
        serialize_str(v: &str);
        serialize_bytes(v: &[u8]);
        serialize_unit_struct(name: &'static str);
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let (shape, tagged) = (self.shape, self.tagged);
        self.inner.serialize_some(&WithMetadata {
            value,
            shape,
            tagged,
        })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        // An enum of records adds the metadata itself, and its name says which record it is.
        let value = match self.shape.one_of(name) {
            Some(record) => WithMetadata {
                value,
                shape: Shape::Record(record),
                tagged: true,
            },
            None => WithMetadata {
                value,
                shape: self.shape,
                tagged: self.tagged,
            },
        };
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Elements {
            element: self.shape.element(),
            inner: self.inner.serialize_seq(len)?,
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Elements {
            element: self.shape.element(),
            inner: self.inner.serialize_tuple(len)?,
        })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let metadata = self.metadata();
        let len = len.map(|len| len + usize::from(metadata.is_some()));
        Ok(Entries {
            record: self.record(),
            metadata,
            value: Some(self.shape.element()),
            inner: self.inner.serialize_map(len)?,
        })
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let metadata = self.metadata();
        let len = len + usize::from(metadata.is_some());
        Ok(Fields {
            record: self.record(),
            metadata,
            inner: self.inner.serialize_struct(name, len)?,
        })
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner
            .serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.inner.serialize_tuple_struct(name, len)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.inner
            .serialize_tuple_variant(name, index, variant, len)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.inner
            .serialize_struct_variant(name, index, variant, len)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The elements of a list.
struct Elements<S> {
    inner: S,
    element: Shape,
}

impl<S: SerializeSeq> SerializeSeq for Elements<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let value = WithMetadata::new(value, self.element);
        self.inner.serialize_element(&value)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

impl<S: SerializeTuple> SerializeTuple for Elements<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let value = WithMetadata::new(value, self.element);
        self.inner.serialize_element(&value)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

/// The fields of a record, or of a struct that is none.
struct Fields<S> {
    inner: S,
    record: Option<&'static RecordShape>,
    metadata: Option<Metadata>,
}

impl<S: SerializeStruct> SerializeStruct for Fields<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        let shape = self.record.and_then(|record| record.field(name));
        let value = WithMetadata::new(value, shape.unwrap_or(Shape::Plain));
        self.inner.serialize_field(name, &value)
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), S::Error> {
        self.inner.skip_field(name)
    }

    fn end(mut self) -> Result<S::Ok, S::Error> {
        if let Some(metadata) = &self.metadata {
            self.inner.serialize_field(METADATA, metadata)?;
        }
        self.inner.end()
    }
}

/// The entries of a map, or of a record that is written as one because something is flattened into it.
struct Entries<S> {
    inner: S,
    record: Option<&'static RecordShape>,
    metadata: Option<Metadata>,
    /// The shape of the next value; `None`: it is left out.
    value: Option<Shape>,
}

impl<S: SerializeMap> SerializeMap for Entries<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        if let Some(record) = self.record {
            let key = serde_json::to_value(key).unwrap_or(Value::Null);
            let name = key.as_str().unwrap_or_default();
            if name == METADATA && self.metadata.is_some() {
                // A record that keeps unknown fields has read it; it is written once, at the end.
                self.value = None;
                return Ok(());
            }
            self.value = Some(record.field(name).unwrap_or(Shape::Plain));
        }
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        match self.value {
            Some(shape) => {
                let value = WithMetadata::new(value, shape);
                self.inner.serialize_value(&value)
            }
            None => Ok(()),
        }
    }

    fn end(mut self) -> Result<S::Ok, S::Error> {
        if let Some(metadata) = &self.metadata {
            self.inner.serialize_entry(METADATA, metadata)?;
        }
        self.inner.end()
    }
}
