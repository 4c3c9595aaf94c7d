//! Keys and values of records for people and for programs.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{json, value::RawValue};

/// Bytes for people: text if they are text, else hexadecimal; nothing that would tell a terminal what to do.
#[must_use]
pub fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "(none)".to_owned();
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => plain(text),
        Err(_) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
            format!("0x{}", hex.collect::<String>())
        }
    }
}

/// Text on one line, its control characters told instead of obeyed.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() {
            true => plain.extend(char.escape_default()),
            false => plain.push(char),
        }
    }
    plain
}

/// Bytes as JSON: what they are if they are JSON, digit by digit; a text if they are another text; else an
/// object whose field `base64` has them. `null` where there are none.
#[must_use]
pub fn json(bytes: Option<&[u8]>) -> Box<RawValue> {
    let Some(bytes) = bytes else {
        return RawValue::NULL.to_owned();
    };
    let value = match std::str::from_utf8(bytes) {
        Ok(text) => match as_it_is(text) {
            Some(raw) => return raw,
            None => json!(text),
        },
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    };
    serde_json::value::to_raw_value(&value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The text if it is JSON, on one line: outside of its texts JSON has no line breaks that matter, and
/// inside of them none at all.
fn as_it_is(text: &str) -> Option<Box<RawValue>> {
    serde_json::from_str::<&RawValue>(text).ok()?;
    RawValue::from_string(text.replace(['\n', '\r'], " ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_text_or_hexadecimal_and_their_terminal_no_orders() {
        assert_eq!(shown(Some("é {\"a\": 1}".as_bytes())), "é {\"a\": 1}");
        assert_eq!(shown(Some(b"a\nb\x1b[31m")), "a\\nb\\u{1b}[31m");
        assert_eq!(shown(Some(b"\x00\xff")), "0x00ff");
        assert_eq!(shown(Some(b"")), "");
        assert_eq!(shown(None), "(none)");
    }

    #[test]
    fn programs_see_json_as_it_is_on_one_line_and_other_bytes_whole() {
        let json = |bytes: &[u8]| json(Some(bytes)).to_string();
        let long = b"{\"n\":\n 12345678901234567890123.10}";
        assert_eq!(json(long), "{\"n\":  12345678901234567890123.10}");
        assert_eq!(json(b"tea"), "\"tea\"");
        assert_eq!(json(b"\xff\x00"), "{\"base64\":\"/wA=\"}");
        assert_eq!(super::json(None).get(), "null");
    }
}
