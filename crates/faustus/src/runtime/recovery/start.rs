//! Where a source begins to be read: a pure function of what is known of it.

use faustus_core::{CommittedOffset, Offset, Timestamp, TopicId, TopicPartition};

use crate::runtime::epoch::OffsetNote;

/// What is known of a source when its first position is decided.
pub(super) struct SourceFacts<'a> {
    pub(super) committed: Option<&'a CommittedOffset>,
    /// The topic's present incarnation.
    pub(super) topic: Option<TopicId>,
    pub(super) earliest: Offset,
    pub(super) end: Offset,
    /// A table of the task has entries, in its store or its changelog.
    pub(super) has_state: bool,
    /// The source is new to a task that read others, or the topic itself is.
    pub(super) joins: bool,
}

/// Where to begin to read, and the greatest event time that is known; or why nobody can tell.
pub(super) fn start_of(
    partition: &TopicPartition,
    facts: &SourceFacts<'_>,
) -> Result<(Offset, Timestamp), String> {
    let &SourceFacts {
        committed,
        topic,
        earliest,
        end,
        has_state,
        joins,
    } = facts;
    let Some(committed) = committed else {
        return if has_state && !joins {
            Err(format!(
                "{partition} has no committed offset, but its table has state: reading from the start would apply \
                 events again; commit the offset to go on from, or delete the changelog and the store to begin anew"
            ))
        } else {
            Ok((earliest, Timestamp(i64::MIN)))
        };
    };
    let note = OffsetNote::parse(&committed.metadata);
    if let (Some(note), Some(topic)) = (&note, topic)
        && note.topic != topic
    {
        return Err(format!(
            "topic {} was deleted and made again since offset {} was committed: \
                 delete the group's offset of it to read the new topic from its start",
            partition.topic, committed.offset
        ));
    }
    if committed.offset < earliest {
        return Err(format!(
            "{partition} begins at {earliest}, but {} is next: retention deleted what was not processed; \
             commit {earliest} to go on without it",
            committed.offset
        ));
    }
    if committed.offset > end {
        return Err(format!(
            "{partition} ends at {end}, but {} is next: the topic lost records; commit {end} to go on",
            committed.offset
        ));
    }
    Ok((
        committed.offset,
        note.map_or(Timestamp(i64::MIN), |note| note.stream_time),
    ))
}
