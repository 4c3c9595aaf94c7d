//! Where a task begins: every small case against the rules, and what people are told.

use faustus_core::TopicId;

use super::*;
use crate::runtime::epoch::EpochId;

/// The present incarnation of the topic.
const TOPIC: TopicId = TopicId(7);
/// What a note says of the task's event time.
const STREAM_TIME: Timestamp = Timestamp(5);
/// The event time that is known without a note.
const NO_TIME: Timestamp = Timestamp(i64::MIN);

/// The metadata of an offset that was committed for this incarnation of the topic.
fn note(topic: TopicId) -> String {
    let epoch = EpochId {
        thread: 1,
        count: 2,
    };
    let note = OffsetNote {
        epoch,
        topic,
        stream_time: STREAM_TIME,
        committer: "app-worker-0".into(),
    };
    note.to_string()
}

fn decide(
    committed: Option<(i64, &str)>,
    topic: Option<TopicId>,
    ends: (i64, i64),
    has_state: bool,
) -> Result<(Offset, Timestamp), String> {
    let committed = committed.map(|(offset, metadata)| CommittedOffset {
        offset: Offset(offset),
        metadata: metadata.into(),
    });
    let facts = SourceFacts {
        committed: committed.as_ref(),
        topic,
        earliest: Offset(ends.0),
        end: Offset(ends.1),
        has_state,
        joins: false,
    };
    start_of(&TopicPartition::new("orders", 3), &facts)
}

#[test]
fn a_new_task_begins_at_the_earliest_record() {
    let start = decide(None, Some(TOPIC), (4, 9), false);
    assert_eq!(start, Ok((Offset(4), NO_TIME)));
}

#[test]
fn a_topic_that_joins_a_task_with_state_begins_at_its_earliest_record() {
    let facts = SourceFacts {
        committed: None,
        topic: Some(TOPIC),
        earliest: Offset(4),
        end: Offset(9),
        has_state: true,
        joins: true,
    };
    let start = start_of(&TopicPartition::new("orders", 3), &facts);
    assert_eq!(start, Ok((Offset(4), NO_TIME)));
}

#[test]
fn a_committed_offset_within_the_log_is_taken() {
    for offset in [5, 9] {
        let start = decide(Some((offset, "")), Some(TOPIC), (4, 9), true);
        assert_eq!(start, Ok((Offset(offset), NO_TIME)));
    }
}

#[test]
fn the_event_time_goes_on_from_the_note() {
    let start = decide(Some((5, &note(TOPIC))), Some(TOPIC), (4, 9), true);
    assert_eq!(start, Ok((Offset(5), STREAM_TIME)));
}

#[test]
fn each_refusal_names_the_place_and_the_remedy() {
    let (old, known) = (note(TopicId(8)), Some(TOPIC));
    let refused = [
        (
            decide(None, known, (4, 9), true),
            ["orders/3", "commit the offset"],
        ),
        (
            decide(Some((3, "")), known, (4, 9), false),
            ["orders/3", "commit 4"],
        ),
        (
            decide(Some((10, "")), known, (4, 9), false),
            ["orders/3", "commit 9"],
        ),
        (
            decide(Some((5, &old)), known, (4, 9), true),
            ["topic orders", "delete the group's offset"],
        ),
    ];
    for (refused, parts) in refused {
        let text = refused.unwrap_err();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

/// A task begins exactly at its committed offset, or at the earliest record if it never ran; what
/// stands against that is said, and nothing else is.
#[test]
fn a_task_begins_where_it_was_unless_a_rule_forbids_it() {
    const END: i64 = 3;
    let notes = ["", "of another program", &note(TOPIC), &note(TopicId(8))];
    let offsets = || (0..=END + 1).flat_map(|offset| notes.map(|note| Some((offset, note))));
    let mut cases = 0;
    for committed in offsets().chain([None]) {
        for topic in [Some(TOPIC), None] {
            for (earliest, end) in (0..=END).flat_map(|end| (0..=end).map(move |e| (e, end))) {
                for has_state in [false, true] {
                    let noted = committed.and_then(|(_, note)| OffsetNote::parse(note));
                    let against = [
                        (committed.is_none() && has_state, "no committed offset"),
                        (committed.is_some_and(|(o, _)| o < earliest), "retention"),
                        (committed.is_some_and(|(o, _)| o > end), "lost records"),
                        (
                            noted.as_ref().zip(topic).is_some_and(|(n, t)| n.topic != t),
                            "made again",
                        ),
                    ];
                    let reasons: Vec<_> = against.iter().filter(|(holds, _)| *holds).collect();
                    let case = (committed, topic, earliest, end, has_state);
                    let decided = decide(committed, topic, (earliest, end), has_state);
                    match decided {
                        Ok((from, time)) => {
                            assert!(reasons.is_empty(), "{case:?}: not {from}: {reasons:?}");
                            assert_eq!(from.0, committed.map_or(earliest, |(o, _)| o), "{case:?}");
                            let known = noted.map_or(NO_TIME, |note| note.stream_time);
                            assert_eq!(time, known, "{case:?}");
                        }
                        Err(text) => {
                            let said = against.iter().filter(|(_, part)| text.contains(part));
                            let said: Vec<_> = said.collect();
                            assert_eq!(said.len(), 1, "{case:?}: {text}");
                            assert!(said[0].0, "{case:?}: {text}");
                        }
                    }
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 21 * 2 * 10 * 2);
}
