//! Topics as brokers describe them: ids, partitions, leaders.

use std::{collections::BTreeMap, time::Duration};

use faustus_core::{TopicId, TopicName, TopicPartition, TransportError};
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{self, MetadataRequest, metadata_request::MetadataRequestTopic},
    protocol::StrBytes,
};

use super::{Cluster, Retry, Target};
use crate::error::{CallError, topic_error};

/// Version 10 brought topic ids, with Kafka 2.8.
const METADATA_VERSION: i16 = 12;
/// The bit of the operation that a producer needs among those that a broker allows.
const WRITE: i32 = 1 << 4;
/// What a broker says that does not tell what it allows.
const NOT_TOLD: i32 = i32::MIN;

/// A topic that exists.
#[derive(Clone, Debug)]
pub(crate) struct TopicMetadata {
    /// Its name.
    pub name: TopicName,
    /// Its incarnation.
    pub id: TopicId,
    /// The leader of each partition, `None` while it has none.
    pub leaders: Vec<Option<i32>>,
    /// Whether this client may write to it. Only told of topics that were asked for by name; else
    /// it is taken for granted.
    pub writable: bool,
}

/// Topics by name; `Err` with the broker's code for one that it does not describe.
pub(crate) type Topics = BTreeMap<TopicName, Result<TopicMetadata, ResponseError>>;

/// A topic's name as the wire crate wants it.
pub(crate) fn name(topic: &TopicName) -> messages::TopicName {
    messages::TopicName(StrBytes::from_string(topic.to_string()))
}

impl Cluster {
    /// What `target` knows of `topics`, of all topics if there is no list.
    pub(crate) async fn metadata_from(
        &self,
        target: &Target,
        topics: Option<&[TopicName]>,
        limit: Duration,
    ) -> Result<Topics, CallError> {
        let wanted = |topics: &[TopicName]| {
            topics
                .iter()
                .map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic))))
                .collect()
        };
        let request = MetadataRequest::default()
            .with_include_topic_authorized_operations(topics.is_some())
            .with_topics(topics.map(wanted))
            .with_allow_auto_topic_creation(false);
        let answer = self.call(target, &request, METADATA_VERSION, limit).await?;
        if let Some(code) = answer.error_code.err() {
            return Err(CallError::refused(code, "metadata"));
        }
        self.learn(&answer);
        let described = answer.topics.into_iter().filter_map(|topic| {
            let name = TopicName::from(topic.name.as_ref()?.0.as_str());
            let entry = match topic.error_code.err() {
                Some(code) => Err(code),
                None => {
                    let mut leaders = vec![None; topic.partitions.len()];
                    for partition in &topic.partitions {
                        let index = usize::try_from(partition.partition_index).ok();
                        if let Some(leader) = index.and_then(|index| leaders.get_mut(index)) {
                            *leader = (partition.error_code == 0 && partition.leader_id.0 >= 0)
                                .then_some(partition.leader_id.0);
                        }
                    }
                    Ok(TopicMetadata {
                        name: name.clone(),
                        id: TopicId(topic.topic_id.as_u128()),
                        leaders,
                        writable: may_write(topic.topic_authorized_operations),
                    })
                }
            };
            Some((name, entry))
        });
        Ok(described.collect())
    }

    /// What the cluster knows of `topics`, tried until the request timeout where a broker does not
    /// know for the moment. A topic that does not exist stays an error of its own.
    pub(crate) async fn metadata(&self, topics: Option<&[TopicName]>) -> Result<Topics, CallError> {
        let mut retry = Retry::within(self.request_timeout());
        loop {
            let result = self
                .metadata_from(&Target::Any, topics, retry.left())
                .await
                .and_then(|topics| match first_passing_error(&topics) {
                    Some((topic, code)) => Err(CallError::refused(code, format!("topic {topic}"))),
                    None => Ok(topics),
                });
            match result {
                Err(error) if error.is_transient() && retry.again().await => {}
                // Asking changes nothing, so a lost answer is no unknown outcome.
                Err(CallError::Lost(text)) => return Err(CallError::Unreachable(text)),
                result => return result,
            }
        }
    }

    /// The leader of each of `partitions`, by broker, with the index of each in the list.
    pub(crate) async fn leaders(
        &self,
        partitions: &[&TopicPartition],
    ) -> Result<BTreeMap<i32, Vec<usize>>, TransportError> {
        let mut names: Vec<TopicName> = partitions.iter().map(|p| p.topic.clone()).collect();
        names.sort();
        names.dedup();
        let topics = self.metadata(Some(&names)).await?;
        let mut by_leader = BTreeMap::<i32, Vec<usize>>::new();
        for (index, partition) in partitions.iter().enumerate() {
            let topic = known_topic(&topics, &partition.topic)?;
            let leader = topic
                .leaders
                .get(partition.partition as usize)
                .ok_or_else(|| TransportError::UnknownPartition((*partition).clone()))?;
            let leader = leader.ok_or_else(|| {
                TransportError::Unavailable(format!("{partition} has no leader at the moment"))
            })?;
            by_leader.entry(leader).or_default().push(index);
        }
        Ok(by_leader)
    }
}

/// The entry of `topic`, its absence as an error.
pub(crate) fn known_topic<'a>(
    topics: &'a Topics,
    topic: &TopicName,
) -> Result<&'a TopicMetadata, TransportError> {
    match topics.get(topic) {
        Some(Ok(metadata)) => Ok(metadata),
        Some(Err(code)) => Err(topic_error(*code, topic, "")),
        None => Err(TransportError::UnknownTopic(topic.clone())),
    }
}

fn may_write(operations: i32) -> bool {
    operations == NOT_TOLD || operations & WRITE != 0
}

fn first_passing_error(topics: &Topics) -> Option<(&TopicName, ResponseError)> {
    topics.iter().find_map(|(topic, entry)| match entry {
        Err(code) if code.is_retriable() && *code != ResponseError::UnknownTopicOrPartition => {
            Some((topic, *code))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broker_that_tells_can_forbid_to_write() {
        assert!(may_write(NOT_TOLD));
        assert!(may_write(1 << 3 | 1 << 4 | 1 << 8));
        assert!(!may_write(1 << 3 | 1 << 8), "reads and describes");
        assert!(!may_write(0));
    }
}
