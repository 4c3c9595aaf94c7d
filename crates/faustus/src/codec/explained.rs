//! What is said of a value that does not decode: which field it is, in bounded length.

use std::fmt::Display;

use faustus_core::CodecError;
use serde_path_to_error::Path;

/// How long a path or an error may be, in bytes: an error may quote the value, which may be a megabyte.
const LONGEST: usize = 300;

/// `error`, after the path of the field where it happened, if that is known and is not the whole value.
pub(super) fn explained(path: Option<&Path>, error: impl Display) -> CodecError {
    let error = shortened(error.to_string());
    CodecError::new(match path.filter(|path| path.iter().next().is_some()) {
        Some(path) => format!("{}: {error}", shortened(path.to_string())),
        None => error,
    })
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}
