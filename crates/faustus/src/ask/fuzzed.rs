//! The readers of requests and replies, as the fuzzer calls them from outside; nothing else does.

use std::borrow::Cow;

use faustus_core::{BatchBuilder, Timestamp};
use serde_json::Value;

use super::wire;
use crate::{Json, Result};

/// Where a reply goes, and the id that it repeats.
pub type Address = (String, Option<String>);

/// What reads a record of this value and these headers: who asks, and the value without its envelope.
pub fn read_request(
    value: &[u8],
    headers: &[(Cow<'_, str>, &[u8])],
) -> (Option<Address>, Result<Vec<u8>>) {
    let mut records = BatchBuilder::new();
    let record = records.record(Timestamp(0)).value(value);
    let record = headers.iter().fold(record, |record, (name, value)| {
        record.header(name, Some(value))
    });
    record.finish();
    let asker = wire::asker(records.get(0));
    let address = asker.map(|asker| {
        let id = asker.correlation_id.map(Cow::into_owned);
        (asker.reply_to.to_string(), id)
    });
    let value = wire::unwrapped::<Value>(value, &Json).map(<[u8]>::to_vec);
    (address, value)
}

/// An envelope around the JSON `value`.
///
/// # Errors
///
/// None.
pub fn write_request(reply_to: &str, correlation_id: &str, value: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    wire::write_request(&mut out, (reply_to, correlation_id), |out| {
        out.extend_from_slice(value);
        Ok(())
    })?;
    Ok(out)
}

/// What a reply says: the id, and the value as JSON or the text of an error.
pub type Reply = (Option<String>, Result<String, String>);

/// Reads a reply.
///
/// # Errors
///
/// When it is none.
pub fn read_reply(bytes: &[u8]) -> Result<Reply> {
    let reply = wire::read_reply(bytes)?;
    let answer = reply.answer.map(str::to_owned).map_err(Cow::into_owned);
    Ok((reply.correlation_id.map(Cow::into_owned), answer))
}

/// A reply to an event of this key.
///
/// # Errors
///
/// None.
pub fn write_reply(key: Option<&[u8]>, (id, answer): &Reply) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match answer {
        Ok(value) => wire::write_reply(&mut out, key, id.as_deref(), |out| {
            out.extend_from_slice(value.as_bytes());
            Ok(())
        })?,
        Err(error) => wire::write_failure(&mut out, key, id.as_deref(), error)?,
    }
    Ok(out)
}
