//! One command of a program, run to its end.

use std::{
    fmt,
    io::Write,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::program::without_settings;

/// The program of the tests of the command line.
pub(crate) const SHOP: &str = env!("CARGO_BIN_EXE_shop");

/// The command `faustus`.
pub(crate) const FAUSTUS: &str = env!("CARGO_BIN_EXE_faustus_command");

/// What a command said, and its exit code.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// What it printed, if it went well.
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self}");
        &self.out
    }

    /// Its data as JSON, a value of each line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let lines = self.ok().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self
            .code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        write!(f, "exit code {code}")?;
        for (name, text) in [("stdout", &self.out), ("stderr", &self.err)] {
            if !text.is_empty() {
                write!(f, "\n--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// A place for a log, where commands of the program are run.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where the program has its log if nothing else is said.
    pub(crate) fn log(&self) -> String {
        self.0.path().join("shop-data").to_str().unwrap().to_owned()
    }

    /// Runs the program here.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "", &[])
    }

    /// Runs the program here, with something on its standard input and in its environment.
    pub(crate) fn run_with_input(
        &self,
        arguments: &[&str],
        input: &str,
        environment: &[(&str, &str)],
    ) -> Ran {
        Self::finish(self.command(arguments, environment), input)
    }

    /// Runs `faustus app shop` here.
    pub(crate) fn by_name(&self, arguments: &[&str]) -> Ran {
        self.faustus(&[&["app", "shop"], arguments].concat())
    }

    /// Runs the command `faustus` here.
    pub(crate) fn faustus(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command_of(FAUSTUS, arguments, &[]);
        command.arg0("faustus");
        Self::finish(command, "")
    }

    fn finish(mut command: Command, input: &str) -> Ran {
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that does not read its input may be gone already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            took: began.elapsed(),
        }
    }

    /// The program, to be run here. Sockets of its workers are here, too.
    pub(crate) fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        self.command_of(SHOP, arguments, environment)
    }

    /// As [`command`](Self::command), of another program.
    pub(crate) fn command_of(
        &self,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Command {
        let mut command = Command::new(program);
        without_settings(&mut command);
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("RUST_LOG")
            .env_remove("NO_COLOR")
            .env("XDG_RUNTIME_DIR", self.0.path())
            .envs(environment.iter().copied());
        command
    }
}
