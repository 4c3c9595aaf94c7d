//! The live line: how a worker stands, in one line, from two looks at its figures.

use std::{fmt::Write as _, time::Duration};

use super::{
    super::output::{amount, span},
    recovery::whole,
};
use crate::{Histogram, Monitor, TaskActivity};

/// How `now` stands, with what was done since `before`; the worker runs for so long.
pub(super) fn line(before: &Monitor, now: &Monitor, runs: Duration) -> String {
    let mut line = now.app.clone();
    let parked = now.tasks.iter();
    let parked = parked.filter(|task| task.state == TaskActivity::Parked);
    let (tasks, parked) = (now.tasks.len(), parked.count());
    let mut add = |text: std::fmt::Arguments<'_>| {
        let _ = write!(line, "  {text}");
    };
    match (tasks, now.rebalances.under_way) {
        (0, true) => add(format_args!("joins the group")),
        (0, false) => add(format_args!("has no tasks")),
        (1, _) => add(format_args!("1 task")),
        (tasks, _) => add(format_args!("{tasks} tasks")),
    }
    if parked > 0 {
        add(format_args!("{parked} PARKED"));
    }
    add(format_args!(
        "{} events/s",
        amount(whole(rate(before, now)))
    ));
    if let Some((records, time)) = lag(now) {
        let records_wait = amount(records);
        match time.filter(|_| records > 0) {
            Some(time) => add(format_args!(
                "lag {records_wait} ({})",
                span(time.as_secs_f64())
            )),
            None => add(format_args!("lag {records_wait}")),
        }
    }
    let failures: u64 = now.agents.iter().map(|agent| agent.failures).sum();
    match failures {
        0 => {}
        1 => add(format_args!("1 failure")),
        _ => add(format_args!("{} failures", amount(failures))),
    }
    if let Some(took) = commit(before, now) {
        match took.as_millis() {
            0 => add(format_args!("commit <1 ms")),
            millis => add(format_args!("commit {millis} ms")),
        }
    }
    match runs.as_secs() {
        seconds @ ..120 => add(format_args!("up {seconds} s")),
        _ => add(format_args!("up {}", span(runs.as_secs_f64()))),
    }
    line
}

/// Events that agents completed in a second.
fn rate(before: &Monitor, now: &Monitor) -> f64 {
    let completed = |monitor: &Monitor| -> u64 {
        let agents = monitor.agents.iter();
        agents.map(|agent| agent.events_completed).sum()
    };
    let millis = now.read_at.0.saturating_sub(before.read_at.0);
    let events = completed(now).saturating_sub(completed(before));
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let (events, millis) = (events as f64, millis as f64);
    if millis > 0.0 {
        events * 1000.0 / millis
    } else {
        0.0
    }
}

/// The records that wait in all partitions, and the longest that one of them waits; `None` if nothing is
/// known.
fn lag(now: &Monitor) -> Option<(u64, Option<Duration>)> {
    let partitions = now.partitions.iter();
    let records: Vec<u64> = partitions.filter_map(|of| of.lag_records()).collect();
    if records.is_empty() {
        return None;
    }
    let partitions = now.partitions.iter();
    let longest = partitions.filter_map(|of| of.lag_time(now.read_at)).max();
    Some((records.iter().sum(), longest))
}

/// How long a commit took in the mean since `before`.
fn commit(before: &Monitor, now: &Monitor) -> Option<Duration> {
    let sum = |whole: &Histogram| (whole.count(), whole.sum());
    let (count, whole) = sum(&now.epochs.whole);
    let (count_before, before) = sum(&before.epochs.whole);
    let count = u32::try_from(count.saturating_sub(count_before)).ok()?;
    whole.saturating_sub(before).checked_div(count)
}

#[cfg(test)]
mod tests {
    use faustus_core::{Offset, Timestamp, TopicPartition};

    use super::*;
    use crate::{AgentFigures, PartitionFigures, TaskFigures, membership::TaskId};

    fn monitor(seconds: i64, completed: u64) -> Monitor {
        Monitor {
            app: "bank".to_owned(),
            read_at: Timestamp(seconds * 1000),
            agents: vec![AgentFigures {
                events_completed: completed,
                ..AgentFigures::default()
            }],
            ..Monitor::default()
        }
    }

    fn task(number: u32, state: TaskActivity) -> TaskFigures {
        TaskFigures {
            task: TaskId::new("count", number),
            state,
            records_held: 0,
            bytes_held: 0,
            restoring: Vec::new(),
        }
    }

    fn partition(number: u32, end: Option<i64>) -> PartitionFigures {
        PartitionFigures {
            partition: TopicPartition::new("orders", number),
            fetched: Offset(10),
            retired: Offset(10),
            committed: Offset(10),
            end: end.map(Offset),
            event_time: Some(Timestamp(8_000)),
        }
    }

    #[test]
    fn a_worker_that_is_behind_and_has_failures() {
        let mut now = monitor(10, 30_000);
        now.agents[0].failures = 3;
        now.tasks = vec![
            task(0, TaskActivity::Running),
            task(1, TaskActivity::Parked),
        ];
        now.partitions = vec![partition(0, Some(30)), partition(1, Some(10))];
        let line = line(&monitor(8, 5_000), &now, Duration::from_secs(75));
        insta::assert_snapshot!(
            line,
            @"bank  2 tasks  1 PARKED  12 k events/s  lag 20 (2.0 s)  3 failures  up 75 s"
        );
    }

    #[test]
    fn a_worker_that_waits() {
        let mut now = monitor(10, 5);
        now.tasks = vec![task(0, TaskActivity::Running)];
        now.partitions = vec![partition(0, Some(10))];
        let line = line(&monitor(9, 5), &now, Duration::from_secs(10_000));
        insta::assert_snapshot!(line, @"bank  1 task  0 events/s  lag 0  up 3 h");
    }

    #[test]
    fn a_worker_that_is_not_in_its_group_yet() {
        let mut now = monitor(1, 0);
        now.rebalances.under_way = true;
        let line = line(&monitor(1, 0), &now, Duration::from_secs(1));
        insta::assert_snapshot!(line, @"bank  joins the group  0 events/s  up 1 s");
    }
}
