//! What a fault is called in each kind of call.

use faustus_core::{GroupError, PublishError, TopicName, TransportError};

/// Why records for `topic` are not taken.
pub(super) fn forbidden(topic: &TopicName) -> String {
    format!("injected: topic {topic} is forbidden")
}

/// An error of a call that can be injected.
pub(super) trait Injected: From<TransportError> {
    /// What a coordinator's answer becomes.
    fn answer(answer: GroupError) -> Self;
}

impl Injected for GroupError {
    fn answer(answer: GroupError) -> Self {
        answer
    }
}

impl Injected for TransportError {
    fn answer(answer: GroupError) -> Self {
        match answer {
            GroupError::Transport(error) => error,
            other => Self::Aborted(other.to_string()),
        }
    }
}

impl Injected for PublishError {
    fn answer(answer: GroupError) -> Self {
        TransportError::answer(answer).into()
    }
}
