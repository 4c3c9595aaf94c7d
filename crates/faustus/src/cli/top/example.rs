//! Workers of a shop for tests: what they say at a moment, made of how far they are.

use std::time::Duration;

use super::snapshot::{History, Seen, Snapshot};
use crate::{
    AgentFigures, AskFigures, EpochFigures, Histogram, Monitor, Offset, PartitionFigures,
    RebalanceFigures, RestoreFigures, TableFigures, TaskActivity, TaskFigures, Timestamp,
    TopicFigures, TopicPartition, Traffic,
    control::{Lane, Task},
    membership::TaskId,
    runtime::Durations,
};

/// When all begins: 2026-01-02 03:04:05 UTC, in milliseconds.
pub(super) const BEGIN: i64 = 1_767_323_045_000;

/// Two moments of these workers, a second apart.
pub(super) fn history(before: Vec<Seen>, now: Vec<Seen>) -> History {
    let mut history = History::default();
    for (second, workers) in [before, now].into_iter().enumerate() {
        let at = BEGIN + 1000 * i64::try_from(second).unwrap();
        history.push(at_time(at, workers));
    }
    history
}

pub(super) fn at_time(at: i64, mut workers: Vec<Seen>) -> Snapshot {
    for worker in &mut workers {
        worker.monitor.read_at = Timestamp(at);
    }
    Snapshot { at, workers }
}

/// A worker with `partitions` of `orders`, of each of which `events` are done.
pub(super) fn worker(process: u32, partitions: std::ops::Range<u32>, events: u64) -> Seen {
    let count = u64::from(partitions.end - partitions.start);
    let all = events * count;
    let traffic = |records: u64| Traffic {
        records,
        bytes: records * 120,
    };
    let topic = |topic: &str, records: u64| TopicFigures {
        topic: topic.to_owned(),
        traffic: traffic(records),
    };
    let of = |number: u32| PartitionFigures {
        partition: TopicPartition::new("orders", number),
        fetched: offset(events + 10),
        retired: offset(events),
        committed: offset(events - events % 100),
        end: Some(offset(events + 10 * u64::from(number))),
        event_time: Some(Timestamp(BEGIN - 2_500 * i64::from(number))),
    };
    let monitor = Monitor {
        app: "shop".to_owned(),
        agents: vec![
            AgentFigures {
                agent: "total".to_owned(),
                events_taken: all,
                events_completed: all,
                failures: events / 100,
                retries: events / 100,
                events_dead_lettered: events / 500,
                ..AgentFigures::default()
            },
            AgentFigures {
                agent: "audit".to_owned(),
                ..AgentFigures::default()
            },
        ],
        tables: vec![TableFigures {
            table: "totals".to_owned(),
            keys_read: all,
            keys_set: all,
            keys_deleted: 3,
            records_restored: 1_200,
        }],
        received: vec![topic("orders", all + 10)],
        sent: vec![
            topic("receipts", all / 2),
            topic("shop-totals-changelog", all),
        ],
        tasks: partitions
            .clone()
            .map(|number| task(number, Vec::new()))
            .collect(),
        partitions: partitions.clone().map(of).collect(),
        epochs: epochs(events),
        asks: AskFigures {
            asked: 40,
            answered: 38,
            timed_out: 2,
            ..AskFigures::default()
        },
        rebalances: RebalanceFigures {
            begun: 1,
            ..RebalanceFigures::default()
        },
        ..Monitor::default()
    };
    Seen {
        process,
        monitor,
        tasks: partitions
            .clone()
            .map(|number| status(number, "busy"))
            .collect(),
        lanes: partitions.map(|number| lane(number, "waiting")).collect(),
    }
}

/// The worker recovers `totals/number`, of which it has read up to `position`.
pub(super) fn recovering(mut worker: Seen, number: u32, position: i64) -> Seen {
    let restoring = RestoreFigures {
        table: "totals".to_owned(),
        start: Offset(1_000),
        position: Offset(position),
        end: Offset(101_000),
    };
    let mut tasks = worker.monitor.tasks.iter_mut();
    let of = tasks.find(|task| task.task.partition == number).unwrap();
    *of = task(number, vec![restoring]);
    let partitions = &mut worker.monitor.partitions;
    partitions.retain(|figures| figures.partition.partition != number);
    worker.monitor.rebalances.under_way = true;
    worker.tasks[number as usize] = status(number, "recovering");
    worker.lanes[number as usize] = lane(number, "recovering");
    worker
}

pub(super) fn lane(number: u32, state: &str) -> Lane {
    Lane {
        agent: "total".to_owned(),
        task: format!("total/{number}"),
        lane: 0,
        taken: 7,
        state: state.to_owned(),
        record: None,
        since: None,
        failures: None,
        reason: None,
    }
}

/// The lane has the record in hand since so many seconds.
pub(super) fn since(mut lane: Lane, seconds: i64) -> Lane {
    lane.record = Some("orders/0@17".to_owned());
    lane.since = Some(BEGIN + 1000 - 1000 * seconds);
    lane
}

pub(super) fn because(mut lane: Lane, reason: &str) -> Lane {
    lane.reason = Some(reason.to_owned());
    lane
}

fn status(number: u32, state: &str) -> Task {
    Task {
        task: format!("total/{number}"),
        state: state.to_owned(),
        reason: None,
        sources: vec![format!("orders/{number}")],
        retired: 0,
    }
}

fn task(number: u32, restoring: Vec<RestoreFigures>) -> TaskFigures {
    TaskFigures {
        task: TaskId::new("total", number),
        state: match restoring.is_empty() {
            true => TaskActivity::Running,
            false => TaskActivity::Recovering,
        },
        records_held: 10,
        bytes_held: 1_200,
        restoring,
    }
}

/// An epoch for each hundred events; the first of them took long, as that at a start does.
fn epochs(events: u64) -> EpochFigures {
    let took = |first: u64, others: u64| -> Histogram {
        let durations = Durations::default();
        for epoch in 0..events / 100 {
            let millis = if epoch == 0 { first } else { others };
            durations.record(Duration::from_millis(millis));
        }
        durations.read()
    };
    EpochFigures {
        committed: events / 100,
        publishing: took(400, 4),
        committing: took(500, 9),
        whole: took(2_000, 20),
        ..EpochFigures::default()
    }
}

fn offset(at: u64) -> Offset {
    Offset(i64::try_from(at).unwrap())
}
