//! What each step of an event's way through a worker costs, beside the least that it could.
//!
//! A case runs under callgrind, which counts instructions, and under `perf`, which samples; what was
//! counted and sampled is added up by steps (`step`, `symbols`, `attribution`). What a run without
//! events takes is taken off. So are the floors counted: bare loops, cases of their own, that do a
//! single step.
//!
//! All events of a run are one epoch, whatever time they take: under callgrind it is many times as
//! much, and epochs by the clock would have fewer events than they really have.

mod attribution;
mod callgrind;
mod perf;
mod step;
mod symbols;
mod table;

use std::{collections::HashMap, env, fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    Arguments,
    cases::{self, Case, Place, Work},
    figures::Figures,
    place::Grounds,
    rounds::performed_by,
    run::{Part, Run},
};
use attribution::{Costs, attribute};
use step::Step;
use symbols::Symbols;
use table::{Budget, Floor};

/// How many events an epoch of a second has at a million events a second.
const EVENTS: u64 = 1_000_000;

/// How many times as many events are sampled, so that there are some thousand samples.
const SAMPLED: u64 = 5;

/// How many events the bare loops have.
const FLOOR_EVENTS: u64 = 200_000;

/// How often CPU time is measured; the median counts.
const ROUNDS: usize = 3;

/// Which part of all instructions may belong to no step.
const MOST_UNKNOWN: f64 = 0.1;

/// Longer than any run takes.
const ONE_EPOCH: Duration = Duration::from_secs(24 * 3600);

/// What a loop's figures are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Per {
    Event,
    /// The loop does what is done once for all events of an epoch.
    Epoch,
}

/// The loops of both logs: what they do is the same.
const FLOORS: [(Step, &str, Per); 7] = [
    (Step::Decode, "floor-decode", Per::Event),
    (Step::Dispatch, "floor-dispatch", Per::Event),
    (Step::Agent, "floor-agent", Per::Event),
    (Step::Table, "floor-table", Per::Event),
    (Step::Undo, "floor-undo", Per::Event),
    (Step::Retire, "floor-retire", Per::Event),
    (Step::Encode, "floor-encode", Per::Epoch),
];

const DIRECTORY_FLOORS: [(Step, &str, Per); 3] = [
    (Step::Fetch, "floor-fetch", Per::Event),
    (Step::Append, "floor-append", Per::Epoch),
    (Step::Commit, "floor-commit", Per::Epoch),
];

const KAFKA_FLOORS: [(Step, &str, Per); 3] = [
    (Step::Fetch, "floor-kafka-fetch", Per::Event),
    (Step::Append, "floor-kafka-append", Per::Epoch),
    (Step::Commit, "floor-kafka-commit", Per::Epoch),
];

/// Measures what `chosen` cost, and prints the tables, or those of the totals if none is chosen.
pub(crate) fn tell(chosen: &[&'static Case], arguments: &Arguments) -> Result<()> {
    let mut laboratory = Laboratory::new(arguments.events.unwrap_or(EVENTS))?;
    let usual = || {
        ["directory-total", "kafka-total"]
            .into_iter()
            .flat_map(cases::find)
    };
    let cases: Vec<_> = if chosen.is_empty() {
        usual().collect()
    } else {
        chosen.to_vec()
    };
    let mut text = table::head(
        &callgrind::version()?,
        &perf::version()?,
        &cases,
        arguments.events,
    )?;
    for case in cases {
        let budget = laboratory.budget(case).with_context(|| case.name)?;
        text += &table::table(&budget);
    }
    print!("{text}");
    match &arguments.write {
        Some(file) => fs::write(file, text).with_context(|| file.display().to_string()),
        None => Ok(()),
    }
}

/// How a process is watched.
enum Watch {
    Nobody,
    Callgrind,
    Perf,
}

/// What the measurements of one call share.
struct Laboratory {
    grounds: Grounds,
    symbols: Symbols,
    events: u64,
    /// What is told of runs lies here.
    files: TempDir,
    runs: usize,
    /// By the names of their cases, for an event of theirs.
    loops: HashMap<&'static str, Loop>,
}

/// What a bare loop takes.
#[derive(Clone, Copy)]
struct Loop {
    instructions: Costs,
    nanoseconds: f64,
}

impl Laboratory {
    fn new(events: u64) -> Result<Self> {
        Ok(Self {
            grounds: Grounds::default(),
            symbols: Symbols::default(),
            events,
            files: tempfile::tempdir()?,
            runs: 0,
            loops: HashMap::new(),
        })
    }

    fn budget(&mut self, case: &'static Case) -> Result<Budget> {
        ensure!(
            matches!(case.work, Work::Throughput(_)) && case.place != Place::Memory,
            "it is no program on a directory or on Kafka"
        );
        let events = self.events;
        let instructions = self.instructions(case, events)? * (1.0 / events as f64);
        let nobodys = instructions.unknown + instructions.get(Step::Runtime);
        ensure!(
            nobodys < MOST_UNKNOWN * table::total(&instructions),
            "{nobodys:.0} instructions an event are no step's: the rules no longer know the code"
        );
        let nanoseconds = self.nanoseconds(case, SAMPLED * events)?;
        self.run(case, SAMPLED * events, &Watch::Perf)?;
        let samples = perf::read(&self.file(), &mut self.symbols)?;
        let of_place = match case.place {
            Place::Kafka => KAFKA_FLOORS,
            Place::Directory | Place::Memory => DIRECTORY_FLOORS,
        };
        let mut floors = Vec::new();
        for (step, name, per) in FLOORS.into_iter().chain(of_place) {
            let Loop {
                instructions,
                nanoseconds,
            } = self.bare_loop(name)?;
            let least = FLOOR_EVENTS.min(events) as f64;
            let events = match per {
                Per::Event => least,
                Per::Epoch => events as f64,
            };
            floors.push(Floor {
                step,
                case: name,
                instructions: instructions * (1.0 / events),
                nanoseconds: nanoseconds / events,
            });
        }
        Ok(Budget {
            case: case.name,
            events,
            instructions,
            samples,
            nanoseconds: nanoseconds / (SAMPLED * events) as f64,
            floors,
        })
    }

    fn bare_loop(&mut self, name: &'static str) -> Result<Loop> {
        if let Some(known) = self.loops.get(name) {
            return Ok(*known);
        }
        let case = cases::find(name)
            .pop()
            .with_context(|| format!("no case {name}"))?;
        let events = FLOOR_EVENTS.min(self.events);
        let measured = Loop {
            instructions: self.instructions(case, events)?,
            nanoseconds: self.nanoseconds(case, events)?,
        };
        self.loops.insert(name, measured);
        Ok(measured)
    }

    /// The instructions of all events, without those of a run that has none.
    fn instructions(&mut self, case: &'static Case, events: u64) -> Result<Costs> {
        let mut counted = |events| {
            self.run(case, events, &Watch::Callgrind)?;
            let profile = callgrind::read(&self.file())?;
            Ok(attribute(&profile, &mut self.symbols))
        };
        let all: Result<Costs> = counted(events);
        Ok(all? - counted(0)?)
    }

    /// The CPU time of all events, undisturbed, without that of a run that has none.
    fn nanoseconds(&mut self, case: &'static Case, events: u64) -> Result<f64> {
        Ok(self.cpu_time(case, events)? - self.cpu_time(case, 0)?)
    }

    fn cpu_time(&mut self, case: &'static Case, events: u64) -> Result<f64> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let figures = self.run(case, events, &Watch::Nobody)?;
            let seconds = figures.get("cpu_s").and_then(serde_json::Value::as_f64);
            rounds.push(1e9 * seconds.context("no CPU time was told")?);
        }
        rounds.sort_by(f64::total_cmp);
        Ok(rounds[ROUNDS / 2])
    }

    /// Prepares and performs a case in processes of their own.
    fn run(&mut self, case: &'static Case, events: u64, watch: &Watch) -> Result<Figures> {
        self.runs += 1;
        eprintln!("{}, {events} events{}", case.name, watch.about());
        let run = Run {
            case: case.name.to_owned(),
            part: Part::Measure,
            address: self.grounds.address(case.place)?,
            stores: None,
            name: format!("{}-{}", case.name, self.runs),
            events,
            threads: 1,
            seconds: 0,
            epoch: Some(ONE_EPOCH),
            spawned: Duration::ZERO,
        };
        let program = env::current_exe()?;
        if case.is_prepared_elsewhere() {
            let prepare = Run {
                part: Part::Prepare,
                ..run.clone()
            };
            performed_by(Command::new(&program), &prepare)?;
        }
        let command = match watch {
            Watch::Nobody => Command::new(program),
            Watch::Callgrind => callgrind::command(&program, &self.file()),
            Watch::Perf => perf::command(&program, &self.file()),
        };
        let figures = performed_by(command, &run);
        self.grounds.tidy();
        figures
    }

    /// Where the last run is told of.
    fn file(&self) -> PathBuf {
        self.files.path().join(self.runs.to_string())
    }
}

impl Watch {
    fn about(&self) -> &'static str {
        match self {
            Self::Nobody => "",
            Self::Callgrind => ", under callgrind",
            Self::Perf => ", under perf",
        }
    }
}
