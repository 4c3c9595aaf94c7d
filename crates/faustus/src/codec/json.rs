//! JSON as Python's Faust writes it with the standard library: compact, ASCII only, floats as Python
//! prints them, so that both agree on bytes and thus on partitions.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::ser::{CharEscape, Formatter};

use faustus_core::{Codec, CodecError};

use super::{chain::chained, explained::explained, metadata::JsonRecord};

/// Compact ASCII JSON.
///
/// What it reads may nest 128 deep. The metadata `__faust` that Python's Faust writes into records
/// is an unknown field, which serde reads over; [`with_metadata`](Json::with_metadata) writes it.
/// JSON has no NaN and no infinity: they are written as `null`, and read back only as an `Option`.
///
/// # Examples
///
/// ```
/// use faustus::{Codec, Json};
///
/// let mut bytes = Vec::new();
/// Json.encode(&("é".to_owned(), 1e16, 2.0), &mut bytes).unwrap();
/// assert_eq!(bytes, br#"["\u00e9",1e+16,2.0]"#);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

chained!(Json);

impl Json {
    /// JSON with the metadata that Python's Faust writes into records: their namespace.
    #[must_use]
    pub fn with_metadata(self) -> JsonRecord {
        JsonRecord
    }
}

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn name(&self) -> &str {
        "json"
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_json(value, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        // Checked once as a whole: string by string it would cost several times as much.
        let text = std::str::from_utf8(bytes).map_err(CodecError::new)?;
        serde_json::from_str(text).map_err(|error| explain::<T>(text, &error))
    }
}

/// Appends `value` as [`Json`] writes it.
pub(crate) fn encode_json<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    value.serialize(&mut writer(out)).map_err(CodecError::new)
}

/// Writes JSON to `out` as Python does.
pub(super) fn writer(out: &mut Vec<u8>) -> serde_json::Serializer<&mut Vec<u8>, AsciiFormatter> {
    serde_json::Serializer::with_formatter(out, AsciiFormatter)
}

/// Reads again, to tell at which field reading failed; to know it always would cost each value.
#[cold]
#[inline(never)]
fn explain<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> CodecError {
    let mut reader = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(again) => explained(Some(again.path()), again.inner()),
        // The value is right, but something follows it.
        Ok(_) => explained(None, error),
    }
}

pub(super) struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if is_plain(fragment.as_bytes()) {
            return writer.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if c.is_ascii() && c != '\u{7f}' {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }

    /// Rust's shortest form differs from Python's in the exponent alone: `1e16` against `1e+16`.
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let magnitude = value.abs();
        if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
            let text = format!("{value:e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            return write!(writer, "{mantissa}e{exponent:+03}");
        }
        write!(writer, "{value:?}")
    }
}

/// Whether all bytes are ASCII and none is DEL, which Python escapes.
fn is_plain(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = bytes.as_chunks::<8>();
    // One more than DEL has the high bit; only a byte that has it already carries into the next.
    let high = words.iter().fold(0, |high, word| {
        let word = u64::from_ne_bytes(*word);
        high | word | word.wrapping_add(ONES)
    });
    high & (ONES << 7) == 0 && rest.iter().all(|&byte| byte < 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json<T: Serialize + DeserializeOwned>(value: &T) -> String {
        let mut out = Vec::new();
        Json.encode(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let cases = [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e-7, "1e-07"),
        ];
        for (value, text) in cases {
            assert_eq!(json(&value), text);
        }
    }

    #[test]
    fn only_ascii_without_del_is_plain_wherever_it_stands() {
        for len in 0..20 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'~'; len];
                    bytes[at] = byte;
                    assert_eq!(is_plain(&bytes), byte < 0x7f, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let decoded: Result<String, _> = Json.decode(b"\"a\xff\"");
        assert!(decoded.is_err());
    }

    #[test]
    fn a_long_value_is_not_quoted_as_a_whole() {
        let text = format!("\"{}\"", "é".repeat(100_000));
        let decoded: Result<u8, _> = Json.decode(text.as_bytes());
        let said = decoded.unwrap_err().to_string();
        assert!(said.len() < 600 && said.ends_with('…'), "{said}");
    }

    #[test]
    fn text_beyond_ascii_is_escaped_as_python_escapes_it() {
        assert_eq!(
            json(&"é中😀\u{7f}\n\"\\".to_owned()),
            "\"\\u00e9\\u4e2d\\ud83d\\ude00\\u007f\\n\\\"\\\\\""
        );
    }
}
