//! Values that are not to be seen.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::record::shape::{Shape, Shaped};

/// What is shown in the place of a sensitive value.
pub(crate) const HIDDEN: &str = "***";

/// A value that is written and sent as any other, but never shown: not by `Debug` and `Display`, not
/// in the error that says it does not decode, not by a command line.
///
/// # Examples
///
/// ```
/// use faustus::{Record, Sensitive};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Record, Serialize, Deserialize)]
/// struct Login { user: String, password: Sensitive<String> }
///
/// let login = Login { user: "ann".into(), password: "tulip".to_owned().into() };
/// assert_eq!(format!("{login:?}"), r#"Login { user: "ann", password: *** }"#);
/// assert_eq!(login.password.expose(), "tulip");
/// assert_eq!(login.to_fields().unwrap()[1].1, "***");
/// assert_eq!(serde_json::to_string(&login).unwrap(), r#"{"user":"ann","password":"tulip"}"#);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// The value, to be used and not to be shown.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, to be used and not to be shown.
    #[must_use]
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T> fmt::Display for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T: Serialize> Serialize for Sensitive<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sensitive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The error of what is inside may quote it.
        T::deserialize(deserializer)
            .map(Self)
            .map_err(|_| D::Error::custom("a sensitive value is not of its type"))
    }
}

impl<T> Shaped for Sensitive<T> {
    fn shape() -> Shape {
        Shape::Sensitive
    }
}
