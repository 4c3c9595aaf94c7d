//! Rounds of cases, each in a process of its own, and the medians of what they tell.

mod median;
mod table;

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
use median::{medians, rounded};

/// A case and the medians of its figures.
struct Measured {
    case: &'static Case,
    medians: Figures,
}

/// Runs all rounds of `cases` and prints a line for each case, and a table of them.
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
    let succeeded = cases.iter().zip(&told).filter(|(_, told)| !told.is_empty());
    let measured: Vec<Measured> = succeeded
        .clone()
        .map(|(case, told)| Measured {
            case,
            medians: medians(told),
        })
        .collect();
    for (each, (_, told)) in measured.iter().zip(succeeded) {
        let mut line = Map::new();
        line.insert("case".to_owned(), each.case.name.into());
        line.extend(each.medians.clone());
        for (raw, times) in times_raw(each, &measured) {
            line.insert(format!("times_{raw}"), rounded(times));
        }
        line.insert("threads".to_owned(), arguments.threads.into());
        line.insert("rounds".to_owned(), told.len().into());
        println!("{}", Value::Object(line));
        std::io::stdout().flush()?;
    }
    eprint!("{}", table::table(&measured));
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{}", failed.join("\n"))
}

/// How many times as much CPU time an event takes as in each raw loop that was measured too.
fn times_raw<'a>(measured: &Measured, all: &'a [Measured]) -> impl Iterator<Item = (&'a str, f64)> {
    let rate = |measured: &Measured| measured.medians.get("events_per_cpu_s")?.as_f64();
    let own = rate(measured);
    let beside = measured.case.beside;
    let raw = all.iter().filter(|raw| beside.contains(&raw.case.name));
    raw.filter_map(move |raw| Some((raw.case.name, rate(raw)? / own?)))
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
        epoch: None,
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
    performed_by(Command::new(std::env::current_exe()?), run)
}

/// Has a command that runs this program perform a part, and gives what it tells.
pub(crate) fn performed_by(mut command: Command, run: &Run) -> Result<Figures> {
    let run = Run {
        spawned: shared_clock()?,
        ..run.clone()
    };
    let output = command
        .arg("--part")
        .arg(run.to_json()?)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the process ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("the process told no figures")
}
