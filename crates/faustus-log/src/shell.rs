//! The asynchronous side of an embedded log: one lock round the broker, wakers and alarms.
//!
//! A call takes the lock once, without waiting for anything under it; wakers are called after it
//! is let go. A call that waits is polled again when its part of the broker changes or when the next
//! thing there is due, so nothing needs a background task.

mod admin;
mod coordinator;
mod producer;
mod reader;

use std::{
    fmt,
    future::poll_fn,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use faustus_core::{
    Admin, BoxFuture, Clock, Coordinator, Log, Offset, Producer, TopicId, TransactionalProducer,
    TransportError,
};
use parking_lot::{Condvar, Mutex};

use crate::broker::{Begun, Broker, Now, Op, Piece};

/// Reads chunks that the broker does not hold in memory.
pub(crate) trait Segments: Send + Sync + fmt::Debug {
    /// The stored chunks that reach beyond `from`, in order.
    fn pieces(
        &self,
        topic: TopicId,
        partition: u32,
        from: Offset,
    ) -> Box<dyn Iterator<Item = Result<Piece, TransportError>> + '_>;
}

/// What all handles of one log share; with the last of them the log is closed.
pub(crate) struct Shared {
    /// Dropped first: ends the threads that share the core.
    _closer: Box<dyn std::any::Any + Send + Sync>,
    core: Arc<Core>,
}

impl Shared {
    /// `closer` is dropped with the last handle.
    pub(crate) fn new(core: Core, closer: impl Send + Sync + 'static) -> Self {
        Self::of(Arc::new(core), closer)
    }

    pub(crate) fn of(core: Arc<Core>, closer: impl Send + Sync + 'static) -> Self {
        Self {
            _closer: Box::new(closer),
            core,
        }
    }
}

impl Deref for Shared {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The broker under its lock, with what it needs to tell the time and to read.
#[derive(Debug)]
pub(crate) struct Core {
    clock: Arc<dyn Clock>,
    broker: Mutex<Broker>,
    /// Notified when operations are on the queue.
    work: Condvar,
    /// `None` in memory.
    segments: Option<Arc<dyn Segments>>,
    /// The last handle is gone.
    closing: AtomicBool,
}

/// What a call that waits finds.
pub(crate) enum Step<T> {
    Done(T),
    /// Look again when woken, or at this moment.
    Wait(Option<Duration>),
}

impl Core {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        broker: Broker,
        segments: Option<Arc<dyn Segments>>,
    ) -> Self {
        Self {
            clock,
            broker: Mutex::new(broker),
            work: Condvar::new(),
            segments,
            closing: AtomicBool::new(false),
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic: self.clock.monotonic(),
            wall: self.clock.now(),
        }
    }

    /// Calls `f` with the broker, brought up to the present.
    pub(crate) fn call<T>(&self, f: impl FnOnce(&mut Broker, Now) -> T) -> T {
        let now = self.now();
        let mut broker = self.broker.lock();
        broker.expire(now);
        let result = f(&mut broker, now);
        let wake = broker.take_wakers();
        let work = broker.queue.as_ref().is_some_and(|q| !q.ops.is_empty());
        drop(broker);
        if work {
            self.work.notify_one();
        }
        wake.into_iter().for_each(Waker::wake);
        result
    }

    /// Calls `step` until it is done.
    async fn wait<T>(&self, mut step: impl FnMut(&mut Broker, &Waker) -> Step<T>) -> T {
        let mut alarm = Alarm::default();
        poll_fn(|cx| {
            loop {
                match self.call(|broker, _| step(broker, cx.waker())) {
                    Step::Done(result) => return Poll::Ready(result),
                    Step::Wait(until) => ready!(alarm.poll(&*self.clock, until, cx)),
                }
            }
        })
        .await
    }

    /// Changes the broker without letting happen what is due; gives whom to wake.
    pub(crate) fn locked(&self, f: impl FnOnce(&mut Broker)) -> Vec<Waker> {
        let mut broker = self.broker.lock();
        f(&mut broker);
        broker.take_wakers()
    }

    /// Waits in this thread for operations to be written; `None` when the log is closed.
    pub(crate) fn next_ops(&self) -> Option<Vec<Op>> {
        let mut broker = self.broker.lock();
        loop {
            let queue = broker.queue.as_mut()?;
            if !queue.ops.is_empty() {
                return Some(std::mem::take(&mut queue.ops));
            }
            if queue.stop {
                return None;
            }
            self.work.wait(&mut broker);
        }
    }

    /// Says that the last handle is gone.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Lets [`next_ops`](Self::next_ops) end once the queue is empty.
    pub(crate) fn stop(&self) {
        if let Some(queue) = &mut self.broker.lock().queue {
            queue.stop = true;
        }
        self.work.notify_all();
    }
}

impl Shared {
    pub(crate) fn log(self: &Arc<Self>) -> Arc<dyn Log> {
        Arc::new(reader::Readers(Arc::clone(self)))
    }

    pub(crate) fn admin(self: &Arc<Self>) -> Arc<dyn Admin> {
        Arc::new(admin::Topics(Arc::clone(self)))
    }

    pub(crate) fn coordinator(self: &Arc<Self>, group: &str) -> Arc<dyn Coordinator> {
        Arc::new(coordinator::Member {
            shared: Arc::clone(self),
            group: group.to_owned(),
        })
    }

    pub(crate) fn producer(self: &Arc<Self>) -> Box<dyn Producer> {
        Box::new(producer::Plain(Arc::clone(self)))
    }

    pub(crate) fn transactional_producer<'a>(
        self: &'a Arc<Self>,
        id: &'a str,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalProducer>, TransportError>> {
        Box::pin(async move {
            let step =
                |broker: &mut Broker, waker: &Waker| match broker.producer(id, timeout, waker) {
                    Begun::Now(handle) => Step::Done(handle),
                    Begun::Later => Step::Wait(None),
                };
            let handle = self.wait(step).await;
            let shared = Arc::clone(self);
            let producer: Box<dyn TransactionalProducer> =
                Box::new(producer::InTransactions { shared, handle });
            Ok(producer)
        })
    }
}

/// A sleep until a moment that may change.
#[derive(Default)]
pub(crate) struct Alarm {
    at: Option<Duration>,
    sleep: Option<BoxFuture<'static, ()>>,
}

impl Alarm {
    /// Is ready once at `until`; never if that is `None`.
    fn poll(
        &mut self,
        clock: &dyn Clock,
        until: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(until) = until else {
            *self = Self::default();
            return Poll::Pending;
        };
        if self.at != Some(until) || self.sleep.is_none() {
            let left = until.saturating_sub(clock.monotonic());
            self.at = Some(until);
            self.sleep = Some(clock.sleep(left));
        }
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
        }
        *self = Self::default();
        Poll::Ready(())
    }
}

/// Gives way once.
async fn give_way() {
    let mut given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
