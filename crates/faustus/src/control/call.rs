//! What can be asked of the process that has a log, and what it answers.

use std::collections::BTreeMap;

use faustus_core::{
    CleanupPolicy, NewTopic, Offset, OffsetSpec, TopicConfig, TopicDescription, TopicId,
    TopicPartition,
};
use serde::{Deserialize, Serialize};

use super::wire::VERSION;
use crate::{LaneState, LaneStatus, TaskState, TaskStatus};

/// The head of a request.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Request<C = Call> {
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) call: C,
}

impl Request {
    pub(super) fn new(call: Call) -> Self {
        Self {
            version: VERSION,
            call,
        }
    }
}

/// A call. Partitions are pairs of topic and number.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub(crate) enum Call {
    /// Who is there: a [`Greeting`].
    Hello,

    // The log.
    ListTopics,
    DescribeTopics {
        topics: Vec<String>,
    },
    CreateTopics {
        topics: Vec<Topic>,
    },
    DeleteTopic {
        topic: String,
    },
    DeleteRecords {
        before: Vec<(String, u32, i64)>,
    },
    /// An end of each partition.
    Offsets {
        partitions: Vec<(String, u32)>,
        end: End,
    },
    /// Committed records from an offset on; waits until there are some. They are the answer's body.
    Fetch {
        partition: (String, u32),
        from: i64,
        max_bytes: usize,
    },
    /// Stores the records of the body: so many for each partition.
    Publish {
        batches: Vec<((String, u32), usize)>,
    },
    FetchOffsets {
        group: String,
        partitions: Vec<(String, u32)>,
        stable: bool,
    },
    /// Stores offsets for a group without members.
    CommitOffsets {
        group: String,
        offsets: Vec<((String, u32), i64, String)>,
    },

    // The worker.
    Status,
    Lanes,
    /// Its figures: a [`Monitor`](crate::Monitor).
    Monitor,
    Skip {
        partition: (String, u32),
        offset: i64,
    },
    Resume,
    Agent {
        name: String,
        order: Order,
    },
    Shutdown,
}

/// What is to become of an agent.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    Restart,
    Pause,
    Resume,
}

/// Which end of a partition.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    Earliest,
    HighWatermark,
    LastStable,
}

impl From<OffsetSpec> for End {
    fn from(spec: OffsetSpec) -> Self {
        match spec {
            OffsetSpec::Earliest => Self::Earliest,
            OffsetSpec::HighWatermark => Self::HighWatermark,
            OffsetSpec::LastStable => Self::LastStable,
        }
    }
}

impl From<End> for OffsetSpec {
    fn from(end: End) -> Self {
        match end {
            End::Earliest => Self::Earliest,
            End::HighWatermark => Self::HighWatermark,
            End::LastStable => Self::LastStable,
        }
    }
}

/// A topic to be made.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Topic {
    name: String,
    partitions: u32,
    replicas: Option<u16>,
    cleanup: Option<String>,
    /// In milliseconds; -1 for ever.
    retention: Option<i64>,
    other: BTreeMap<String, String>,
}

impl From<&NewTopic> for Topic {
    fn from(topic: &NewTopic) -> Self {
        let millis =
            |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let config = &topic.config;
        Self {
            name: topic.name.to_string(),
            partitions: topic.partitions,
            replicas: topic.replicas,
            cleanup: config.cleanup.map(|cleanup| cleanup.as_str().to_owned()),
            retention: config.retention.map(|time| time.map_or(-1, millis)),
            other: config.other.clone(),
        }
    }
}

impl From<Topic> for NewTopic {
    fn from(topic: Topic) -> Self {
        let cleanup = topic.cleanup.as_deref().map(|policy| match policy {
            "compact" => CleanupPolicy::Compact,
            "compact,delete" => CleanupPolicy::CompactAndDelete,
            _ => CleanupPolicy::Delete,
        });
        let time = |millis: i64| {
            u64::try_from(millis)
                .ok()
                .map(std::time::Duration::from_millis)
        };
        Self {
            name: topic.name.into(),
            partitions: topic.partitions,
            replicas: topic.replicas,
            config: TopicConfig {
                cleanup,
                retention: topic.retention.map(time),
                other: topic.other,
            },
        }
    }
}

/// A topic that exists.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Described {
    name: String,
    /// Hexadecimal: JSON's numbers are too short for it.
    id: String,
    partitions: u32,
    config: BTreeMap<String, String>,
}

impl From<TopicDescription> for Described {
    fn from(topic: TopicDescription) -> Self {
        Self {
            name: topic.name.to_string(),
            id: topic.id.to_string(),
            partitions: topic.partitions,
            config: topic.config,
        }
    }
}

impl From<Described> for TopicDescription {
    fn from(topic: Described) -> Self {
        Self {
            name: topic.name.into(),
            id: TopicId(u128::from_str_radix(&topic.id, 16).unwrap_or_default()),
            partitions: topic.partitions,
            config: topic.config,
        }
    }
}

/// Who is there.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Greeting {
    /// The application's name.
    pub(crate) app: String,
    pub(crate) pid: u32,
    /// The log's name for people.
    pub(crate) log: String,
    /// Whether the process runs the application's agents, or only has the log.
    pub(crate) worker: bool,
}

/// How a task is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Task {
    pub(crate) task: String,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) sources: Vec<String>,
    pub(crate) retired: u64,
}

impl From<TaskStatus> for Task {
    fn from(status: TaskStatus) -> Self {
        let (state, reason) = match status.state {
            TaskState::Recovering => ("recovering", None),
            TaskState::Busy => ("busy", None),
            TaskState::Idle => ("idle", None),
            TaskState::Parked(reason) => ("parked", Some(reason)),
            TaskState::Blocked => ("blocked", None),
        };
        Self {
            task: status.task.to_string(),
            state: state.to_owned(),
            reason,
            sources: status.sources.iter().map(ToString::to_string).collect(),
            retired: status.retired,
        }
    }
}

/// How a lane of an agent is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Lane {
    pub(crate) agent: String,
    pub(crate) task: String,
    pub(crate) lane: u32,
    pub(crate) taken: u64,
    pub(crate) state: String,
    /// The record in hand, as `topic/3@17`.
    pub(crate) record: Option<String>,
    /// Since when it is so, or until when: milliseconds since 1970.
    pub(crate) since: Option<i64>,
    pub(crate) failures: Option<u32>,
    pub(crate) reason: Option<String>,
}

impl From<LaneStatus> for Lane {
    fn from(status: LaneStatus) -> Self {
        let named = |partition: &TopicPartition, offset: Offset| format!("{partition}@{offset}");
        let mut lane = Self {
            agent: status.agent,
            task: status.task.to_string(),
            lane: status.lane,
            taken: status.taken,
            state: String::new(),
            record: None,
            since: None,
            failures: None,
            reason: None,
        };
        let state = match status.state {
            LaneState::Recovering => "recovering",
            LaneState::Waiting => "waiting",
            LaneState::WaitingForTurn => "waiting for its turn",
            LaneState::WaitingForRoom(channel) => {
                lane.reason = Some(format!("channel {channel} is full"));
                "waiting for room"
            }
            LaneState::InEvent {
                partition,
                offset,
                since,
            } => {
                lane.record = Some(named(&partition, offset));
                lane.since = Some(since.0);
                "in event"
            }
            LaneState::Retrying {
                record,
                failures,
                error,
                at,
            } => {
                lane.record = record.map(|(partition, offset)| named(&partition, offset));
                lane.since = Some(at.0);
                lane.failures = Some(failures);
                lane.reason = Some(error);
                "retrying"
            }
            LaneState::Parked { reason, record } => {
                lane.record = record.map(|(partition, offset)| named(&partition, offset));
                lane.reason = Some(reason);
                "parked"
            }
            LaneState::Paused => "paused",
            LaneState::Blocking { since } => {
                lane.since = Some(since.0);
                "blocking"
            }
            LaneState::Blocked => "blocked",
        };
        lane.state = state.to_owned();
        lane
    }
}

/// Partitions as pairs.
pub(super) fn pairs(partitions: &[TopicPartition]) -> Vec<(String, u32)> {
    partitions.iter().map(pair).collect()
}

pub(super) fn pair(partition: &TopicPartition) -> (String, u32) {
    (partition.topic.to_string(), partition.partition)
}

pub(super) fn partition((topic, partition): (String, u32)) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub(super) fn partitions(pairs: Vec<(String, u32)>) -> Vec<TopicPartition> {
    pairs.into_iter().map(partition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_new_topic_arrives() {
        for retention in [
            None,
            Some(None),
            Some(Some(std::time::Duration::from_secs(7))),
        ] {
            for cleanup in [
                None,
                Some(CleanupPolicy::Compact),
                Some(CleanupPolicy::CompactAndDelete),
            ] {
                let topic = NewTopic {
                    name: "a".into(),
                    partitions: 3,
                    replicas: Some(2),
                    config: TopicConfig {
                        cleanup,
                        retention,
                        other: [("x".to_owned(), "y".to_owned())].into(),
                    },
                };
                let json = serde_json::to_vec(&Topic::from(&topic)).unwrap();
                let back: Topic = serde_json::from_slice(&json).unwrap();
                assert_eq!(NewTopic::from(back), topic);
            }
        }
    }

    #[test]
    fn a_call_reads_as_it_is_written() {
        let call = Call::Fetch {
            partition: ("orders".to_owned(), 3),
            from: 17,
            max_bytes: 100,
        };
        let json = serde_json::to_string(&Request::new(call.clone())).unwrap();
        assert_eq!(
            json,
            r#"{"version":1,"call":"fetch","partition":["orders",3],"from":17,"max_bytes":100}"#
        );
        let back: Request = serde_json::from_str(&json).unwrap();
        assert_eq!(back.call, call);
    }
}
