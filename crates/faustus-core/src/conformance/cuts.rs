//! Dropping calls wherever they wait.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;

use super::rig::Rig;
use crate::{BoxFuture, Clock};

/// Drops calls one step later in every round, until all come to their ends.
///
/// The steps of a call are its polls, the wakes that cause them, and pauses where no wake comes. So
/// it is dropped before its first poll, after each poll, after each wake before it is polled for it,
/// and at growing times between, at which what works for it elsewhere has got further.
pub(super) struct Cuts {
    clock: Arc<dyn Clock>,
    patience: Duration,
    /// Rounds that were begun.
    rounds: usize,
    /// Rounds in a row up to now in which no call was dropped that would have come to its end.
    whole: usize,
}

/// The shortest pause; each later one is half as long as all before it together.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// So many rounds in a row must come to their ends: how far a call gets in a step is chance where
/// other threads work for it.
const WHOLE: usize = 3;

impl Cuts {
    pub(super) fn new(rig: &Rig<'_>) -> Self {
        Self {
            clock: Arc::clone(&rig.clock),
            patience: rig.harness.patience(),
            rounds: 0,
            whole: 0,
        }
    }

    /// The number of the next round, from zero, in which calls make as many steps.
    pub(super) fn round(&mut self) -> Option<usize> {
        if self.whole == WHOLE {
            return None;
        }
        self.whole += 1;
        self.rounds += 1;
        Some(self.rounds - 1)
    }

    /// Makes the steps of this round; gives the call's result if it came to its end by then.
    pub(super) async fn cut<T>(&mut self, call: impl Future<Output = T>) -> Option<T> {
        let done = self.cut_waiting(call).await;
        if done.is_none() {
            self.whole = 0;
        }
        done
    }

    /// As [`cut`](Self::cut) for a call that waits for something that does not happen: there will
    /// be another round only for the sake of other calls.
    pub(super) async fn cut_waiting<T>(&mut self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut paused = Duration::ZERO;
        let mut is_due = true;
        for _ in 1..self.rounds {
            if is_due {
                is_due = false;
                let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(result) = polled {
                    return Some(result);
                }
            } else {
                assert!(paused < self.patience, "a call does not come to its end");
                let pause = FIRST_PAUSE.max(paused / 2);
                is_due = woken.within(self.clock.sleep(pause)).await;
                if !is_due {
                    paused += pause;
                }
            }
        }
        None
    }
}

/// Whether a call was woken since it was asked last: the task may be woken for other reasons.
#[derive(Default)]
struct Woken {
    is: AtomicBool,
    task: AtomicWaker,
}

impl Woken {
    /// Waits for a wake of the call, at most as long as the pause.
    async fn within(&self, mut pause: BoxFuture<'static, ()>) -> bool {
        poll_fn(|cx| {
            self.task.register(cx.waker());
            if self.is.swap(false, Ordering::SeqCst) {
                return Poll::Ready(true);
            }
            pause.as_mut().poll(cx).map(|()| false)
        })
        .await
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is.store(true, Ordering::SeqCst);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Timestamp;

    /// A clock on which pauses are over at once, or never.
    #[derive(Debug)]
    struct Pauses {
        end: bool,
    }

    impl Clock for Pauses {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            if self.end {
                Box::pin(async {})
            } else {
                Box::pin(std::future::pending())
            }
        }
    }

    fn cuts(end: bool) -> Cuts {
        Cuts {
            clock: Arc::new(Pauses { end }),
            patience: Duration::from_secs(60),
            rounds: 0,
            whole: 0,
        }
    }

    /// Polls again and again.
    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
                return result;
            }
        }
    }

    #[test]
    fn a_call_is_dropped_at_every_poll_and_every_wake() {
        let mut cuts = cuts(false);
        let mut seen = Vec::new();
        while cuts.round().is_some() {
            let polls = Cell::new(0);
            let call = poll_fn(|cx| {
                cx.waker().wake_by_ref();
                polls.set(polls.get() + 1);
                match polls.get() {
                    3 => Poll::Ready(()),
                    _ => Poll::Pending,
                }
            });
            let done = run(cuts.cut(call)).is_some();
            seen.push((polls.get(), done));
        }
        let cut = [0, 1, 1, 2, 2].map(|polls| (polls, false));
        assert_eq!(seen[..5], cut);
        assert_eq!(seen[5..], [(3, true); WHOLE]);
    }

    #[test]
    fn a_call_that_is_not_woken_is_not_polled_again() {
        let mut cuts = cuts(true);
        let mut polls = 0;
        for _ in 0..10 {
            cuts.round();
            polls = 0;
            let call = poll_fn(|_| {
                polls += 1;
                Poll::<()>::Pending
            });
            assert_eq!(run(cuts.cut_waiting(call)), None);
        }
        assert_eq!(polls, 1);
    }
}
