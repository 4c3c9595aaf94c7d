//! The sections of the screen and of the report: tables of words and numbers for people.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap};

use super::{
    super::output::{count, span},
    numbers::{bar, bytes, bytes_rate, grouped, latency, rate, unknown, whole},
    view::{Counted, LaneOfInterest, Spread, View},
};

/// A section, in the order of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Agents,
    Topics,
    Partitions,
    Lanes,
    Tables,
    Epochs,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Agents,
        Self::Topics,
        Self::Partitions,
        Self::Lanes,
        Self::Tables,
        Self::Epochs,
    ];

    /// Its place on the screen, from 0.
    pub(super) fn place(self) -> usize {
        self as usize
    }

    /// The heads of its columns. Where there is no room, the last is cut if it is of texts, then the first,
    /// which is always of names; the others are never.
    pub(super) fn heads(self) -> &'static [Head] {
        use Head::{Figure, Name};
        match self {
            Self::Agents => &[
                Name("AGENT"),
                Figure("EVENTS/S"),
                Figure("EVENTS"),
                Figure("FAILURES"),
                Figure("RETRIES"),
                Figure("SKIPPED"),
                Figure("DEAD"),
            ],
            Self::Topics => &[
                Name("TOPIC"),
                Figure("IN/S"),
                Figure("BYTES IN"),
                Figure("OUT/S"),
                Figure("BYTES OUT"),
            ],
            Self::Partitions => &[
                Name("PARTITION"),
                Figure("LAG"),
                Figure("BEHIND"),
                Figure("DONE/S"),
                Figure("DONE"),
                Figure("COMMITTED"),
                Figure("END"),
            ],
            Self::Lanes => &[Name("LANE"), Name("STATE"), Figure("FOR"), Name("RECORD")],
            Self::Tables => &[
                Name("TABLE"),
                Figure("READS/S"),
                Figure("WRITES/S"),
                Figure("WRITES"),
                Figure("DELETES"),
                Figure("RESTORED"),
            ],
            Self::Epochs => &[
                Name("EPOCHS"),
                Figure("PER S"),
                Figure("TOTAL"),
                Figure("P50"),
                Figure("P99"),
                Name(""),
            ],
        }
    }

    /// What is said of a section that has no rows.
    pub(super) fn none(self) -> &'static str {
        match self {
            Self::Agents => "the application has no agents",
            Self::Topics => "nothing was read or sent yet",
            Self::Partitions => "no partition is read here",
            Self::Lanes => "none stands still or has had an event in hand for long",
            Self::Tables => "the application has no tables",
            Self::Epochs => "",
        }
    }

    /// Whether it can be sorted by its figures, the greatest first, instead of by names.
    pub(super) fn is_sortable(self) -> bool {
        !matches!(self, Self::Lanes | Self::Epochs)
    }
}

/// The head of a column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Head {
    Name(&'static str),
    /// Of figures, which stand to the right.
    Figure(&'static str),
}

impl Head {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Name(text) | Self::Figure(text) => text,
        }
    }
}

/// What a text means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
}

/// A text, and what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: Cow<'static, str>,
    pub(super) tone: Tone,
}

impl Cell {
    fn new(text: impl Into<Cow<'static, str>>, tone: Tone) -> Self {
        let text = text.into();
        // Errors of programs may have line breaks in them, and worse.
        let text = match text.contains(char::is_control) {
            true => text.replace(char::is_control, " ").into(),
            false => text,
        };
        Self { text, tone }
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Cells, one for each head; if there are fewer, the last is a text that goes through to the end.
pub(super) type Row = Vec<Cell>;

/// A count of what should not happen, which is no news if it happened long ago.
fn alarming(count: Counted, tone: Tone) -> Cell {
    let grows = count.per_second.is_some_and(|rate| rate > 0.0);
    let tone = if grows { tone } else { Tone::Plain };
    Cell::new(whole(count.total), tone)
}

/// The rows of a section, by names or by figures.
pub(super) fn rows(kind: Kind, view: &View, by_figures: bool) -> Vec<Row> {
    match kind {
        Kind::Agents => agents(view, by_figures),
        Kind::Topics => topics(view, by_figures),
        Kind::Partitions => partitions(view, by_figures),
        Kind::Lanes => view.lanes.of_interest.iter().flat_map(lane).collect(),
        Kind::Tables => tables(view, by_figures),
        Kind::Epochs => epochs(view),
    }
}

/// In the order of names, or the greatest of `figure` first.
fn sorted<T>(of: &[T], by_figures: bool, figure: impl Fn(&T) -> f64) -> Vec<&T> {
    let mut sorted: Vec<&T> = of.iter().collect();
    if by_figures {
        sorted.sort_by(|a, b| figure(b).total_cmp(&figure(a)));
    }
    sorted
}

fn agents(view: &View, by_figures: bool) -> Vec<Row> {
    let figure = |agent: &super::view::Agent| agent.events.per_second.unwrap_or(0.0);
    let row = |agent: &super::view::Agent| {
        vec![
            Cell::from(agent.agent.clone()),
            Cell::from(rate(agent.events.per_second)),
            Cell::from(whole(agent.events.total)),
            alarming(agent.failures, Tone::Warn),
            alarming(agent.retries, Tone::Warn),
            alarming(agent.skipped, Tone::Warn),
            alarming(agent.dead_letters, Tone::Warn),
        ]
    };
    sorted(&view.agents, by_figures, figure)
        .into_iter()
        .map(row)
        .collect()
}

fn topics(view: &View, by_figures: bool) -> Vec<Row> {
    let figure = |topic: &super::view::Topic| {
        let flows = [topic.received.records, topic.sent.records];
        flows.iter().filter_map(|records| records.per_second).sum()
    };
    let row = |topic: &super::view::Topic| {
        let mut row = vec![Cell::from(topic.topic.clone())];
        for flow in [topic.received, topic.sent] {
            match flow.records.total {
                0 => row.extend([Cell::from("-"), Cell::from("-")]),
                _ => row.extend([
                    Cell::from(rate(flow.records.per_second)),
                    Cell::from(bytes_rate(flow.bytes.per_second)),
                ]),
            }
        }
        row
    };
    sorted(&view.topics, by_figures, figure)
        .into_iter()
        .map(row)
        .collect()
}

fn partitions(view: &View, by_figures: bool) -> Vec<Row> {
    let figure =
        |partition: &super::view::Partition| partition.lag_records.map_or(-1.0, |lag| lag as f64);
    let row = |partition: &super::view::Partition| {
        let waits = partition.lag_records.is_some_and(|lag| lag > 0);
        let behind = partition.lag_seconds.filter(|_| waits);
        let offset = |offset: i64| Cell::from(grouped(&offset.to_string()));
        vec![
            Cell::from(format!("{}/{}", partition.topic, partition.partition)),
            Cell::from(partition.lag_records.map_or_else(unknown, whole)),
            Cell::from(behind.map_or_else(unknown, |behind| span(behind).into())),
            Cell::from(rate(partition.done_per_second)),
            offset(partition.retired),
            offset(partition.committed),
            partition.end.map_or_else(|| Cell::from("-"), offset),
        ]
    };
    sorted(&view.partitions, by_figures, figure)
        .into_iter()
        .map(row)
        .collect()
}

/// A lane, and below it why it does not go on.
fn lane(of_interest: &LaneOfInterest) -> Vec<Row> {
    let lane = &of_interest.lane;
    let time = of_interest.seconds.map(span);
    let time = match (&*lane.state, time) {
        ("retrying", Some(time)) => format!("in {time}").into(),
        (_, time) => time.map_or_else(unknown, Cow::from),
    };
    let mut rows = vec![vec![
        Cell::from(format!("{} {}:{}", lane.agent, lane.task, lane.lane)),
        Cell::new(lane.state.clone(), tone(&lane.state)),
        Cell::from(time),
        Cell::from(lane.record.clone().unwrap_or_default()),
    ]];
    if let Some(reason) = &lane.reason {
        let reason = match lane.failures {
            Some(failures) => format!("failure {failures}: {reason}"),
            None => reason.clone(),
        };
        let reason = format!("  {reason}");
        rows.push(vec![Cell::new(reason, tone(&lane.state))]);
    }
    rows
}

/// Tables, and below each those of its partitions that are recovered.
fn tables(view: &View, by_figures: bool) -> Vec<Row> {
    let figure = |table: &super::view::Table| {
        let uses = [table.reads, table.writes, table.deletes];
        uses.iter().filter_map(|uses| uses.per_second).sum()
    };
    let mut rows = Vec::new();
    for table in sorted(&view.tables, by_figures, figure) {
        rows.push(vec![
            Cell::from(table.table.clone()),
            Cell::from(rate(table.reads.per_second)),
            Cell::from(rate(table.writes.per_second)),
            Cell::from(whole(table.writes.total)),
            Cell::from(whole(table.deletes.total)),
            Cell::from(whole(table.restored.total)),
        ]);
        let recoveries = view.recoveries.iter();
        for recovery in recoveries.filter(|recovery| recovery.table == table.table) {
            let left = match recovery.seconds_left {
                Some(left) => format!("{} left", span(left)),
                None => format!("{} left", whole(recovery.remaining_records)),
            };
            let percent = format!("{:.0} %", (recovery.done * 100.0).floor());
            let speed = rate(recovery.records_per_second);
            let text = format!("{} {percent}, {speed}/s, {left}", bar(recovery.done));
            let name = Cell::from(format!("  {}/{}", table.table, recovery.partition));
            rows.push(vec![name, Cell::new(text, Tone::Warn)]);
        }
    }
    rows
}

fn epochs(view: &View) -> Vec<Row> {
    let (epochs, rebalances) = (&view.epochs, &view.rebalances);
    let (asks, sends) = (&view.asks, &view.sends);
    let row = |name: &'static str, count: Option<Counted>, spread: Spread, note: Cell| {
        vec![
            Cell::from(name),
            Cell::from(count.map_or(Cow::Borrowed(""), |count| rate(count.per_second))),
            Cell::from(count.map_or(Cow::Borrowed(""), |count| whole(count.total))),
            Cell::from(spread.p50_seconds.map_or_else(unknown, latency)),
            Cell::from(spread.p99_seconds.map_or_else(unknown, latency)),
            note,
        ]
    };
    let mut rows = vec![row(
        "stored",
        Some(epochs.committed),
        epochs.whole,
        notes(
            &[(epochs.attempts_again, "attempts made again")],
            Tone::Warn,
        ),
    )];
    let parts = [
        ("  publishing", epochs.publishing),
        ("  committing", epochs.committing),
        ("  writing stores", epochs.storing),
    ];
    for (name, spread) in parts {
        if spread != Spread::default() || name != "  writing stores" {
            rows.push(row(name, None, spread, Cell::default()));
        }
    }
    let refused = notes(&[(epochs.refused, "with a refused record")], Tone::Bad);
    let mut rolled_back = row(
        "rolled back",
        Some(epochs.rolled_back),
        Spread::default(),
        refused,
    );
    rolled_back[2].tone = alarming(epochs.rolled_back, Tone::Bad).tone;
    rows.push(rolled_back);
    let note = match rebalances.under_way {
        true => Cell::new("one is under way", Tone::Warn),
        false => notes(&[(rebalances.lost, "lost memberships")], Tone::Warn),
    };
    rows.push(row(
        "rebalances",
        Some(rebalances.begun),
        rebalances.whole,
        note,
    ));
    if asks.asked.total > 0 {
        let failed = [(asks.failed, "failed"), (asks.timed_out, "timed out")];
        let note = notes(&failed, Tone::Warn);
        rows.push(row("asks", Some(asks.asked), asks.waiting, note));
    }
    if sends.sent.total + sends.failed.total > 0 {
        let note = notes(&[(sends.failed, "failed")], Tone::Bad);
        rows.push(row(
            "sends at once",
            Some(sends.sent),
            sends.publishing,
            note,
        ));
    }
    rows
}

/// What is to be said of counts that should be 0.
fn notes(counts: &[(Counted, &str)], tone: Tone) -> Cell {
    let told = counts.iter().filter(|(count, _)| count.total > 0);
    let told = told.map(|(count, what)| format!("{} {what}", whole(count.total)));
    Cell::new(told.collect::<Vec<_>>().join(", "), tone)
}

/// What goes through the workers in a second, and what waits.
pub(super) fn summary(view: &View) -> String {
    let flow = |flow: &super::view::Flow| {
        let (records, bytes) = (flow.records.per_second, flow.bytes.per_second);
        format!("{}/s {}", rate(records), bytes_rate(bytes))
    };
    let lag = match (view.lag_records(), view.lag_seconds()) {
        (None, _) => "lag unknown".to_owned(),
        (Some(0), _) => "no lag".to_owned(),
        (Some(lag), None) => format!("lag {}", whole(lag)),
        (Some(lag), Some(behind)) => format!("lag {}, {}", whole(lag), span(behind)),
    };
    let (received, sent) = (flow(&view.received), flow(&view.sent));
    format!("in {received}   out {sent}   {lag}")
}

/// How many tasks and lanes are in which state, and what they hold.
pub(super) fn standing(view: &View) -> Vec<Cell> {
    let mut standing = counted(&view.tasks, "task");
    standing.push(Cell::from("   "));
    standing.extend(counted(&view.lanes.states, "lane"));
    if view.records_held > 0 {
        let held = bytes(view.bytes_held as f64);
        let records = match view.records_held {
            1 => "1 record".to_owned(),
            records => format!("{} records", whole(records)),
        };
        standing.push(Cell::from(format!("   {records} held, {held}")));
    }
    standing
}

fn counted(states: &BTreeMap<String, usize>, word: &str) -> Vec<Cell> {
    let all: usize = states.values().sum();
    let mut states: Vec<_> = states.iter().collect();
    states.sort_by_key(|(state, count)| (Reverse(tone(state) as u8), Reverse(**count)));
    let mut cells = vec![Cell::from(count(all, word))];
    for (index, (state, count)) in states.into_iter().enumerate() {
        cells.push(Cell::from(if index == 0 { ": " } else { ", " }));
        cells.push(Cell::new(format!("{count} {state}"), tone(state)));
    }
    cells
}

/// What the state of a task or a lane means.
fn tone(state: &str) -> Tone {
    match state {
        "parked" | "blocked" | "blocking" => Tone::Bad,
        "retrying" | "recovering" | "paused" => Tone::Warn,
        "idle" | "waiting" | "waiting for its turn" | "in event" | "busy" => Tone::Good,
        _ => Tone::Plain,
    }
}
