//! The worker that a program runs in, for the program itself to look at and to steer.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{WorkerHandle, worker::WeakHandle};

/// The worker that runs an application, for whoever holds this: made by
/// [`App::worker`](crate::App::worker).
///
/// It is cheap to clone and goes where you need it, into the application's state or a service. It keeps no
/// worker running.
#[derive(Clone, Default)]
pub struct OwnWorker(Arc<OnceLock<WeakHandle>>);

impl OwnWorker {
    /// A handle to the worker; `None` before there is one, as in other commands than `worker`, and after its
    /// end.
    #[must_use]
    pub fn handle(&self) -> Option<WorkerHandle> {
        self.0.get()?.upgrade()
    }

    /// Gives this worker's handle from now on.
    pub(crate) fn follow(&self, worker: &WorkerHandle) {
        self.0.get_or_init(|| worker.downgrade());
    }
}

impl fmt::Debug for OwnWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnWorker")
            .field("handle", &self.handle())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{App, MemoryLog, TokioClock, Worker};

    #[tokio::test]
    async fn a_program_finds_the_handle_of_its_own_worker_while_that_is_there() {
        let app = App::new("own");
        let own = app.worker();
        assert!(own.handle().is_none());
        let log = Arc::new(MemoryLog::new(Arc::new(TokioClock::real()), 0));
        let (worker, handle) = Worker::new(app, log);
        let found = own.handle().unwrap();
        assert_eq!(found.monitor_now().app, "own");
        drop((worker, handle, found));
        assert!(own.handle().is_none());
    }
}
