//! Which runs there are.

use std::time::Duration;

use crate::args::{AllArgs, Common, Fault, LogKind, Promise, RunArgs, Stores};

/// One run: rounds of one fault on one log under one guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) log: LogKind,
    pub(crate) fault: Fault,
    pub(crate) promise: Promise,
    pub(crate) rounds: u32,
    pub(crate) seed: u64,
    /// Inputs in a second.
    pub(crate) rate: u64,
    pub(crate) session: Duration,
    pub(crate) keep: bool,
    pub(crate) stores: Stores,
}

impl Plan {
    fn new(log: LogKind, fault: Fault, promise: Promise, rounds: u32, common: &Common) -> Self {
        Self {
            log,
            fault,
            promise,
            rounds,
            seed: common.seed.unwrap_or_else(|| fastrand::u64(..)),
            rate: common.rate.max(50),
            session: Duration::from_millis(common.session_ms),
            keep: common.keep,
            stores: common.stores,
        }
    }

    #[cfg(test)]
    pub(crate) fn example(log: LogKind, fault: Fault, promise: Promise) -> Self {
        let common = Common {
            seed: Some(1),
            keep: false,
            rate: 400,
            session_ms: 3000,
            stores: Stores::Mixed,
        };
        Self::new(log, fault, promise, 1, &common)
    }

    /// The run that was asked for, or why it makes no sense.
    pub(crate) fn of(args: &RunArgs) -> Result<Self, String> {
        match nonsense(args.log, args.fault) {
            Some(why) => Err(format!("{} on {}: {why}", args.fault, args.log)),
            None => Ok(Self::new(
                args.log,
                args.fault,
                args.guarantee,
                args.rounds,
                &args.common,
            )),
        }
    }

    /// How many brokers the run needs; none on a directory.
    pub(crate) fn brokers(&self) -> usize {
        match (self.log, self.fault) {
            (LogKind::Dir, _) => 0,
            (LogKind::Kafka, Fault::Broker) => 3,
            (LogKind::Kafka, Fault::Kill | Fault::Stop | Fault::Rolling) => 1,
        }
    }

    /// How many workers the run has; a directory is held by one process.
    pub(crate) fn workers(&self) -> usize {
        match self.log {
            LogKind::Dir => 1,
            LogKind::Kafka => 3,
        }
    }

    /// Whether nothing may be doubled: at least once does so too where everything ends in order.
    pub(crate) fn is_exact(&self) -> bool {
        self.promise == Promise::ExactlyOnce || self.fault == Fault::Rolling
    }
}

/// All runs that make sense, those on the same cluster together, and what is left out.
pub(crate) fn all(args: &AllArgs) -> (Vec<Plan>, Vec<String>) {
    let (mut plans, mut left_out) = (Vec::new(), Vec::new());
    let logs = [LogKind::Dir, LogKind::Kafka];
    for log in logs
        .into_iter()
        .filter(|&log| args.log.is_none_or(|only| only == log))
    {
        for fault in [Fault::Kill, Fault::Stop, Fault::Rolling, Fault::Broker] {
            if let Some(why) = nonsense(log, fault) {
                left_out.push(format!("{fault} on {log}: {why}"));
                continue;
            }
            for promise in [Promise::AtLeastOnce, Promise::ExactlyOnce] {
                let rounds = match (args.short, fault) {
                    (false, _) => 20,
                    (true, Fault::Kill) => 2,
                    (true, Fault::Stop | Fault::Rolling | Fault::Broker) => 1,
                };
                plans.push(Plan::new(log, fault, promise, rounds, &args.common));
            }
        }
    }
    (plans, left_out)
}

fn nonsense(log: LogKind, fault: Fault) -> Option<&'static str> {
    ((log, fault) == (LogKind::Dir, Fault::Broker))
        .then_some("a directory has no broker; killing the process that holds it is `kill`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_runs_but_brokers_on_a_directory() {
        let common = Common {
            seed: None,
            keep: false,
            rate: 400,
            session_ms: 3000,
            stores: Stores::Mixed,
        };
        let (plans, left_out) = all(&AllArgs {
            short: false,
            log: None,
            common,
        });
        assert_eq!((plans.len(), left_out.len()), (14, 1));
        assert!(plans.is_sorted_by_key(Plan::brokers));
        assert!(plans.iter().all(|plan| plan.rounds >= 20));
    }
}
