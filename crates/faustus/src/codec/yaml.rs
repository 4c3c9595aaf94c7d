//! YAML.

use faustus_core::{Codec, CodecError};
use serde::{Serialize, de::DeserializeOwned};
use serde_saphyr::Options;

use super::{chain::chained, explained::explained};

/// How deep values may nest in what is read: a level takes some 20 KB of stack without optimization.
const DEPTH: usize = 32;

/// YAML, one document for a value. Nothing in it can name a type to be made.
///
/// Values may nest 32 deep. It reads what Python's PyYAML writes; what it writes has the same meaning, not the same bytes.
///
/// # Examples
///
/// ```
/// use faustus::{Codec, Yaml};
///
/// let numbers: Vec<u8> = Yaml.decode(b"- 1\n- 2\n").unwrap();
/// assert_eq!(numbers, [1, 2]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Yaml;

chained!(Yaml);

impl<T: Serialize + DeserializeOwned> Codec<T> for Yaml {
    fn name(&self) -> &str {
        "yaml"
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let text = serde_saphyr::to_string(value).map_err(CodecError::new)?;
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let text = std::str::from_utf8(bytes).map_err(CodecError::new)?;
        serde_saphyr::from_str_with_options(text, options())
            .map_err(|error| explain::<T>(text, &error))
    }
}

/// The library's own limits of aliases, nodes and text, with ours of depth.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH },
        with_snippet: false,
    }
}

/// Reads again, to tell at which field reading failed.
#[cold]
#[inline(never)]
fn explain<T: DeserializeOwned>(text: &str, error: &serde_saphyr::Error) -> CodecError {
    let mut found = None;
    let _ = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |reader| {
        let again: Result<T, _> = serde_path_to_error::deserialize(reader);
        again.map_err(|again| {
            found = Some(explained(Some(again.path()), again.inner()));
            again.into_inner()
        })
    });
    found.unwrap_or_else(|| explained(None, error))
}
