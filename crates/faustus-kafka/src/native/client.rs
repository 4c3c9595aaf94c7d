//! A librdkafka client: its life, its callbacks, its main queue.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fmt,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
    time::Duration,
};

use rdkafka::{
    ClientConfig, bindings as sys,
    types::{RDKafkaErrorCode, RDKafkaRespErr, RDKafkaType},
};

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads partitions.
    Consumer,
    /// Writes records.
    Producer,
}

/// What happened to one produced record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// What was given along with the record.
    pub opaque: usize,
    /// Its offset, or why it was not delivered.
    pub result: Result<i64, Undelivered>,
}

/// Why a record was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undelivered {
    /// The reason.
    pub code: RDKafkaErrorCode,
    /// Whether it may be in the log all the same.
    pub perhaps_stored: bool,
}

/// Hears what a client has to say, on the thread that polls it.
pub(crate) trait Events: Send + Sync + 'static {
    /// A produced record was stored or given up.
    fn delivered(&self, delivery: Delivery);

    /// Something is wrong with the client as a whole; most such errors pass.
    fn error(&self, code: RDKafkaErrorCode, reason: &str);
}

/// Called when a queue that was empty is not any more, from a thread of librdkafka that holds locks:
/// it must do no more than wake somebody.
pub(crate) type Wake = Box<dyn Fn() + Send + Sync>;

/// A librdkafka client could not be made or used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NativeError(pub String);

/// A librdkafka client.
pub(crate) struct Client {
    rk: NonNull<sys::rd_kafka_t>,
    /// The client's opaque pointer is the inner box.
    _events: Box<Box<dyn Events>>,
    /// The opaque pointer of the main queue's callback is the inner box.
    _wake: Box<Wake>,
}

// SAFETY: librdkafka's documentation says that all functions of a client are thread-safe; the boxed
// values are `Send + Sync` themselves.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.rk).finish()
    }
}

impl Client {
    /// Makes a client of `kind`; `wake` is called when [`serve`](Self::serve) has something to do.
    pub(crate) fn new(
        kind: Kind,
        config: &ClientConfig,
        events: Box<dyn Events>,
        wake: Wake,
    ) -> Result<Self, NativeError> {
        let config = config
            .create_native_config()
            .map_err(|error| NativeError(error.to_string()))?;
        let events = Box::new(events);
        let wake = Box::new(wake);
        let kind = match kind {
            Kind::Consumer => RDKafkaType::RD_KAFKA_CONSUMER,
            Kind::Producer => RDKafkaType::RD_KAFKA_PRODUCER,
        };
        let mut text = [0 as c_char; 512];
        // SAFETY: the configuration is alive; `rd_kafka_new` takes it over if it succeeds, which
        // `ManuallyDrop` accounts for. The opaque pointer is to a box that outlives the client. The
        // text buffer's length is told.
        let rk = unsafe {
            let conf = config.ptr();
            let opaque = ptr::from_ref::<Box<dyn Events>>(&events).cast_mut();
            sys::rd_kafka_conf_set_opaque(conf, opaque.cast());
            sys::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            sys::rd_kafka_conf_set_error_cb(conf, Some(on_error));
            if kind == RDKafkaType::RD_KAFKA_PRODUCER {
                sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(on_delivery));
            }
            sys::rd_kafka_new(kind, conf, text.as_mut_ptr(), text.len())
        };
        let Some(rk) = NonNull::new(rk) else {
            // SAFETY: librdkafka ends its text with a zero within the buffer.
            let text = unsafe { CStr::from_ptr(text.as_ptr()) };
            return Err(NativeError(text.to_string_lossy().into_owned()));
        };
        let _taken = ManuallyDrop::new(config);
        let client = Self {
            rk,
            _events: events,
            _wake: wake,
        };
        client.set_wake(Some(&client._wake));
        Ok(client)
    }

    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_t {
        self.rk.as_ptr()
    }

    /// Tells [`Events`] what there is to tell, for at most `limit` while there is nothing.
    pub(crate) fn serve(&self, limit: Duration) {
        // SAFETY: the client is alive.
        unsafe { sys::rd_kafka_poll(self.ptr(), millis(limit)) };
    }

    /// Waits until some broker answers; blocks for at most `limit`.
    pub(crate) fn reach(&self, limit: Duration) -> Result<(), RDKafkaErrorCode> {
        let mut metadata = ptr::null();
        // SAFETY: the client is alive; no topic is asked for; what is given is given back at once.
        let raw = unsafe {
            let raw = sys::rd_kafka_metadata(
                self.ptr(),
                0,
                ptr::null_mut(),
                &raw mut metadata,
                millis(limit),
            );
            if !metadata.is_null() {
                sys::rd_kafka_metadata_destroy(metadata);
            }
            raw
        };
        match code(raw as i32) {
            RDKafkaErrorCode::NoError => Ok(()),
            code => Err(code),
        }
    }

    /// Gives up all records that were handed over; each is reported.
    pub(crate) fn purge(&self) {
        let flags = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT;
        // SAFETY: the client is alive.
        unsafe { sys::rd_kafka_purge(self.ptr(), flags) };
    }

    /// Why the client can never be used again, if that is so.
    pub(crate) fn fatal_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        let mut text = [0 as c_char; 512];
        // SAFETY: the client is alive and the buffer's length is told.
        let code = unsafe { sys::rd_kafka_fatal_error(self.ptr(), text.as_mut_ptr(), text.len()) };
        // SAFETY: librdkafka ends its text with a zero within the buffer, which began all zero.
        let text = unsafe { CStr::from_ptr(text.as_ptr()) };
        (code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| (code.into(), text.to_string_lossy().into_owned()))
    }

    /// Sets the callback of the main queue, or takes it away.
    fn set_wake(&self, wake: Option<&Wake>) {
        // SAFETY: the main queue's handle is ours and given back at once, which leaves the callback
        // set. The pointer is to a box that lives until the callback is taken away in `drop`.
        unsafe {
            let queue = sys::rd_kafka_queue_get_main(self.ptr());
            enable_wake(queue, wake);
            sys::rd_kafka_queue_destroy(queue);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.set_wake(None);
        // SAFETY: whoever holds a topic, queue or message of this client holds an `Arc` of it, so
        // none is left. The callbacks' boxes are dropped after this.
        unsafe {
            sys::rd_kafka_destroy_flags(self.ptr(), sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        }
    }
}

/// Lets `wake` be called when `queue` gets its first entry.
///
/// # Safety
///
/// `queue` is alive, and `wake` lives until another call for the same queue.
pub(super) unsafe fn enable_wake(queue: *mut sys::rd_kafka_queue_t, wake: Option<&Wake>) {
    let callback = wake.map(|_| on_nonempty as unsafe extern "C" fn(_, _));
    let opaque = wake.map_or(ptr::null_mut(), |wake| {
        ptr::from_ref(wake).cast_mut().cast()
    });
    // SAFETY: as the caller promises; librdkafka calls back under the queue's lock, which this
    // call takes, so no call to an earlier callback is running when it returns.
    unsafe { sys::rd_kafka_queue_cb_event_enable(queue, callback, opaque) };
}

/// A code of librdkafka or a broker; one that is not known here is `Unknown`.
pub(super) fn code(raw: i32) -> RDKafkaErrorCode {
    RDKafkaRespErr::try_from(raw).map_or(RDKafkaErrorCode::Unknown, Into::into)
}

/// The error of a message.
///
/// # Safety
///
/// `message` is alive.
pub(super) unsafe fn message_code(message: *const sys::rd_kafka_message_t) -> i32 {
    // Read as a number: brokers have codes that the enumeration lacks.
    // SAFETY: the enumeration is `repr(i32)`, and the message is alive.
    unsafe { (&raw const (*message).err).cast::<i32>().read() }
}

/// Milliseconds as librdkafka has them; longer than 24 days is as good as for ever.
pub(super) fn millis(limit: Duration) -> c_int {
    c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX)
}

unsafe extern "C" fn on_nonempty(_: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `enable_wake` got a pointer to a `Wake` that lives while the callback is set.
    let wake = unsafe { &*opaque.cast::<Wake>() };
    wake();
}

unsafe extern "C" fn on_delivery(
    _: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: the opaque pointer was set in `Client::new` to a box that outlives the client, and
    // the message is alive during the callback.
    let (events, delivery) = unsafe {
        let stored = match message_code(message) {
            0 => Ok((*message).offset),
            raw => Err(Undelivered {
                code: code(raw),
                perhaps_stored: sys::rd_kafka_message_status(message)
                    != sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
            }),
        };
        let delivery = Delivery {
            opaque: (*message)._private.addr(),
            result: stored,
        };
        (&*opaque.cast::<Box<dyn Events>>(), delivery)
    };
    events.delivered(delivery);
}

unsafe extern "C" fn on_error(
    _: *mut sys::rd_kafka_t,
    raw: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: the opaque pointer is as in `on_delivery`, and the text is alive during the callback.
    let (events, reason) = unsafe { (&*opaque.cast::<Box<dyn Events>>(), text(reason)) };
    events.error(code(raw), &reason);
}

unsafe extern "C" fn on_log(
    _: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    message: *const c_char,
) {
    // SAFETY: both texts are alive during the callback.
    let (facility, message) = unsafe { (text(facility), text(message)) };
    match level {
        ..=2 => tracing::error!(target: "librdkafka", %facility, "{message}"),
        3..=4 => tracing::warn!(target: "librdkafka", %facility, "{message}"),
        5..=6 => tracing::debug!(target: "librdkafka", %facility, "{message}"),
        _ => tracing::trace!(target: "librdkafka", %facility, "{message}"),
    }
}

/// A text of librdkafka; empty for none.
///
/// # Safety
///
/// `text` is null or ends with a zero and lives as long as what is returned.
pub(super) unsafe fn text<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    if text.is_null() {
        return "".into();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}
