//! Topics: made, described, listed, deleted, made again.

use std::{future::poll_fn, time::Duration};

use super::{
    Harness,
    groups::Member,
    rig::{Rig, fetch, publish, values},
};
use crate::{
    CleanupPolicy, NewTopic, Offset, OffsetCommit, OffsetSpec, TopicConfig, TopicName,
    TransportError,
};

impl Rig<'_> {
    async fn describe(&self, name: &TopicName) -> Option<crate::TopicDescription> {
        let described = self.admin.describe_topics(std::slice::from_ref(name)).await;
        described.expect("topics can be described").pop()?
    }

    async fn delete(&self, name: &TopicName) {
        let deleted = self.within("deleting", self.admin.delete_topic(name));
        deleted.await.expect("it goes");
        self.eventually("the end of a topic", || async {
            self.describe(name).await.is_none().then_some(())
        })
        .await;
    }
}

/// A topic's description has its partitions, its id and its effective settings.
pub async fn a_topic_is_described(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let mut config = TopicConfig {
        cleanup: Some(CleanupPolicy::CompactAndDelete),
        retention: Some(None),
        ..TopicConfig::default()
    };
    config
        .other
        .insert("delete.retention.ms".into(), "12345".into());
    let name = rig.topic(3, config).await;
    let described = rig.describe(&name).await.expect("it exists");
    assert_eq!((&described.name, described.partitions), (&name, 3));
    let settings = &described.config;
    let policy = settings["cleanup.policy"].as_str();
    assert!(matches!(policy, "compact,delete" | "delete,compact"));
    assert_eq!(settings["retention.ms"], "-1");
    assert!(settings["max.message.bytes"].parse::<u64>().is_ok());
    assert_eq!(described.delete_retention(), Duration::from_millis(12345));
    let plain = rig.topic(1, TopicConfig::default()).await;
    let described = rig.describe(&plain).await.expect("it exists");
    assert_eq!(described.config["cleanup.policy"], "delete");
}

/// Of the topics of one call each is made or refused by itself.
pub async fn topics_are_made_once(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let exists = rig.topic(1, TopicConfig::default()).await;
    let new = |name: &TopicName, partitions| NewTopic {
        name: name.clone(),
        partitions,
        replicas: None,
        config: TopicConfig::default(),
    };
    let fresh = TopicName::from(harness.unique("fresh"));
    let topics = [new(&exists, 1), new(&"no/name".into(), 1), new(&fresh, 2)];
    let results = rig.admin.create_topics(&topics).await;
    let results = results.expect("topics can be made");
    assert_eq!(results[0], Err(TransportError::TopicExists(exists)));
    assert!(
        matches!(results[1], Err(TransportError::Invalid(_))),
        "{results:?}"
    );
    assert_eq!(results[2], Ok(()));
    let partitions = rig
        .eventually("a new topic", || async { rig.describe(&fresh).await })
        .await
        .partitions;
    assert_eq!(partitions, 2);
}

/// All topics are listed.
pub async fn topics_are_listed(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let names = [
        rig.topic(1, TopicConfig::default()).await,
        rig.topic(1, TopicConfig::default()).await,
    ];
    rig.eventually("a list with the new topics", || async {
        let listed = rig.admin.list_topics().await.expect("topics can be listed");
        names.iter().all(|name| listed.contains(name)).then_some(())
    })
    .await;
}

/// A topic that is deleted and made again has another id and none of the records.
pub async fn a_topic_made_again_is_another(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    publish(&rig, &mut *producer, &partition, &[("a", "old")]).await;
    let name = &partition.topic;
    let old = rig.describe(name).await.expect("it exists").id;
    rig.delete(name).await;
    rig.make(name, 1, TopicConfig::default()).await;
    let new = rig.describe(name).await.expect("it exists").id;
    assert_ne!(old, new);
    assert_eq!(rig.end(&partition, OffsetSpec::HighWatermark).await, 0);
    let mut producer = rig.producer().await;
    publish(&rig, &mut *producer, &partition, &[("a", "new")]).await;
    assert_eq!(values(&rig.read(&partition, 0, 1).await), ["new"]);
}

/// Offsets that were committed for a topic are forgotten with it.
pub async fn committed_offsets_go_with_their_topic(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let stays = rig.partition().await;
    let mut member = Member::new(&rig, &harness.unique("group"));
    member.settle_alone().await;
    let offsets = vec![
        OffsetCommit::new(partition.clone(), Offset(7)),
        OffsetCommit::new(stays.clone(), Offset(8)),
    ];
    let coordinator = &member.coordinator;
    let done = coordinator.commit_offsets(member.identity(), offsets);
    done.await.expect("it commits");
    rig.delete(&partition.topic).await;
    rig.make(&partition.topic, 1, TopicConfig::default()).await;
    rig.eventually("the end of a committed offset", || async {
        let committed = rig.committed(&**coordinator, &partition).await;
        committed.is_none().then_some(())
    })
    .await;
    let other = rig.committed(&**coordinator, &stays).await;
    assert_eq!(other.map(|committed| committed.offset), Some(Offset(8)));
}

/// A reader of a topic that is deleted is told.
pub async fn a_reader_of_a_deleted_topic_ends(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let partition = rig.partition().await;
    let mut producer = rig.producer().await;
    publish(&rig, &mut *producer, &partition, &[("a", "1")]).await;
    let mut reader = rig.reader(&partition, 0).await;
    let records = rig.within("a fetch", fetch(&mut *reader)).await;
    assert_eq!(values(&records), ["1"]);
    rig.delete(&partition.topic).await;
    let ending = async {
        loop {
            match poll_fn(|cx| reader.poll_fetch(cx)).await {
                Err(error) if error.is_transient() => {}
                Err(error) => return error,
                Ok(fetched) => assert!(fetched.batch.is_empty()),
            }
        }
    };
    let error = rig.within("the end of a reader", ending).await;
    assert_eq!(error, TransportError::UnknownTopic(partition.topic));
}
