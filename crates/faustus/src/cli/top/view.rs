//! What is shown: made of [`History`] alone, the same for the screen, the report and JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::snapshot::{Compared, History, spread, sum};
use crate::{Monitor, TopicFigures, Traffic, control::Lane};

/// The workers' figures, taken together. Rates are over the last interval and unknown (`null` in JSON)
/// before there was one; times that something took are those of the last ten seconds, at least of the
/// last interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct View {
    /// When it was: milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Of how much time the rates are.
    pub(super) interval_seconds: Option<f64>,
    /// The processes of the workers.
    pub(super) workers: Vec<u32>,
    /// How many tasks are in which state.
    pub(super) tasks: BTreeMap<String, usize>,
    /// What was fetched and is not done.
    pub(super) records_held: u64,
    pub(super) bytes_held: u64,
    pub(super) received: Flow,
    /// What was stored, replies too.
    pub(super) sent: Flow,
    pub(super) agents: Vec<Agent>,
    pub(super) topics: Vec<Topic>,
    pub(super) partitions: Vec<Partition>,
    pub(super) lanes: Lanes,
    pub(super) tables: Vec<Table>,
    pub(super) recoveries: Vec<Recovery>,
    pub(super) epochs: Epochs,
    pub(super) rebalances: Rebalances,
    pub(super) asks: Asks,
    pub(super) sends: Sends,
}

/// A count since the start of the workers, and how fast it grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Counted {
    pub(super) total: u64,
    pub(super) per_second: Option<f64>,
}

/// How long something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) p50_seconds: Option<f64>,
    pub(super) p99_seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Flow {
    pub(super) records: Counted,
    pub(super) bytes: Counted,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Agent {
    pub(super) agent: String,
    /// Events that it finished.
    pub(super) events: Counted,
    pub(super) failures: Counted,
    pub(super) retries: Counted,
    pub(super) skipped: Counted,
    pub(super) dead_letters: Counted,
    pub(super) parkings: Counted,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Topic {
    pub(super) topic: String,
    pub(super) received: Flow,
    pub(super) sent: Flow,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) lag_records: Option<u64>,
    pub(super) lag_seconds: Option<f64>,
    pub(super) done_per_second: Option<f64>,
    /// The position after what is done.
    pub(super) retired: i64,
    pub(super) committed: i64,
    pub(super) end: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Lanes {
    /// How many are in which state.
    pub(super) states: BTreeMap<String, usize>,
    /// Those that somebody may want to look at: the worst first, and of them the longest.
    pub(super) of_interest: Vec<LaneOfInterest>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct LaneOfInterest {
    #[serde(flatten)]
    pub(super) lane: Lane,
    /// How long it has been so, or until it tries again.
    pub(super) seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Table {
    pub(super) table: String,
    pub(super) reads: Counted,
    /// Writes that left a value.
    pub(super) writes: Counted,
    pub(super) deletes: Counted,
    /// Records of its changelog that were read to recover it.
    pub(super) restored: Counted,
}

/// The recovery of a table's partition that is under way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Recovery {
    pub(super) table: String,
    pub(super) partition: u32,
    /// From 0 to 1.
    pub(super) done: f64,
    pub(super) remaining_records: u64,
    pub(super) records_per_second: Option<f64>,
    /// How long it takes from here, at this rate.
    pub(super) seconds_left: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Epochs {
    pub(super) committed: Counted,
    pub(super) rolled_back: Counted,
    pub(super) refused: Counted,
    pub(super) attempts_again: Counted,
    pub(super) gathering: Spread,
    pub(super) publishing: Spread,
    pub(super) committing: Spread,
    pub(super) storing: Spread,
    pub(super) whole: Spread,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Rebalances {
    pub(super) begun: Counted,
    pub(super) lost: Counted,
    /// Whether one is under way in some worker.
    pub(super) under_way: bool,
    pub(super) whole: Spread,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Asks {
    pub(super) asked: Counted,
    pub(super) answered: Counted,
    pub(super) failed: Counted,
    pub(super) timed_out: Counted,
    pub(super) waiting: Spread,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Sends {
    pub(super) sent: Counted,
    pub(super) failed: Counted,
    pub(super) publishing: Spread,
}

impl View {
    pub(super) fn new(history: &History) -> Self {
        let workers = &*history.compared();
        let monitors = || workers.iter().map(|worker| &worker.now.monitor);
        let held = || monitors().flat_map(|monitor| &monitor.tasks);
        let spans = workers.iter().filter_map(Compared::seconds);
        Self {
            at_ms: history.newest().map_or(0, |newest| newest.at),
            interval_seconds: spans.max_by(f64::total_cmp),
            workers: workers.iter().map(|worker| worker.now.process).collect(),
            tasks: states(
                workers
                    .iter()
                    .flat_map(|worker| &worker.now.tasks)
                    .map(|task| &task.state),
            ),
            records_held: held().map(|task| task.records_held).sum(),
            bytes_held: held().map(|task| task.bytes_held).sum(),
            received: flow(workers, |monitor| all(&monitor.received)),
            sent: flow(workers, |monitor| {
                let (sent, replied) = (all(&monitor.sent), monitor.replied);
                (sent.0 + replied.records, sent.1 + replied.bytes)
            }),
            agents: agents(workers),
            topics: topics(workers),
            partitions: partitions(workers),
            lanes: lanes(workers),
            tables: tables(workers),
            recoveries: recoveries(workers),
            epochs: epochs(workers),
            rebalances: Rebalances {
                begun: sum(workers, |monitor| monitor.rebalances.begun),
                lost: sum(workers, |monitor| monitor.rebalances.lost),
                under_way: monitors().any(|monitor| monitor.rebalances.under_way),
                whole: spread(workers, |monitor| &monitor.rebalances.whole),
            },
            asks: Asks {
                asked: sum(workers, |monitor| monitor.asks.asked),
                answered: sum(workers, |monitor| monitor.asks.answered),
                failed: sum(workers, |monitor| monitor.asks.failed),
                timed_out: sum(workers, |monitor| monitor.asks.timed_out),
                waiting: spread(workers, |monitor| &monitor.asks.waiting),
            },
            sends: Sends {
                sent: sum(workers, |monitor| monitor.sends.sent),
                failed: sum(workers, |monitor| monitor.sends.failed),
                publishing: spread(workers, |monitor| &monitor.sends.publishing),
            },
        }
    }

    /// What waits in all partitions of which it is known.
    pub(super) fn lag_records(&self) -> Option<u64> {
        let known = self
            .partitions
            .iter()
            .filter_map(|partition| partition.lag_records);
        known.reduce(|all, one| all + one)
    }

    /// How far the partition that is furthest behind is behind.
    pub(super) fn lag_seconds(&self) -> Option<f64> {
        let waiting = self.partitions.iter();
        let waiting = waiting.filter(|partition| partition.lag_records > Some(0));
        let known = waiting.filter_map(|partition| partition.lag_seconds);
        known.max_by(f64::total_cmp)
    }
}

fn states<'a>(of: impl Iterator<Item = &'a String>) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for state in of {
        *states.entry(state.clone()).or_default() += 1;
    }
    states
}

/// The names that any worker has, in the order in which they come.
fn names<'a>(workers: &[Compared<'a>], of: impl Fn(&'a Monitor) -> Vec<&'a str>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in workers.iter().flat_map(|worker| of(&worker.now.monitor)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Records and bytes of topics.
fn all(topics: &[TopicFigures]) -> (u64, u64) {
    let each = topics.iter().map(|topic| topic.traffic);
    each.fold((0, 0), |(records, bytes), one| {
        (records + one.records, bytes + one.bytes)
    })
}

fn flow(workers: &[Compared<'_>], of: impl Fn(&Monitor) -> (u64, u64)) -> Flow {
    Flow {
        records: sum(workers, |monitor| of(monitor).0),
        bytes: sum(workers, |monitor| of(monitor).1),
    }
}

fn agents(workers: &[Compared<'_>]) -> Vec<Agent> {
    let all = names(workers, |monitor| {
        monitor.agents.iter().map(|agent| &*agent.agent).collect()
    });
    let each = all.into_iter().map(|name| {
        let count = |of: fn(&crate::AgentFigures) -> u64| {
            sum(workers, |monitor| {
                let agent = monitor.agents.iter().find(|agent| agent.agent == name);
                agent.map_or(0, of)
            })
        };
        Agent {
            agent: name.to_owned(),
            events: count(|agent| agent.events_completed),
            failures: count(|agent| agent.failures),
            retries: count(|agent| agent.retries),
            skipped: count(|agent| agent.events_skipped),
            dead_letters: count(|agent| agent.events_dead_lettered),
            parkings: count(|agent| agent.parkings),
        }
    });
    each.collect()
}

fn topics(workers: &[Compared<'_>]) -> Vec<Topic> {
    let mut all = names(workers, |monitor| {
        let topics = monitor.received.iter().chain(&monitor.sent);
        topics.map(|topic| &*topic.topic).collect()
    });
    all.sort_unstable();
    let each = all.into_iter().map(|name| {
        let of = |side: fn(&Monitor) -> &Vec<TopicFigures>| {
            flow(workers, |monitor| {
                let topic = side(monitor).iter().find(|topic| topic.topic == name);
                let traffic = topic.map_or_else(Traffic::default, |topic| topic.traffic);
                (traffic.records, traffic.bytes)
            })
        };
        Topic {
            topic: name.to_owned(),
            received: of(|monitor| &monitor.received),
            sent: of(|monitor| &monitor.sent),
        }
    });
    each.collect()
}

fn partitions(workers: &[Compared<'_>]) -> Vec<Partition> {
    let each = workers.iter().flat_map(|worker| {
        worker.now.monitor.partitions.iter().map(|figures| {
            let of = &figures.partition;
            let lag = figures.lag_time(worker.at());
            Partition {
                topic: of.topic.to_string(),
                partition: of.partition,
                lag_records: figures.lag_records(),
                lag_seconds: lag.map(|lag| lag.as_secs_f64()),
                done_per_second: worker.speed(|monitor| {
                    let mut same = monitor.partitions.iter();
                    same.find(|same| same.partition == *of)
                        .map(|same| same.retired.0)
                }),
                retired: figures.retired.0,
                committed: figures.committed.0,
                end: figures.end.map(|end| end.0),
            }
        })
    });
    let mut all: Vec<_> = each.collect();
    all.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    all
}

/// States of lanes that are worth a look, the worst first. An event in hand is, if it takes long.
const OF_INTEREST: [&str; 7] = [
    "parked",
    "blocking",
    "retrying",
    "in event",
    "waiting for room",
    "paused",
    "blocked",
];

/// How long an event may take until somebody may want to look at it, in seconds.
const LONG: f64 = 1.0;

fn lanes(workers: &[Compared<'_>]) -> Lanes {
    let each = || {
        workers
            .iter()
            .flat_map(|worker| worker.now.lanes.iter().map(move |lane| (worker, lane)))
    };
    let of_interest = each().filter_map(|(worker, lane)| {
        let rank = OF_INTEREST.iter().position(|state| lane.state == *state)?;
        let millis = lane.since.map(|since| (worker.at().0 - since).abs());
        let seconds = millis.map(|millis| millis as f64 / 1000.0);
        let long = lane.state != "in event" || seconds.is_some_and(|seconds| seconds >= LONG);
        let lane = LaneOfInterest {
            lane: lane.clone(),
            seconds,
        };
        long.then_some((rank, lane))
    });
    let mut of_interest: Vec<_> = of_interest.collect();
    of_interest.sort_by(|(rank, a), (other, b)| {
        let longest = b
            .seconds
            .unwrap_or(0.0)
            .total_cmp(&a.seconds.unwrap_or(0.0));
        rank.cmp(other).then(longest)
    });
    Lanes {
        states: states(each().map(|(_, lane)| &lane.state)),
        of_interest: of_interest.into_iter().map(|(_, lane)| lane).collect(),
    }
}

fn tables(workers: &[Compared<'_>]) -> Vec<Table> {
    let all = names(workers, |monitor| {
        monitor.tables.iter().map(|table| &*table.table).collect()
    });
    let each = all.into_iter().map(|name| {
        let count = |of: fn(&crate::TableFigures) -> u64| {
            sum(workers, |monitor| {
                let table = monitor.tables.iter().find(|table| table.table == name);
                table.map_or(0, of)
            })
        };
        Table {
            table: name.to_owned(),
            reads: count(|table| table.keys_read),
            writes: count(|table| table.keys_set),
            deletes: count(|table| table.keys_deleted),
            restored: count(|table| table.records_restored),
        }
    });
    each.collect()
}

fn recoveries(workers: &[Compared<'_>]) -> Vec<Recovery> {
    let each = workers.iter().flat_map(|worker| {
        let tasks = worker.now.monitor.tasks.iter();
        let restoring = tasks.flat_map(|task| task.restoring.iter().map(move |one| (task, one)));
        restoring
            .filter(|(_, one)| one.remaining_records() > 0)
            .map(|(task, one)| {
                let speed = worker.speed(|monitor| {
                    let before = monitor
                        .tasks
                        .iter()
                        .find(|before| before.task == task.task)?;
                    let mut same = before.restoring.iter();
                    same.find(|same| same.table == one.table)
                        .map(|same| same.position.0)
                });
                let all = (one.end.0 - one.start.0).max(1) as f64;
                let remaining = one.remaining_records();
                Recovery {
                    table: one.table.clone(),
                    partition: task.task.partition,
                    done: (1.0 - remaining as f64 / all).clamp(0.0, 1.0),
                    remaining_records: remaining,
                    records_per_second: speed,
                    seconds_left: speed
                        .filter(|speed| *speed > 0.0)
                        .map(|speed| remaining as f64 / speed),
                }
            })
    });
    let mut all: Vec<_> = each.collect();
    all.sort_by(|a, b| (&a.table, a.partition).cmp(&(&b.table, b.partition)));
    all
}

fn epochs(workers: &[Compared<'_>]) -> Epochs {
    let count = |of: fn(&crate::EpochFigures) -> u64| sum(workers, |monitor| of(&monitor.epochs));
    Epochs {
        committed: count(|epochs| epochs.committed),
        rolled_back: count(|epochs| epochs.rolled_back),
        refused: count(|epochs| epochs.refused),
        attempts_again: count(|epochs| epochs.attempts_again),
        gathering: spread(workers, |monitor| &monitor.epochs.gathering),
        publishing: spread(workers, |monitor| &monitor.epochs.publishing),
        committing: spread(workers, |monitor| &monitor.epochs.committing),
        storing: spread(workers, |monitor| &monitor.epochs.storing),
        whole: spread(workers, |monitor| &monitor.epochs.whole),
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
