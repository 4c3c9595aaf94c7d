//! How far the recovery of tables is: from one look at the figures to the next.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::Duration,
};

use super::super::output::{amount, span};
use crate::{Monitor, TaskActivity};

/// The rate is that of the time since so long ago.
const WINDOW: Duration = Duration::from_secs(10);

/// Follows recoveries.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// What is or was read of each changelog since tasks recover.
    parts: BTreeMap<(String, String), Part>,
    /// How much was done when, of late.
    done: VecDeque<(Duration, u64)>,
}

/// The part of a changelog that is read, in offsets.
#[derive(Debug)]
struct Part {
    first: i64,
    position: i64,
    end: i64,
}

/// What a look shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// No task recovers.
    Nothing,
    UnderWay(Progress),
    /// All tasks that recovered run or stand still by now.
    Over,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Progress {
    /// Tasks that recover, and all.
    pub(super) tasks: (usize, usize),
    /// Offsets of changelogs that were read, and all that there are to read, as far as that is known.
    pub(super) records: (u64, u64),
    /// Offsets that are read in a second, once that is known.
    pub(super) per_second: Option<f64>,
    /// How long it takes from now on, if it goes on like this.
    pub(super) left: Option<Duration>,
}

impl Recovery {
    /// Looks at the figures of a moment.
    pub(super) fn look(&mut self, monitor: &Monitor, now: Duration) -> Seen {
        let tasks = monitor.tasks.iter();
        let recovering = tasks.filter(|task| task.state == TaskActivity::Recovering);
        let recovering: Vec<_> = recovering.collect();
        if recovering.is_empty() {
            let is_over = !self.parts.is_empty();
            *self = Self::default();
            return if is_over { Seen::Over } else { Seen::Nothing };
        }
        let mut read = Vec::new();
        for task in &recovering {
            for table in &task.restoring {
                let key = (task.task.to_string(), table.table.clone());
                let (position, end) = (table.position.0, table.end.0);
                let part = self.parts.entry(key.clone()).or_insert(Part {
                    first: position,
                    position,
                    end,
                });
                // A recovery that began anew reads from an earlier place.
                part.first = part.first.min(position);
                (part.position, part.end) = (position, end);
                read.push(key);
            }
        }
        self.finish_all_but(|key| read.contains(key));
        let (done, all) = self.records();
        let per_second = self.rate(now, done);
        Seen::UnderWay(Progress {
            tasks: (recovering.len(), monitor.tasks.len()),
            records: (done, all),
            per_second,
            left: per_second
                .filter(|rate| *rate >= 1.0)
                .map(|rate| Duration::from_secs_f64(float(all - done) / rate)),
        })
    }

    /// What is not read any more has been read.
    fn finish_all_but(&mut self, is_read: impl Fn(&(String, String)) -> bool) {
        for (key, part) in &mut self.parts {
            if !is_read(key) {
                part.position = part.end;
            }
        }
    }

    fn records(&self) -> (u64, u64) {
        let between = |from: i64, to: i64| u64::try_from(to - from).unwrap_or_default();
        let parts = self.parts.values();
        parts.fold((0, 0), |(done, all), part| {
            let here = between(part.first, part.position);
            let whole = between(part.first, part.end.max(part.position));
            (done + here, all + whole)
        })
    }

    fn rate(&mut self, now: Duration, done: u64) -> Option<f64> {
        while self
            .done
            .front()
            .is_some_and(|(at, before)| now.saturating_sub(*at) > WINDOW || *before > done)
        {
            self.done.pop_front();
        }
        self.done.push_back((now, done));
        let (at, before) = self.done.front()?;
        let seconds = now.saturating_sub(*at).as_secs_f64();
        (seconds > 0.0).then(|| float(done - before) / seconds)
    }
}

impl Progress {
    /// From 0 to 100; tables that nobody looked at yet are not in it.
    pub(super) fn percent(&self) -> u64 {
        let (done, all) = self.records;
        (done * 100).checked_div(all).unwrap_or_default()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (recovering, tasks) = self.tasks;
        let (done, all) = self.records;
        // What matters most comes first: a terminal may be narrow.
        if let Some(left) = self.left {
            write!(f, "{} left  ", span(left.as_secs_f64()))?;
        }
        write!(f, "{} of {} records", amount(done), amount(all))?;
        if let Some(rate) = self.per_second {
            write!(f, "  {}/s", amount(whole(rate)))?;
        }
        write!(f, "  {recovering} of {tasks} tasks")
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for people"
)]
pub(super) fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

#[cfg(test)]
mod tests {
    use faustus_core::Offset;

    use super::*;
    use crate::{RestoreFigures, TaskFigures, membership::TaskId};

    /// The figures of a task that reads each table from a position to an end, or runs.
    fn task(number: u32, tables: &[(&str, i64, i64)], state: TaskActivity) -> TaskFigures {
        let restoring = tables.iter().map(|(table, position, end)| RestoreFigures {
            table: (*table).to_owned(),
            start: Offset(0),
            position: Offset(*position),
            end: Offset(*end),
        });
        TaskFigures {
            task: TaskId::new("count", number),
            state,
            records_held: 0,
            bytes_held: 0,
            restoring: restoring.collect(),
        }
    }

    fn monitor(tasks: Vec<TaskFigures>) -> Monitor {
        Monitor {
            tasks,
            ..Monitor::default()
        }
    }

    fn under_way(seen: Seen) -> Progress {
        match seen {
            Seen::UnderWay(progress) => progress,
            other => panic!("it is under way, and not {other:?}"),
        }
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    use TaskActivity::{Recovering, Running};

    #[test]
    fn rate_and_time_left_follow_from_two_looks() {
        let mut recovery = Recovery::default();
        let at = |position| monitor(vec![task(0, &[("totals", position, 10_000)], Recovering)]);
        let first = under_way(recovery.look(&at(1_000), secs(5)));
        assert_eq!((first.records, first.per_second), ((0, 9_000), None));
        let then = under_way(recovery.look(&at(4_000), secs(7)));
        assert_eq!(then.records, (3_000, 9_000));
        assert_eq!((then.percent(), then.per_second), (33, Some(1_500.0)));
        assert_eq!(then.left, Some(secs(4)));
        insta::assert_snapshot!(then, @"4.0 s left  3 k of 9 k records  1.5 k/s  1 of 1 tasks");
    }

    #[test]
    fn a_table_that_is_whole_counts_as_read_while_others_are_not() {
        let mut recovery = Recovery::default();
        let both = [("counts", 0, 100), ("totals", 0, 300)];
        recovery.look(&monitor(vec![task(0, &both, Recovering)]), secs(1));
        let one = task(0, &[("totals", 50, 300)], Recovering);
        let progress = under_way(recovery.look(&monitor(vec![one]), secs(2)));
        assert_eq!(progress.records, (150, 400));
    }

    #[test]
    fn its_end_is_seen_once() {
        let mut recovery = Recovery::default();
        let begins = vec![
            task(0, &[("totals", 100, 300)], Recovering),
            task(1, &[], Running),
        ];
        let progress = under_way(recovery.look(&monitor(begins), secs(1)));
        assert_eq!(progress.tasks, (1, 2));
        let runs = monitor(vec![task(0, &[], Running)]);
        assert_eq!(recovery.look(&runs, secs(4)), Seen::Over);
        assert_eq!(recovery.look(&runs, secs(5)), Seen::Nothing);
    }

    #[test]
    fn a_recovery_that_begins_anew_gives_no_rate_below_zero() {
        let mut recovery = Recovery::default();
        let at = |position| monitor(vec![task(0, &[("totals", position, 100)], Recovering)]);
        recovery.look(&at(0), secs(1));
        recovery.look(&at(90), secs(2));
        let anew = under_way(recovery.look(&at(10), secs(3)));
        assert_eq!(anew.records, (10, 100));
        assert_eq!(anew.per_second, Some(5.0));
    }

    #[test]
    fn a_changelog_whose_length_is_not_known_yet_is_no_division_by_zero() {
        let mut recovery = Recovery::default();
        let waits = monitor(vec![task(0, &[], Recovering)]);
        let progress = under_way(recovery.look(&waits, secs(1)));
        assert_eq!((progress.percent(), progress.left), (0, None));
    }
}
