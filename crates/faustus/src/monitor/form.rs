//! What the figures look like to serde where they are no plain numbers and names.
//!
//! Offsets are numbers, times milliseconds since 1970, partitions and tasks texts such as `orders/3`.

use faustus_core::{Offset, Timestamp, TopicPartition};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::membership::TaskId;

/// What has a plain form.
pub(super) trait Plain: Sized {
    type Form: Serialize + for<'de> Deserialize<'de>;

    fn form(&self) -> Self::Form;

    /// `None` if the form is none.
    fn of(form: Self::Form) -> Option<Self>;
}

pub(super) fn serialize<T: Plain, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    value.form().serialize(to)
}

pub(super) fn deserialize<'de, T: Plain, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let form = T::Form::deserialize(from)?;
    T::of(form).ok_or_else(|| D::Error::custom("a name without a partition's number"))
}

impl Plain for Offset {
    type Form = i64;

    fn form(&self) -> i64 {
        self.0
    }

    fn of(form: i64) -> Option<Self> {
        Some(Self(form))
    }
}

impl Plain for Timestamp {
    type Form = i64;

    fn form(&self) -> i64 {
        self.0
    }

    fn of(form: i64) -> Option<Self> {
        Some(Self(form))
    }
}

impl Plain for TopicPartition {
    type Form = String;

    fn form(&self) -> String {
        self.to_string()
    }

    fn of(form: String) -> Option<Self> {
        let (topic, partition) = numbered(&form)?;
        Some(Self::new(topic, partition))
    }
}

impl Plain for TaskId {
    type Form = String;

    fn form(&self) -> String {
        self.to_string()
    }

    fn of(form: String) -> Option<Self> {
        let (subtopology, partition) = numbered(&form)?;
        Some(Self::new(subtopology, partition))
    }
}

impl<T: Plain> Plain for Option<T> {
    type Form = Option<T::Form>;

    fn form(&self) -> Self::Form {
        self.as_ref().map(Plain::form)
    }

    fn of(form: Self::Form) -> Option<Self> {
        match form {
            None => Some(None),
            Some(form) => T::of(form).map(Some),
        }
    }
}

/// A duration in nanoseconds.
pub(super) mod nanos {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        nanos.serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

fn numbered(text: &str) -> Option<(&str, u32)> {
    let (name, number) = text.rsplit_once('/')?;
    Some((name, number.parse().ok()?))
}
