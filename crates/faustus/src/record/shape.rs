//! Where records stand inside other types, as `#[derive(Record)]` sees it.
//!
//! Contract: a [`Shape`] says of a type which of its parts are records, which of them are sensitive,
//! and nothing more. It is found at compile time, costs nothing where nobody asks for it, and may
//! describe types that contain themselves. The types here are public only for the code of the derive.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque},
    marker::PhantomData,
    rc::Rc,
    sync::Arc,
};

/// What the framework knows of the form of a type.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// No record, as far as is known.
    Plain,
    /// A value that is not shown.
    Sensitive,
    /// A record.
    Record(&'static RecordShape),
    /// One of several records, which writes its metadata itself.
    OneOf(&'static [fn() -> Shape]),
    /// A list, or the values of a map.
    Each(fn() -> Shape),
}

/// A record and its fields.
#[derive(Debug)]
pub struct RecordShape {
    /// See [`Record::NAMESPACE`](crate::Record::NAMESPACE).
    pub namespace: &'static str,
    /// The fields that are written, in order.
    pub fields: &'static [FieldShape],
}

/// A field of a record.
#[derive(Debug)]
pub enum FieldShape {
    /// A field under its name.
    Named(&'static str, fn() -> Shape),
    /// A field whose own fields stand in its place.
    Flattened(fn() -> Shape),
}

impl Shape {
    /// The elements of a list or the values of a map of this shape.
    pub(crate) fn element(self) -> Self {
        match self {
            Self::Each(element) => element(),
            _ => Self::Plain,
        }
    }

    /// The record of this namespace among several.
    pub(crate) fn one_of(self, namespace: &str) -> Option<&'static RecordShape> {
        let Self::OneOf(records) = self else {
            return None;
        };
        records.iter().find_map(|record| match record() {
            Self::Record(record) if record.namespace == namespace => Some(record),
            _ => None,
        })
    }
}

impl RecordShape {
    /// The shape of the field that is called `name`, be it the record's own or a flattened one's.
    pub(crate) fn field(&self, name: &str) -> Option<Shape> {
        self.fields.iter().find_map(|field| match field {
            FieldShape::Named(field, shape) => (*field == name).then(shape),
            FieldShape::Flattened(shape) => match shape() {
                Shape::Record(record) => record.field(name),
                Shape::Each(value) => Some(value()),
                _ => None,
            },
        })
    }

    /// The names of the fields, those of flattened records in their places.
    pub fn names(&self) -> Vec<&'static str> {
        let names = self.fields.iter().flat_map(|field| match field {
            FieldShape::Named(name, _) => vec![*name],
            FieldShape::Flattened(shape) => match shape() {
                Shape::Record(record) => record.names(),
                _ => Vec::new(),
            },
        });
        names.collect()
    }
}

/// A type that is a record or has records inside.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record",
    label = "this type has no name and fields that the framework knows",
    note = "add `#[derive(Record)]` to `{Self}`"
)]
pub trait Shaped {
    /// Its shape.
    fn shape() -> Shape;
}

/// Asks a type for its shape, whether it is [`Shaped`] or not.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: Shaped + ?Sized> Probe<T> {
    /// The shape of a type that has one; the compiler prefers it to [`Unshaped::SHAPE`].
    pub const SHAPE: fn() -> Shape = T::shape;
}

/// What [`Probe`] says of types without a shape.
pub trait Unshaped {
    /// [`Shape::Plain`].
    const SHAPE: fn() -> Shape = || Shape::Plain;
}

impl<T: ?Sized> Unshaped for Probe<T> {}

macro_rules! same_as_inside {
    ($($outer:ident),*) => {$(
        impl<T: Shaped> Shaped for $outer<T> {
            fn shape() -> Shape {
                T::shape()
            }
        }
    )*};
}

same_as_inside!(Option, Box, Rc, Arc);

macro_rules! each_inside {
    ($($collection:ty: [$($generics:tt)*]),* $(,)?) => {$(
        impl<T: Shaped, $($generics)*> Shaped for $collection {
            fn shape() -> Shape {
                Shape::Each(T::shape)
            }
        }
    )*};
}

each_inside!(
    Vec<T>: [],
    VecDeque<T>: [],
    LinkedList<T>: [],
    BTreeSet<T>: [],
    HashSet<T, S>: [S],
    [T; N]: [const N: usize],
    BTreeMap<K, T>: [K],
    HashMap<K, T, S>: [K, S],
);
