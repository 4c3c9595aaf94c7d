//! Codecs without structure: [`Raw`], [`Text`] and [`Binary`].

use std::{
    error::Error,
    fmt::{Display, Write as _},
    str::FromStr,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use faustus_core::{Codec, CodecError};

use super::chain::chained;

/// Bytes as they are, and text as UTF-8.
///
/// As [`Bytes`] a value shares the memory of the batch it came in; nothing is copied.
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
        text(bytes).map(str::to_owned)
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

impl Codec<Bytes> for Raw {
    fn name(&self) -> &str {
        "raw"
    }

    fn encode(&self, value: &Bytes, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Bytes, CodecError> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn decode_within(&self, bytes: &[u8], memory: &Bytes) -> Result<Bytes, CodecError> {
        Ok(memory.slice_ref(bytes))
    }
}

/// Values in their text form: numbers as digits, whatever a type's `Display` writes and its `FromStr`
/// reads.
///
/// # Examples
///
/// ```
/// use faustus::{Codec, Text};
///
/// let number: i64 = Text.decode(b"-42").unwrap();
/// assert_eq!(number, -42);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Text;

impl<T> Codec<T> for Text
where
    T: Display + FromStr<Err: Error + Send + Sync + 'static>,
{
    fn name(&self) -> &str {
        "text"
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut text = String::new();
        write!(text, "{value}").map_err(CodecError::new)?;
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        text(bytes)?.parse().map_err(CodecError::new)
    }
}

/// Bytes as base64 text, in the standard alphabet and padded; text as that of its UTF-8.
///
/// Line breaks and blanks in the text are read over.
///
/// # Examples
///
/// ```
/// use faustus::{Binary, Codec};
///
/// let mut bytes = Vec::new();
/// Binary.encode(&b"foo".to_vec(), &mut bytes).unwrap();
/// assert_eq!(bytes, b"Zm9v");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Binary;

impl Codec<Vec<u8>> for Binary {
    fn name(&self) -> &str {
        "binary"
    }

    fn encode(&self, value: &Vec<u8>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(STANDARD.encode(value).as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        if bytes.iter().any(u8::is_ascii_whitespace) {
            let mut dense = bytes.to_vec();
            dense.retain(|byte| !byte.is_ascii_whitespace());
            return STANDARD.decode(dense).map_err(CodecError::new);
        }
        STANDARD.decode(bytes).map_err(CodecError::new)
    }
}

impl Codec<String> for Binary {
    fn name(&self) -> &str {
        "binary"
    }

    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(STANDARD.encode(value).as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
        let bytes: Vec<u8> = self.decode(bytes)?;
        String::from_utf8(bytes).map_err(CodecError::new)
    }
}

chained!(Raw, Text, Binary);

fn text(bytes: &[u8]) -> Result<&str, CodecError> {
    std::str::from_utf8(bytes).map_err(CodecError::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_are_a_part_of_the_memory_they_came_in() {
        let memory = Bytes::from_static(b"key and value");
        let shared: Bytes = Raw.decode_within(&memory[8..], &memory).unwrap();
        assert_eq!(shared, "value");
        assert_eq!(shared.as_ptr(), memory[8..].as_ptr());
    }

    #[test]
    fn base64_of_another_alphabet_or_without_its_padding_is_refused() {
        for text in [&b"-_8="[..], b"Zm8", b"Zm9v!"] {
            let bytes: Result<Vec<u8>, _> = Binary.decode(text);
            assert!(bytes.is_err(), "{text:?}");
        }
        let bytes: Vec<u8> = Binary.decode(b"Zm\r\n9v").unwrap();
        assert_eq!(bytes, b"foo");
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        let number: Result<u8, _> = Text.decode(b"256");
        assert!(number.is_err());
    }
}
