//! `agents` and `agent`: what agents there are, and how their lanes are.

use std::collections::BTreeMap;

use clap::Args;
use faustus_core::Clock;
use serde::Serialize;

use super::{
    output::{Kind, Row, maybe, say, span},
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
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("AGENT", Kind::Text),
        ("READS", Kind::Prose),
        ("WRITES", Kind::Prose),
        ("TABLES", Kind::Prose),
        ("LANES", Kind::State),
    ];

    fn cells(&self) -> Vec<String> {
        let or_none = |names: &[String]| match names {
            [] => "-".to_owned(),
            names => join(names),
        };
        let lanes = self.lanes.as_ref().map(|lanes| {
            let each = lanes
                .iter()
                .map(|(state, count)| format!("{count} {state}"));
            join(each)
        });
        vec![
            self.agent.clone(),
            or_none(&self.reads),
            or_none(&self.writes),
            or_none(&self.tables),
            maybe(lanes),
        ]
    }
}

pub(super) async fn agents(session: &Session, args: &AgentsArgs) -> Result {
    let lanes = lanes(session).await?;
    let def = session.program()?;
    let agents = def.agents.iter();
    let mut rows: Vec<_> = agents
        .map(|agent| row(def, agent, lanes.as_deref()))
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
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TASK", Kind::Text),
        ("LANE", Kind::Number),
        ("TAKEN", Kind::Number),
        ("STATE", Kind::State),
        ("RECORD", Kind::Text),
        ("FOR", Kind::Number),
        ("BECAUSE", Kind::Prose),
    ];

    fn cells(&self) -> Vec<String> {
        let lane = &self.lane;
        let because = match (lane.failures, &lane.reason) {
            (Some(failures), Some(reason)) => format!("failure {failures}: {reason}"),
            (_, Some(reason)) => reason.clone(),
            _ => "-".to_owned(),
        };
        vec![
            lane.task.clone(),
            lane.lane.to_string(),
            lane.taken.to_string(),
            lane.state.clone(),
            maybe(lane.record.as_ref()),
            maybe(self.span.map(span)),
            because,
        ]
    }
}

pub(super) async fn agent(session: &Session, args: &AgentArgs) -> Result {
    let def = session.program()?;
    let agent = def.agent_named(&args.name)?;
    let Some(lanes) = lanes(session).await? else {
        let output = args.at.output();
        if output.is_json() {
            return output.rows::<LaneRow>(&[], "");
        }
        let row = row(def, agent, None);
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
    let (app, log) = (session.app(), session.address());
    say(&format!(
        "no worker of {app} runs on log {log} on this machine, so nothing is known of lanes"
    ));
}
