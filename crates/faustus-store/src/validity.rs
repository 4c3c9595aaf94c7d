//! Whether a store may be used, or must be rebuilt from the changelog.
//!
//! Contract: a pure decision. A store is used only if reading on from its checkpoint is certain to
//! give the table as a full rebuild would: the topic is the one it was made from, the offset is in
//! the log, and no tombstone that it has not seen can be gone.

use std::time::Duration;

use faustus_core::{Checkpoint, Offset, Timestamp, TopicId};

/// Decides where to read on in the changelog so that a store with `checkpoint` is complete.
///
/// `topic_id` is the changelog's present incarnation, `log_start` its first offset, `high_watermark`
/// the offset after its last record (open transactions included), `delete_retention` how long it
/// keeps tombstones, `now` wall time.
///
/// A store that has seen everything up to the high watermark is used however old it is: there is no
/// tombstone left to miss.
///
/// # Errors
///
/// Why the store must be [destroyed](faustus_core::StoreProvider::destroy) and the changelog read
/// from its start.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use faustus_core::{Checkpoint, Offset, Timestamp, TopicId};
/// use faustus_store::{RebuildReason, validity};
///
/// let checkpoint = Checkpoint {
///     changelog: TopicId(7),
///     offset: Offset(120),
///     written: Timestamp(1_000),
///     stream_time: Timestamp(0),
/// };
/// let resume_at = |high_watermark| {
///     let day = Duration::from_secs(24 * 3600);
///     validity(Some(&checkpoint), TopicId(7), Offset(0), high_watermark, day, Timestamp(2_000))
/// };
/// assert_eq!(resume_at(Offset(150)), Ok(Offset(120)));
/// assert!(matches!(resume_at(Offset(100)), Err(RebuildReason::AheadOfLog { .. })));
/// ```
pub fn validity(
    checkpoint: Option<&Checkpoint>,
    topic_id: TopicId,
    log_start: Offset,
    high_watermark: Offset,
    delete_retention: Duration,
    now: Timestamp,
) -> Result<Offset, RebuildReason> {
    let &Checkpoint {
        changelog,
        offset,
        written,
        ..
    } = checkpoint.ok_or(RebuildReason::NoCheckpoint)?;
    if changelog != topic_id {
        return Err(RebuildReason::OtherTopic {
            store: changelog,
            log: topic_id,
        });
    }
    if offset > high_watermark {
        return Err(RebuildReason::AheadOfLog {
            store: offset,
            high_watermark,
        });
    }
    if offset < log_start {
        return Err(RebuildReason::BelowLogStart {
            store: offset,
            log_start,
        });
    }
    // A clock that was set back hides the age; as far as it was set, so far the age is not known.
    let age = Duration::from_millis(now.0.abs_diff(written.0));
    if offset < high_watermark && age >= delete_retention {
        return Err(RebuildReason::TooOld {
            age,
            delete_retention,
        });
    }
    Ok(offset)
}

/// Why a store cannot be used; its text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildReason {
    /// The store is new or was emptied.
    #[error("the store is empty")]
    NoCheckpoint,
    /// The changelog was deleted and made again since.
    #[error(
        "the changelog was made anew: the store is of topic id {store}, the topic's id is now {log}"
    )]
    OtherTopic {
        /// The incarnation that the store was made from.
        store: TopicId,
        /// The incarnation there is.
        log: TopicId,
    },
    /// The log lost records that the store has.
    #[error(
        "the store is at offset {store}, past the changelog's end at {high_watermark}: the log has lost records"
    )]
    AheadOfLog {
        /// The next offset to apply.
        store: Offset,
        /// The offset after the log's last record.
        high_watermark: Offset,
    },
    /// Records that the store has not seen were deleted.
    #[error(
        "the store is at offset {store}, before the changelog's start at {log_start}: records in between were deleted"
    )]
    BelowLogStart {
        /// The next offset to apply.
        store: Offset,
        /// The log's first offset.
        log_start: Offset,
    },
    /// Tombstones that the store has not seen may be gone.
    #[error(
        "the store was last written {} ago (or the clock was changed), the changelog keeps tombstones for {} only (delete.retention.ms): removed keys could come back",
        people(*.age),
        people(*.delete_retention)
    )]
    TooOld {
        /// How far the last write is from now.
        age: Duration,
        /// How long tombstones are kept.
        delete_retention: Duration,
    },
}

/// A duration to the precision that people want: two units.
fn people(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = duration.as_secs();
    let Some(greatest) = UNITS.iter().position(|&(unit, _)| seconds >= unit) else {
        return format!("{} ms", duration.as_millis());
    };
    let (unit, name) = UNITS[greatest];
    let text = format!("{} {name}", seconds / unit);
    match UNITS.get(greatest + 1) {
        Some(&(next, name)) if seconds % unit >= next => {
            format!("{text} {} {name}", seconds % unit / next)
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const WRITTEN: Timestamp = Timestamp(1_700_000_000_000);

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            changelog: TopicId(7),
            offset: Offset(100),
            written: WRITTEN,
            stream_time: Timestamp(3),
        }
    }

    /// The decision for [`checkpoint`] on a log that holds `log`, `later` after it was written.
    fn check(log: std::ops::Range<i64>, later: Duration) -> Result<Offset, RebuildReason> {
        let now = Timestamp(WRITTEN.0 + i64::try_from(later.as_millis()).unwrap());
        let (start, end) = (Offset(log.start), Offset(log.end));
        validity(Some(&checkpoint()), TopicId(7), start, end, DAY, now)
    }

    #[test]
    fn a_recent_store_inside_the_log_is_used_from_its_offset() {
        assert_eq!(check(50..200, DAY / 2), Ok(Offset(100)));
    }

    #[test]
    fn a_store_at_either_end_of_the_log_is_used() {
        assert_eq!(check(100..200, DAY / 2), Ok(Offset(100)));
        assert_eq!(check(0..100, DAY / 2), Ok(Offset(100)));
    }

    #[test]
    fn a_new_store_is_rebuilt() {
        let decision = validity(None, TopicId(7), Offset(0), Offset(9), DAY, WRITTEN);
        assert_eq!(decision, Err(RebuildReason::NoCheckpoint));
    }

    #[test]
    fn a_store_of_another_incarnation_is_rebuilt() {
        let id = TopicId(8);
        let decision = validity(
            Some(&checkpoint()),
            id,
            Offset(0),
            Offset(200),
            DAY,
            WRITTEN,
        );
        let store = TopicId(7);
        assert_eq!(decision, Err(RebuildReason::OtherTopic { store, log: id }));
    }

    #[test]
    fn a_store_ahead_of_the_log_is_rebuilt() {
        let (store, high_watermark) = (Offset(100), Offset(99));
        assert_eq!(
            check(0..99, DAY / 2),
            Err(RebuildReason::AheadOfLog {
                store,
                high_watermark
            })
        );
    }

    #[test]
    fn a_store_below_the_start_of_the_log_is_rebuilt() {
        let (store, log_start) = (Offset(100), Offset(101));
        assert_eq!(
            check(101..200, DAY / 2),
            Err(RebuildReason::BelowLogStart { store, log_start })
        );
    }

    #[test]
    fn a_store_as_old_as_the_tombstones_is_rebuilt() {
        let age = DAY;
        let delete_retention = DAY;
        assert_eq!(
            check(0..200, DAY - Duration::from_millis(1)),
            Ok(Offset(100))
        );
        assert_eq!(
            check(0..200, DAY),
            Err(RebuildReason::TooOld {
                age,
                delete_retention
            })
        );
    }

    /// A store is used exactly if nothing stands against it; what does is said.
    fn check_rules(id: u128, offset: i64, log: (i64, i64), age: Duration, now: Timestamp) {
        let (log_id, offset) = (TopicId(7), Offset(offset));
        let (log_start, high_watermark) = (Offset(log.0), Offset(log.1));
        let other = RebuildReason::OtherTopic {
            store: TopicId(id),
            log: log_id,
        };
        let ahead = RebuildReason::AheadOfLog {
            store: offset,
            high_watermark,
        };
        let below = RebuildReason::BelowLogStart {
            store: offset,
            log_start,
        };
        let old = RebuildReason::TooOld {
            age,
            delete_retention: DAY,
        };
        let rules = [
            (TopicId(id) != log_id, other),
            (offset > high_watermark, ahead),
            (offset < log_start, below),
            // Who has seen everything misses no tombstone.
            (age >= DAY && offset < high_watermark, old),
        ];
        let against: Vec<_> = rules.into_iter().filter(|(holds, _)| *holds).collect();
        let store = Checkpoint {
            changelog: TopicId(id),
            offset,
            ..checkpoint()
        };
        match validity(Some(&store), log_id, log_start, high_watermark, DAY, now) {
            Ok(from) => {
                assert_eq!(from, offset);
                assert!(against.is_empty(), "{store:?} is used: {against:?}");
            }
            Err(reason) => {
                let is_right = against.contains(&(true, reason.clone()));
                assert!(is_right, "{store:?}: {reason:?}, but {against:?}");
            }
        }
    }

    #[test]
    fn a_store_is_used_unless_a_rule_forbids_it() {
        const LAST: i64 = 3;
        let ms = Duration::from_millis(1);
        for age in [Duration::ZERO, DAY - ms, DAY, DAY + ms] {
            let millis = i64::try_from(age.as_millis()).unwrap();
            // Written so long ago, or as far in the future.
            for now in [WRITTEN.0 + millis, WRITTEN.0 - millis].map(Timestamp) {
                for log in (0..=LAST).flat_map(|end| (0..=end).map(move |start| (start, end))) {
                    for (id, offset) in [7, 8]
                        .into_iter()
                        .flat_map(|id| (0..=LAST + 1).map(move |o| (id, o)))
                    {
                        check_rules(id, offset, log, age, now);
                    }
                }
            }
        }
    }

    #[test]
    fn an_old_store_with_nothing_left_to_read_is_used() {
        assert_eq!(check(0..100, DAY * 30), Ok(Offset(100)));
    }

    #[test]
    fn a_store_written_further_in_the_future_than_tombstones_live_is_rebuilt() {
        let decide = |now| {
            let end = Offset(200);
            validity(Some(&checkpoint()), TopicId(7), Offset(0), end, DAY, now)
        };
        assert_eq!(decide(Timestamp(WRITTEN.0 - 5_000)), Ok(Offset(100)));
        assert!(matches!(
            decide(Timestamp(0)),
            Err(RebuildReason::TooOld { .. })
        ));
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let (start, end) = (Offset(0), Offset(200));
        for (written, now) in [
            (i64::MIN, i64::MAX),
            (i64::MAX, i64::MIN),
            (i64::MIN, i64::MIN),
        ] {
            let written = Timestamp(written);
            let old = Checkpoint {
                written,
                ..checkpoint()
            };
            let decision = validity(Some(&old), TopicId(7), start, end, DAY, Timestamp(now));
            assert_eq!(decision.is_ok(), written.0 == now);
        }
    }

    #[test]
    fn the_text_tells_people_how_old_the_store_is() {
        let text = check(0..200, DAY * 3 + Duration::from_secs(7_300))
            .unwrap_err()
            .to_string();
        assert!(text.contains("written 3 d 2 h ago"), "{text}");
        assert!(text.contains("for 1 d only"), "{text}");
    }

    #[test]
    fn durations_are_given_in_two_units() {
        let texts = [0, 59, 60, 61, 3_599, 86_400, 90_000].map(|s| people(Duration::from_secs(s)));
        let expected = [
            "0 ms",
            "59 s",
            "1 min",
            "1 min 1 s",
            "59 min 59 s",
            "1 d",
            "1 d 1 h",
        ];
        assert_eq!(texts, expected);
    }
}
