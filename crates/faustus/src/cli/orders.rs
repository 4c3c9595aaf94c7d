//! `resume`, `pause`, `restart` and `skip`: what a worker is told to do.

use std::collections::BTreeSet;

use clap::Args;
use faustus_core::{GroupError, GroupIdentity, Offset, OffsetCommit, OffsetSpec, TopicPartition};
use serde_json::json;

use super::{
    described::unknown,
    output::{Output, say},
    session::{Missing, Session, Where, join},
};
use crate::{
    Error, ErrorKind, Result,
    control::{Attached, Call, Lane, Order, Task},
};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  resume            all parked tasks try again
  resume charge     the agent charge, which was paused, takes events again")]
pub(super) struct ResumeArgs {
    /// The agent that was paused [default: all parked tasks try again]
    #[arg(value_name = "AGENT")]
    agent: Option<String>,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Args, Debug)]
pub(super) struct AgentOrderArgs {
    /// The agent, as name or @name
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  skip orders/3@17

While a worker runs on this machine that has the partition, it is told, and passes over the record when it meets it. Without a \
worker the record must be the next one of its partition: then the committed offset goes past it.")]
pub(super) struct SkipArgs {
    /// The record, as `agent` and `offsets` tell it: TOPIC/PARTITION@OFFSET
    #[arg(value_name = "RECORD", value_parser = super::worker::parse_record)]
    record: (TopicPartition, Offset),
    #[command(flatten)]
    pub(super) at: Where,
}

pub(super) async fn resume(session: &Session, args: &ResumeArgs) -> Result {
    if let Some(agent) = &args.agent {
        order(session, agent, Order::Resume, args.at.output()).await?;
        return tell_parked(session, agent).await;
    }
    let workers = needed(session).await?;
    let tasks: Vec<Vec<Task>> = session.ask_workers(&workers, &Call::Status).await?;
    let parked = tasks
        .into_iter()
        .flatten()
        .filter(|task| task.state == "parked");
    let parked: Vec<String> = parked.map(|task| task.task).collect();
    session.ask_workers::<()>(&workers, &Call::Resume).await?;
    let output = args.at.output();
    match (output.is_json(), parked.is_empty()) {
        (true, _) => output.line(&json!({ "resumed": parked })),
        (false, true) => {
            say("nothing is parked");
            Ok(())
        }
        (false, false) => {
            say(&format!("these tasks try again: {}", join(parked)));
            Ok(())
        }
    }
}

/// Tells of tasks of an agent that are parked: they do not go on because it does.
async fn tell_parked(session: &Session, agent: &str) -> Result {
    let name = &session.program()?.agent_named(agent)?.name;
    let workers = needed(session).await?;
    let lanes: Vec<Vec<Lane>> = session.ask_workers(&workers, &Call::Lanes).await?;
    let lanes = lanes.into_iter().flatten();
    let parked = lanes.filter(|lane| *lane.agent == **name && lane.state == "parked");
    let parked: BTreeSet<String> = parked.map(|lane| lane.task).collect();
    if !parked.is_empty() {
        say(&format!(
            "still parked: {}; `resume` without a name has them try again, `agent {name}` tells why",
            join(parked)
        ));
    }
    Ok(())
}

pub(super) async fn pause(session: &Session, args: &AgentOrderArgs) -> Result {
    order(session, &args.agent, Order::Pause, args.at.output()).await
}

pub(super) async fn restart(session: &Session, args: &AgentOrderArgs) -> Result {
    order(session, &args.agent, Order::Restart, args.at.output()).await
}

async fn order(session: &Session, agent: &str, order: Order, output: Output) -> Result {
    let name = session.program()?.agent_named(agent)?.name.to_string();
    let workers = needed(session).await?;
    let call = Call::Agent {
        name: name.clone(),
        order,
    };
    session.ask_workers::<()>(&workers, &call).await?;
    let becomes = match order {
        Order::Restart => "begins anew",
        Order::Pause => "takes no more events",
        Order::Resume => "takes events again",
    };
    let pids: Vec<u32> = workers.iter().map(|worker| worker.greeting().pid).collect();
    if output.is_json() {
        return output.line(&json!({ "agent": name, "order": order, "processes": pids }));
    }
    say(&format!("agent {name} {becomes} in process {}", join(pids)));
    Ok(())
}

/// The workers on this machine, of which there must be one.
async fn needed(session: &Session) -> Result<Vec<Attached>> {
    let workers = session.workers().await?;
    if workers.is_empty() {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "no worker of {} runs on log {} on this machine: this is said to a worker where it runs",
                session.app(),
                session.address()
            ),
        ));
    }
    Ok(workers)
}

pub(super) async fn skip(session: &Session, args: &SkipArgs) -> Result {
    let (partition, offset) = &args.record;
    let (group, output) = (session.app(), args.at.output());
    let log = session.log(Missing::Refuse).await?;
    let sources = session.known(&*log).await?.sources;
    if !sources.contains(&partition.topic) {
        let known = sources.iter().map(|topic| topic.as_str());
        let name = partition.topic.as_str();
        return Err(Error::config(unknown("source topic", name, known, group)));
    }
    let topic = session.topic(&*log, partition.topic.as_str()).await?;
    if partition.partition >= topic.partitions {
        return Err(Error::config(format!(
            "{partition} does not exist: topic {} has {} partitions, counted from 0",
            partition.topic, topic.partitions
        )));
    }
    let (admin, one) = (log.admin(), std::slice::from_ref(partition));
    let earliest = admin.offsets(one, OffsetSpec::Earliest).await?[0];
    let end = admin.offsets(one, OffsetSpec::HighWatermark).await?[0];
    let coordinator = log.coordinator(group);
    let committed = coordinator.fetch_offsets(one, false).await?.pop().flatten();
    let next = committed
        .as_ref()
        .map_or(earliest, |committed| committed.offset);
    let next = next.max(earliest);
    if next >= end {
        return Err(Error::config(format!(
            "{partition}@{offset} cannot be skipped: all of {partition} is done, up to its end at {end}"
        )));
    }
    if *offset < next || *offset >= end {
        return Err(Error::config(format!(
            "{partition}@{offset} cannot be skipped: the next record is {partition}@{next}, and the end is at {end}"
        )));
    }
    let workers = session.workers().await?;
    let has = async |worker: &Attached| -> Result<bool> {
        let tasks: Vec<Task> = worker.ask(Call::Status).await?;
        let name = partition.to_string();
        Ok(tasks.iter().any(|task| task.sources.contains(&name)))
    };
    for worker in &workers {
        if workers.len() == 1 && !log.traits().shared || has(worker).await? {
            let call = Call::Skip {
                partition: (partition.topic.to_string(), partition.partition),
                offset: offset.0,
            };
            worker.ask::<()>(call).await?;
            let pid = worker.greeting().pid;
            return told(output, partition, *offset, &format!("by process {pid}"));
        }
    }
    if *offset != next {
        return Err(Error::config(format!(
            "no worker on this machine has {partition}, and only its next record can be passed over without one: \
             {partition}@{next}"
        )));
    }
    let commit = OffsetCommit {
        partition: partition.clone(),
        offset: offset.next(),
        // It also says which epoch was stored last, which stays true.
        metadata: committed
            .map(|committed| committed.metadata)
            .unwrap_or_default(),
    };
    let nobody = GroupIdentity::none(group);
    match coordinator.commit_offsets(nobody, vec![commit]).await {
        Ok(()) => told(output, partition, *offset, "in the offsets of the group"),
        Err(GroupError::Transport(error)) => Err(error.into()),
        Err(_) => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "workers of {group} run elsewhere, and one of them has {partition}: skip the record on its machine, \
                 or stop all workers"
            ),
        )),
    }
}

fn told(output: Output, partition: &TopicPartition, offset: Offset, how: &str) -> Result {
    if output.is_json() {
        return output.line(&json!({ "skipped": format!("{partition}@{offset}") }));
    }
    say(&format!("{partition}@{offset} is passed over, {how}"));
    Ok(())
}
