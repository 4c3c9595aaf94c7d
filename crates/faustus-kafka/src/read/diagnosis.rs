//! What to make of an error in the middle of a read.

use std::sync::Arc;

use faustus_core::{Offset, OffsetSpec, TopicId, TopicPartition, TransportError};
use rdkafka::types::RDKafkaErrorCode;

use crate::net::{Cluster, known_topic};

/// What becomes of the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is at its end.
    End(TransportError),
    /// It goes on, perhaps after a while; the caller should know.
    Pass(TransportError),
    /// The cluster must be asked: see [`examine`].
    Examine,
    /// Nothing is wrong (any more): it starts again where it was.
    Restart,
}

/// What `code` says by itself.
pub(super) fn judge(code: RDKafkaErrorCode, text: &str, partition: &TopicPartition) -> Verdict {
    use RDKafkaErrorCode as Code;
    let words = format!("{partition}: {code}: {text}");
    match code {
        Code::OffsetOutOfRange
        | Code::AutoOffsetReset
        | Code::LogTruncation
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::UnknownTopicId => Verdict::Examine,
        Code::TopicAuthorizationFailed => Verdict::End(TransportError::Unauthorized(words)),
        Code::BadMessage | Code::BadCompression | Code::InvalidMessage | Code::Underflow => {
            Verdict::End(TransportError::Corrupt(words))
        }
        Code::NotImplemented | Code::UnsupportedCompressionType | Code::UnsupportedFeature => {
            Verdict::End(TransportError::Invalid(format!(
                "{words}; records compressed with zstd need the cargo feature `zstd`"
            )))
        }
        Code::MessageSizeTooLarge => Verdict::End(TransportError::Invalid(words)),
        _ => Verdict::Pass(TransportError::Unavailable(words)),
    }
}

/// Asks the cluster whether a reader of `partition` at `position` can go on.
pub(super) async fn examine(
    cluster: Arc<Cluster>,
    partition: TopicPartition,
    id: TopicId,
    position: Offset,
) -> Verdict {
    let seen = match look(&cluster, &partition).await {
        Ok(seen) => seen,
        Err(error @ TransportError::Unavailable(_)) => return Verdict::Pass(error),
        Err(error) => return Verdict::End(error),
    };
    if seen.id != id {
        // Made anew under the same name: its records are others.
        return Verdict::End(TransportError::UnknownTopic(partition.topic));
    }
    if position < seen.earliest || position > seen.end {
        return Verdict::End(TransportError::OffsetOutOfRange {
            partition,
            offset: position,
            earliest: seen.earliest,
            end: seen.end,
        });
    }
    Verdict::Restart
}

struct Seen {
    id: TopicId,
    earliest: Offset,
    end: Offset,
}

async fn look(cluster: &Cluster, partition: &TopicPartition) -> Result<Seen, TransportError> {
    let topics = std::slice::from_ref(&partition.topic);
    let metadata = cluster.metadata(Some(topics)).await?;
    let topic = known_topic(&metadata, &partition.topic)?;
    if topic.leaders.len() <= partition.partition as usize {
        return Err(TransportError::UnknownPartition(partition.clone()));
    }
    let one = std::slice::from_ref(partition);
    let earliest = cluster.offsets(one, OffsetSpec::Earliest).await?;
    let end = cluster.offsets(one, OffsetSpec::HighWatermark).await?;
    match (earliest.as_slice(), end.as_slice()) {
        ([earliest], [end]) => Ok(Seen {
            id: topic.id,
            earliest: *earliest,
            end: *end,
        }),
        _ => Err(TransportError::Unavailable(format!(
            "the ends of {partition} are not known"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: RDKafkaErrorCode) -> Verdict {
        judge(code, "text", &TopicPartition::new("a", 3))
    }

    #[test]
    fn what_may_be_out_of_range_is_examined() {
        assert_eq!(verdict(RDKafkaErrorCode::AutoOffsetReset), Verdict::Examine);
        assert_eq!(
            verdict(RDKafkaErrorCode::UnknownPartition),
            Verdict::Examine
        );
    }

    #[test]
    fn a_broken_connection_passes_and_names_the_partition() {
        let verdict = verdict(RDKafkaErrorCode::BrokerTransportFailure);
        assert!(
            matches!(&verdict, Verdict::Pass(TransportError::Unavailable(text)) if text.contains("a/3")),
            "{verdict:?}"
        );
    }

    #[test]
    fn damage_ends_the_reader() {
        let verdict = verdict(RDKafkaErrorCode::BadMessage);
        assert!(matches!(verdict, Verdict::End(TransportError::Corrupt(_))));
    }
}
