//! `agents` and `agent`: what agents there are, and how their lanes are.

use std::collections::BTreeMap;

use clap::Args;
use comfy_table::Cell;
use faustus_core::Clock;
use serde::Serialize;

use super::{
    output::{Row, maybe, number, say, span, state},
    session::{Session, Where, join},
};
use crate::{
    Result, TokioClock,
    control::{Call, Lane},
    runtime::{AgentDef, AppDef},
};

#[derive(Args, Debug)]
pub(super) struct AgentsArgs {
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Args, Debug)]
pub(super) struct AgentArgs {
    /// The agent's name, or @name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Serialize)]
struct AgentRow {
    agent: String,
    reads: Vec<String>,
    writes: Vec<String>,
    tables: Vec<String>,
    concurrency: u32,
    /// How many of its lanes are in which state; `None`: no worker runs on this machine.
    lanes: Option<BTreeMap<String, usize>>,
}

impl Row for AgentRow {
    const HEADS: &'static [&'static str] = &["AGENT", "READS", "WRITES", "TABLES", "LANES"];

    fn cells(&self) -> Vec<Cell> {
        let or_none = |names: &[String]| match names {
            [] => Cell::new("-"),
            names => Cell::new(join(names)),
        };
        let lanes = match &self.lanes {
            None => Cell::new("-"),
            Some(lanes) => {
                let each = lanes
                    .iter()
                    .map(|(state, count)| format!("{count} {state}"));
                let stuck = ["parked", "blocking", "blocked"];
                let worst = stuck.iter().find(|state| lanes.contains_key(**state));
                let cell = Cell::new(join(each));
                match worst {
                    Some(_) => cell.fg(comfy_table::Color::Red),
                    None => cell,
                }
            }
        };
        vec![
            Cell::new(&self.agent),
            or_none(&self.reads),
            or_none(&self.writes),
            or_none(&self.tables),
            lanes,
        ]
    }
}

pub(super) async fn agents(session: &Session, args: &AgentsArgs) -> Result {
    let lanes = lanes(session).await?;
    let mut rows: Vec<_> = session
        .def
        .agents
        .iter()
        .map(|agent| row(&session.def, agent, lanes.as_deref()))
        .collect();
    rows.sort_by(|a, b| a.agent.cmp(&b.agent));
    args.at
        .output()
        .rows(&rows, "the application has no agents")?;
    if lanes.is_none() {
        no_worker(session);
    }
    Ok(())
}

fn row(def: &AppDef, agent: &AgentDef, lanes: Option<&[Lane]>) -> AgentRow {
    let topics = |topics: &[u32]| {
        let names = topics
            .iter()
            .map(|&topic| match (def.channel(topic), def.pattern(topic)) {
                (Some(_), _) => format!("{} (channel)", def.topic_name(topic)),
                (_, Some(_)) => format!("{} (pattern)", def.topic_name(topic)),
                (None, None) => def.topic_name(topic).to_string(),
            });
        names.collect()
    };
    let tables = agent.tables.iter();
    AgentRow {
        agent: agent.name.to_string(),
        reads: topics(&agent.sources),
        writes: topics(&agent.outputs),
        tables: tables
            .map(|&table| def.tables[table].name.to_string())
            .collect(),
        concurrency: agent.concurrency,
        lanes: lanes.map(|lanes| {
            let mut states = BTreeMap::new();
            for lane in lanes.iter().filter(|lane| *lane.agent == *agent.name) {
                *states.entry(lane.state.clone()).or_default() += 1;
            }
            states
        }),
    }
}

#[derive(Serialize)]
struct LaneRow {
    #[serde(flatten)]
    lane: Lane,
    /// How long it has been so, or until it tries again.
    #[serde(skip)]
    span: Option<f64>,
}

impl Row for LaneRow {
    const HEADS: &'static [&'static str] =
        &["TASK", "LANE", "TAKEN", "STATE", "RECORD", "FOR", "BECAUSE"];

    fn cells(&self) -> Vec<Cell> {
        let lane = &self.lane;
        let because = match (lane.failures, &lane.reason) {
            (Some(failures), Some(reason)) => format!("failure {failures}: {reason}"),
            (_, Some(reason)) => reason.clone(),
            _ => "-".to_owned(),
        };
        vec![
            Cell::new(&lane.task),
            number(lane.lane),
            number(lane.taken),
            state(&lane.state),
            Cell::new(lane.record.as_deref().unwrap_or("-")),
            maybe(self.span.map(span)),
            Cell::new(because),
        ]
    }
}

pub(super) async fn agent(session: &Session, args: &AgentArgs) -> Result {
    let agent = session.def.agent_named(&args.name)?;
    let Some(lanes) = lanes(session).await? else {
        let output = args.at.output();
        if output.is_json() {
            return output.rows::<LaneRow>(&[], "");
        }
        let row = row(&session.def, agent, None);
        output.rows(&[row], "")?;
        no_worker(session);
        return Ok(());
    };
    let now = TokioClock::real().now().0;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let seconds = |since: i64| (now - since).abs() as f64 / 1000.0;
    let of_agent = lanes.into_iter().filter(|lane| *lane.agent == *agent.name);
    let rows: Vec<_> = of_agent
        .map(|lane| LaneRow {
            span: lane.since.map(seconds),
            lane,
        })
        .collect();
    let none = "no worker on this machine has a task of the agent yet";
    args.at.output().rows(&rows, none)
}

/// The lanes of all workers on this machine, `None` if there is no worker.
async fn lanes(session: &Session) -> Result<Option<Vec<Lane>>> {
    let workers = session.workers().await?;
    if workers.is_empty() {
        return Ok(None);
    }
    let lanes = session.ask_workers::<Vec<Lane>>(&workers, &Call::Lanes);
    Ok(Some(lanes.await?.into_iter().flatten().collect()))
}

fn no_worker(session: &Session) {
    let (app, log) = (&session.def.name, session.address());
    say(&format!(
        "no worker of {app} runs on log {log} on this machine, so nothing is known of lanes"
    ));
}
