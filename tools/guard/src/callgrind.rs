//! Counting with callgrind, a part of valgrind: a path runs in a process of its own, in which each
//! instruction and each call is counted, of all threads.
//!
//! An allocation is a call of a function of the C library that gives memory, growing included.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path as File, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::{mark, paths::Path};

/// What gives memory. Callgrind knows each by one of its names.
const ALLOCATE: [&str; 10] = [
    "malloc",
    "__libc_malloc",
    "calloc",
    "__libc_calloc",
    "realloc",
    "__libc_realloc",
    "posix_memalign",
    "__posix_memalign",
    "aligned_alloc",
    "memalign",
];

/// What an event takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// The version of valgrind.
pub(crate) fn version() -> Result<String> {
    let output = match Command::new("valgrind").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("valgrind is missing; on Debian and Ubuntu: apt-get install valgrind")
        }
        output => output.context("valgrind")?,
    };
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a path's profile is kept; `callgrind_annotate` reads it.
pub(crate) fn profile(path: &Path) -> Result<PathBuf> {
    // Each mark ends a part: the first is what was before, the second what counts.
    Ok(parts(path)?.with_extension("callgrind.2"))
}

fn parts(path: &Path) -> Result<PathBuf> {
    let program = env::current_exe()?;
    let directory = program.with_file_name("profiles");
    fs::create_dir_all(&directory)?;
    Ok(directory.join(path.name).with_extension("callgrind"))
}

/// Runs a path under callgrind.
pub(crate) fn count(path: &Path) -> Result<Counts> {
    let profile = profile(path)?;
    if let Err(error) = fs::remove_file(&profile)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error).context(profile.display().to_string());
    }
    let [begin, end] = mark::NAMES.map(|name| format!("--dump-before={name}"));
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--compress-strings=no", &begin, &end]);
    command.arg(format!("--callgrind-out-file={}", parts(path)?.display()));
    command.arg(env::current_exe()?).args(["--run", path.name]);
    // What stands in the environment is not to count.
    let kept = env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR");
    let output = command.env_clear().envs(kept).output()?;
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(
        output.status.success(),
        "{}: {}\n{complained}",
        path.name,
        output.status
    );
    let events: u64 = said.trim().parse()?;
    let text = fs::read_to_string(&profile).with_context(|| no_profile(&profile))?;
    let totals = read(&text).with_context(|| profile.display().to_string())?;
    Ok(Counts {
        instructions: totals.instructions / events as f64,
        allocations: totals.allocations / events as f64,
    })
}

fn no_profile(profile: &File) -> String {
    format!(
        "callgrind wrote no {}: it did not see the marks",
        profile.display()
    )
}

/// Adds up a profile: lines of costs, and `calls=COUNT POSITION` after the `cfn=NAME` that is called.
fn read(profile: &str) -> Result<Counts> {
    let (mut instructions, mut allocations) = (None, 0);
    let mut called = "";
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("cfn=") {
            called = name;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count = calls.split_whitespace().next().unwrap_or_default();
            // A function within itself is written with the depth: malloc'2.
            let name = called.split('\'').next().unwrap_or_default();
            if ALLOCATE.contains(&name) {
                allocations += count.parse::<u64>()?;
            }
        } else if let Some(total) = line.strip_prefix("totals: ") {
            instructions = Some(total.trim().parse::<u64>()?);
        }
    }
    Ok(Counts {
        instructions: instructions.context("no totals")? as f64,
        allocations: allocations as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_tells_instructions_and_calls_of_what_gives_memory() {
        let profile = "\
events: Ir

fl=lib.rs
fn=work
12 100
cfl=malloc.c
cfn=malloc
calls=3 0
12 60
cfn=free
calls=5 0
12 20

fn=grow
cfn=realloc'2
calls=2 0
9 20

totals: 200
";
        let counts = read(profile).unwrap();
        assert_eq!(
            counts,
            Counts {
                instructions: 200.0,
                allocations: 5.0
            }
        );
        assert!(read("events: Ir\n").is_err());
    }
}
