//! The log in memory passes the conformance suite, in virtual time.

mod support;

use std::sync::Arc;

use faustus_core::{BoxFuture, Clock, Transport, conformance::Harness};
use faustus_log::MemoryLog;
use support::TokioClock;

struct MemoryHarness {
    clock: Arc<TokioClock>,
    log: MemoryLog,
}

impl MemoryHarness {
    fn new() -> Self {
        let clock = Arc::new(TokioClock::new());
        let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>, 1);
        Self { clock, log }
    }
}

impl Harness for MemoryHarness {
    fn transport(&self) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async { Arc::new(self.log.clone()) as Arc<dyn Transport> })
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    fn clean(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.log.clean();
            true
        })
    }
}

faustus_core::transport_conformance! {
    #[tokio::test(start_paused = true)]
    harness = MemoryHarness::new()
}
