//! The transactions of one producer: their states, and the calls that move between them.
//!
//! A transaction that cannot be committed any more is *poisoned*: the commit aborts it instead. After
//! a commit of unknown outcome, and once it is fenced, the producer is *dead*.

use std::time::{Duration, Instant};

use faustus_core::{GroupIdentity, OffsetCommit, PublishError, TransportError};
use rdkafka::types::RDKafkaErrorCode;

use super::{
    overdue::{Calling, GivenUp, Kind},
    worker::{Step, Worker},
};
use crate::native::TransactionError;

/// How long a call that only talks to the coordinator is tried.
const COORDINATOR_LIMIT: Duration = Duration::from_secs(15);
/// How long librdkafka may block at once.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// The transaction of a producer.
#[derive(Debug)]
pub(super) struct Transaction {
    state: State,
    /// After so long the coordinator aborts an open transaction.
    timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// None is open.
    Idle,
    /// One is open.
    Open,
    /// One is open and must be aborted, for this reason.
    Poisoned(String),
    /// None can be opened ever again.
    Dead(TransportError),
}

impl Transaction {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            state: State::Idle,
            timeout,
        }
    }

    /// A record was refused.
    pub(super) fn poison(&mut self, reason: &str) {
        if self.state == State::Open {
            self.state = State::Poisoned(reason.to_owned());
        }
    }

    /// A publish failed.
    pub(super) fn failed(&mut self, error: &PublishError) {
        match error {
            PublishError::Transport(
                error @ (TransportError::Fenced(_) | TransportError::Unauthorized(_)),
            ) => {
                self.state = State::Dead(error.clone());
            }
            error => self.poison(&error.to_string()),
        }
    }
}

impl Worker {
    /// Makes the producer ready for transactions, if it is for them.
    pub(super) fn init_transactions(&mut self) -> Result<(), TransportError> {
        if self.transaction.is_none() {
            return Ok(());
        }
        let (client, calling) = (&self.client, &self.calling);
        // Without a connection librdkafka would look again only after half a second.
        let reached = calling.within(COORDINATOR_LIMIT, Kind::Harmless, || {
            client.reach(COORDINATOR_LIMIT)
        });
        let reached = reached.unwrap_or(Err(RDKafkaErrorCode::OperationTimedOut));
        reached.map_err(|code| {
            TransportError::Unavailable(format!("no broker answers the producer: {code}"))
        })?;
        let ready = persist(calling, Kind::Harmless, COORDINATOR_LIMIT, |limit| {
            client.init_transactions(limit)
        });
        ready.map_err(|error| match verdict(&error) {
            Verdict::Retry => TransportError::Unavailable(said(&error)),
            Verdict::Abort | Verdict::Dead => refused(&error),
        })
    }

    /// Whether records are welcome.
    pub(super) fn may_publish(&self) -> Result<(), TransportError> {
        match self
            .transaction
            .as_ref()
            .map(|transaction| &transaction.state)
        {
            None | Some(State::Open) => Ok(()),
            Some(State::Idle) => Err(TransportError::Invalid(
                "no transaction is open; begin one before publishing".to_owned(),
            )),
            Some(State::Poisoned(reason)) => Err(TransportError::Aborted(reason.clone())),
            Some(State::Dead(error)) => Err(error.clone()),
        }
    }

    /// Makes one step.
    pub(super) fn step(&mut self, step: Step) -> Result<(), TransportError> {
        let Some(transaction) = &self.transaction else {
            return Err(TransportError::Invalid(
                "this producer is not for transactions".to_owned(),
            ));
        };
        if let State::Dead(error) = &transaction.state {
            return Err(error.clone());
        }
        match (step, transaction.state.clone()) {
            (Step::Begin, State::Idle) => self.begin(),
            (Step::Begin, _) => Err(TransportError::Invalid(
                "a transaction is open already; commit or abort it first".to_owned(),
            )),
            (Step::Commit(..), State::Idle) => Err(TransportError::Invalid(
                "no transaction is open; begin one before committing".to_owned(),
            )),
            (Step::Commit(group, offsets), _) => self.commit(&group, &offsets),
            (Step::Abort, State::Idle) => Ok(()),
            (Step::Abort, _) => self.abort(),
        }
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        let (client, calling) = (&self.client, &self.calling);
        let begun = calling.within(Duration::ZERO, Kind::Harmless, || {
            client.begin_transaction()
        });
        match begun.unwrap_or_else(|GivenUp| Err(TransactionError::given_up())) {
            Ok(()) => {
                self.set(State::Open);
                Ok(())
            }
            Err(error) => match verdict(&error) {
                Verdict::Retry => Err(TransportError::Unavailable(said(&error))),
                Verdict::Abort => {
                    // Something failed since the last transaction ended.
                    self.set(State::Poisoned(said(&error)));
                    self.abort()?;
                    self.begin()
                }
                Verdict::Dead => Err(self.die(refused(&error))),
            },
        }
    }

    fn commit(
        &mut self,
        group: &GroupIdentity,
        offsets: &[OffsetCommit],
    ) -> Result<(), TransportError> {
        let limit = self.transaction_limit();
        let began = Instant::now();
        // librdkafka's own wait would sleep, and would take records that are sent meanwhile.
        if !self.wait_for_reports(limit) {
            let reason = format!("records are not stored after {} ms", limit.as_millis());
            return self.give_up(reason);
        }
        self.finish();
        match self
            .transaction
            .as_ref()
            .map(|transaction| transaction.state.clone())
        {
            Some(State::Open) => {}
            Some(State::Dead(error)) => return Err(error),
            Some(State::Poisoned(reason)) => return self.give_up(reason),
            Some(State::Idle) | None => return Err(TransportError::Closed),
        }
        let (client, calling) = (&self.client, &self.calling);
        if !offsets.is_empty() {
            let left = limit.saturating_sub(began.elapsed());
            let sent = persist(calling, Kind::Harmless, left, |limit| {
                client.send_offsets(group, offsets, limit)
            });
            if let Err(error) = sent {
                let reason = offsets_refused(&error, group);
                return match verdict(&error) {
                    Verdict::Dead => Err(self.die(refused(&error))),
                    Verdict::Retry | Verdict::Abort if is_forbidden(error.code) => {
                        let ended = self.give_up(reason.clone());
                        ended.map_err(|error| match error {
                            TransportError::Aborted(_) => TransportError::Unauthorized(reason),
                            error => error,
                        })
                    }
                    Verdict::Retry | Verdict::Abort => self.give_up(reason),
                };
            }
        }
        // From here on the outcome is the coordinator's: it ends a transaction after its timeout, so
        // it is asked for longer than that.
        let committed = persist(calling, Kind::Commit, limit, |limit| {
            client.commit_transaction(limit)
        });
        match committed {
            Ok(()) => {
                self.set(State::Idle);
                Ok(())
            }
            Err(error) => match verdict(&error) {
                Verdict::Abort => self.give_up(said(&error)),
                Verdict::Dead if is_fenced(error.code) => Err(self.die(refused(&error))),
                Verdict::Dead | Verdict::Retry => {
                    let text = format!("the commit was not confirmed: {}", said(&error));
                    self.die(TransportError::Fenced(
                        "the outcome of this producer's last transaction is unknown; make another \
                         producer"
                            .to_owned(),
                    ));
                    Err(TransportError::OutcomeUnknown(text))
                }
            },
        }
    }

    /// Aborts in place of a commit.
    fn give_up(&mut self, reason: String) -> Result<(), TransportError> {
        self.set(State::Poisoned(reason.clone()));
        match self.abort() {
            Err(error @ TransportError::Fenced(_)) => Err(error),
            // None of it will ever be seen, as no commit was asked for; what is left to do, the next
            // `begin` or the coordinator's timeout does.
            Ok(()) | Err(_) => Err(TransportError::Aborted(reason)),
        }
    }

    fn abort(&mut self) -> Result<(), TransportError> {
        let (client, calling) = (&self.client, &self.calling);
        let aborted = persist(calling, Kind::Harmless, COORDINATOR_LIMIT, |limit| {
            client.abort_transaction(limit)
        });
        // It has given up what was on its way.
        self.wait_for_reports(CALL_LIMIT);
        self.finish();
        match aborted {
            Ok(()) => {
                self.set(State::Idle);
                Ok(())
            }
            Err(error) => match verdict(&error) {
                Verdict::Retry | Verdict::Abort => Err(TransportError::Unavailable(said(&error))),
                Verdict::Dead => Err(self.die(refused(&error))),
            },
        }
    }

    /// How long a commit may take: the coordinator ends the transaction before.
    fn transaction_limit(&self) -> Duration {
        let timeout = self
            .transaction
            .as_ref()
            .map(|transaction| transaction.timeout);
        timeout.unwrap_or_default() + COORDINATOR_LIMIT
    }

    fn set(&mut self, state: State) {
        if let Some(transaction) = &mut self.transaction {
            transaction.state = state;
        }
    }

    fn die(&mut self, error: TransportError) -> TransportError {
        self.set(State::Dead(error.clone()));
        error
    }
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Call again.
    Retry,
    /// Abort the transaction; another can begin.
    Abort,
    /// The producer is at its end.
    Dead,
}

fn verdict(error: &TransactionError) -> Verdict {
    if error.fatal || is_fenced(error.code) {
        Verdict::Dead
    } else if error.requires_abort {
        Verdict::Abort
    } else if error.retriable || error.code == RDKafkaErrorCode::OperationTimedOut {
        Verdict::Retry
    } else if matches!(
        error.code,
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::InvalidTransactionTimeout
    ) {
        Verdict::Dead
    } else {
        Verdict::Abort
    }
}

fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::TransactionCoordinatorFenced
    )
}

/// Whether this client may not commit offsets for the group, or not of a topic.
fn is_forbidden(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed
    )
}

/// Calls until it succeeds, fails for good, or `limit` is over.
fn persist(
    calling: &Calling,
    kind: Kind,
    limit: Duration,
    mut call: impl FnMut(Duration) -> Result<(), TransactionError>,
) -> Result<(), TransactionError> {
    let began = Instant::now();
    loop {
        let left = limit.saturating_sub(began.elapsed());
        let at_once = left.min(CALL_LIMIT);
        let called = calling.within(at_once, kind, || call(at_once));
        match called.unwrap_or_else(|GivenUp| Err(TransactionError::given_up())) {
            Err(error) if verdict(&error) == Verdict::Retry && began.elapsed() < limit => {
                // An error that comes at once must not spin.
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// What a producer tells that died of this error.
fn refused(error: &TransactionError) -> TransportError {
    dead(error.code, &error.text)
}

/// As above.
pub(super) fn dead(code: RDKafkaErrorCode, text: &str) -> TransportError {
    let said = format!("{code}: {text}");
    match code {
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => TransportError::Unauthorized(said),
        RDKafkaErrorCode::InvalidTransactionTimeout => TransportError::Invalid(said),
        _ => TransportError::Fenced(format!(
            "another producer took this transactional id, or the transaction outlived its timeout: \
             {said}"
        )),
    }
}

fn offsets_refused(error: &TransactionError, group: &GroupIdentity) -> String {
    use RDKafkaErrorCode as Code;
    let what = match error.code {
        Code::IllegalGeneration => format!("generation {} is over", group.generation),
        Code::UnknownMemberId => format!("the group does not know member {:?}", group.member),
        Code::FencedInstanceId => "another process took this instance id".to_owned(),
        Code::RebalanceInProgress => "a rebalance is in progress".to_owned(),
        _ => "its coordinator did not take the offsets".to_owned(),
    };
    format!("group {}: {what} ({})", group.group, said(error))
}

fn said(error: &TransactionError) -> String {
    format!("{}: {}", error.code, error.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: RDKafkaErrorCode, fatal: bool, requires_abort: bool) -> TransactionError {
        TransactionError {
            code,
            text: "text".to_owned(),
            fatal,
            retriable: false,
            requires_abort,
        }
    }

    #[test]
    fn a_fenced_producer_is_dead_whatever_else_is_said() {
        let fenced = error(RDKafkaErrorCode::ProducerFenced, false, true);
        assert_eq!(verdict(&fenced), Verdict::Dead);
        assert!(matches!(refused(&fenced), TransportError::Fenced(_)));
    }

    #[test]
    fn a_stale_generation_aborts_and_says_so() {
        let stale = error(RDKafkaErrorCode::IllegalGeneration, false, true);
        assert_eq!(verdict(&stale), Verdict::Abort);
        let text = offsets_refused(&stale, &GroupIdentity::none("bank"));
        assert!(text.contains("generation -1 is over"), "{text}");
    }

    #[test]
    fn a_timeout_is_tried_again() {
        let timeout = error(RDKafkaErrorCode::OperationTimedOut, false, false);
        assert_eq!(verdict(&timeout), Verdict::Retry);
        let mut calls = 0;
        let result = persist(
            &Calling::default(),
            Kind::Harmless,
            Duration::from_secs(10),
            |_| {
                calls += 1;
                if calls == 3 {
                    Ok(())
                } else {
                    Err(timeout.clone())
                }
            },
        );
        assert_eq!((result, calls), (Ok(()), 3));
    }

    #[test]
    fn a_refused_record_poisons_only_an_open_transaction() {
        let mut transaction = Transaction::new(Duration::from_secs(10));
        transaction.poison("too large");
        assert_eq!(transaction.state, State::Idle);
        transaction.state = State::Open;
        transaction.failed(&PublishError::Refused(Vec::new()));
        assert!(matches!(transaction.state, State::Poisoned(_)));
    }
}
