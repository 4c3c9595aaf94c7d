//! What a log refuses.

use super::{
    Harness,
    rig::{Rig, fetch, publish, to, values},
};
use crate::{
    Batch, BatchBuilder, CleanupPolicy, GroupIdentity, Offset, PublishError, ReadOptions,
    Timestamp, TopicConfig, TopicPartition, TransportError,
};

/// Bytes that no codec makes much shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| step()).collect()
}

/// A small record, a large one, a small one.
fn mixed() -> Batch {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1_700_000_000_000), Some(b"a"), Some(b"before"));
    builder.push(
        Timestamp(1_700_000_000_000),
        Some(b"a"),
        Some(&noise(50_000)),
    );
    builder.push(Timestamp(1_700_000_000_000), Some(b"a"), Some(b"after"));
    builder.build()
}

async fn small_topic(rig: &Rig<'_>) -> TopicPartition {
    let mut config = TopicConfig::default();
    config
        .other
        .insert("max.message.bytes".into(), "10000".into());
    TopicPartition::new(rig.topic(1, config).await, 0)
}

/// A record beyond `max.message.bytes` is refused by its index; all others of the call are stored.
pub async fn a_record_too_large_is_refused_and_others_are_stored(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = small_topic(&rig).await;
    let mut producer = rig.producer().await;
    let mut outgoing = to(&partition, super::rig::batch(&[("a", "first")]));
    outgoing.extend(to(&partition, mixed()));
    let result = rig.within("publishing", producer.publish(outgoing)).await;
    let Err(PublishError::Refused(refusals)) = result else {
        panic!("a record too large gave {result:?}");
    };
    let places: Vec<_> = refusals.iter().map(|r| (r.outgoing, r.record)).collect();
    assert_eq!(places, [(1, 1)], "{refusals:?}");
    let records = rig.read(&partition, 0, 3).await;
    assert_eq!(values(&records), ["first", "before", "after"]);
    publish(&rig, &mut *producer, &partition, &[("a", "next")]).await;
}

/// A compacted topic refuses a record without a key.
pub async fn a_record_without_key_is_refused_by_a_compacted_topic(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let config = TopicConfig {
        cleanup: Some(CleanupPolicy::Compact),
        ..TopicConfig::default()
    };
    let partition = TopicPartition::new(rig.topic(1, config).await, 0);
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1_700_000_000_000), None, Some(b"v"));
    let mut producer = rig.producer().await;
    let sent = producer.publish(to(&partition, builder.build()));
    let result = rig.within("publishing", sent).await;
    let Err(PublishError::Refused(refusals)) = result else {
        panic!("a record without a key gave {result:?}");
    };
    assert_eq!((refusals[0].outgoing, refusals[0].record), (0, 0));
}

/// A transaction with a refused record cannot be committed; the next one can.
pub async fn a_refusal_dooms_its_transaction(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = small_topic(&rig).await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    let mut producer = rig.transactional(&harness.unique("id")).await;
    producer.begin().await.expect("a transaction begins");
    let result = rig.within("publishing", producer.publish(to(&partition, mixed())));
    assert!(matches!(result.await, Err(PublishError::Refused(_))));
    let result = rig.within("committing", producer.commit(&nobody, Vec::new()));
    let error = result
        .await
        .expect_err("a doomed transaction was committed");
    assert!(matches!(error, TransportError::Aborted(_)), "{error:?}");
    rig.within("aborting", producer.abort())
        .await
        .expect("nothing is open");
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "good")]).await;
    let result = rig.within("committing", producer.commit(&nobody, Vec::new()));
    result.await.expect("it commits");
    assert_eq!(values(&rig.read(&partition, 0, 1).await), ["good"]);
}

/// Reading, describing and deleting name a topic that does not exist.
pub async fn an_unknown_topic_is_named(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let missing = TopicPartition::new(harness.unique("missing"), 0);
    let unknown = TransportError::UnknownTopic(missing.topic.clone());
    let admin = &rig.admin;
    let described = admin.describe_topics(std::slice::from_ref(&missing.topic));
    assert_eq!(described.await, Ok(vec![None]));
    assert_eq!(
        admin.delete_topic(&missing.topic).await,
        Err(unknown.clone())
    );
    let log = rig.transport.log();
    let opened = log.read(&missing, Offset::ZERO, ReadOptions::default());
    let error = match rig.within("opening a reader", opened).await {
        Err(error) => error,
        Ok(mut reader) => {
            let poll = std::future::poll_fn(|cx| reader.poll_fetch(cx));
            let fetched = rig.within("a fetch", poll).await;
            fetched.expect_err("a missing topic was read")
        }
    };
    assert_eq!(error, unknown);
}

/// A reader beyond the end is told where the partition begins and ends.
pub async fn a_position_past_the_end_is_out_of_range(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    publish(&rig, &mut *producer, &partition, &[("a", "1")]).await;
    let log = rig.transport.log();
    let opened = log.read(&partition, Offset(5), ReadOptions::default());
    let error = match rig.within("opening a reader", opened).await {
        Err(error) => error,
        Ok(mut reader) => {
            let poll = std::future::poll_fn(|cx| reader.poll_fetch(cx));
            let fetched = rig.within("a fetch", poll).await;
            fetched.expect_err("a position past the end was read")
        }
    };
    let expected = TransportError::OffsetOutOfRange {
        partition: partition.clone(),
        offset: Offset(5),
        earliest: Offset(0),
        end: Offset(1),
    };
    assert_eq!(error, expected);
    let mut reader = rig.reader(&partition, 0).await;
    assert_eq!(values(&fetch(&mut *reader).await), ["1"]);
}
