//! Kills workers and brokers under a running application and proves, from what the log holds, that
//! nothing is lost and, where it is promised, that nothing is doubled.
//!
//! `fault-runs run` does rounds of one fault, `fault-runs all` all that make sense. Both print a
//! table and exit with 1 if anything is wrong; then the directory with the workers' logs is kept.
//! The workers are processes of the same program, and end with it.

mod args;
mod evidence;
mod feed;
mod log;
mod model;
mod plan;
mod processes;
mod program;
mod report;
mod rest;
mod run;
mod tail;
mod verify;
mod worker;

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use clap::Parser;
use kafka_testbed::Cluster;
use tokio::task::spawn_blocking;

use crate::{
    args::{Args, Command},
    plan::Plan,
    report::{Report, print, say, table},
};

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Bank(args) => worker::run(&args),
        Command::Run(args) => match Plan::of(&args) {
            Ok(plan) => run_all(&[plan]),
            Err(why) => Err(anyhow::anyhow!(why)),
        },
        Command::All(args) => {
            let (plans, left_out) = plan::all(&args);
            for why in left_out {
                say(&format!("left out: {why}"));
            }
            run_all(&plans)
        }
    };
    done.unwrap_or_else(|error| {
        say(&format!("fault-runs: {error:#}"));
        ExitCode::FAILURE
    })
}

fn run_all(plans: &[Plan]) -> Result<ExitCode> {
    // Workers are to end with the thread that starts them: it must be the one that stays.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let reports = runtime.block_on(Box::pin(each(plans)))?;
    print(&table(&reports))?;
    let is_well = reports.iter().all(Report::is_well);
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs one after the other; those that need as many brokers share a cluster.
async fn each(plans: &[Plan]) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    let mut cluster: Option<Arc<Cluster>> = None;
    for (number, plan) in plans.iter().enumerate() {
        let brokers = plan.brokers();
        if cluster.as_ref().map_or(0, |cluster| cluster.nodes()) != brokers {
            cluster = None;
            if brokers > 0 {
                say(&format!("starting {brokers} broker(s)"));
                let started = spawn_blocking(move || Cluster::start(brokers)).await?;
                cluster = Some(Arc::new(started.context("start Kafka")?));
            }
        }
        let app = format!("bank-{number}");
        reports.push(Box::pin(run::run(plan, &app, cluster.clone())).await);
    }
    Ok(reports)
}
