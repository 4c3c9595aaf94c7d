//! Noticing that a call of librdkafka does not come back.
//!
//! Its transactional calls take a time limit, but some of their waits are ended only by another
//! broker's connection coming or going (`rd_kafka_send_offsets_to_transaction` of 2.12 while the
//! group's coordinator is away): with nobody else to talk to they wait for ever. Nothing can
//! interrupt such a call. Its thread is given up, and whoever waits for it hears so.
//!
//! A thread that was given up makes no more calls, should it ever come back: what was said of its
//! transaction stays true.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use parking_lot::Mutex;

use crate::background::Background;

/// How much longer than its limit a call may take. Longer than any honest delay, as a producer that
/// is given up costs its transaction.
const GRACE: Duration = Duration::from_secs(5);

/// How often it is looked. A call must be overdue twice in a row: a process that was stopped for a
/// while finds all its calls overdue when it goes on.
const LOOK: Duration = Duration::from_secs(1);

/// The call under way; one side makes calls, the other gives the thread up.
#[derive(Clone, Debug, Default)]
pub(super) struct Calling(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    call: Option<Call>,
    is_given_up: bool,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    due: Instant,
    kind: Kind,
}

/// What it means if a call never comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The transaction was not asked to commit, and never will be.
    Harmless,
    /// It may or may not commit.
    Commit,
}

/// The thread was given up: it must not go on, and the result of its last call is of no interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GivenUp;

impl Calling {
    /// Makes a call that is to come back within `limit`.
    ///
    /// # Errors
    ///
    /// The thread was given up before, and nothing is called, or meanwhile.
    pub(super) fn within<T>(
        &self,
        limit: Duration,
        kind: Kind,
        call: impl FnOnce() -> T,
    ) -> Result<T, GivenUp> {
        let due = Instant::now() + limit + GRACE;
        {
            let mut state = self.0.lock();
            if state.is_given_up {
                return Err(GivenUp);
            }
            state.call = Some(Call { due, kind });
        }
        let result = call();
        let mut state = self.0.lock();
        state.call = None;
        if state.is_given_up {
            return Err(GivenUp);
        }
        Ok(result)
    }

    /// Gives the thread up if it is in a call that was due by `now` and at the last look, `seen`.
    fn give_up(&self, now: Instant, seen: &mut Option<Instant>) -> Option<Kind> {
        let mut state = self.0.lock();
        let call = state.call.filter(|call| call.due <= now);
        let last = std::mem::replace(seen, call.map(|call| call.due));
        let call = call.filter(|call| last == Some(call.due))?;
        state.is_given_up = true;
        Some(call.kind)
    }

    /// Waits until the thread is given up; needs a runtime with a timer.
    pub(super) async fn until_given_up(self) -> Kind {
        let mut seen = None;
        loop {
            tokio::time::sleep(LOOK).await;
            if let Some(kind) = self.give_up(Instant::now(), &mut seen) {
                return kind;
            }
        }
    }
}

/// Waits for a thread that makes calls, as long as it comes back from them.
#[derive(Debug)]
pub(super) struct Waiter {
    calling: Calling,
    background: Arc<Background>,
    is_given_up: bool,
}

impl Waiter {
    pub(super) fn new(calling: Calling, background: Arc<Background>) -> Self {
        Self {
            calling,
            background,
            is_given_up: false,
        }
    }

    /// What `work` gives, which waits for the thread; nothing is begun any more once that is given up.
    ///
    /// # Errors
    ///
    /// What it means that the call does not come back.
    pub(super) async fn unless_given_up<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Kind> {
        if self.is_given_up {
            return Err(Kind::Harmless);
        }
        let overdue = self.background.run(self.calling.clone().until_given_up());
        match select(pin!(work), pin!(overdue)).await {
            Either::Left((result, _)) => Ok(result),
            Either::Right((kind, _)) => {
                self.is_given_up = true;
                // Without the background nobody looks any more.
                Err(kind.unwrap_or(Kind::Commit))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn a_call_is_given_up_when_it_is_overdue_at_two_looks() {
        let calling = Calling::default();
        let outcome = calling.within(LIMIT, Kind::Commit, || {
            let (now, mut seen) = (Instant::now(), None);
            assert_eq!(calling.give_up(now + LIMIT, &mut seen), None);
            let late = now + LIMIT + GRACE;
            assert_eq!(calling.give_up(late, &mut seen), None);
            assert_eq!(calling.give_up(late, &mut seen), Some(Kind::Commit));
        });
        assert_eq!(outcome, Err(GivenUp));
    }

    #[test]
    fn a_call_that_came_back_is_never_given_up() {
        let calling = Calling::default();
        let (late, mut seen) = (Instant::now() + GRACE * 2, None);
        for _ in 0..3 {
            let outcome = calling.within(Duration::ZERO, Kind::Harmless, || {
                assert_eq!(calling.give_up(late, &mut seen), None, "it is another call");
            });
            assert_eq!(outcome, Ok(()));
        }
        assert_eq!(calling.give_up(late, &mut seen), None);
    }

    #[test]
    fn a_thread_that_was_given_up_makes_no_more_calls() {
        let calling = Calling::default();
        let (late, mut seen) = (Instant::now() + GRACE * 2, None);
        let offsets = calling.within(Duration::ZERO, Kind::Harmless, || {
            calling.give_up(late, &mut seen);
            calling.give_up(late, &mut seen);
        });
        assert_eq!(offsets, Err(GivenUp));
        let commit = calling.within(Duration::ZERO, Kind::Commit, || panic!("it was called"));
        assert_eq!(commit, Err(GivenUp));
    }

    #[test]
    fn a_thread_that_was_given_up_is_given_no_more_work() {
        let background = Arc::new(Background::start().unwrap());
        let calling = Calling::default();
        calling.0.lock().call = Some(Call {
            due: Instant::now(),
            kind: Kind::Commit,
        });
        let mut waiter = Waiter::new(calling, background);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let never = std::future::pending::<()>();
        let outcome = runtime.block_on(waiter.unless_given_up(never));
        assert_eq!(outcome, Err(Kind::Commit));
        let mut begun = false;
        let work = async { begun = true };
        let outcome = runtime.block_on(waiter.unless_given_up(work));
        assert_eq!((outcome, begun), (Err(Kind::Harmless), false));
    }
}
