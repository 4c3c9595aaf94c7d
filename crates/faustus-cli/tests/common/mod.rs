//! Runs the command, and makes logs for it to look at.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// What a run of the command came to.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Both streams and the code, for a snapshot.
    #[allow(dead_code, reason = "not all tests take snapshots")]
    pub(crate) fn shown(&self) -> String {
        let code = self.code.unwrap_or(-1);
        let mut shown = String::new();
        for (name, text) in [("", &self.out), ("stderr: ", &self.err)] {
            for line in text.lines() {
                shown.push_str(&format!("{name}{line}\n"));
            }
        }
        format!("{shown}exit code: {code}")
    }
}

/// The command, in a directory.
pub(crate) fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faustus"));
    command.current_dir(directory).args(args);
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run(directory: &Path, args: &[&str]) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command(directory, args).output().unwrap();
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}
