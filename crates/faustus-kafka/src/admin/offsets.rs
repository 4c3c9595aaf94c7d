//! The ends of partitions, and deleting below an offset.

use std::collections::BTreeMap;

use faustus_core::{Offset, OffsetSpec, TopicName, TopicPartition, TransportError};
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{
        BrokerId, DeleteRecordsRequest, ListOffsetsRequest,
        delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
};

use crate::{
    error::{CallError, is_transient, topic_error},
    net::{Cluster, Retry, Target, name},
};

/// What the protocol takes for "the first offset" in place of a time stamp.
const EARLIEST: i64 = -2;
/// What the protocol takes for "the end".
const LATEST: i64 = -1;

/// What a leader answered for one partition.
type Answer = Result<Offset, ResponseError>;

impl Cluster {
    pub(crate) async fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<Vec<Offset>, TransportError> {
        let mut found = vec![None; partitions.len()];
        let mut retry = Retry::within(self.request_timeout());
        loop {
            let open: Vec<usize> = (0..found.len()).filter(|i| found[*i].is_none()).collect();
            let wanted: Vec<&TopicPartition> =
                open.iter().map(|index| &partitions[*index]).collect();
            if wanted.is_empty() {
                return Ok(found.into_iter().flatten().collect());
            }
            let mut failure = None;
            match self.leaders(&wanted).await {
                Err(error) => failure = Some(error),
                Ok(by_leader) => {
                    for (leader, indexes) in by_leader {
                        let asked: Vec<&TopicPartition> =
                            indexes.iter().map(|index| wanted[*index]).collect();
                        match self.offsets_at(leader, &asked, spec, &retry).await {
                            Err(error) if error.is_transient() => {
                                failure = Some(TransportError::Unavailable(error.to_string()));
                            }
                            Err(error) => return Err(error.into()),
                            Ok(answers) => {
                                for (index, answer) in indexes.iter().zip(answers) {
                                    match answer {
                                        Ok(offset) => found[open[*index]] = Some(offset),
                                        Err(code) => {
                                            let error = partition_error(code, wanted[*index]);
                                            failure = Some(error);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            if let Some(error) = failure
                && (!error.is_transient() || !retry.again().await)
            {
                return Err(error);
            }
        }
    }

    /// Asks one leader for the ends of `partitions`.
    async fn offsets_at(
        &self,
        leader: i32,
        partitions: &[&TopicPartition],
        spec: OffsetSpec,
        retry: &Retry,
    ) -> Result<Vec<Answer>, CallError> {
        let (timestamp, isolation) = match spec {
            OffsetSpec::Earliest => (EARLIEST, 0),
            OffsetSpec::HighWatermark => (LATEST, 0),
            OffsetSpec::LastStable => (LATEST, 1),
        };
        let mut topics = BTreeMap::<&TopicName, Vec<ListOffsetsPartition>>::new();
        for partition in partitions {
            let wanted = ListOffsetsPartition::default()
                .with_partition_index(index(partition))
                .with_timestamp(timestamp);
            topics.entry(&partition.topic).or_default().push(wanted);
        }
        let topics = topics.into_iter().map(|(topic, wanted)| {
            ListOffsetsTopic::default()
                .with_name(name(topic))
                .with_partitions(wanted)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation)
            .with_topics(topics.collect());
        let answer = self
            .call(&Target::Broker(leader), &request, 6, retry.left())
            .await?;
        let mut found = BTreeMap::<(&str, i32), Answer>::new();
        for topic in &answer.topics {
            for partition in &topic.partitions {
                let result = match partition.error_code.err() {
                    None => Ok(Offset(partition.offset)),
                    Some(code) => Err(code),
                };
                found.insert((topic.name.0.as_str(), partition.partition_index), result);
            }
        }
        let missing = Err(ResponseError::NotLeaderOrFollower);
        Ok(partitions
            .iter()
            .map(|partition| {
                let key = (partition.topic.as_str(), index(partition));
                found.get(&key).copied().unwrap_or(missing)
            })
            .collect())
    }

    pub(super) async fn delete_records(
        &self,
        before: &[(TopicPartition, Offset)],
    ) -> Result<(), TransportError> {
        let mut open: Vec<&(TopicPartition, Offset)> = before.iter().collect();
        let mut retry = Retry::within(self.request_timeout());
        while !open.is_empty() {
            let wanted: Vec<&TopicPartition> =
                open.iter().map(|(partition, _)| partition).collect();
            let mut failure = None;
            let mut next = Vec::new();
            match self.leaders(&wanted).await {
                Err(error) => {
                    failure = Some(error);
                    next.clone_from(&open);
                }
                Ok(by_leader) => {
                    for (leader, indexes) in by_leader {
                        let asked: Vec<_> = indexes.iter().map(|index| open[*index]).collect();
                        let answers = self.delete_at(leader, &asked, &retry).await;
                        let answers = answers.unwrap_or_else(|error| {
                            failure = Some(error.into());
                            vec![Some(ResponseError::NetworkException); asked.len()]
                        });
                        for (entry, code) in asked.into_iter().zip(answers) {
                            match code {
                                None => {}
                                Some(ResponseError::OffsetOutOfRange) => {
                                    return Err(self.out_of_range(&entry.0, entry.1).await);
                                }
                                Some(code) => {
                                    failure.get_or_insert_with(|| partition_error(code, &entry.0));
                                    next.push(entry);
                                }
                            }
                        }
                    }
                }
            }
            open = next;
            if let Some(error) = failure {
                // Deleting twice is deleting once, so a lost answer is asked for again.
                let passes = matches!(
                    error,
                    TransportError::Unavailable(_) | TransportError::OutcomeUnknown(_)
                );
                if !passes || !retry.again().await {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Asks one leader to delete; gives the error of each partition in order.
    async fn delete_at(
        &self,
        leader: i32,
        before: &[&(TopicPartition, Offset)],
        retry: &Retry,
    ) -> Result<Vec<Option<ResponseError>>, CallError> {
        let mut topics = BTreeMap::<&TopicName, Vec<DeleteRecordsPartition>>::new();
        for (partition, offset) in before.iter().copied() {
            let wanted = DeleteRecordsPartition::default()
                .with_partition_index(index(partition))
                .with_offset(offset.0);
            topics.entry(&partition.topic).or_default().push(wanted);
        }
        let topics = topics.into_iter().map(|(topic, wanted)| {
            DeleteRecordsTopic::default()
                .with_name(name(topic))
                .with_partitions(wanted)
        });
        let request = DeleteRecordsRequest::default()
            .with_topics(topics.collect())
            .with_timeout_ms(i32::try_from(retry.left().as_millis()).unwrap_or(i32::MAX));
        let answer = self
            .call(&Target::Broker(leader), &request, 2, retry.left())
            .await?;
        let mut codes = BTreeMap::<(&str, i32), Option<ResponseError>>::new();
        for topic in &answer.topics {
            for partition in &topic.partitions {
                codes.insert(
                    (topic.name.0.as_str(), partition.partition_index),
                    partition.error_code.err(),
                );
            }
        }
        let missing = Some(ResponseError::NotLeaderOrFollower);
        Ok(before
            .iter()
            .map(|(partition, _)| {
                let key = (partition.topic.as_str(), index(partition));
                codes.get(&key).copied().unwrap_or(missing)
            })
            .collect())
    }

    /// That `offset` is not in `partition`, with what it holds.
    pub(crate) async fn out_of_range(
        &self,
        partition: &TopicPartition,
        offset: Offset,
    ) -> TransportError {
        let one = std::slice::from_ref(partition);
        let earliest = self.offsets(one, OffsetSpec::Earliest).await;
        let end = self.offsets(one, OffsetSpec::HighWatermark).await;
        match (earliest.as_deref(), end.as_deref()) {
            (Ok([earliest]), Ok([end])) => TransportError::OffsetOutOfRange {
                partition: partition.clone(),
                offset,
                earliest: *earliest,
                end: *end,
            },
            _ => earliest.and(end).err().unwrap_or_else(|| {
                TransportError::Unavailable(format!("the ends of {partition} are not known"))
            }),
        }
    }
}

/// What `code` means for `partition`.
fn partition_error(code: ResponseError, partition: &TopicPartition) -> TransportError {
    match code {
        // The metadata showed the partition just now: its leader moves, or the topic goes.
        ResponseError::UnknownTopicOrPartition => {
            TransportError::Unavailable(format!("{partition} is not at its leader"))
        }
        code if is_transient(code) => TransportError::Unavailable(format!("{partition}: {code}")),
        code => topic_error(code, &partition.topic, ""),
    }
}

/// A partition's number as the protocol has it.
fn index(partition: &TopicPartition) -> i32 {
    i32::try_from(partition.partition).unwrap_or(i32::MAX)
}
