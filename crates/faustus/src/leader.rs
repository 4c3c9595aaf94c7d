//! Whether this worker leads, for programs to look at.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
};

use crate::runtime::Leadership;

/// Whether this worker is the application's leader, for whoever holds this: made by
/// [`App::leader`](crate::App::leader).
///
/// A handle is cheap to clone and goes where you need it, into the application's state for instance.
#[derive(Clone, Default)]
pub struct Leader(Arc<OnceLock<Weak<Leadership>>>);

impl Leader {
    /// Whether this worker leads now. Before the application runs, and after its end, it does not.
    ///
    /// The answer is a *hint*: it may be wrong a moment later, and what is done for it goes on beside the
    /// next leader's work. It is good for what does no harm when two do it, or nobody. Work that one
    /// worker alone may do is given to [`on_leader`](crate::on_leader).
    #[must_use]
    pub fn is_leader(&self) -> bool {
        let leadership = self.0.get().and_then(Weak::upgrade);
        leadership.is_some_and(|leadership| leadership.leads())
    }

    /// Answers for this worker from now on.
    pub(crate) fn follow(&self, leadership: &Arc<Leadership>) {
        self.0.get_or_init(|| Arc::downgrade(leadership));
    }
}

impl fmt::Debug for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader")
            .field("is_leader", &self.is_leader())
            .finish()
    }
}
