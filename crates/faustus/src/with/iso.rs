//! Times as ISO 8601 text: `#[serde(with = "faustus::with::iso")]` on a field of a type of
//! [`jiff`], an `Option` or a `Vec` of one.
//!
//! They are written as Python's Faust writes them, in microseconds, of which there are six digits or
//! none: Faust misreads any other number of digits, which jiff's own form has.
//!
//! | type | written | Python's |
//! |---|---|---|
//! | [`Timestamp`] | `2020-01-02T03:04:05.000006Z` | a `datetime` with a zone |
//! | [`civil::DateTime`] | `2020-01-02T03:04:05` | a naive `datetime` |
//! | [`civil::Date`] | `2020-01-02T00:00:00` | a `date` |
//! | [`civil::Time`] | `03:04:05` | a naive `time` |
//!
//! They are read more freely: any number of digits, offsets, a space for the `T`, the compact form, a
//! date alone. A text without offset, where a `Timestamp` is wanted, is taken as UTC.
//!
//! ```
//! use jiff::Timestamp;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Visit {
//!     #[serde(with = "faustus::with::iso")]
//!     at: Timestamp,
//!     #[serde(with = "faustus::with::iso", default)]
//!     left: Option<Timestamp>,
//! }
//!
//! let visit: Visit = serde_json::from_str(r#"{"at":"2020-01-02 05:04:05.5+02:00"}"#).unwrap();
//! let json = serde_json::to_string(&visit).unwrap();
//! assert_eq!(json, r#"{"at":"2020-01-02T03:04:05.500000Z","left":null}"#);
//! ```

use jiff::{Timestamp, civil, tz::Offset};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Writes the time.
///
/// # Errors
///
/// When the serializer takes no text.
pub fn serialize<T: Iso, S: Serializer>(time: &T, serializer: S) -> Result<S::Ok, S::Error> {
    time.write(serializer)
}

/// Reads a time.
///
/// # Errors
///
/// When the value is not the text of a time of this type.
pub fn deserialize<'de, T: Iso, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// A type that has an ISO 8601 form: those of [`jiff`] that the [module](self) lists, `Option` and `Vec`.
pub trait Iso: Sized {
    /// Writes it.
    ///
    /// # Errors
    ///
    /// As [`serialize`].
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// As [`deserialize`].
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

macro_rules! iso {
    ($($time:ty: $to_text:path, $from_text:path;)*) => {$(
        impl Iso for $time {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$to_text(*self))
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $from_text(text.trim()).map_err(de::Error::custom)
            }
        }
    )*};
}

iso! {
    Timestamp: timestamp_text, read_timestamp;
    civil::DateTime: datetime_text, parse;
    civil::Date: date_text, parse;
    civil::Time: time_text, parse;
}

fn timestamp_text(time: Timestamp) -> String {
    datetime_text(Offset::UTC.to_datetime(time)) + "Z"
}

fn datetime_text(time: civil::DateTime) -> String {
    format!("{}T{}", time.date(), time_text(time.time()))
}

fn date_text(date: civil::Date) -> String {
    datetime_text(date.to_datetime(civil::Time::midnight()))
}

fn time_text(time: civil::Time) -> String {
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    match time.subsec_nanosecond() / 1000 {
        0 => format!("{hour:02}:{minute:02}:{second:02}"),
        micros => format!("{hour:02}:{minute:02}:{second:02}.{micros:06}"),
    }
}

fn read_timestamp(text: &str) -> Result<Timestamp, jiff::Error> {
    text.parse().or_else(|error| {
        // Faust's naive times, and dates alone, are UTC.
        let naive: Result<civil::DateTime, _> = text.parse();
        naive
            .and_then(|naive| Offset::UTC.to_timestamp(naive))
            .map_err(|_| error)
    })
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, T::Err> {
    text.parse()
}

/// A time inside an `Option` or a `Vec`.
struct Inside<T>(T);

impl<T: Iso> Serialize for Inside<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

impl<'de, T: Iso> Deserialize<'de> for Inside<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

impl<T: Iso> Iso for Option<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Inside).serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inside: Option<Inside<T>> = Deserialize::deserialize(deserializer)?;
        Ok(inside.map(|Inside(time)| time))
    }
}

impl<T: Iso> Iso for Vec<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Inside))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inside: Vec<Inside<T>> = Deserialize::deserialize(deserializer)?;
        Ok(inside.into_iter().map(|Inside(time)| time).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read<T: Iso>(text: &str) -> Result<T, String> {
        T::read(Value::from(text)).map_err(|error| error.to_string())
    }

    fn written<T: Iso>(time: &T) -> Value {
        time.write(serde_json::value::Serializer).unwrap()
    }

    #[test]
    fn times_are_written_as_python_writes_them() {
        for text in [
            "2020-01-02T03:04:05.000006Z",
            "2020-01-02T03:04:05.120000Z",
            "2020-01-02T03:04:05Z",
            "0001-01-01T00:00:00Z",
            "9999-12-30T22:00:00Z",
        ] {
            assert_eq!(written(&read::<Timestamp>(text).unwrap()), text);
        }
        for text in ["2020-01-02T03:04:05.000006", "2020-01-02T03:04:05"] {
            assert_eq!(written(&read::<civil::DateTime>(text).unwrap()), text);
        }
        let date: civil::Date = read("2020-01-02").unwrap();
        assert_eq!(written(&date), "2020-01-02T00:00:00");
        assert_eq!(read::<civil::Date>("2020-01-02T00:00:00").unwrap(), date);
        let time: civil::Time = read("03:04:05.000006").unwrap();
        assert_eq!(written(&time), "03:04:05.000006");
    }

    #[test]
    fn times_are_read_in_many_forms() {
        let at = |text| read::<Timestamp>(text).unwrap().as_nanosecond();
        let noon = at("2020-01-02T12:00:00Z");
        for text in [
            "2020-01-02T14:00:00+02:00",
            "2020-01-02T14:00:00+0200",
            "2020-01-02T06:30:00-05:30",
            "2020-01-02 12:00:00Z",
            "20200102T120000Z",
            "2020-01-02T12:00:00.000Z",
            "2020-01-02T12:00",
            "2020-01-02T12:00:00",
            " 2020-01-02T12:00:00+00:00 ",
        ] {
            assert_eq!(at(text), noon, "{text}");
        }
        assert_eq!(at("2020-01-02"), noon - 12 * 3_600_000_000_000);
        assert_eq!(at("2020-01-02T12:00:00.5Z"), noon + 500_000_000);
        assert_eq!(at("2020-01-02T12:00:00.123456789Z"), noon + 123_456_789);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "2020-13-01",
            "2020-01",
            "yesterday",
            "",
            "1577934245.5",
            "2020-02-30",
        ] {
            assert!(read::<Timestamp>(text).is_err(), "{text}");
            assert!(read::<civil::DateTime>(text).is_err(), "{text}");
        }
        assert!(Timestamp::read(json!(1_577_934_245.5)).is_err());
        assert!(Timestamp::read(json!(null)).is_err());
        assert!(read::<civil::DateTime>("2020-01-02T03:04:05Z").is_err());
    }

    #[test]
    fn options_and_lists_of_times_are_times_or_null_and_lists() {
        let none: Option<Timestamp> = Iso::read(Value::Null).unwrap();
        assert_eq!((none, written(&none)), (None, Value::Null));
        let many = json!(["2020-01-02T03:04:05.000006Z"]);
        let read: Vec<Timestamp> = Iso::read(many.clone()).unwrap();
        assert_eq!(written(&read), many);
    }
}
