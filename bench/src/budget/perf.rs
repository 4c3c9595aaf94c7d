//! Sampling with `perf`: what a process was at, a thousand times a second of its CPU time, and by whom
//! that was called. It sees the kernel too, whose samples are its callers'.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{
    attribution::Costs,
    symbols::{Found, Symbols},
};

/// The version of perf.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("perf").arg("--version").output();
    let output = output.context("perf is missing; on Debian: apt-get install linux-perf")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command that samples `program`, to which its arguments are to be added.
pub(crate) fn command(program: &Path, samples: &Path) -> Command {
    let mut command = Command::new("perf");
    command.args(["record", "--quiet", "-F", "999", "-e", "cpu-clock"]);
    command
        .args(["--call-graph", "dwarf,16384", "-o"])
        .arg(samples);
    command.arg("--").arg(program);
    command
}

/// How many samples each step has.
pub(crate) fn read(samples: &Path, symbols: &mut Symbols) -> Result<Costs> {
    let mut command = Command::new("perf");
    command.args(["script", "--no-inline", "-F", "pid,ip,dso", "-i"]);
    let output = command.arg(samples).stderr(Stdio::null()).output()?;
    ensure!(output.status.success(), "perf script: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(count(&text, symbols))
}

/// A sample is a line of its own, then one for each of its callers, the innermost first; an empty one
/// ends it.
fn count(text: &str, symbols: &mut Symbols) -> Costs {
    let mut costs = Costs::default();
    for sample in text
        .split("\n\n")
        .filter(|sample| !sample.trim().is_empty())
    {
        let mut whole = Found::default();
        for (depth, (offset, object)) in sample.lines().filter_map(frame).enumerate() {
            // Of a caller it is what comes after the call.
            let offset = offset - u64::from(depth > 0);
            if let Some(address) = symbols.address(object, offset) {
                let found = symbols.find(object, address, None);
                whole.sure = whole.sure.or(found.sure);
                whole.otherwise = whole.otherwise.or(found.otherwise);
            }
        }
        costs.charge(whole.sure.or(whole.otherwise), 1.0);
    }
    costs
}

/// An offset in a file, and the file: `OFFSET (OBJECT)`.
fn frame(line: &str) -> Option<(u64, &str)> {
    let (offset, object) = line.trim().split_once(' ')?;
    let object = object.strip_prefix('(')?.strip_suffix(')')?;
    Some((u64::from_str_radix(offset, 16).ok()?, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_an_offset_in_a_file() {
        let line = "\t           f82ec (/lib/libc.so.6)";
        assert_eq!(frame(line), Some((0xf82ec, "/lib/libc.so.6")));
        assert_eq!(frame("21584 "), None);
        assert_eq!(frame("PERF_RECORD_LOST (none)"), None);
    }

    #[test]
    fn a_sample_of_which_nothing_is_known_is_counted_too() {
        let text = "12\n\t10 (/none)\n\t20 (/none)\n\n12\n\t10 (/none)\n\n";
        assert_eq!(count(text, &mut Symbols::default()).unknown, 2.0);
    }
}
