//! Counts what the hot paths take per event, in instructions and allocations, and compares it with the
//! baseline in the repository, so that a slowdown is seen by the change that makes it.
//!
//! Each path runs in a process of its own under callgrind, as nearly as can be in one and the same
//! order at each run. Counts do not depend on how busy the machine is. They do depend on the compiler,
//! the C library and valgrind, a little: hence the tolerances.

mod args;
mod baseline;
mod callgrind;
mod comparison;
mod input;
mod mark;
mod paths;

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;

use crate::{
    args::Args,
    baseline::Baseline,
    comparison::{Comparison, Verdict},
    paths::{PATHS, Path},
};

/// How this program is called.
const COMMAND: &str = "cargo run --profile guard --package guard --";

fn main() -> ExitCode {
    perform(&Args::parse()).unwrap_or_else(|error| {
        // There is nowhere left to report that standard error is closed.
        let _ = writeln!(io::stderr(), "guard: {error:#}");
        ExitCode::FAILURE
    })
}

fn perform(args: &Args) -> Result<ExitCode> {
    if let Some(name) = &args.run {
        let events = (find(name)?.run)()?;
        print(&format!("{events}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let paths: Vec<&Path> = match &*args.paths {
        [] => PATHS.iter().collect(),
        names => names.iter().map(|name| find(name)).collect::<Result<_>>()?,
    };
    if args.list {
        let lines = paths
            .iter()
            .map(|path| format!("{:<12}  {}\n", path.name, path.about));
        print(&lines.collect::<String>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let here = Baseline::here()?;
    if args.bless {
        bless(here, &paths, args.paths.is_empty())
    } else {
        check(&here, &paths)
    }
}

fn find(name: &str) -> Result<&'static Path> {
    paths::find(name)
        .with_context(|| format!("there is no path {name}; --list says which there are"))
}

fn check(here: &Baseline, paths: &[&'static Path]) -> Result<ExitCode> {
    let baseline = Baseline::read()?;
    let comparable = baseline.architecture == here.architecture;
    let comparisons = compare(comparable.then_some(&baseline), paths)?;
    let mut text = comparison::table(&comparisons);
    if !comparable {
        let (theirs, ours) = (&baseline.architecture, &here.architecture);
        let _ = writeln!(
            text,
            "NOT COMPARED: the baseline is of {theirs}, this machine is {ours}"
        );
        print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let failed = advise(&comparisons, &mut text)?;
    if failed && baseline.valgrind != here.valgrind {
        let (theirs, ours) = (&baseline.valgrind, &here.valgrind);
        let _ = writeln!(
            text,
            "The baseline was counted by {theirs}, this by {ours}."
        );
    }
    print(&text)?;
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn bless(here: Baseline, paths: &[&'static Path], all: bool) -> Result<ExitCode> {
    let known = Baseline::read().ok();
    let known = known.filter(|known| known.architecture == here.architecture);
    let comparisons = compare(known.as_ref(), paths)?;
    let mut blessed = here;
    if let Some(known) = known
        && !all
    {
        blessed.paths = known.paths;
    }
    for Comparison { path, now, .. } in &comparisons {
        blessed.paths.insert(path.name.to_owned(), *now);
    }
    blessed.write()?;
    print(&(comparison::table(&comparisons) + "This is the baseline now.\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn compare(baseline: Option<&Baseline>, paths: &[&'static Path]) -> Result<Vec<Comparison>> {
    let compare = |path: &&'static Path| {
        let before = baseline.and_then(|baseline| baseline.paths.get(path.name));
        let now = callgrind::count(path)?;
        Ok(Comparison {
            path,
            before: before.copied(),
            now,
        })
    };
    paths.iter().map(compare).collect()
}

/// Says what to do. Whether any path fails.
fn advise(comparisons: &[Comparison], text: &mut String) -> Result<bool> {
    let names = |wanted: fn(Verdict) -> bool| {
        let chosen = comparisons.iter().filter(|each| wanted(each.verdict()));
        chosen
            .map(|each| each.path.name)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let failed = comparisons.iter().find(|each| each.verdict().fails());
    if let Some(first) = failed {
        let _ = write!(
            text,
            "\nToo much: {names}. To see where, build the commit before too and compare what\n    \
             callgrind_annotate --threshold=100 --auto=no {profile}\n\
             says of both. If the change is worth it, say so in its commit, and accept it there:\n    \
             {COMMAND} --bless {names}\n",
            names = names(Verdict::fails),
            profile = callgrind::profile(first.path)?.display(),
        );
    }
    let better = names(|verdict| verdict == Verdict::Better);
    if !better.is_empty() {
        let _ = write!(
            text,
            "\nBetter by more than the tolerance: {better}. Keep it so, in the same commit:\n    \
             {COMMAND} --bless {better}\n"
        );
    }
    Ok(failed.is_some())
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}
