//! From Kafka's error codes and broken connections to what the caller does about them.

use faustus_core::{GroupError, TopicName, TransportError};
use kafka_protocol::error::ResponseError;

/// Why a request to a broker gave no useful answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The request never left.
    #[error("{0}")]
    Unreachable(String),
    /// The request left and no answer came.
    #[error("{0}")]
    Lost(String),
    /// The broker refused.
    #[error("{context}: {code}")]
    Refused {
        /// The broker's code.
        code: ResponseError,
        /// What was asked, and the broker's words where it had some.
        context: String,
    },
    /// The broker is too old, or no Kafka broker.
    #[error("{0}")]
    Protocol(String),
}

impl CallError {
    /// A refusal with `code` of what `context` names.
    pub(crate) fn refused(code: ResponseError, context: impl Into<String>) -> Self {
        Self::Refused {
            code,
            context: context.into(),
        }
    }

    /// Whether the same request may succeed soon, perhaps at another broker.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Refused { code, .. } => is_transient(*code),
            Self::Protocol(_) => false,
        }
    }
}

/// Whether a broker that answers `code` may answer otherwise soon.
pub(crate) fn is_transient(code: ResponseError) -> bool {
    code.is_retriable() || code == ResponseError::BrokerNotAvailable
}

impl From<CallError> for TransportError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(text) => Self::Unavailable(text),
            CallError::Lost(text) => Self::OutcomeUnknown(text),
            CallError::Refused { code, context } => refusal(code, &context),
            CallError::Protocol(text) => Self::Invalid(text),
        }
    }
}

/// What a refusal means where nothing special is to be said about it.
fn refusal(code: ResponseError, context: &str) -> TransportError {
    let text = format!("{context}: {code}");
    match code {
        ResponseError::TopicAuthorizationFailed
        | ResponseError::GroupAuthorizationFailed
        | ResponseError::ClusterAuthorizationFailed
        | ResponseError::TransactionalIdAuthorizationFailed => TransportError::Unauthorized(text),
        ResponseError::RequestTimedOut => TransportError::OutcomeUnknown(text),
        code if is_transient(code) => TransportError::Unavailable(text),
        _ => TransportError::Invalid(text),
    }
}

/// What `code` means for a call about `topic`.
pub(crate) fn topic_error(code: ResponseError, topic: &TopicName, text: &str) -> TransportError {
    match code {
        ResponseError::UnknownTopicOrPartition | ResponseError::UnknownTopicId => {
            TransportError::UnknownTopic(topic.clone())
        }
        ResponseError::TopicAlreadyExists => TransportError::TopicExists(topic.clone()),
        code if text.is_empty() => refusal(code, &format!("topic {topic}")),
        code => refusal(code, &format!("topic {topic}: {text}")),
    }
}

/// What a call error means to a group member.
pub(crate) fn group_error(error: CallError) -> GroupError {
    match error {
        CallError::Refused { code, .. } => match code {
            ResponseError::UnknownMemberId => GroupError::UnknownMember,
            ResponseError::IllegalGeneration => GroupError::IllegalGeneration,
            ResponseError::RebalanceInProgress => GroupError::RebalanceInProgress,
            ResponseError::FencedInstanceId => GroupError::FencedInstance,
            ResponseError::InconsistentGroupProtocol => GroupError::InconsistentProtocol,
            ResponseError::UnstableOffsetCommit => GroupError::UnstableOffsets,
            _ => GroupError::Transport(error.into()),
        },
        error => GroupError::Transport(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_never_left_changed_nothing() {
        let error = TransportError::from(CallError::Unreachable("x".to_owned()));
        assert!(error.is_transient());
    }

    #[test]
    fn a_request_without_an_answer_may_have_changed_something() {
        let error = TransportError::from(CallError::Lost("x".to_owned()));
        assert_eq!(error, TransportError::OutcomeUnknown("x".to_owned()));
    }

    #[test]
    fn fencing_codes_keep_their_meaning() {
        let check = |code: ResponseError| group_error(CallError::refused(code, "heartbeat"));
        assert_eq!(
            check(ResponseError::UnknownMemberId),
            GroupError::UnknownMember
        );
        assert_eq!(
            check(ResponseError::IllegalGeneration),
            GroupError::IllegalGeneration
        );
        assert_eq!(
            check(ResponseError::FencedInstanceId),
            GroupError::FencedInstance
        );
        assert!(matches!(
            check(ResponseError::GroupAuthorizationFailed),
            GroupError::Transport(TransportError::Unauthorized(_))
        ));
    }

    #[test]
    fn a_missing_permission_is_not_tried_again() {
        let error = CallError::refused(ResponseError::TopicAuthorizationFailed, "topic a");
        assert!(!error.is_transient());
        let error = TransportError::from(error);
        assert!(matches!(&error, TransportError::Unauthorized(text) if text.contains("topic a")));
    }
}
