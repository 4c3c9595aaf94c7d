//! Reading partitions: one queue per partition, emptied in handfuls of messages.

use std::{ffi::c_void, fmt, ptr, ptr::NonNull, slice, sync::Arc};

use faustus_core::{BatchBuilder, Offset, Timestamp};
use rdkafka::{bindings as sys, types::RDKafkaErrorCode};

use super::{
    Client, NativeError, Topic,
    client::{Wake, code, enable_wake, message_code, text},
};

/// How many messages are taken from a queue at once.
const HANDFUL: usize = 256;

/// The queue of one partition while it is read.
pub(crate) struct Queue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// The opaque pointer of the queue's callback is the inner box.
    _wake: Box<Wake>,
    topic: Topic,
    partition: i32,
    client: Arc<Client>,
}

// SAFETY: queues are reference counted and thread-safe in librdkafka; the box is `Send + Sync`.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// A queue for `partition`, not read yet; `wake` is called when messages come.
    pub(crate) fn new(client: &Arc<Client>, topic: Topic, partition: i32, wake: Wake) -> Self {
        let wake = Box::new(wake);
        // SAFETY: the client is alive; the box lives as long as the queue.
        let queue = unsafe {
            let queue = sys::rd_kafka_queue_new(client.ptr());
            enable_wake(queue, Some(&wake));
            NonNull::new_unchecked(queue)
        };
        Self {
            queue,
            _wake: wake,
            topic,
            partition,
            client: Arc::clone(client),
        }
    }

    /// Starts reading at `from`, once more if it was started before: then what was fetched is thrown
    /// away. No other queue of the client may read the partition.
    pub(crate) fn start(&self, from: Offset) -> Result<(), NativeError> {
        // SAFETY: topic and queue are alive and of the same client.
        let failed = unsafe {
            sys::rd_kafka_consume_start_queue(
                self.topic.ptr(),
                self.partition,
                from.0,
                self.queue.as_ptr(),
            )
        };
        if failed == 0 {
            return Ok(());
        }
        // SAFETY: reads a variable of this thread.
        let last = unsafe { sys::rd_kafka_last_error() };
        Err(NativeError(format!(
            "reading cannot start: {}",
            RDKafkaErrorCode::from(last)
        )))
    }

    /// Stops reading; blocks until librdkafka's own thread has done it.
    pub(crate) fn stop(&self) {
        // SAFETY: the topic is alive.
        unsafe { sys::rd_kafka_consume_stop(self.topic.ptr(), self.partition) };
    }

    /// Takes what is there, without waiting, into `messages`; gives false if nothing was.
    ///
    /// `messages` must be empty.
    pub(crate) fn take(&self, messages: &mut Messages) -> bool {
        debug_assert!(messages.is_empty(), "messages would leak");
        // SAFETY: the queue is alive.
        if unsafe { sys::rd_kafka_queue_length(self.queue.as_ptr()) } == 0 {
            return false;
        }
        messages.pointers.clear();
        messages.pointers.reserve(HANDFUL);
        messages.next = 0;
        // SAFETY: the queue is alive; the vector has room for `HANDFUL` pointers, of which the call
        // writes the first `taken`.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                0,
                messages.pointers.as_mut_ptr(),
                HANDFUL,
            );
            messages
                .pointers
                .set_len(usize::try_from(taken).unwrap_or(0));
        }
        messages
            .owner
            .get_or_insert_with(|| Arc::clone(&self.client));
        !messages.is_empty()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is alive and ours; the callback is taken away before its box goes.
        unsafe {
            enable_wake(self.queue.as_ptr(), None);
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

/// Messages that were taken from a queue and not looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pointers: Vec<*mut sys::rd_kafka_message_t>,
    /// The first that is still ours; those before were destroyed.
    next: usize,
    /// The client that the messages point into.
    owner: Option<Arc<Client>>,
}

// SAFETY: messages may be used and destroyed on any thread, by one at a time.
unsafe impl Send for Messages {}

impl Messages {
    /// Whether none is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.pointers.len()
    }

    /// The next one, if any.
    pub(crate) fn peek(&self) -> Option<Message<'_>> {
        let pointer = *self.pointers.get(self.next)?;
        // SAFETY: pointers from `next` on are alive and ours; the borrow ends before `pop`.
        Some(Message(unsafe { &*pointer }))
    }

    /// Destroys the next one.
    pub(crate) fn pop(&mut self) {
        if let Some(pointer) = self.pointers.get(self.next) {
            // SAFETY: pointers from `next` on are alive and ours, and `&mut self` ends all borrows.
            unsafe { sys::rd_kafka_message_destroy(*pointer) };
            self.next += 1;
        }
    }

    /// Destroys all.
    pub(crate) fn clear(&mut self) {
        while !self.is_empty() {
            self.pop();
        }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A record, or an event of its partition.
pub(crate) struct Message<'a>(&'a sys::rd_kafka_message_t);

impl Message<'_> {
    /// `None` for a record.
    pub(crate) fn error(&self) -> Option<RDKafkaErrorCode> {
        // SAFETY: the message is alive.
        match unsafe { message_code(self.0) } {
            0 => None,
            raw => Some(code(raw)),
        }
    }

    /// librdkafka's words for the error.
    pub(crate) fn error_text(&self) -> String {
        // SAFETY: the message is alive, and an error message ends its text with a zero.
        unsafe { text(sys::rd_kafka_message_errstr(self.0)).into_owned() }
    }

    /// The record's offset, or the position at the end of the partition.
    pub(crate) fn offset(&self) -> Offset {
        Offset(self.0.offset)
    }

    /// Appends a copy to `batch`.
    pub(crate) fn copy_to(&self, batch: &mut BatchBuilder) {
        // SAFETY: the message is alive; null means that nobody asks for the time stamp's kind.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(self.0, ptr::null_mut()) };
        let mut record = batch.record(Timestamp(timestamp)).offset(self.offset());
        if let Some(key) = bytes(self.0.key, self.0.key_len) {
            record = record.key(key);
        }
        if let Some(value) = bytes(self.0.payload, self.0.len) {
            record = record.value(value);
        }
        for (name, value) in self.headers() {
            record = record.header(&name, value);
        }
        record.finish();
    }

    fn headers(&self) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, Option<&[u8]>)> {
        let mut list = ptr::null_mut();
        // SAFETY: the message is alive. The list belongs to the message and lives as long; `list`
        // stays null if there are none.
        let found = unsafe { sys::rd_kafka_message_headers(self.0, &raw mut list) };
        let list = (found as i32 == 0)
            .then_some(list)
            .filter(|list| !list.is_null());
        let mut index = 0;
        std::iter::from_fn(move || {
            let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the list is alive, and an index past its end is answered with an error.
            let found = unsafe {
                sys::rd_kafka_header_get_all(
                    list?,
                    index,
                    &raw mut name,
                    &raw mut value,
                    &raw mut len,
                )
            };
            if found as i32 != 0 {
                return None;
            }
            index += 1;
            // SAFETY: librdkafka ends names with a zero, and they live as long as the list.
            let name = unsafe { text(name) };
            Some((name, bytes(value, len)))
        })
    }
}

/// The bytes at `start`, `None` if it is null.
///
/// Private and only called with pointers and lengths of one message or header, which outlive `'a`.
fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: librdkafka gives `len` bytes at `start`, alive as long as their message, which the
    // callers borrow.
    Some(unsafe { slice::from_raw_parts(start.cast(), len) })
}
