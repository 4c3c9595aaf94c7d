//! Committed offsets of a group.

use std::collections::BTreeMap;

use faustus_core::{
    CommittedOffset, GroupError, GroupIdentity, Offset, OffsetCommit, TopicName, TopicPartition,
};
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{
        OffsetCommitRequest, OffsetFetchRequest,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestTopic,
    },
    protocol::StrBytes,
};

use super::{Failed, Group};
use crate::{
    error::{CallError, group_error},
    net::name,
};

impl Group {
    pub(super) async fn commit_offsets(
        &self,
        identity: GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> Result<(), GroupError> {
        let mut topics = BTreeMap::<TopicName, Vec<OffsetCommitRequestPartition>>::new();
        for commit in offsets {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(index(&commit.partition))
                .with_committed_offset(commit.offset.0)
                .with_committed_metadata(Some(StrBytes::from_string(commit.metadata)));
            topics
                .entry(commit.partition.topic)
                .or_default()
                .push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            OffsetCommitRequestTopic::default()
                .with_name(name(&topic))
                .with_partitions(partitions)
        });
        let wire = OffsetCommitRequest::default()
            .with_group_id(self.id.clone())
            .with_generation_id_or_member_epoch(identity.generation)
            .with_member_id(StrBytes::from_string(identity.member))
            .with_group_instance_id(identity.instance.map(StrBytes::from_string))
            .with_topics(topics.collect());
        let limit = self.cluster.request_timeout();
        let result = self
            .call(&wire, 8, limit, |answer| {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let codes = partitions.map(|partition| partition.error_code);
                // What holds for the group goes before what holds for one topic of several.
                let worst = codes.max_by_key(|code| (*code != 0, !refuses_topic(code.err())));
                worst.unwrap_or(0)
            })
            .await;
        let (code, answer) = match result {
            Ok(_) => return Ok(()),
            Err(Failed::Code(code, answer)) => (code, answer),
            Err(failed) => return Err(self.error(failed, "commit")),
        };
        let refused = answer.topics.iter().find(|topic| {
            topic
                .partitions
                .iter()
                .any(|partition| partition.error_code == code.code())
        });
        let topic = TopicName::from(refused.map_or("", |topic| topic.name.0.as_str()));
        Err(match code {
            ResponseError::UnknownTopicOrPartition | ResponseError::UnknownTopicId => {
                GroupError::TopicRefused(topic)
            }
            code => group_error(CallError::refused(
                code,
                format!("commit of {topic} in group {}", self.id.0.as_str()),
            )),
        })
    }

    pub(super) async fn fetch_offsets(
        &self,
        partitions: Vec<TopicPartition>,
        require_stable: bool,
    ) -> Result<Vec<Option<CommittedOffset>>, GroupError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut topics = BTreeMap::<&TopicName, Vec<i32>>::new();
        for partition in &partitions {
            topics
                .entry(&partition.topic)
                .or_default()
                .push(index(partition));
        }
        let topics = topics.into_iter().map(|(topic, indexes)| {
            OffsetFetchRequestTopic::default()
                .with_name(name(topic))
                .with_partition_indexes(indexes)
        });
        let wire = OffsetFetchRequest::default()
            .with_group_id(self.id.clone())
            .with_topics(Some(topics.collect()))
            .with_require_stable(require_stable);
        // Version 7 brought `require_stable`, version 8 another layout that gives nothing more.
        let answer = self
            .call(&wire, 7, self.cluster.request_timeout(), |answer| {
                answer.error_code
            })
            .await
            .map_err(|failed| self.error(failed, "offsets"))?;
        let mut found = BTreeMap::<(&str, i32), CommittedOffset>::new();
        for topic in &answer.topics {
            for partition in &topic.partitions {
                match partition.error_code.err() {
                    None if partition.committed_offset >= 0 => {
                        let metadata = partition.metadata.as_ref();
                        let committed = CommittedOffset {
                            offset: Offset(partition.committed_offset),
                            metadata: metadata.map_or_else(String::new, ToString::to_string),
                        };
                        found.insert(
                            (topic.name.0.as_str(), partition.partition_index),
                            committed,
                        );
                    }
                    // A topic that does not exist has no offsets.
                    None | Some(ResponseError::UnknownTopicOrPartition) => {}
                    Some(code) => {
                        let context = format!(
                            "offset of {}/{} in group {}",
                            topic.name.0.as_str(),
                            partition.partition_index,
                            self.id.0.as_str()
                        );
                        return Err(group_error(CallError::refused(code, context)));
                    }
                }
            }
        }
        let offsets = partitions.iter().map(|partition| {
            found
                .get(&(partition.topic.as_str(), index(partition)))
                .cloned()
        });
        Ok(offsets.collect())
    }
}

/// Whether the offsets of one topic are refused and those of others stored.
fn refuses_topic(code: Option<ResponseError>) -> bool {
    use ResponseError as Code;
    matches!(
        code,
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopicId | Code::TopicAuthorizationFailed)
    )
}

/// A partition's number as the protocol has it.
fn index(partition: &TopicPartition) -> i32 {
    i32::try_from(partition.partition).unwrap_or(i32::MAX)
}
