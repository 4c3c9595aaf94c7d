//! Noticing that a call of librdkafka does not come back.
//!
//! Its transactional calls take a time limit, but some of their waits are ended only by another
//! broker's connection coming or going (`rd_kafka_send_offsets_to_transaction` of 2.12 while the
//! group's coordinator is away): with nobody else to talk to they wait for ever. Nothing can
//! interrupt such a call. Its thread is left behind, and whoever waits for it hears so.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use parking_lot::Mutex;

use crate::background::Background;

/// How much longer than its limit a call may take. Longer than any honest delay: a machine may stand
/// still for a while, and a producer that is given up costs its transaction.
const GRACE: Duration = Duration::from_secs(5);

/// The call under way, if any; one side makes calls, the other looks whether one is overdue.
#[derive(Clone, Debug, Default)]
pub(super) struct Calling(Arc<Mutex<Option<Call>>>);

#[derive(Clone, Copy, Debug)]
struct Call {
    due: Instant,
    kind: Kind,
}

/// What it means if a call never comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The transaction was not asked to commit, so it never will.
    Harmless,
    /// It may or may not commit.
    Commit,
}

impl Calling {
    /// Makes a call that is to come back within `limit`.
    pub(super) fn within<T>(&self, limit: Duration, kind: Kind, call: impl FnOnce() -> T) -> T {
        let due = Instant::now() + limit + GRACE;
        *self.0.lock() = Some(Call { due, kind });
        let result = call();
        *self.0.lock() = None;
        result
    }

    /// The call that should have come back by `now`.
    pub(super) fn overdue(&self, now: Instant) -> Option<Kind> {
        let call = *self.0.lock();
        call.filter(|call| call.due <= now).map(|call| call.kind)
    }

    /// Waits until a call is overdue; needs a runtime with a timer.
    pub(super) async fn until_overdue(self) -> Kind {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Some(kind) = self.overdue(Instant::now()) {
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
    is_left_behind: bool,
}

impl Waiter {
    pub(super) fn new(calling: Calling, background: Arc<Background>) -> Self {
        Self {
            calling,
            background,
            is_left_behind: false,
        }
    }

    /// What `work` gives, which waits for the thread. Once a call was overdue the thread is left
    /// behind: no work is begun any more.
    ///
    /// # Errors
    ///
    /// What it means that the call does not come back.
    pub(super) async fn unless_overdue<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Kind> {
        if self.is_left_behind {
            return Err(Kind::Harmless);
        }
        let overdue = self.background.run(self.calling.clone().until_overdue());
        match select(pin!(work), pin!(overdue)).await {
            Either::Left((result, _)) => Ok(result),
            Either::Right((kind, _)) => {
                self.is_left_behind = true;
                // Without the background nobody looks any more.
                Err(kind.unwrap_or(Kind::Commit))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_overdue_only_after_its_limit_and_a_grace() {
        let calling = Calling::default();
        let limit = Duration::from_secs(5);
        calling.within(limit, Kind::Commit, || {
            let now = Instant::now();
            assert_eq!(calling.overdue(now + limit), None);
            assert_eq!(calling.overdue(now + limit + GRACE), Some(Kind::Commit));
        });
    }

    #[test]
    fn a_call_that_came_back_is_never_overdue() {
        let calling = Calling::default();
        calling.within(Duration::ZERO, Kind::Harmless, || ());
        assert_eq!(calling.overdue(Instant::now() + GRACE * 2), None);
    }

    #[test]
    fn a_thread_that_was_left_behind_is_given_no_more_work() {
        let background = Arc::new(Background::start().unwrap());
        let calling = Calling::default();
        let due = Instant::now();
        *calling.0.lock() = Some(Call {
            due,
            kind: Kind::Commit,
        });
        let mut waiter = Waiter::new(calling, background);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let never = std::future::pending::<()>();
        let outcome = runtime.block_on(waiter.unless_overdue(never));
        assert_eq!(outcome, Err(Kind::Commit));
        let mut begun = false;
        let work = async { begun = true };
        let outcome = runtime.block_on(waiter.unless_overdue(work));
        assert_eq!((outcome, begun), (Err(Kind::Harmless), false));
    }
}
