//! The log in memory passes the conformance suite, in virtual time.

mod support;

use std::{future::poll_fn, sync::Arc};

use faustus_core::{
    BoxFuture, Clock, NewTopic, Offset, ReadOptions, TopicConfig, TopicPartition, Transport,
    TransportError, conformance::Harness,
};
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

#[tokio::test(start_paused = true)]
async fn a_reader_does_not_go_on_in_a_topic_made_again() {
    let harness = MemoryHarness::new();
    let partition = TopicPartition::new("again", 0);
    let new = NewTopic {
        name: partition.topic.clone(),
        partitions: 1,
        replicas: None,
        config: TopicConfig::default(),
    };
    let admin = harness.log.admin();
    let create = || admin.create_topics(std::slice::from_ref(&new));
    create().await.unwrap();
    let readers = harness.log.log();
    let reader = readers.read(&partition, Offset::ZERO, ReadOptions::default());
    let mut reader = reader.await.unwrap();
    admin.delete_topic(&partition.topic).await.unwrap();
    create().await.unwrap();
    let error = poll_fn(|cx| reader.poll_fetch(cx)).await.unwrap_err();
    assert_eq!(error, TransportError::UnknownTopic(partition.topic.clone()));
}
