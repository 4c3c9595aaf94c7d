//! Where the replies of an agent go: to its sinks, and to whoever asked.

use std::sync::Arc;

use faustus_core::{CodecError, RecordRef};
use serde::Serialize;

use super::{value_of, write};
use crate::{
    Result, Topic,
    ask::{is_enveloped, reply},
    codec::encode_json,
    runtime::{EventOutputs, Number},
};

/// What an agent's replies are sent to, and how.
pub(crate) struct ReplyTo<R> {
    sinks: Arc<[Topic<R>]>,
    /// How a reply is written for who asked.
    encode: fn(&R, &mut Vec<u8>) -> Result<(), CodecError>,
}

impl<R: Serialize> ReplyTo<R> {
    pub(crate) fn new(sinks: Arc<[Topic<R>]>) -> Self {
        Self {
            sinks,
            encode: encode_json::<R>,
        }
    }
}

impl<R> ReplyTo<R> {
    /// Adds `value` to what the event of `record`, which has this number, sends.
    pub(crate) fn write(
        &self,
        outputs: &mut EventOutputs,
        record: RecordRef<'_>,
        number: Number,
        value: &R,
    ) -> Result {
        if record.has_headers() || record.value().is_some_and(is_enveloped) {
            self.write_to_asker(outputs, record, value)?;
        }
        let at = (number, record.timestamp());
        for sink in self.sinks.iter() {
            let encode = value_of(&*sink.codec, value);
            write(outputs, &sink.shared, at, record.key(), encode, None)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn write_to_asker(
        &self,
        outputs: &mut EventOutputs,
        record: RecordRef<'_>,
        value: &R,
    ) -> Result {
        reply(record, outputs, |out| Ok((self.encode)(value, out)?))
    }
}

impl<R> Clone for ReplyTo<R> {
    fn clone(&self) -> Self {
        Self {
            sinks: Arc::clone(&self.sinks),
            encode: self.encode,
        }
    }
}
