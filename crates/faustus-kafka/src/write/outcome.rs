//! What the reports of a publish mean for its caller.

use std::collections::BTreeMap;

use faustus_core::{Outgoing, PublishError, Published, Refusal, TransportError};
use rdkafka::types::RDKafkaErrorCode;

use super::calls::{Call, Failed};

/// What a report of failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The broker will never take the record, or another of the same request.
    Refused,
    /// The broker would have taken it, but for another record of the same request.
    Innocent,
    /// The topic or partition is not there.
    Gone,
    /// Another producer has the id.
    Fenced,
    /// This client may write nothing at all.
    Barred,
    /// It was dropped, because of another record if in a transaction.
    Dropped,
    /// It was not delivered for now.
    Undelivered,
}

/// What `code` means for a record.
pub(super) fn meaning(code: RDKafkaErrorCode) -> Meaning {
    use RDKafkaErrorCode as Code;
    match code {
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidMessage
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::PolicyViolation
        | Code::UnsupportedForMessageFormat
        | Code::TopicAuthorizationFailed => Meaning::Refused,
        Code::ClusterAuthorizationFailed => Meaning::Barred,
        Code::PurgeQueue | Code::PurgeInflight => Meaning::Dropped,
        Code::InvalidDifferentRecord => Meaning::Innocent,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            Meaning::Gone
        }
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Meaning::Fenced,
        _ => Meaning::Undelivered,
    }
}

/// The answer to a publish of `outgoing`, of which everything was reported in `call` but what was
/// refused beforehand. In a transaction, of which nothing is ever seen once a record of it failed,
/// it is the refused records that matter.
pub(super) fn answer(
    call: &Call,
    outgoing: &[Outgoing],
    mut refused: BTreeMap<(usize, usize), String>,
    in_transaction: bool,
) -> Result<Published, PublishError> {
    let mut worst: Option<&Failed> = None;
    let mut innocent = BTreeMap::new();
    for failed in &call.failed {
        let place = call.place(failed.record);
        match meaning(failed.why.code) {
            Meaning::Refused => {
                refused.insert(place, failed.why.code.to_string());
            }
            Meaning::Innocent => {
                innocent.insert(place, failed.why.code.to_string());
            }
            _ => {
                let graver = |worst: &Failed| gravity(failed) > gravity(worst);
                if worst.is_none_or(graver) {
                    worst = Some(failed);
                }
            }
        }
    }
    let refused_alone = |worst: &Failed| {
        in_transaction && !refused.is_empty() && meaning(worst.why.code) != Meaning::Fenced
    };
    if let Some(failed) = worst
        && !refused_alone(failed)
    {
        return Err(transport_error(call, outgoing, failed, in_transaction).into());
    }
    if refused.is_empty() {
        // Nobody owns up, yet none of them was stored.
        refused = innocent;
    }
    if refused.is_empty() {
        return Ok(Published {
            ends: call.ends.clone(),
        });
    }
    let refusals = refused
        .into_iter()
        .map(|((outgoing, record), reason)| Refusal {
            outgoing,
            record,
            reason,
        });
    Err(PublishError::Refused(refusals.collect()))
}

fn gravity(failed: &Failed) -> u8 {
    match meaning(failed.why.code) {
        Meaning::Fenced => 5,
        _ if failed.why.perhaps_stored => 4,
        Meaning::Barred => 3,
        Meaning::Gone => 2,
        Meaning::Dropped => 0,
        _ => 1,
    }
}

fn transport_error(
    call: &Call,
    outgoing: &[Outgoing],
    failed: &Failed,
    in_transaction: bool,
) -> TransportError {
    let (batch, _) = call.place(failed.record);
    let partition = &outgoing[batch].partition;
    let text = format!("{partition}: {}", failed.why.code);
    match (meaning(failed.why.code), failed.why.code) {
        (Meaning::Fenced, _) => TransportError::Fenced(text),
        (Meaning::Gone, RDKafkaErrorCode::UnknownPartition) => {
            TransportError::UnknownPartition(partition.clone())
        }
        (Meaning::Gone, _) => TransportError::UnknownTopic(partition.topic.clone()),
        (Meaning::Barred, _) => TransportError::Unauthorized(text),
        (Meaning::Dropped, _) if in_transaction => TransportError::Aborted(text),
        _ if failed.why.perhaps_stored || call.stored > 0 => {
            TransportError::OutcomeUnknown(format!(
                "{text}; {} of the call's records were stored, {} not or perhaps",
                call.stored,
                call.failed.len()
            ))
        }
        _ => TransportError::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use faustus_core::{BatchBuilder, Offset, Timestamp, TopicPartition};

    use super::*;
    use crate::{
        native::{Delivery, Undelivered},
        write::calls::Calls,
    };

    /// A call of two batches of two records each, with these reports.
    fn outcome(
        reports: [Result<i64, (RDKafkaErrorCode, bool)>; 4],
    ) -> Result<Published, PublishError> {
        outcome_of(reports, false)
    }

    fn outcome_of(
        reports: [Result<i64, (RDKafkaErrorCode, bool)>; 4],
        in_transaction: bool,
    ) -> Result<Published, PublishError> {
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(1), None, None);
        builder.push(Timestamp(1), None, None);
        let batch = builder.build();
        let outgoing: Vec<Outgoing> = (0..2)
            .map(|partition| Outgoing {
                partition: TopicPartition::new("a", partition),
                batch: batch.clone(),
            })
            .collect();
        let mut calls = Calls::default();
        let slot = calls.begin([2, 2].into_iter());
        for (record, result) in reports.into_iter().enumerate() {
            calls.handing_over(slot);
            let result = result.map_err(|(code, perhaps_stored)| Undelivered {
                code,
                perhaps_stored,
            });
            calls.delivered(Delivery {
                opaque: Calls::opaque(slot, record),
                result,
            });
        }
        let call = calls.end(slot).unwrap();
        answer(&call, &outgoing, BTreeMap::new(), in_transaction)
    }

    #[test]
    fn all_stored_gives_the_ends() {
        let published = outcome([Ok(4), Ok(5), Ok(8), Ok(9)]).unwrap();
        assert_eq!(published.ends, [Offset(6), Offset(10)]);
    }

    #[test]
    fn a_refused_record_is_named() {
        let refused = Err((RDKafkaErrorCode::MessageSizeTooLarge, false));
        let error = outcome([Ok(4), Ok(5), Ok(8), refused]).unwrap_err();
        let PublishError::Refused(refusals) = error else {
            panic!("{error:?}");
        };
        assert_eq!((refusals[0].outgoing, refusals[0].record), (1, 1));
    }

    #[test]
    fn who_shared_a_batch_with_a_refused_record_is_not_blamed() {
        let guilty = Err((RDKafkaErrorCode::InvalidRecord, false));
        let innocent = Err((RDKafkaErrorCode::InvalidDifferentRecord, false));
        let error = outcome([Ok(4), innocent, guilty, innocent]).unwrap_err();
        let PublishError::Refused(refusals) = error else {
            panic!("{error:?}");
        };
        let places: Vec<_> = refusals.iter().map(|r| (r.outgoing, r.record)).collect();
        assert_eq!(places, [(1, 0)]);
    }

    #[test]
    fn nothing_sent_is_unavailable_and_anything_stored_is_unknown() {
        let timeout = Err((RDKafkaErrorCode::MessageTimedOut, false));
        let error = outcome([timeout; 4]).unwrap_err();
        assert!(matches!(
            error,
            PublishError::Transport(TransportError::Unavailable(_))
        ));
        let error = outcome([Ok(1), timeout, timeout, timeout]).unwrap_err();
        assert!(matches!(
            error,
            PublishError::Transport(TransportError::OutcomeUnknown(_))
        ));
        let perhaps = Err((RDKafkaErrorCode::MessageTimedOut, true));
        let error = outcome([timeout, timeout, perhaps, timeout]).unwrap_err();
        assert!(matches!(
            error,
            PublishError::Transport(TransportError::OutcomeUnknown(_))
        ));
    }

    #[test]
    fn fencing_outweighs_all_else() {
        let fenced = Err((RDKafkaErrorCode::ProducerFenced, false));
        let perhaps = Err((RDKafkaErrorCode::MessageTimedOut, true));
        let error = outcome([perhaps, fenced, perhaps, Ok(1)]).unwrap_err();
        assert!(matches!(
            error,
            PublishError::Transport(TransportError::Fenced(_))
        ));
    }

    #[test]
    fn a_topic_that_is_gone_is_named() {
        let gone = Err((RDKafkaErrorCode::UnknownTopicOrPartition, false));
        let error = outcome([gone; 4]).unwrap_err();
        assert_eq!(
            error,
            PublishError::Transport(TransportError::UnknownTopic("a".into()))
        );
    }

    #[test]
    fn who_was_dropped_for_a_refused_record_does_not_hide_it_in_a_transaction() {
        let dropped = Err((RDKafkaErrorCode::PurgeQueue, false));
        let forbidden = Err((RDKafkaErrorCode::TopicAuthorizationFailed, false));
        let reports = [Ok(1), dropped, forbidden, dropped];
        let PublishError::Refused(refusals) = outcome_of(reports, true).unwrap_err() else {
            panic!("only the refused record matters");
        };
        assert_eq!((refusals[0].outgoing, refusals[0].record), (1, 0));
        // Outside of one, it matters that not all others were stored.
        assert!(matches!(
            outcome_of(reports, false).unwrap_err(),
            PublishError::Transport(TransportError::OutcomeUnknown(_))
        ));
    }

    #[test]
    fn records_dropped_for_no_reason_that_is_told_abort_their_transaction() {
        let dropped = Err((RDKafkaErrorCode::PurgeQueue, false));
        let error = outcome_of([Ok(1), dropped, dropped, Ok(2)], true).unwrap_err();
        assert!(matches!(
            error,
            PublishError::Transport(TransportError::Aborted(_))
        ));
        let timeout = Err((RDKafkaErrorCode::MessageTimedOut, false));
        let error = outcome_of([timeout, dropped, dropped, dropped], true).unwrap_err();
        let unavailable = matches!(
            error,
            PublishError::Transport(TransportError::Unavailable(_))
        );
        assert!(unavailable, "the reason is known: {error:?}");
    }

    #[test]
    fn a_client_that_may_write_nothing_blames_no_record() {
        let barred = Err((RDKafkaErrorCode::ClusterAuthorizationFailed, false));
        assert!(matches!(
            outcome([barred; 4]).unwrap_err(),
            PublishError::Transport(TransportError::Unauthorized(_))
        ));
    }
}
