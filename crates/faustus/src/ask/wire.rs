//! What requests and replies look like: Faust's bytes.
//!
//! A request names where its reply goes in two headers, or is an envelope around the value. A reply
//! is always an envelope. Reading is generous: order of fields, blanks, further fields and the
//! namespace of a reply do not matter. An error travels in a field of its own, which Faust's readers
//! ignore: they see a reply of `None`.

use std::borrow::Cow;

use faustus_core::{Codec, Headers, RecordRef, TopicName};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, Result, codec::encode_json};

/// The header that names the topic of the reply.
pub(crate) const REPLY_TO: &str = "Faust-Ag-ReplyTo";
/// The header that names the request, for the reply to repeat.
pub(crate) const CORRELATION_ID: &str = "Faust-Ag-CorrelationId";

/// How the envelope of a request ends, whatever its namespace.
const REQUEST_END: &[u8; 16] = b"ReqRepRequest\"}}";
const PLAIN_REQUEST: &str = "@ReqRepRequest";
const RECORD_REQUEST: &str = "faust.agents.models.ModelReqRepRequest";
const PLAIN_RESPONSE: &str = "@ReqRepResponse";
const RECORD_RESPONSE: &str = "faust.agents.models.ModelReqRepResponse";

/// No more of an error's text is sent, in bytes.
const ERROR_BYTES: usize = 1000;

/// Where a reply goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asker<'a> {
    pub(super) reply_to: TopicName,
    pub(super) correlation_id: Option<Cow<'a, str>>,
}

/// Whether a value seems to be the envelope of a request.
#[inline]
pub(crate) fn is_enveloped(bytes: &[u8]) -> bool {
    bytes.last_chunk() == Some(REQUEST_END)
}

/// The value of a record that [seems](is_enveloped) to be a request: what is in the envelope, or all
/// bytes if they are no JSON, which alone has envelopes.
///
/// # Errors
///
/// When the envelope is of a kind that is not known here.
#[cold]
pub(crate) fn unwrapped<'a, T>(bytes: &'a [u8], codec: &dyn Codec<T>) -> Result<&'a [u8]> {
    if is_enveloped(bytes) && codec.name() == "json" {
        unwrap(bytes)
    } else {
        Ok(bytes)
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(borrow, rename = "__faust")]
    meta: Meta<'a>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    ns: Cow<'a, str>,
}

fn unwrap(bytes: &[u8]) -> Result<&[u8]> {
    let envelope: Envelope<'_> = serde_json::from_slice(bytes)
        .map_err(|error| Error::data(format!("the request's envelope is damaged: {error}")))?;
    match &*envelope.meta.ns {
        PLAIN_REQUEST | RECORD_REQUEST => Ok(envelope.value.get().as_bytes()),
        other => Err(Error::data(format!(
            "the request's envelope is of the foreign kind {other:?}; known are {PLAIN_REQUEST:?} and {RECORD_REQUEST:?}"
        ))),
    }
}

/// Who waits for a reply to the record, if somebody does. An envelope counts before headers.
///
/// Somebody whose topic's name is none cannot be replied to.
pub(super) fn asker(record: RecordRef<'_>) -> Option<Asker<'_>> {
    let enveloped = record.value().filter(|value| is_enveloped(value));
    let asker = match enveloped.and_then(address) {
        Some(asker) => asker,
        None => from_headers(record.headers())?,
    };
    if asker.reply_to.is_valid() {
        return Some(asker);
    }
    tracing::debug!(topic = %asker.reply_to, "no reply: it was to go to a topic of an impossible name");
    None
}

#[derive(Deserialize)]
struct Address<'a> {
    reply_to: Cow<'a, str>,
    correlation_id: Option<Cow<'a, str>>,
}

/// The address in an envelope of whatever kind.
#[cold]
fn address(bytes: &[u8]) -> Option<Asker<'_>> {
    let address: Address<'_> = serde_json::from_slice(bytes).ok()?;
    Some(Asker {
        reply_to: TopicName::from(&*address.reply_to),
        correlation_id: address.correlation_id,
    })
}

/// The address in headers; of repeated ones the last counts.
fn from_headers(headers: Headers<'_>) -> Option<Asker<'_>> {
    let (mut reply_to, mut correlation_id) = (None, None);
    for (name, value) in headers {
        match name {
            REPLY_TO => reply_to = value,
            CORRELATION_ID => correlation_id = value,
            _ => {}
        }
    }
    Some(Asker {
        reply_to: TopicName::from(std::str::from_utf8(reply_to?).ok()?),
        correlation_id: correlation_id.map(String::from_utf8_lossy),
    })
}

/// Appends the envelope of a request around what `value` appends.
///
/// # Errors
///
/// What `value` returns.
pub(super) fn write_request(
    out: &mut Vec<u8>,
    (reply_to, correlation_id): (&str, &str),
    value: impl FnOnce(&mut Vec<u8>) -> Result,
) -> Result {
    out.extend_from_slice(b"{\"value\":");
    let start = out.len();
    value(out)?;
    let namespace = if is_record(&out[start..]) {
        RECORD_REQUEST
    } else {
        PLAIN_REQUEST
    };
    out.extend_from_slice(b",\"reply_to\":");
    encode_json(reply_to, out)?;
    out.extend_from_slice(b",\"correlation_id\":");
    encode_json(correlation_id, out)?;
    write_end(out, namespace);
    Ok(())
}

/// Appends a reply with the value that `value` appends.
///
/// # Errors
///
/// What `value` returns.
pub(super) fn write_reply(
    out: &mut Vec<u8>,
    key: Option<&[u8]>,
    correlation_id: Option<&str>,
    value: impl FnOnce(&mut Vec<u8>) -> Result,
) -> Result {
    write_key(out, key)?;
    let start = out.len();
    value(out)?;
    let namespace = if is_record(&out[start..]) {
        RECORD_RESPONSE
    } else {
        PLAIN_RESPONSE
    };
    out.extend_from_slice(b",\"correlation_id\":");
    encode_json(&correlation_id, out)?;
    write_end(out, namespace);
    Ok(())
}

/// Appends the reply that there is none, because of an error.
pub(super) fn write_failure(
    out: &mut Vec<u8>,
    key: Option<&[u8]>,
    correlation_id: Option<&str>,
    error: &str,
) -> Result {
    write_key(out, key)?;
    out.extend_from_slice(b"null,\"correlation_id\":");
    encode_json(&correlation_id, out)?;
    out.extend_from_slice(b",\"error\":");
    encode_json(&error[..error.floor_char_boundary(ERROR_BYTES)], out)?;
    write_end(out, PLAIN_RESPONSE);
    Ok(())
}

/// The beginning of a reply up to its value: text is JSON text, other bytes are what Python shows of them.
fn write_key(out: &mut Vec<u8>, key: Option<&[u8]>) -> Result {
    out.extend_from_slice(b"{\"key\":");
    match key.map(std::str::from_utf8) {
        None => out.extend_from_slice(b"null"),
        Some(Ok(text)) => encode_json(text, out)?,
        Some(Err(_)) => encode_json(&python_bytes(key.unwrap_or_default()), out)?,
    }
    out.extend_from_slice(b",\"value\":");
    Ok(())
}

fn write_end(out: &mut Vec<u8>, namespace: &str) {
    out.extend_from_slice(b",\"__faust\":{\"ns\":\"");
    out.extend_from_slice(namespace.as_bytes());
    out.extend_from_slice(b"\"}}");
}

/// Whether encoded JSON is a record with its metadata, which Faust writes last and sorted maps have first.
fn is_record(json: &[u8]) -> bool {
    const META: &[u8] = b"\"__faust\":{\"ns\":\"";
    let Some(fields) = json.strip_prefix(b"{") else {
        return false;
    };
    let is_last = |rest: &[u8]| {
        let name = rest.iter().rev().take_while(|byte| **byte != b'"').count();
        rest[..rest.len() - name].ends_with(META)
    };
    fields.starts_with(META) || fields.strip_suffix(b"\"}}").is_some_and(is_last)
}

/// Bytes as Python's `repr` shows them.
fn python_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut text = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' if char::from(byte) == quote => {
                text.push('\\');
                text.push(quote);
            }
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

/// A reply as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response<'a> {
    pub(super) correlation_id: Option<Cow<'a, str>>,
    /// The value as JSON, or the text of an error.
    pub(super) answer: Result<&'a str, Cow<'a, str>>,
}

/// Reads a reply.
///
/// # Errors
///
/// When it is none.
pub(super) fn read_reply(bytes: &[u8]) -> Result<Response<'_>> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow, default)]
        value: Option<&'a RawValue>,
        correlation_id: Option<Cow<'a, str>>,
        error: Option<Cow<'a, str>>,
    }
    let fields: Fields<'_> =
        serde_json::from_slice(bytes).map_err(|error| Error::data(error.to_string()))?;
    Ok(Response {
        correlation_id: fields.correlation_id,
        answer: match fields.error {
            Some(error) => Err(error),
            None => Ok(fields.value.map_or("null", RawValue::get)),
        },
    })
}

#[cfg(test)]
mod tests;
