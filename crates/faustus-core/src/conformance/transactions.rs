//! Transactions: all or nothing, and what happens to those that nobody ends.

use std::time::Duration;

use super::{
    Harness,
    groups::Member,
    rig::{Rig, fetch, publish, values},
};
use crate::{
    CommittedOffset, GroupIdentity, Offset, OffsetCommit, OffsetSpec, TopicConfig, TopicPartition,
    TransportError,
};

/// Records of a transaction over several partitions are seen after the commit and not before.
pub async fn a_transaction_is_seen_as_a_whole(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let topic = rig.topic(2, TopicConfig::default()).await;
    let [first, second] = [0, 1].map(|n| TopicPartition::new(topic.clone(), n));
    let mut producer = rig.transactional(&harness.unique("id")).await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &first, &[("a", "1")]).await;
    publish(&rig, &mut *producer, &second, &[("a", "2")]).await;
    publish(&rig, &mut *producer, &first, &[("a", "3")]).await;
    let mut reader = rig.reader(&first, 0).await;
    rig.quiet("a fetch of an open transaction", fetch(&mut *reader))
        .await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    let commit = rig.within("committing", producer.commit(&nobody, Vec::new()));
    commit.await.expect("it commits");
    assert_eq!(values(&rig.read(&first, 0, 2).await), ["1", "3"]);
    assert_eq!(values(&rig.read(&second, 0, 1).await), ["2"]);
}

/// The offsets that a transaction brings are committed with it.
pub async fn offsets_of_a_transaction_are_committed_with_it(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let group = harness.unique("group");
    let mut member = Member::new(&rig, &group);
    member.settle_alone().await;
    let mut producer = rig.transactional(&harness.unique("id")).await;
    let commit = OffsetCommit {
        partition: partition.clone(),
        offset: Offset(41),
        metadata: "epoch 7".into(),
    };
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "1")]).await;
    let identity = member.identity();
    let done = rig.within("committing", producer.commit(&identity, vec![commit]));
    done.await.expect("it commits");
    let stored = rig.committed(&*member.coordinator, &partition).await;
    let expected = CommittedOffset {
        offset: Offset(41),
        metadata: "epoch 7".into(),
    };
    assert_eq!(stored, Some(expected));
    assert_eq!(values(&rig.read(&partition, 0, 1).await), ["1"]);
}

/// Records of an aborted transaction are never seen, those after it are.
pub async fn an_aborted_transaction_is_never_seen(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.transactional(&harness.unique("id")).await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "lost")]).await;
    rig.within("aborting", producer.abort())
        .await
        .expect("it aborts");
    let mut plain = rig.producer().await;
    publish(&rig, &mut *plain, &partition, &[("a", "kept")]).await;
    assert_eq!(values(&rig.read(&partition, 0, 1).await), ["kept"]);
}

/// A reader's position passes aborted records and markers up to the end.
pub async fn positions_pass_holes(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    let mut producer = rig.transactional(&harness.unique("id")).await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "kept")]).await;
    let commit = rig.within("committing", producer.commit(&nobody, Vec::new()));
    commit.await.expect("it commits");
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "lost")]).await;
    rig.within("aborting", producer.abort())
        .await
        .expect("it aborts");
    let end = rig
        .eventually("the end of the abort", || async {
            let end = rig.end(&partition, OffsetSpec::HighWatermark).await;
            let stable = rig.end(&partition, OffsetSpec::LastStable).await;
            (end == stable && end >= 3).then_some(end)
        })
        .await;
    let mut reader = rig.reader(&partition, 0).await;
    let mut records = Vec::new();
    while reader.position().0 < end {
        records.extend(rig.within("passing a hole", fetch(&mut *reader)).await);
    }
    assert_eq!(values(&records), ["kept"]);
}

/// Readers stop below an open transaction; the high watermark does not.
pub async fn an_open_transaction_holds_readers_back(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut plain = rig.producer().await;
    publish(&rig, &mut *plain, &partition, &[("a", "before")]).await;
    let mut producer = rig.transactional(&harness.unique("id")).await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "open")]).await;
    publish(&rig, &mut *plain, &partition, &[("a", "behind")]).await;
    assert_eq!(rig.end(&partition, OffsetSpec::HighWatermark).await, 3);
    assert_eq!(rig.end(&partition, OffsetSpec::LastStable).await, 1);
    let mut reader = rig.reader(&partition, 0).await;
    let records = rig.within("a fetch", fetch(&mut *reader)).await;
    assert_eq!(values(&records), ["before"]);
    rig.quiet("a fetch behind an open transaction", fetch(&mut *reader))
        .await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    let commit = rig.within("committing", producer.commit(&nobody, Vec::new()));
    commit.await.expect("it commits");
    assert_eq!(
        values(&rig.read(&partition, 1, 2).await),
        ["open", "behind"]
    );
}

/// A transaction whose producer is gone is aborted after its timeout; readers then go on.
pub async fn a_dangling_transaction_ends_by_its_timeout(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let timeout = Duration::from_secs(2);
    let mut producer = rig.timed(&harness.unique("id"), timeout).await;
    let mut plain = rig.producer().await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "dangling")]).await;
    publish(&rig, &mut *plain, &partition, &[("a", "behind")]).await;
    drop(producer);
    let mut reader = rig.reader(&partition, 0).await;
    let reading = async {
        loop {
            let records = fetch(&mut *reader).await;
            if !records.is_empty() {
                return records;
            }
        }
    };
    let records = rig.within("the end of a transaction", reading).await;
    assert_eq!(values(&records), ["behind"]);
}

/// A transaction that was aborted by its timeout cannot be committed.
pub async fn a_transaction_past_its_timeout_cannot_commit(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let id = harness.unique("id");
    let mut producer = rig.timed(&id, Duration::from_secs(2)).await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "late")]).await;
    rig.eventually("the end of a transaction", || async {
        let end = rig.end(&partition, OffsetSpec::HighWatermark).await;
        (rig.end(&partition, OffsetSpec::LastStable).await == end).then_some(())
    })
    .await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    let commit = rig.within("committing", producer.commit(&nobody, Vec::new()));
    let error = commit
        .await
        .expect_err("a transaction that is over was committed");
    assert!(
        matches!(
            error,
            TransportError::Aborted(_) | TransportError::Fenced(_)
        ),
        "{error:?}"
    );
    drop(producer);
    let mut next = rig.transactional(&id).await;
    next.begin().await.expect("a transaction begins");
    publish(&rig, &mut *next, &partition, &[("a", "next")]).await;
    let commit = rig.within("committing", next.commit(&nobody, Vec::new()));
    commit.await.expect("it commits");
    assert_eq!(values(&rig.read(&partition, 0, 1).await), ["next"]);
}

/// A new producer of an id aborts the open transaction of the old one and fences it.
pub async fn a_new_producer_fences_the_old_one(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let id = harness.unique("id");
    let nobody = GroupIdentity::none(harness.unique("group"));
    let mut old = rig.transactional(&id).await;
    old.begin().await.expect("a transaction begins");
    publish(&rig, &mut *old, &partition, &[("a", "old")]).await;
    let mut new = rig.transactional(&id).await;
    new.begin().await.expect("a transaction begins");
    publish(&rig, &mut *new, &partition, &[("a", "new")]).await;
    let commit = rig.within("committing", old.commit(&nobody, Vec::new()));
    let error = commit.await.expect_err("a fenced producer committed");
    assert!(matches!(error, TransportError::Fenced(_)), "{error:?}");
    let commit = rig.within("committing", new.commit(&nobody, Vec::new()));
    commit.await.expect("it commits");
    assert_eq!(values(&rig.read(&partition, 0, 1).await), ["new"]);
}

/// A second begin is refused; an abort without a transaction does nothing.
pub async fn one_transaction_is_open_at_a_time(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut producer = rig.transactional(&harness.unique("id")).await;
    assert_eq!(producer.abort().await, Ok(()));
    producer.begin().await.expect("a transaction begins");
    let again = producer.begin().await;
    assert!(
        matches!(again, Err(TransportError::Invalid(_))),
        "{again:?}"
    );
    assert_eq!(producer.abort().await, Ok(()));
    assert_eq!(producer.begin().await, Ok(()));
    assert_eq!(producer.abort().await, Ok(()));
}

/// A commit in the name of an old generation aborts the transaction.
pub async fn a_commit_of_an_old_generation_is_aborted(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut member = Member::new(&rig, &harness.unique("group"));
    member.settle_alone().await;
    let old = member.identity();
    member.settle_alone().await;
    let mut producer = rig.transactional(&harness.unique("id")).await;
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "old")]).await;
    let offsets = vec![OffsetCommit::new(partition.clone(), Offset(7))];
    let commit = rig.within("committing", producer.commit(&old, offsets.clone()));
    let error = commit.await.expect_err("an old generation committed");
    assert!(matches!(error, TransportError::Aborted(_)), "{error:?}");
    let stored = rig.committed(&*member.coordinator, &partition).await;
    assert_eq!(stored, None);
    rig.within("aborting", producer.abort())
        .await
        .expect("it aborts");
    producer.begin().await.expect("a transaction begins");
    publish(&rig, &mut *producer, &partition, &[("a", "new")]).await;
    let current = member.identity();
    let commit = rig.within("committing", producer.commit(&current, offsets));
    commit.await.expect("it commits");
    assert_eq!(values(&rig.read(&partition, 0, 1).await), ["new"]);
}

/// After an abort the same producer begins, publishes and commits.
pub async fn a_producer_goes_on_after_an_abort(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let nobody = GroupIdentity::none(harness.unique("group"));
    let mut producer = rig.transactional(&harness.unique("id")).await;
    for n in ["0", "1", "2", "3"] {
        producer.begin().await.expect("a transaction begins");
        publish(&rig, &mut *producer, &partition, &[("a", n)]).await;
        if n == "0" || n == "2" {
            rig.within("aborting", producer.abort())
                .await
                .expect("it aborts");
        } else {
            let commit = rig.within("committing", producer.commit(&nobody, Vec::new()));
            commit.await.expect("it commits");
        }
    }
    assert_eq!(values(&rig.read(&partition, 0, 2).await), ["1", "3"]);
}
