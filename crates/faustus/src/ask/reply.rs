//! Replies of agents, as a part of the event that was asked for.

use faustus_core::RecordRef;

use super::wire;
use crate::{Result, runtime::EventOutputs};

/// Adds to what the event of `record` sends a reply to whoever asked, if somebody did.
///
/// # Errors
///
/// When the value does not encode.
pub(crate) fn reply(
    record: RecordRef<'_>,
    outputs: &mut EventOutputs,
    encode: impl FnOnce(&mut Vec<u8>) -> Result,
) -> Result {
    let Some(asker) = wire::asker(record) else {
        return Ok(());
    };
    let id = asker.correlation_id.as_deref();
    outputs.push_reply(asker.reply_to, record.timestamp(), |reply| {
        let write = |out: &mut Vec<u8>| wire::write_reply(out, record.key(), id, encode);
        reply.value_with(write)?.finish();
        Ok(())
    })
}

/// Adds a reply that says why there is none.
pub(crate) fn reply_failure(record: RecordRef<'_>, outputs: &mut EventOutputs, error: &str) {
    let Some(asker) = wire::asker(record) else {
        return;
    };
    let id = asker.correlation_id.as_deref();
    let written: Result = outputs.push_reply(asker.reply_to, record.timestamp(), |reply| {
        let write = |out: &mut Vec<u8>| wire::write_failure(out, record.key(), id, error);
        reply.value_with(write)?.finish();
        Ok(())
    });
    if let Err(error) = written {
        tracing::debug!(%error, "an asker hears nothing of a failure");
    }
}
