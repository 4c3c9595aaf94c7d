//! The one public error: what went wrong, of which kind, and because of what.

use std::{error::Error as StdError, fmt, sync::Arc};

use faustus_core::{CodecError, GroupError, StoreError, TransportError};

/// The result of an agent and of most calls of this crate.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The program or its settings are wrong: change them; trying again does not help.
    Configuration,
    /// The log, or what was asked for, cannot be reached at present: try again later.
    Unavailable,
    /// A record does not decode, or a value does not encode.
    Data,
    /// The log will never take this record.
    Refused,
    /// This worker lost what it owned to another one: its work is done again there.
    Lost,
    /// Another worker has what was asked for: ask there.
    Elsewhere,
    /// A disk failed, is full, or holds damaged files; the text says what to do.
    Storage,
    /// The application's own code failed.
    Application,
    /// The agent that was asked failed; the text says of what. Asking again may help or not, as
    /// calling it again would.
    Remote,
    /// Nobody replied in time: what was asked for may have happened or not, or may happen later.
    Timeout,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "configuration",
            Self::Unavailable => "unavailable",
            Self::Data => "data",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Elsewhere => "elsewhere",
            Self::Storage => "storage",
            Self::Application => "application",
            Self::Remote => "remote",
            Self::Timeout => "timeout",
        })
    }
}

/// An error: a kind to act on, a text to read, and its cause.
///
/// Any error converts into one with `?`, as [`ErrorKind::Application`]; for that reason `Error`
/// itself is no [`std::error::Error`]. It is cheap to clone.
///
/// # Examples
///
/// ```
/// fn parse(text: &str) -> faustus::Result<u32> {
///     Ok(text.parse::<u32>()?)
/// }
/// let error = parse("seven").unwrap_err();
/// assert_eq!(error.kind(), faustus::ErrorKind::Application);
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// ```
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    text: Arc<str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `text`: a lower-case fragment without a full stop.
    #[must_use]
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into().into(),
            source: None,
        }
    }

    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, text)
    }

    pub(crate) fn data(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, text)
    }

    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error that this one was made from.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }

    /// The same error, telling first what was attempted.
    #[must_use]
    pub fn context(self, what: impl fmt::Display) -> Self {
        Self {
            text: format!("{what}: {}", self.text).into(),
            ..self
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let kind = kind_of(&error);
        Self {
            kind,
            text: error.to_string().into(),
            source: Some(Arc::new(error)),
        }
    }
}

/// The errors of our own lower layers keep their meaning.
fn kind_of(error: &(dyn StdError + 'static)) -> ErrorKind {
    if let Some(error) = error.downcast_ref::<TransportError>() {
        return kind_of_transport(error);
    }
    if let Some(GroupError::Transport(error)) = error.downcast_ref::<GroupError>() {
        return kind_of_transport(error);
    }
    if error.is::<GroupError>() {
        return ErrorKind::Lost;
    }
    if error.is::<StoreError>() {
        return ErrorKind::Storage;
    }
    if error.is::<CodecError>() {
        return ErrorKind::Data;
    }
    ErrorKind::Application
}

fn kind_of_transport(error: &TransportError) -> ErrorKind {
    match error {
        TransportError::Unavailable(_) | TransportError::OutcomeUnknown(_) => {
            ErrorKind::Unavailable
        }
        TransportError::Fenced(_) | TransportError::Aborted(_) | TransportError::Closed => {
            ErrorKind::Lost
        }
        TransportError::Corrupt(_) | TransportError::Full(_) => ErrorKind::Storage,
        _ => ErrorKind::Configuration,
    }
}
