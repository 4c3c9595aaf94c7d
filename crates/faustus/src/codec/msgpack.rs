//! MessagePack.

use faustus_core::{Codec, CodecError};
use serde::{Serialize, de::DeserializeOwned};

use super::{chain::chained, explained::explained};

/// How deep values may nest in what is read, as in JSON.
const DEPTH: usize = 128;

/// [MessagePack](https://msgpack.org), a binary JSON: records are maps from the names of fields.
///
/// # Examples
///
/// ```
/// use faustus::{Codec, MsgPack};
///
/// let mut bytes = Vec::new();
/// MsgPack.encode(&("a".to_owned(), 1), &mut bytes).unwrap();
/// assert_eq!(bytes, b"\x92\xa1a\x01");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MsgPack;

chained!(MsgPack);

impl<T: Serialize + DeserializeOwned> Codec<T> for MsgPack {
    fn name(&self) -> &str {
        "msgpack"
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        rmp_serde::encode::write_named(out, value).map_err(CodecError::new)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let mut rest = bytes;
        let value =
            T::deserialize(&mut reader(&mut rest)).map_err(|error| explain::<T>(bytes, &error))?;
        match rest {
            [] => Ok(value),
            rest => Err(CodecError::new(format!(
                "{} bytes follow the value",
                rest.len()
            ))),
        }
    }
}

fn reader<'a, 'b>(
    rest: &'b mut &'a [u8],
) -> rmp_serde::Deserializer<rmp_serde::decode::ReadReader<&'b mut &'a [u8]>> {
    let mut reader = rmp_serde::Deserializer::new(rest);
    reader.set_max_depth(DEPTH);
    reader
}

/// Reads again, to tell at which field reading failed.
#[cold]
#[inline(never)]
fn explain<T: DeserializeOwned>(mut bytes: &[u8], error: &rmp_serde::decode::Error) -> CodecError {
    match serde_path_to_error::deserialize::<_, T>(&mut reader(&mut bytes)) {
        Err(again) => explained(Some(again.path()), again.inner()),
        Ok(_) => explained(None, error),
    }
}
