//! Where the replies of an agent go: to its sinks, and to whoever asked.

use std::sync::Arc;

use faustus_core::{CodecError, RecordRef};
use serde::Serialize;

use super::{value_of, write};
use crate::{
    Result,
    ask::{is_enveloped, reply},
    codec::encode_json,
    runtime::{EventOutputs, Number},
    sink::{Kind, Target},
};

/// What an agent's replies are sent to, and how.
pub(crate) struct ReplyTo<R> {
    sinks: Arc<[Target<R>]>,
    /// Some of them are functions.
    calls: bool,
    /// How a reply is written for who asked.
    encode: fn(&R, &mut Vec<u8>) -> Result<(), CodecError>,
}

impl<R: Serialize> ReplyTo<R> {
    pub(crate) fn new(sinks: Vec<Target<R>>) -> Self {
        let is_function = |sink: &Target<R>| matches!(sink.0, Kind::Function(_));
        Self {
            calls: sinks.iter().any(is_function),
            sinks: sinks.into(),
            encode: encode_json::<R>,
        }
    }
}

impl<R> ReplyTo<R> {
    /// Whether a reply has functions called.
    pub(crate) fn calls(&self) -> bool {
        self.calls
    }

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
            match &sink.0 {
                Kind::Topic(topic) => {
                    let encode = value_of(&*topic.codec, value);
                    write(outputs, &topic.shared, at, record.key(), encode, None)?;
                }
                Kind::Channel { put, .. } => {
                    let put = put(value, record.key(), record.timestamp());
                    outputs.beside().puts.push(put);
                }
                Kind::Function(call) => outputs.beside().calls.push_back(call(value)),
            }
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
            calls: self.calls,
            encode: self.encode,
        }
    }
}
