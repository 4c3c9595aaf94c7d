//! Measures Faustus: events per CPU second, latency, recovery, start, idle; beside raw loops.
//!
//! Each round of each case runs in a process of its own, so that memory peaks and CPU times do not
//! mix; rounds of different cases alternate, so that what else the machine does meets all of them.
//! The result of a case is one line of JSON with the median of each number over the rounds; a table
//! of all cases ends it. A case fails when what it computed is wrong.

mod budget;
mod cases;
mod check;
mod figures;
mod input;
mod place;
mod program;
mod raw;
mod rounds;
mod run;

use std::{path::PathBuf, process::ExitCode};

use bench::measure;
use clap::Parser;

use cases::{CASES, Case};
use run::Run;

/// Measures Faustus. Without a case it lists them.
#[derive(Debug, Parser)]
struct Arguments {
    /// The cases; the beginning of names before a hyphen stands for all of them.
    cases: Vec<String>,
    /// How many events are sent; each case has a default.
    #[arg(long)]
    events: Option<u64>,
    /// Measure the raw loops too that the cases are compared with.
    #[arg(long)]
    with_raw: bool,
    /// How often each case runs.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// How many worker threads Faustus uses.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long idle and paced cases take, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Count and sample what each step of an event's way costs, in tables in Markdown; without a case
    /// of the totals in a directory and on Kafka.
    #[arg(long)]
    budget: bool,
    /// With --budget: write the tables to this file too.
    #[arg(long, value_name = "FILE", requires = "budget")]
    write: Option<PathBuf>,
    /// Run a single part of a case in this process: what a round is made of.
    #[arg(long, hide = true)]
    part: Option<String>,
}

fn main() -> ExitCode {
    match start(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(part) = &arguments.part {
        return Run::from_json(part)?.perform();
    }
    if arguments.budget {
        return budget::tell(&chosen(arguments)?, arguments);
    }
    if arguments.cases.is_empty() {
        for case in CASES {
            println!("{:<22} {}", case.name, case.about());
        }
        return Ok(());
    }
    rounds::measure(&chosen(arguments)?, arguments)
}

/// The cases named, each once.
fn chosen(arguments: &Arguments) -> anyhow::Result<Vec<&'static Case>> {
    let mut chosen: Vec<&'static Case> = Vec::new();
    let mut choose = |found: Vec<&'static Case>| {
        for case in found {
            if !chosen.iter().any(|chosen| chosen.name == case.name) {
                chosen.push(case);
            }
        }
    };
    for name in &arguments.cases {
        let found = cases::find(name);
        anyhow::ensure!(
            !found.is_empty(),
            "there is no case {name}; without arguments all are listed"
        );
        let raw = found.iter().flat_map(|case| case.beside);
        let raw: Vec<_> = raw.flat_map(|name| cases::find(name)).collect();
        choose(found);
        if arguments.with_raw {
            choose(raw);
        }
    }
    Ok(chosen)
}
