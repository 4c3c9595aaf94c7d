//! The transport passes the conformance suite on a real broker.

mod support;

use std::sync::Arc;

use faustus_core::{BoxFuture, Clock, Transport, conformance::Harness};
use support::RealClock;

struct KafkaHarness {
    clock: Arc<RealClock>,
}

impl KafkaHarness {
    fn new() -> Self {
        Self {
            clock: Arc::new(RealClock::new()),
        }
    }
}

impl Harness for KafkaHarness {
    fn transport(&self) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async { support::transport().await as Arc<dyn Transport> })
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }
}

faustus_core::transport_conformance! {
    #[tokio::test]
    harness = KafkaHarness::new()
}
