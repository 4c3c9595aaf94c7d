//! What comes back for a call: a value, or a failure that keeps its meaning on the way.

use faustus_core::{GroupError, Offset, PublishError, Refusal, TransportError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{pair, partition};
use crate::{Error, ErrorKind};

/// The head of an answer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Done(Value),
    Failed(Failure),
}

/// Why a call failed, as it travels.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Failure {
    Unavailable(String),
    OutcomeUnknown(String),
    UnknownTopic(String),
    UnknownPartition((String, u32)),
    TopicExists(String),
    OffsetOutOfRange {
        partition: (String, u32),
        offset: i64,
        earliest: i64,
        end: i64,
    },
    Fenced(String),
    Aborted(String),
    Unauthorized(String),
    Invalid(String),
    Corrupt(String),
    Full(String),
    Closed,
    /// Records that are refused: the batch, the record in it, and why.
    Refused(Vec<(usize, usize, String)>),
    Group(GroupFailure),
    /// The worker's own: its kind and its text.
    Worker(String, String),
}

/// What a coordinator refuses.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GroupFailure {
    UnknownMember,
    IllegalGeneration,
    RebalanceInProgress,
    FencedInstance,
    InconsistentProtocol,
    UnstableOffsets,
    TopicRefused(String),
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        use TransportError as E;
        match error {
            E::Unavailable(text) => Self::Unavailable(text),
            E::OutcomeUnknown(text) => Self::OutcomeUnknown(text),
            E::UnknownTopic(topic) => Self::UnknownTopic(topic.to_string()),
            E::UnknownPartition(partition) => Self::UnknownPartition(pair(&partition)),
            E::TopicExists(topic) => Self::TopicExists(topic.to_string()),
            E::OffsetOutOfRange {
                partition,
                offset,
                earliest,
                end,
            } => Self::OffsetOutOfRange {
                partition: pair(&partition),
                offset: offset.0,
                earliest: earliest.0,
                end: end.0,
            },
            E::Fenced(text) => Self::Fenced(text),
            E::Aborted(text) => Self::Aborted(text),
            E::Unauthorized(text) => Self::Unauthorized(text),
            E::Invalid(text) => Self::Invalid(text),
            E::Corrupt(text) => Self::Corrupt(text),
            E::Full(text) => Self::Full(text),
            E::Closed => Self::Closed,
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl From<Failure> for TransportError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(text) => Self::Unavailable(text),
            Failure::OutcomeUnknown(text) => Self::OutcomeUnknown(text),
            Failure::UnknownTopic(topic) => Self::UnknownTopic(topic.into()),
            Failure::UnknownPartition(of) => Self::UnknownPartition(partition(of)),
            Failure::TopicExists(topic) => Self::TopicExists(topic.into()),
            Failure::OffsetOutOfRange {
                partition: of,
                offset,
                earliest,
                end,
            } => Self::OffsetOutOfRange {
                partition: partition(of),
                offset: Offset(offset),
                earliest: Offset(earliest),
                end: Offset(end),
            },
            Failure::Fenced(text) => Self::Fenced(text),
            Failure::Aborted(text) => Self::Aborted(text),
            Failure::Unauthorized(text) => Self::Unauthorized(text),
            Failure::Corrupt(text) => Self::Corrupt(text),
            Failure::Full(text) => Self::Full(text),
            Failure::Closed => Self::Closed,
            Failure::Invalid(text) | Failure::Worker(_, text) => Self::Invalid(text),
            Failure::Refused(refused) => {
                let first = refused.into_iter().next().map(|(_, _, why)| why);
                Self::Invalid(first.unwrap_or_default())
            }
            Failure::Group(refused) => Self::Invalid(GroupError::from(refused).to_string()),
        }
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refused(refused) => {
                let each = refused.into_iter();
                Self::Refused(each.map(|r| (r.outgoing, r.record, r.reason)).collect())
            }
            PublishError::Transport(error) => error.into(),
        }
    }
}

impl From<Failure> for PublishError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refused) => {
                let refusal = |(outgoing, record, reason)| Refusal {
                    outgoing,
                    record,
                    reason,
                };
                Self::Refused(refused.into_iter().map(refusal).collect())
            }
            other => Self::Transport(other.into()),
        }
    }
}

impl From<GroupError> for Failure {
    fn from(error: GroupError) -> Self {
        use GroupFailure as F;
        Self::Group(match error {
            GroupError::Transport(error) => return error.into(),
            GroupError::UnknownMember => F::UnknownMember,
            GroupError::IllegalGeneration => F::IllegalGeneration,
            GroupError::RebalanceInProgress => F::RebalanceInProgress,
            GroupError::FencedInstance => F::FencedInstance,
            GroupError::InconsistentProtocol => F::InconsistentProtocol,
            GroupError::UnstableOffsets => F::UnstableOffsets,
            GroupError::TopicRefused(topic) => F::TopicRefused(topic.to_string()),
            other => return Self::Invalid(other.to_string()),
        })
    }
}

impl From<Failure> for GroupError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Group(refused) => refused.into(),
            other => Self::Transport(other.into()),
        }
    }
}

impl From<GroupFailure> for GroupError {
    fn from(refused: GroupFailure) -> Self {
        match refused {
            GroupFailure::UnknownMember => Self::UnknownMember,
            GroupFailure::IllegalGeneration => Self::IllegalGeneration,
            GroupFailure::RebalanceInProgress => Self::RebalanceInProgress,
            GroupFailure::FencedInstance => Self::FencedInstance,
            GroupFailure::InconsistentProtocol => Self::InconsistentProtocol,
            GroupFailure::UnstableOffsets => Self::UnstableOffsets,
            GroupFailure::TopicRefused(topic) => Self::TopicRefused(topic.into()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Worker(error.kind().to_string(), error.to_string())
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Worker(kind, text) => {
                let known = [
                    ErrorKind::Configuration,
                    ErrorKind::Unavailable,
                    ErrorKind::Data,
                    ErrorKind::Refused,
                    ErrorKind::Lost,
                    ErrorKind::Elsewhere,
                    ErrorKind::Storage,
                    ErrorKind::Remote,
                    ErrorKind::Timeout,
                ];
                let kind = known.into_iter().find(|known| known.to_string() == kind);
                Self::new(kind.unwrap_or(ErrorKind::Application), text)
            }
            Failure::Group(_) => Self::from(GroupError::from(failure)),
            Failure::Refused(_) => {
                Self::new(ErrorKind::Refused, PublishError::from(failure).to_string())
            }
            other => Self::from(TransportError::from(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use faustus_core::TopicPartition;

    use super::*;

    fn over_the_wire(failure: impl Into<Failure>) -> Failure {
        serde_json::from_slice(&serde_json::to_vec(&failure.into()).unwrap()).unwrap()
    }

    #[test]
    fn failures_of_the_log_keep_their_meaning() {
        use TransportError as E;
        let partition = TopicPartition::new("a/b", 3);
        let text = || "text".to_owned();
        for error in [
            E::Unavailable(text()),
            E::OutcomeUnknown(text()),
            E::UnknownTopic("a".into()),
            E::UnknownPartition(partition.clone()),
            E::TopicExists("a".into()),
            E::OffsetOutOfRange {
                partition,
                offset: Offset(-1),
                earliest: Offset(2),
                end: Offset(3),
            },
            E::Fenced(text()),
            E::Aborted(text()),
            E::Unauthorized(text()),
            E::Invalid(text()),
            E::Corrupt(text()),
            E::Full(text()),
            E::Closed,
        ] {
            assert_eq!(E::from(over_the_wire(error.clone())), error);
            let of_group = GroupError::Transport(error);
            assert_eq!(GroupError::from(over_the_wire(of_group.clone())), of_group);
        }
    }

    #[test]
    fn refusals_of_groups_and_records_keep_their_meaning() {
        let refused = GroupError::TopicRefused("a".into());
        assert_eq!(GroupError::from(over_the_wire(refused.clone())), refused);
        let refused = PublishError::Refused(vec![Refusal {
            outgoing: 1,
            record: 2,
            reason: "too long".to_owned(),
        }]);
        assert_eq!(PublishError::from(over_the_wire(refused.clone())), refused);
        let error = Error::from(over_the_wire(Error::config("no agent")));
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Configuration, "no agent".to_owned())
        );
    }
}
