//! The figures as families of series, from which every exporter writes its own form.
//!
//! Names have their unit beside them, never in a value's scale: times are seconds, sizes bytes. Labels
//! are names of agents, tables and topics, and numbers of partitions; never keys, so their number is
//! bounded by the application's description.

use super::{Histogram, Monitor, TaskActivity};

/// Series of one name.
#[derive(Debug)]
pub(super) struct Family {
    /// Parts of a name, with a dot between what it is about and what it says.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Unit,
    pub(super) values: Values,
}

/// What a value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Its name says so.
    Named,
    Bytes,
    Seconds,
}

/// The labels of a series.
pub(super) type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
pub(super) enum Values {
    /// They only grow.
    Counters(Vec<(Labels, u64)>),
    /// They come and go.
    Gauges(Vec<(Labels, f64)>),
    Histogram(Box<Histogram>),
}

impl Monitor {
    /// All figures; which families there are never changes.
    pub(super) fn families(&self) -> Vec<Family> {
        let mut families = Vec::new();
        self.add_agents(&mut families);
        self.add_tables(&mut families);
        self.add_topics(&mut families);
        self.add_tasks(&mut families);
        self.add_partitions(&mut families);
        self.add_epochs(&mut families);
        self.add_sends(&mut families);
        self.add_rebalances(&mut families);
        families
    }

    fn add_agents(&self, families: &mut Vec<Family>) {
        let each = |of: fn(&super::AgentFigures) -> u64| {
            let agents = self.agents.iter();
            agents.map(move |agent| (vec![("agent", agent.agent.clone())], of(agent)))
        };
        let mut add = |name, help, of| families.push(counters(name, help, each(of)));
        add(
            "agent.events_taken",
            "Events given to an agent, repeated ones counted again",
            |agent| agent.events_taken,
        );
        add(
            "agent.events_completed",
            "Events that an agent finished",
            |agent| agent.events_completed,
        );
        add(
            "agent.events_skipped",
            "Events that were passed over",
            |agent| agent.events_skipped,
        );
        add(
            "agent.events_dead_lettered",
            "Events in whose place a dead letter was sent",
            |agent| agent.events_dead_lettered,
        );
        add(
            "agent.failures",
            "Failures of events, each attempt counted",
            |agent| agent.failures,
        );
        add(
            "agent.retries",
            "Failed events that were to be tried again",
            |agent| agent.retries,
        );
        add("agent.parkings", "Failures that parked a task", |agent| {
            agent.parkings
        });
    }

    fn add_tables(&self, families: &mut Vec<Family>) {
        let each = |of: fn(&super::TableFigures) -> u64| {
            let tables = self.tables.iter();
            tables.map(move |table| (vec![("table", table.table.clone())], of(table)))
        };
        let mut add = |name, help, of| families.push(counters(name, help, each(of)));
        add(
            "table.keys_read",
            "Reads of a table's keys by agents",
            |table| table.keys_read,
        );
        add("table.keys_set", "Writes that left a value", |table| {
            table.keys_set
        });
        add("table.keys_deleted", "Writes that left no value", |table| {
            table.keys_deleted
        });
        add(
            "table.records_restored",
            "Records of changelogs that were read to recover",
            |table| table.records_restored,
        );
    }

    fn add_topics(&self, families: &mut Vec<Family>) {
        let sides = [
            (
                &self.received,
                ("topic.received_records", "Records fetched"),
                (
                    "topic.received",
                    "Size of the records fetched, uncompressed",
                ),
            ),
            (
                &self.sent,
                ("topic.sent_records", "Records stored"),
                ("topic.sent", "Size of the records stored, uncompressed"),
            ),
        ];
        for (topics, records, bytes) in sides {
            let label = |topic: &super::TopicFigures| vec![("topic", topic.topic.clone())];
            let each = topics
                .iter()
                .map(|topic| (label(topic), topic.traffic.records));
            families.push(counters(records.0, records.1, each));
            let each = topics
                .iter()
                .map(|topic| (label(topic), topic.traffic.bytes));
            families.push(Family {
                unit: Unit::Bytes,
                ..counters(bytes.0, bytes.1, each)
            });
        }
        families.push(counter(
            "reply.sent_records",
            "Replies stored",
            self.replied.records,
        ));
        families.push(Family {
            unit: Unit::Bytes,
            ..counter(
                "reply.sent",
                "Size of the replies stored, uncompressed",
                self.replied.bytes,
            )
        });
    }

    fn add_tasks(&self, families: &mut Vec<Family>) {
        let states = [
            ("recovering", TaskActivity::Recovering),
            ("running", TaskActivity::Running),
            ("parked", TaskActivity::Parked),
        ];
        let count = |state| self.tasks.iter().filter(|task| task.state == state).count();
        let counts = states.map(|(name, state)| (vec![("state", name.to_owned())], count(state)));
        let help = "Tasks of this worker by what they do; a parked one needs help";
        let counts = counts
            .into_iter()
            .map(|(labels, count)| (labels, count as u64));
        families.push(gauges("task.count", help, counts));
        let label = |task: &super::TaskFigures| {
            let partition = task.task.partition.to_string();
            vec![
                ("subtopology", task.task.subtopology.to_string()),
                ("partition", partition),
            ]
        };
        let tasks = self.tasks.iter();
        families.push(gauges(
            "task.held_records",
            "Records that were fetched and are not done",
            tasks.clone().map(|task| (label(task), task.records_held)),
        ));
        families.push(Family {
            unit: Unit::Bytes,
            ..gauges(
                "task.held",
                "Memory of what was fetched and is not done",
                tasks.clone().map(|task| (label(task), task.bytes_held)),
            )
        });
        let restoring = tasks.flat_map(|task| {
            task.restoring.iter().map(|restoring| {
                let labels = vec![
                    ("table", restoring.table.clone()),
                    ("partition", task.task.partition.to_string()),
                ];
                (labels, restoring.remaining_records())
            })
        });
        families.push(gauges(
            "table.remaining_records",
            "Offsets of a changelog that are still to be read, while a task recovers",
            restoring,
        ));
    }

    fn add_partitions(&self, families: &mut Vec<Family>) {
        let each = |of: &dyn Fn(&super::PartitionFigures) -> Option<f64>| {
            let values = self.partitions.iter().filter_map(|figures| {
                let of_topic = &figures.partition;
                let labels = vec![
                    ("topic", of_topic.topic.to_string()),
                    ("partition", of_topic.partition.to_string()),
                ];
                Some((labels, of(figures)?))
            });
            Values::Gauges(values.collect())
        };
        let mut add = |name, help, unit, values| {
            families.push(Family {
                name,
                help,
                unit,
                values,
            });
        };
        add(
            "partition.fetched_offset",
            "The position after what was fetched",
            Unit::Named,
            each(&|figures| Some(offset(figures.fetched))),
        );
        add(
            "partition.retired_offset",
            "The position after what is done",
            Unit::Named,
            each(&|figures| Some(offset(figures.retired))),
        );
        add(
            "partition.committed_offset",
            "The position after what is committed",
            Unit::Named,
            each(&|figures| Some(offset(figures.committed))),
        );
        add(
            "partition.end_offset",
            "The end of the partition, when it was last asked for",
            Unit::Named,
            each(&|figures| figures.end.map(offset)),
        );
        add(
            "partition.lag_records",
            "Offsets between what is done and the end",
            Unit::Named,
            each(&|figures| Some(float(figures.lag_records()?))),
        );
        add(
            "partition.lag",
            "How far the event time of what is done is behind wall time; 0 where nothing waits",
            Unit::Seconds,
            each(&|figures| Some(figures.lag_time(self.read_at)?.as_secs_f64())),
        );
    }

    fn add_epochs(&self, families: &mut Vec<Family>) {
        let epochs = &self.epochs;
        families.extend([
            counter("epoch.committed", "Epochs stored", epochs.committed),
            counter(
                "epoch.rolled_back",
                "Epochs that did not come to pass",
                epochs.rolled_back,
            ),
            counter(
                "epoch.refused",
                "Epochs of which the log refused a record",
                epochs.refused,
            ),
            counter(
                "epoch.attempts_again",
                "Attempts to store an epoch that were made again",
                epochs.attempts_again,
            ),
            histogram(
                "epoch.gathering",
                "From the first retirement to the cut of an epoch",
                &epochs.gathering,
            ),
            histogram(
                "epoch.publishing",
                "Until the log had acknowledged an epoch's records",
                &epochs.publishing,
            ),
            histogram(
                "epoch.committing",
                "Until an epoch's offsets were committed",
                &epochs.committing,
            ),
            histogram(
                "epoch.storing",
                "Writing an epoch to the stores of tables",
                &epochs.storing,
            ),
            histogram(
                "epoch.duration",
                "From the cut of an epoch until all of it was stored",
                &epochs.whole,
            ),
        ]);
    }

    fn add_sends(&self, families: &mut Vec<Family>) {
        let (sends, asks) = (&self.sends, &self.asks);
        families.extend([
            counter(
                "send.records",
                "Records sent at once, outside of events",
                sends.sent,
            ),
            counter(
                "send.failures",
                "Records sent at once that the log did not take",
                sends.failed,
            ),
            histogram(
                "send.duration",
                "From the hand-over of a batch sent at once to the log's answer",
                &sends.publishing,
            ),
            counter("ask.requests", "Requests to agents", asks.asked),
            counter("ask.replies", "Replies that came in time", asks.answered),
            counter(
                "ask.failures",
                "Replies that tell of a failure",
                asks.failed,
            ),
            counter(
                "ask.timeouts",
                "Requests without a reply in time",
                asks.timed_out,
            ),
            histogram("ask.duration", "From a request to its reply", &asks.waiting),
        ]);
    }

    fn add_rebalances(&self, families: &mut Vec<Family>) {
        let rebalances = &self.rebalances;
        let under_way = [(Vec::new(), u64::from(rebalances.under_way))];
        families.extend([
            counter("rebalance.begun", "Rebalances", rebalances.begun),
            counter(
                "rebalance.memberships_lost",
                "How often the membership was lost",
                rebalances.lost,
            ),
            gauges(
                "rebalance.under_way",
                "1 while a rebalance goes on, else 0",
                under_way.into_iter(),
            ),
            histogram(
                "rebalance.assigning",
                "From the beginning of a rebalance to the assignment",
                &rebalances.assigning,
            ),
            histogram(
                "rebalance.duration",
                "From the beginning of a rebalance until all tasks ran",
                &rebalances.whole,
            ),
            counter(
                "task.started",
                "Tasks that came to run here",
                rebalances.tasks_started,
            ),
            counter(
                "task.refused",
                "Tasks that could not be recovered",
                rebalances.tasks_refused,
            ),
            histogram(
                "task.recovering",
                "From the assignment of a task until it ran",
                &rebalances.recovering,
            ),
        ]);
    }
}

fn counters(
    name: &'static str,
    help: &'static str,
    values: impl Iterator<Item = (Labels, u64)>,
) -> Family {
    Family {
        name,
        help,
        unit: Unit::Named,
        values: Values::Counters(values.collect()),
    }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Family {
    counters(name, help, std::iter::once((Vec::new(), value)))
}

fn gauges(
    name: &'static str,
    help: &'static str,
    values: impl Iterator<Item = (Labels, u64)>,
) -> Family {
    let values = values.map(|(labels, value)| (labels, float(value)));
    Family {
        name,
        help,
        unit: Unit::Named,
        values: Values::Gauges(values.collect()),
    }
}

fn histogram(name: &'static str, help: &'static str, durations: &Histogram) -> Family {
    Family {
        name,
        help,
        unit: Unit::Seconds,
        values: Values::Histogram(Box::new(*durations)),
    }
}

fn offset(offset: faustus_core::Offset) -> f64 {
    float(u64::try_from(offset.0).unwrap_or_default())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, and exporters have no other gauges"
)]
fn float(value: u64) -> f64 {
    value as f64
}
