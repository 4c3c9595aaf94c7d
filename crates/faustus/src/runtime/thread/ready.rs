//! Who wants to be polled: the queue of a worker thread, and the wakers that fill it.
//!
//! Order is first in, first out; a test gives a seed instead, which then decides it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::TaskKey;

/// What is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The recovery of a task.
    Recovery(TaskKey),
    /// A source partition of a task.
    Source(TaskKey, usize),
    /// A lane of a task.
    Lane(TaskKey, usize),
}

/// The tokens that were woken and not yet polled.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    queue: Mutex<VecDeque<Arc<TokenWaker>>>,
    thread: AtomicWaker,
}

impl ReadyQueue {
    /// A waker for `token`.
    pub(crate) fn waker(self: &Arc<Self>, token: Token) -> Waker {
        Waker::from(Arc::new(TokenWaker {
            token,
            queued: AtomicBool::new(false),
            queue: Arc::clone(self),
        }))
    }

    /// Lets `waker` know whenever a token becomes ready.
    pub(crate) fn register(&self, waker: &Waker) {
        self.thread.register(waker);
    }

    /// Takes the next token, the one at `pick(len)` among `len`.
    pub(crate) fn pop(&self, pick: impl FnOnce(usize) -> usize) -> Option<Token> {
        let mut queue = self.queue.lock();
        let len = queue.len();
        let next = if len < 2 {
            queue.pop_front()
        } else {
            queue.remove(pick(len) % len)
        }?;
        next.queued.store(false, Ordering::Release);
        Some(next.token)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.lock().len()
    }
}

#[derive(Debug)]
struct TokenWaker {
    token: Token,
    /// It stands in the queue.
    queued: AtomicBool,
    queue: Arc<ReadyQueue>,
}

impl Wake for TokenWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue.queue.lock().push_back(Arc::clone(self));
            self.queue.thread.wake();
        }
    }
}
