//! Faults on order: which call fails or waits, when and how.
//!
//! A [`FaultyTransport`] asks its [`Faults`] at every call. Rules are tried in the order in which
//! they were added and the first that fits is used up. Without rules and delays a call costs one
//! look. Chances and delays follow from a seed, so that a run can be repeated.

mod error;
mod reading;
mod transport;
mod writing;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use faustus_core::{GroupError, TopicName, TransportError};
use parking_lot::Mutex;

use crate::ids::Ids;

pub use transport::FaultyTransport;

/// A call of a transport that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Call {
    /// Making a producer; the subject is the transactional id, empty without.
    Producer,
    /// `Producer::publish`; the subject is the transactional id, empty without.
    Publish,
    /// `TransactionalProducer::begin`.
    Begin,
    /// `TransactionalProducer::commit`.
    Commit,
    /// `TransactionalProducer::abort`.
    Abort,
    /// `Log::read`; the subject is the partition, such as `orders/3`.
    Read,
    /// `PartitionReader::poll_fetch`; the subject is the partition.
    Fetch,
    /// `Coordinator::join`; the subject is the group, as in all calls of a coordinator.
    Join,
    /// `Coordinator::sync`.
    Sync,
    /// `Coordinator::heartbeat`.
    Heartbeat,
    /// `Coordinator::leave`.
    Leave,
    /// `Coordinator::commit_offsets`.
    CommitOffsets,
    /// `Coordinator::fetch_offsets`.
    FetchOffsets,
    /// Any call of `Admin` that changes something; the subject is the first topic.
    Change,
    /// Any call of `Admin` that only asks.
    Ask,
}

/// A call that is about to be made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Site<'a> {
    /// Which.
    pub call: Call,
    /// Of whom: see [`Call`].
    pub subject: &'a str,
    /// The topics that are written, for a publish.
    pub topics: &'a [&'a str],
}

/// What is done to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails and has no effect.
    Before(TransportError),
    /// It has all its effect and fails then. A fetch fails before: it has no other effect.
    After(TransportError),
    /// It is polled so often, then dropped, and its outcome is unknown.
    Cut(usize),
    /// It is made so much later.
    Delay(Duration),
    /// A coordinator answers so; a call of another kind fails with the text of it.
    Answer(GroupError),
    /// A publish takes the records for all topics but this one, and refuses those for this one; in a
    /// transaction it takes none. A call of another kind fails as [`Unauthorized`](TransportError::Unauthorized).
    Refuse(TopicName),
}

impl Fault {
    /// The call fails as unavailable and has no effect.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::Before(TransportError::Unavailable("injected".into()))
    }

    /// The call has no effect, but nobody knows.
    #[must_use]
    pub fn unknown_without_effect() -> Self {
        Self::Before(TransportError::OutcomeUnknown("injected".into()))
    }

    /// The call has its effect, but nobody knows.
    #[must_use]
    pub fn unknown_with_effect() -> Self {
        Self::After(TransportError::OutcomeUnknown("injected".into()))
    }

    /// There is no room to store anything.
    #[must_use]
    pub fn full() -> Self {
        Self::Before(TransportError::Full("injected".into()))
    }

    /// The whole call is forbidden.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::Before(TransportError::Unauthorized("injected".into()))
    }

    /// Records for `topic` are forbidden.
    #[must_use]
    pub fn refuse(topic: &str) -> Self {
        Self::Refuse(topic.into())
    }
}

type Condition = Arc<dyn Fn(&Site<'_>) -> bool + Send + Sync>;

/// Which calls get a fault: by default the next one of its kind.
///
/// # Examples
///
/// ```
/// use faustus_log::{Call, Fault, Faults, Rule};
///
/// let faults = Faults::new(1);
/// faults.add(Rule::new(Call::Commit, Fault::unknown_with_effect()).skip(2));
/// faults.add(Rule::new(Call::Publish, Fault::full()).always().when(|site| site.topics == ["audit"]));
/// ```
#[derive(Clone)]
pub struct Rule {
    call: Call,
    fault: Fault,
    skip: usize,
    left: usize,
    /// Of a thousand calls that fit so many get it.
    per_mille: u64,
    condition: Option<Condition>,
}

impl Rule {
    /// The next `call` gets `fault`.
    #[must_use]
    pub fn new(call: Call, fault: Fault) -> Self {
        Self {
            call,
            fault,
            skip: 0,
            left: 1,
            per_mille: 1000,
            condition: None,
        }
    }

    /// The first `calls` that fit are spared.
    #[must_use]
    pub fn skip(self, calls: usize) -> Self {
        Self {
            skip: calls,
            ..self
        }
    }

    /// So many calls get the fault.
    #[must_use]
    pub fn times(self, calls: usize) -> Self {
        Self {
            left: calls,
            ..self
        }
    }

    /// All calls from then on get the fault.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Of a thousand calls that fit about so many get the fault.
    #[must_use]
    pub fn per_mille(self, calls: u64) -> Self {
        Self {
            per_mille: calls,
            ..self
        }
    }

    /// Only calls for which `condition` holds fit.
    #[must_use]
    pub fn when(self, condition: impl Fn(&Site<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self {
            condition: Some(Arc::new(condition)),
            ..self
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("call", &self.call)
            .field("fault", &self.fault)
            .field("skip", &self.skip)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// The rules of one or more faulty transports; clones are handles of the same rules.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug)]
struct Plan {
    rules: Vec<Rule>,
    /// All calls wait for a random time below this.
    delays: Duration,
    ids: Ids,
    seen: BTreeMap<Call, usize>,
}

impl Faults {
    /// No faults; chances and delays will follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Plan {
            rules: Vec::new(),
            delays: Duration::ZERO,
            ids: Ids::new(seed),
            seen: BTreeMap::new(),
        })))
    }

    /// Adds a rule behind those that there are.
    pub fn add(&self, rule: Rule) {
        self.0.lock().rules.push(rule);
    }

    /// Lets every call wait for a random time below `most`.
    pub fn delay_all(&self, most: Duration) {
        self.0.lock().delays = most;
    }

    /// Forgets all rules and delays.
    pub fn clear(&self) {
        let mut plan = self.0.lock();
        plan.rules.clear();
        plan.delays = Duration::ZERO;
    }

    /// How many calls of this kind were made so far.
    #[must_use]
    pub fn seen(&self, call: Call) -> usize {
        self.0.lock().seen.get(&call).copied().unwrap_or_default()
    }

    /// What happens to the call at `site`: a wait first, then perhaps a fault.
    fn at(&self, site: &Site<'_>) -> (Duration, Option<Fault>) {
        let mut plan = self.0.lock();
        let plan = &mut *plan;
        *plan.seen.entry(site.call).or_default() += 1;
        let most = u64::try_from(plan.delays.as_nanos()).unwrap_or(u64::MAX);
        let delay = match most {
            0 => Duration::ZERO,
            most => Duration::from_nanos(plan.ids.bits() % most),
        };
        for rule in &mut plan.rules {
            let fits = rule.call == site.call
                && rule.left > 0
                && rule.condition.as_ref().is_none_or(|holds| holds(site))
                && (rule.per_mille >= 1000 || plan.ids.bits() % 1000 < rule.per_mille);
            if !fits {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.left = rule
                .left
                .saturating_sub(usize::from(rule.left != usize::MAX));
            return match &rule.fault {
                Fault::Delay(longer) => (delay + *longer, None),
                fault => (delay, Some(fault.clone())),
            };
        }
        (delay, None)
    }
}

#[cfg(test)]
mod tests;
