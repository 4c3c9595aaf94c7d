//! Tests of rules and of what they do to a log in memory.

use std::{future, sync::Arc, time::Duration};

use faustus_core::{
    BatchBuilder, BoxFuture, Clock, GroupError, GroupIdentity, NewTopic, Offset, OffsetCommit,
    OffsetSpec, Outgoing, PublishError, ReadOptions, Timestamp, TopicConfig, TopicPartition,
    TransactionalProducer, Transport, TransportError,
};

use super::*;
use crate::MemoryLog;

#[derive(Debug)]
struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Test {
    faults: Faults,
    transport: FaultyTransport,
    clock: Arc<dyn Clock>,
    partition: TopicPartition,
}

impl Test {
    async fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TestClock(tokio::time::Instant::now()));
        let log = Arc::new(MemoryLog::new(Arc::clone(&clock), 1));
        let faults = Faults::new(1);
        let transport = FaultyTransport::new(log, Arc::clone(&clock), faults.clone());
        let partition = TopicPartition::new("topic", 0);
        let new = NewTopic {
            name: partition.topic.clone(),
            partitions: 1,
            replicas: None,
            config: TopicConfig::default(),
        };
        transport.admin().create_topics(&[new]).await.unwrap();
        Self {
            faults,
            transport,
            clock,
            partition,
        }
    }

    fn records(&self) -> Vec<Outgoing> {
        one(self.partition.clone())
    }

    /// A record for a topic that is made if need be.
    async fn to(&self, topic: &str) -> Vec<Outgoing> {
        let new = NewTopic {
            name: topic.into(),
            partitions: 1,
            replicas: None,
            config: TopicConfig::default(),
        };
        let made = self.transport.admin().create_topics(&[new]).await;
        made.unwrap();
        one(TopicPartition::new(topic, 0))
    }

    async fn end(&self) -> Offset {
        let admin = self.transport.admin();
        let of = std::slice::from_ref(&self.partition);
        admin.offsets(of, OffsetSpec::HighWatermark).await.unwrap()[0]
    }

    async fn transaction(&self) -> Box<dyn TransactionalProducer> {
        let timeout = Duration::from_secs(10);
        let producer = self.transport.transactional_producer("id", timeout);
        let mut producer = producer.await.unwrap();
        producer.begin().await.unwrap();
        producer.publish(self.records()).await.unwrap();
        producer
    }

    async fn committed(&self, stable: bool) -> Result<bool, GroupError> {
        let coordinator = self.transport.coordinator("group");
        let of = std::slice::from_ref(&self.partition);
        let offsets = coordinator.fetch_offsets(of, stable).await?;
        Ok(offsets[0].is_some())
    }

    fn offsets(&self) -> Vec<OffsetCommit> {
        vec![OffsetCommit::new(self.partition.clone(), Offset(1))]
    }
}

fn one(partition: TopicPartition) -> Vec<Outgoing> {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1), None, Some(b"v"));
    let batch = builder.build();
    vec![Outgoing { partition, batch }]
}

#[tokio::test(start_paused = true)]
async fn the_nth_call_that_fits_fails_and_others_do_not() {
    let test = Test::new().await;
    let mut producer = test.transport.producer().await.unwrap();
    test.faults
        .add(Rule::new(Call::Publish, Fault::full()).skip(1));
    assert!(producer.publish(test.records()).await.is_ok());
    assert!(producer.publish(test.records()).await.is_err());
    assert!(producer.publish(test.records()).await.is_ok());
    assert_eq!(test.end().await, Offset(2));
    assert_eq!(test.faults.seen(Call::Publish), 3);
}

#[tokio::test(start_paused = true)]
async fn a_condition_picks_the_calls() {
    let test = Test::new().await;
    let mut producer = test.transport.producer().await.unwrap();
    let forbidden = Rule::new(Call::Publish, Fault::forbidden()).always();
    test.faults
        .add(forbidden.clone().when(|site| site.topics == ["other"]));
    assert!(producer.publish(test.records()).await.is_ok());
    test.faults
        .add(forbidden.when(|site| site.topics == ["topic"]));
    assert!(producer.publish(test.records()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_topic_refuses_its_records_and_no_others() {
    let test = Test::new().await;
    let mut outgoing = test.to("other").await;
    outgoing.extend(test.records());
    outgoing.extend(test.to("other").await);
    let mut producer = test.transport.producer().await.unwrap();
    let forbidden = Rule::new(Call::Publish, Fault::refuse("other")).always();
    test.faults.add(forbidden);
    let error = producer.publish(outgoing).await.unwrap_err();
    let PublishError::Refused(refusals) = error else {
        panic!("{error:?}");
    };
    let places: Vec<_> = refusals.iter().map(|r| (r.outgoing, r.record)).collect();
    assert_eq!(places, [(0, 0), (2, 0)]);
    assert_eq!(test.end().await, Offset(1), "the other topic's is stored");
    assert!(producer.publish(test.records()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_transaction_with_a_forbidden_topic_cannot_be_committed() {
    let test = Test::new().await;
    let mut producer = test.transaction().await;
    let outgoing = test.to("other").await;
    test.faults
        .add(Rule::new(Call::Publish, Fault::refuse("other")));
    let refused = producer.publish(outgoing).await;
    assert!(matches!(refused, Err(PublishError::Refused(_))));
    let nobody = GroupIdentity::none("group");
    let committed = producer.commit(&nobody, test.offsets()).await;
    assert!(matches!(committed, Err(TransportError::Aborted(_))));
    assert_eq!(test.committed(true).await, Ok(false));
    producer.begin().await.unwrap();
    producer.publish(test.records()).await.unwrap();
    producer.commit(&nobody, test.offsets()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_may_have_had_its_effect_or_not() {
    let test = Test::new().await;
    let mut producer = test.transport.producer().await.unwrap();
    for (fault, stored) in [
        (Fault::unknown_without_effect(), 0),
        (Fault::unknown_with_effect(), 1),
    ] {
        test.faults.add(Rule::new(Call::Publish, fault));
        let error = producer.publish(test.records()).await.unwrap_err();
        assert!(error.to_string().contains("unknown outcome"), "{error}");
        assert_eq!(test.end().await, Offset(stored));
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_cut_in_its_middle_leaves_unstable_offsets_until_the_timeout() {
    let test = Test::new().await;
    let mut producer = test.transaction().await;
    test.faults.add(Rule::new(Call::Commit, Fault::Cut(1)));
    let nobody = GroupIdentity::none("group");
    let error = producer.commit(&nobody, test.offsets()).await.unwrap_err();
    assert!(matches!(error, TransportError::OutcomeUnknown(_)));
    let unstable = Err(GroupError::UnstableOffsets);
    assert_eq!(test.committed(true).await, unstable);
    assert_eq!(test.committed(false).await, Ok(false));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(test.committed(true).await, unstable);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(test.committed(true).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn a_lost_commit_holds_readers_back_until_the_timeout_wakes_them() {
    let test = Test::new().await;
    let mut producer = test.transaction().await;
    let lost = Fault::unknown_without_effect();
    test.faults.add(Rule::new(Call::Commit, lost));
    let nobody = GroupIdentity::none("group");
    assert!(producer.commit(&nobody, Vec::new()).await.is_err());
    drop(producer);
    let log = test.transport.log();
    let reader = log.read(&test.partition, Offset(0), ReadOptions::default());
    let mut reader = reader.await.unwrap();
    let before = test.clock.monotonic();
    let fetched = future::poll_fn(|cx| reader.poll_fetch(cx)).await.unwrap();
    assert_eq!((fetched.batch.len(), fetched.position), (0, Offset(2)));
    let waited = test.clock.monotonic() - before;
    assert!(waited >= Duration::from_secs(10), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_answers_as_told() {
    let test = Test::new().await;
    let fenced = Fault::Answer(GroupError::FencedInstance);
    test.faults.add(Rule::new(Call::Heartbeat, fenced));
    let coordinator = test.transport.coordinator("group");
    let nobody = GroupIdentity::none("group");
    let told = coordinator.heartbeat(nobody.clone()).await;
    assert_eq!(told, Err(GroupError::FencedInstance));
    let told = coordinator.heartbeat(nobody).await;
    assert_eq!(told, Err(GroupError::UnknownMember));
}

#[tokio::test(start_paused = true)]
async fn delays_pass_on_the_clock_and_a_failed_fetch_loses_nothing() {
    let test = Test::new().await;
    let mut producer = test.transport.producer().await.unwrap();
    let minute = Duration::from_secs(60);
    test.faults
        .add(Rule::new(Call::Publish, Fault::Delay(minute)));
    producer.publish(test.records()).await.unwrap();
    assert!(test.clock.monotonic() >= minute);
    test.faults
        .add(Rule::new(Call::Fetch, Fault::unavailable()));
    test.faults
        .add(Rule::new(Call::Fetch, Fault::Delay(minute)));
    let log = test.transport.log();
    let reader = log.read(&test.partition, Offset(0), ReadOptions::default());
    let mut reader = reader.await.unwrap();
    let failed = future::poll_fn(|cx| reader.poll_fetch(cx)).await;
    assert!(failed.unwrap_err().is_transient());
    let fetched = future::poll_fn(|cx| reader.poll_fetch(cx)).await.unwrap();
    assert_eq!(fetched.batch.len(), 1);
    assert!(test.clock.monotonic() >= 2 * minute);
}

#[tokio::test(start_paused = true)]
async fn random_delays_and_chances_follow_from_the_seed() {
    let run = |seed| async move {
        let test = Test::new().await;
        let faults = Faults::new(seed);
        let inner = Arc::new(test.transport.clone());
        let transport = FaultyTransport::new(inner, Arc::clone(&test.clock), faults.clone());
        faults.delay_all(Duration::from_secs(1));
        faults.add(
            Rule::new(Call::Publish, Fault::unavailable())
                .always()
                .per_mille(500),
        );
        let mut producer = transport.producer().await.unwrap();
        let mut outcomes = Vec::new();
        for _ in 0..20 {
            outcomes.push(producer.publish(test.records()).await.is_ok());
        }
        (outcomes, test.clock.monotonic())
    };
    let (outcomes, time) = run(7).await;
    assert!(outcomes.contains(&true) && outcomes.contains(&false));
    assert_eq!(run(7).await, (outcomes.clone(), time));
    assert_ne!(run(8).await, (outcomes, time));
}
