//! What becomes of an event that failed.

use std::time::Duration;

/// What becomes of an event whose agent failed, that does not decode, or whose output the log refused.
///
/// Whatever the policy, the event's writes and sends are undone first, and no later event of the
/// partition is committed before it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use faustus::FailurePolicy;
///
/// let patient = FailurePolicy::Retry { max: 20, backoff: Duration::from_secs(1) };
/// assert_ne!(patient, FailurePolicy::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// Try again up to `max` times, after `backoff`, twice that, four times … but never more than
    /// ten seconds (or `backoff`, if that is longer); then park the task. A record that does not
    /// decode is not tried again: it would not decode then either.
    Retry {
        /// How often to try again.
        max: u32,
        /// How long to wait before the first time.
        backoff: Duration,
    },
    /// Go on with the next event; the failure is logged.
    Skip,
    /// Park the task at once: it stands still, visibly, while others go on.
    Park,
}

impl Default for FailurePolicy {
    /// Retry five times, first after 100 ms, then park.
    fn default() -> Self {
        Self::Retry {
            max: 5,
            backoff: Duration::from_millis(100),
        }
    }
}

impl FailurePolicy {
    /// What to do after `failures` failures of the same event, the last of which can (not) pass.
    pub(crate) fn decide(self, failures: u32, can_pass: bool) -> Verdict {
        match self {
            Self::Retry { max, backoff } if can_pass && failures <= max => {
                let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
                let longest = backoff.max(Duration::from_secs(10));
                Verdict::RetryAfter(backoff.saturating_mul(factor).min(longest))
            }
            Self::Skip => Verdict::Skip,
            Self::Retry { .. } | Self::Park => Verdict::Park,
        }
    }
}

/// What a policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    RetryAfter(Duration),
    Skip,
    Park,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_double_their_wait_and_end_in_parking() {
        let policy = FailurePolicy::Retry {
            max: 3,
            backoff: Duration::from_secs(4),
        };
        let waits: Vec<_> = (1..=4)
            .map(|failures| policy.decide(failures, true))
            .collect();
        let after = |seconds| Verdict::RetryAfter(Duration::from_secs(seconds));
        assert_eq!(waits, [after(4), after(8), after(10), Verdict::Park]);
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        assert_eq!(FailurePolicy::default().decide(1, false), Verdict::Park);
        assert_eq!(FailurePolicy::Skip.decide(1, false), Verdict::Skip);
    }
}
