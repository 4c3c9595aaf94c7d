//! The codecs that come with Faustus: [`Json`] and [`Raw`].
//!
//! `Json` writes what Python's Faust writes with the standard library: compact, ASCII only, floats
//! as Python prints them, so that both agree on bytes and thus on partitions.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::ser::{CharEscape, Formatter};

use faustus_core::{Codec, CodecError};

/// Compact ASCII JSON.
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

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn name(&self) -> &str {
        "json"
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut serializer = serde_json::Serializer::with_formatter(out, AsciiFormatter);
        value.serialize(&mut serializer).map_err(CodecError::new)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(bytes).map_err(CodecError::new)
    }
}

struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() && !fragment.as_bytes().contains(&0x7f) {
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

/// Bytes as they are, and text as UTF-8.
///
/// # Examples
///
/// ```
/// use faustus::{Codec, Raw};
///
/// let text: String = Raw.decode(b"hello").unwrap();
/// assert_eq!(text, "hello");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Codec<String> for Raw {
    fn name(&self) -> &str {
        "raw"
    }

    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(CodecError::new)
    }
}

impl Codec<Vec<u8>> for Raw {
    fn name(&self) -> &str {
        "raw"
    }

    fn encode(&self, value: &Vec<u8>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.to_vec())
    }
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
    fn text_beyond_ascii_is_escaped_as_python_escapes_it() {
        assert_eq!(
            json(&"é中😀\u{7f}\n\"\\".to_owned()),
            "\"\\u00e9\\u4e2d\\ud83d\\ude00\\u007f\\n\\\"\\\\\""
        );
    }
}
