//! How long it takes from a worker's wish to join until all that it is assigned runs.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

use super::{Durations, SharedCount};
use crate::{RebalanceFigures, membership::TaskId};

/// The rebalances of a worker.
#[derive(Debug, Default)]
pub(crate) struct Rebalances {
    begun: SharedCount,
    lost: SharedCount,
    assigning: Durations,
    whole: Durations,
    tasks_started: SharedCount,
    tasks_refused: SharedCount,
    recovering: Durations,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the worker asked to join, until it has an assignment.
    joining: Option<Duration>,
    /// When the rebalance began whose tasks are not all there.
    recovering: Option<Duration>,
    /// What came of those that are not awaited any more, since the last rebalance was whole.
    recovered: Recovered,
    /// The tasks that are to run and do not yet, each with the moment of its assignment.
    awaited: BTreeMap<TaskId, Duration>,
}

/// What a rebalance had to recover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// How many tasks run.
    pub(crate) tasks: usize,
    /// How many cannot.
    pub(crate) refused: usize,
    /// How many records their tables were restored from.
    pub(crate) records: usize,
    /// How long the slowest of them took.
    pub(crate) took: Duration,
}

/// A rebalance that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// How long it took, from the wish to join on.
    pub(crate) took: Duration,
    pub(crate) recovered: Recovered,
}

impl Rebalances {
    /// The worker asks to join at `now`; whether a rebalance begins with that.
    pub(crate) fn begin(&self, now: Duration) -> bool {
        let mut state = self.state.lock();
        let begins = state.joining.is_none();
        if begins {
            state.joining = Some(now);
            self.begun.add(1);
        }
        begins
    }

    /// There is an assignment, with these new tasks; how long it took to get.
    pub(crate) fn assigned(&self, added: &[TaskId], now: Duration) -> Duration {
        let mut state = self.state.lock();
        let began = state.joining.take().unwrap_or(now);
        let took = now.saturating_sub(began);
        self.assigning.record(took);
        state
            .awaited
            .extend(added.iter().map(|id| (id.clone(), now)));
        // A rebalance that finds the one before unfinished ends together with it.
        state.recovering.get_or_insert(began);
        took
    }

    /// A task runs, or cannot; how long that took since its assignment. `None` if it was not awaited.
    pub(crate) fn started(&self, id: &TaskId, runs: bool, now: Duration) -> Option<Duration> {
        let mut state = self.state.lock();
        let assigned = state.awaited.remove(id)?;
        let took = now.saturating_sub(assigned);
        let recovered = &mut state.recovered;
        recovered.tasks += usize::from(runs);
        recovered.refused += usize::from(!runs);
        recovered.took = took.max(recovered.took);
        drop(state);
        if runs {
            self.tasks_started.add(1);
            self.recovering.record(took);
        } else {
            self.tasks_refused.add(1);
        }
        Some(took)
    }

    /// A table was restored from so many records.
    pub(crate) fn restored(&self, records: usize) {
        self.state.lock().recovered.records += records;
    }

    /// These tasks are not ours any more.
    pub(crate) fn gone(&self, tasks: &[TaskId]) {
        let mut state = self.state.lock();
        for task in tasks {
            state.awaited.remove(task);
        }
    }

    /// The membership is lost, and all tasks.
    pub(crate) fn lost(&self) {
        self.lost.add(1);
        let mut state = self.state.lock();
        state.awaited.clear();
        state.recovering = None;
        state.recovered = Recovered::default();
    }

    /// The rebalance, if nothing of it is awaited any more and that is new.
    pub(crate) fn ended(&self, now: Duration) -> Option<Whole> {
        let mut state = self.state.lock();
        if !state.awaited.is_empty() {
            return None;
        }
        let took = now.saturating_sub(state.recovering.take()?);
        self.whole.record(took);
        let recovered = std::mem::take(&mut state.recovered);
        Some(Whole { took, recovered })
    }

    pub(super) fn read(&self) -> RebalanceFigures {
        let state = self.state.lock();
        let under_way = state.joining.is_some() || state.recovering.is_some();
        drop(state);
        RebalanceFigures {
            begun: self.begun.get(),
            lost: self.lost.get(),
            under_way,
            assigning: self.assigning.read(),
            whole: self.whole.read(),
            tasks_started: self.tasks_started.get(),
            tasks_refused: self.tasks_refused.get(),
            recovering: self.recovering.read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_rebalance_ends_when_all_its_tasks_run_or_are_gone() {
        let rebalances = Rebalances::default();
        let tasks = [TaskId::new("a", 0), TaskId::new("a", 1)];
        assert!(rebalances.begin(secs(10)));
        assert!(!rebalances.begin(secs(11)), "the same join, tried again");
        assert_eq!(rebalances.assigned(&tasks, secs(13)), secs(3));
        assert_eq!(rebalances.ended(secs(13)), None);
        assert_eq!(rebalances.started(&tasks[0], true, secs(15)), Some(secs(2)));
        assert_eq!(rebalances.started(&tasks[0], true, secs(15)), None);
        assert_eq!(rebalances.ended(secs(15)), None);
        rebalances.restored(7);
        rebalances.gone(&tasks[1..]);
        let recovered = Recovered {
            tasks: 1,
            refused: 0,
            records: 7,
            took: secs(2),
        };
        let took = secs(10);
        assert_eq!(rebalances.ended(secs(20)), Some(Whole { took, recovered }));
        assert_eq!(rebalances.ended(secs(21)), None);
        let read = rebalances.read();
        assert_eq!(
            (read.begun, read.tasks_started, read.under_way),
            (1, 1, false)
        );
        assert_eq!(read.assigning.sum(), secs(3));
        assert_eq!(read.whole.sum(), secs(10));
        assert_eq!(read.recovering.sum(), secs(2));
    }
}
