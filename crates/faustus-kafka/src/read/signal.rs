//! How others reach a reader: to wake it, or to tell it of trouble.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use faustus_core::{TopicId, TopicPartition, TransportError};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// Shared by a reader, its queue's callback and those who watch.
#[derive(Debug)]
pub(super) struct Signal {
    /// What is read.
    pub partition: TopicPartition,
    /// The incarnation of the topic that is read.
    pub topic_id: TopicId,
    /// How often in a row the topic was not found; kept by the watch.
    pub misses: AtomicU32,
    waker: AtomicWaker,
    /// Whether `trouble` holds something; spares the lock on every poll.
    troubled: AtomicBool,
    trouble: Mutex<Option<TransportError>>,
}

impl Signal {
    pub(super) fn new(partition: TopicPartition, topic_id: TopicId) -> Self {
        Self {
            partition,
            topic_id,
            misses: AtomicU32::new(0),
            waker: AtomicWaker::new(),
            troubled: AtomicBool::new(false),
            trouble: Mutex::new(None),
        }
    }

    /// Wakes whoever polls the reader.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Lets the next poll of the reader fail with `error`.
    pub(super) fn trouble(&self, error: TransportError) {
        *self.trouble.lock() = Some(error);
        self.troubled.store(true, Ordering::Release);
        self.wake();
    }

    /// The trouble there is; none from then on. The reader registers its waker first.
    pub(super) fn take_trouble(&self) -> Option<TransportError> {
        if !self.troubled.load(Ordering::Acquire) {
            return None;
        }
        self.troubled.store(false, Ordering::Release);
        self.trouble.lock().take()
    }

    /// Whom `wake` wakes from now on.
    pub(super) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }
}
