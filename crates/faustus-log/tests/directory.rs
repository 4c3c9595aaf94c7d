//! The log in a directory passes the conformance suite, in real time.

mod support;

use std::{sync::Arc, time::Duration};

use faustus_core::{BoxFuture, Clock, Transport, conformance::Harness};
use faustus_log::{DirectoryLog, DirectoryOptions};
use support::TokioClock;
use tempfile::TempDir;

struct DirectoryHarness {
    clock: Arc<TokioClock>,
    log: DirectoryLog,
    /// Removed after the log was closed.
    _directory: TempDir,
}

impl DirectoryHarness {
    fn new() -> Self {
        let clock = Arc::new(TokioClock::new());
        let directory = tempfile::tempdir().expect("a directory");
        let options = DirectoryOptions::default().reserve(0);
        let seen = Arc::clone(&clock) as Arc<dyn Clock>;
        let log = DirectoryLog::open(directory.path(), seen, options).expect("it opens");
        Self {
            clock,
            log,
            _directory: directory,
        }
    }
}

impl Harness for DirectoryHarness {
    fn transport(&self) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async { Arc::new(self.log.clone()) as Arc<dyn Transport> })
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn clean(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.log.clean().await.expect("it can be cleaned");
            true
        })
    }
}

faustus_core::transport_conformance! {
    #[tokio::test]
    harness = DirectoryHarness::new()
}
