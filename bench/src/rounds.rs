//! Rounds of cases, each in a process of its own, and the medians of what they tell.

mod median;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::{
    Arguments,
    cases::{Case, Place},
    figures::Figures,
    measure::shared_clock,
    place::Grounds,
    run::{Part, Run},
};
use median::medians;

/// Runs all rounds of `cases` and prints a line for each case.
pub(crate) fn measure(cases: &[&'static Case], arguments: &Arguments) -> Result<()> {
    let mut grounds = Grounds::default();
    let mut told: Vec<Vec<Figures>> = vec![Vec::new(); cases.len()];
    let mut failed = Vec::new();
    for round in 0..arguments.rounds {
        for (case, told) in cases.iter().zip(&mut told) {
            let figures = one(case, round, &mut grounds, arguments)
                .with_context(|| format!("{}, round {}", case.name, round + 1));
            grounds.tidy();
            match figures {
                Ok(figures) => told.push(figures),
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
    }
    for (case, told) in cases.iter().zip(&told).filter(|(_, told)| !told.is_empty()) {
        let mut line = Map::new();
        line.insert("case".to_owned(), case.name.into());
        line.extend(medians(told));
        line.insert("threads".to_owned(), arguments.threads.into());
        line.insert("rounds".to_owned(), told.len().into());
        println!("{}", Value::Object(line));
        std::io::stdout().flush()?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{}", failed.join("\n"))
}

fn one(
    case: &'static Case,
    round: usize,
    grounds: &mut Grounds,
    arguments: &Arguments,
) -> Result<Figures> {
    let stores = case.persistent.then(|| grounds.address(Place::Directory));
    let run = Run {
        case: case.name.to_owned(),
        part: Part::Measure,
        address: grounds.address(case.place)?,
        stores: stores.transpose()?,
        name: format!("{}-{round}", case.name),
        events: arguments.events.unwrap_or_else(|| case.default_events()),
        threads: arguments.threads,
        seconds: arguments.seconds,
        spawned: shared_clock()?,
    };
    if case.is_prepared_elsewhere() {
        in_process(&Run {
            part: Part::Prepare,
            ..run.clone()
        })?;
    }
    in_process(&run)
}

/// Performs a part in a new process and gives what it tells.
fn in_process(run: &Run) -> Result<Figures> {
    let run = Run {
        spawned: shared_clock()?,
        ..run.clone()
    };
    let output = Command::new(std::env::current_exe()?)
        .arg("--part")
        .arg(run.to_json()?)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the process ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("the process told no figures")
}
