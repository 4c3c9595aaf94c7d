//! Topics of a client, and handing records to them.

use std::{
    ffi::{CString, c_void},
    ptr::{self, NonNull},
    sync::Arc,
};

use faustus_core::{Headers, RecordRef, TopicName};
use rdkafka::{
    bindings as sys,
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};

use super::{Client, NativeError, client::code};

/// A topic of a client.
pub(crate) struct Topic {
    topic: NonNull<sys::rd_kafka_topic_t>,
    client: Arc<Client>,
}

// SAFETY: topic handles are reference counted and thread-safe in librdkafka.
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Topic {
    /// The topic of this name; it need not exist.
    pub(crate) fn new(client: &Arc<Client>, name: &TopicName) -> Result<Self, NativeError> {
        let text = CString::new(name.as_str())
            .map_err(|_| NativeError(format!("topic name {name:?} holds a zero byte")))?;
        // SAFETY: the client is alive, the text ends with a zero; null means the default settings.
        let topic =
            unsafe { sys::rd_kafka_topic_new(client.ptr(), text.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic)
            .ok_or_else(|| NativeError(format!("librdkafka refuses topic name {name:?}")))?;
        Ok(Self {
            topic,
            client: Arc::clone(client),
        })
    }

    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_topic_t {
        self.topic.as_ptr()
    }

    /// Hands a copy of `record` over for `partition`; it is reported with `opaque`.
    ///
    /// A time stamp of 0 cannot be sent, librdkafka takes it for "now": 1 is sent in its place.
    pub(crate) fn produce(
        &self,
        partition: i32,
        record: RecordRef<'_>,
        opaque: usize,
    ) -> Result<(), RDKafkaErrorCode> {
        let bytes = |bytes: Option<&[u8]>| -> (*const c_void, usize) {
            bytes.map_or((ptr::null(), 0), |bytes| {
                (bytes.as_ptr().cast(), bytes.len())
            })
        };
        let (key, key_len) = bytes(record.key());
        let (value, value_len) = bytes(record.value());
        let timestamp = match record.timestamp().0 {
            0 => 1,
            timestamp => timestamp,
        };
        let headers = native_headers(record.headers());
        // SAFETY: client and topic are alive. The arguments follow `rd_kafka_vtype_t`: each tag is
        // followed by values of the types that its documentation names, and the list is ended.
        // Key and value are copied during the call. The headers are taken over if it succeeds.
        let raw = unsafe {
            use sys::rd_kafka_vtype_t as tag;
            sys::rd_kafka_producev(
                self.client.ptr(),
                tag::RD_KAFKA_VTYPE_RKT,
                self.ptr(),
                tag::RD_KAFKA_VTYPE_PARTITION,
                partition,
                tag::RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                tag::RD_KAFKA_VTYPE_VALUE,
                value,
                value_len,
                tag::RD_KAFKA_VTYPE_KEY,
                key,
                key_len,
                tag::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp,
                tag::RD_KAFKA_VTYPE_OPAQUE,
                ptr::without_provenance_mut::<c_void>(opaque),
                tag::RD_KAFKA_VTYPE_HEADERS,
                headers,
                tag::RD_KAFKA_VTYPE_END,
            )
        };
        if raw == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        if !headers.is_null() {
            // SAFETY: the call failed, so the headers are still ours, and nobody else has them.
            unsafe { sys::rd_kafka_headers_destroy(headers) };
        }
        Err(code(raw as i32))
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and the client is still alive.
        unsafe { sys::rd_kafka_topic_destroy(self.ptr()) };
    }
}

/// librdkafka's list of `headers`, null for none.
fn native_headers(headers: Headers<'_>) -> *mut sys::rd_kafka_headers_t {
    let mut list: *mut sys::rd_kafka_headers_t = ptr::null_mut();
    for (name, value) in headers {
        // A slice is never longer than `isize::MAX`.
        let len = |bytes: &[u8]| isize::try_from(bytes.len()).unwrap_or(isize::MAX);
        let (value, value_len) =
            value.map_or((ptr::null(), 0), |value| (value.as_ptr(), len(value)));
        // SAFETY: the list is new or ours; name and value are copied, their lengths are told. It
        // cannot fail but for a read-only list.
        unsafe {
            if list.is_null() {
                list = sys::rd_kafka_headers_new(4);
            }
            sys::rd_kafka_header_add(
                list,
                name.as_ptr().cast(),
                len(name.as_bytes()),
                value.cast(),
                value_len,
            );
        }
    }
    list
}
