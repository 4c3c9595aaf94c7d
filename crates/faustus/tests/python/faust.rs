//! Processes of Python's Faust.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// What is installed.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The Python that has Faust.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faust-0.15.3");
        let python = home.join("bin/python");
        let complete = home.join("installed.txt");
        if fs::read_to_string(&complete).is_ok_and(|installed| installed == REQUIREMENTS) {
            return python;
        }
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&home));
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/requirements.txt");
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        let only_built = ["--only-binary", ":all:", "-r"];
        run(Command::new(&python)
            .args(install)
            .args(only_built)
            .arg(list));
        fs::write(complete, REQUIREMENTS).unwrap();
        python
    })
}

fn run(command: &mut Command) {
    let said = command.output();
    let said = said.unwrap_or_else(|error| {
        panic!("Python 3.11 or newer with its module venv is needed, but {command:?} does not start: {error}")
    });
    assert!(
        said.status.success(),
        "{command:?} failed with {}:\n{}{}",
        said.status,
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
}

/// A process of `program.py`, killed when it is dropped.
pub(crate) struct Faust {
    child: Child,
    directory: tempfile::TempDir,
}

impl Faust {
    /// A worker of its agents, under names that begin with `name`.
    pub(crate) fn worker(bootstrap: &str, name: &str) -> Self {
        let arguments = ["worker", "--without-web", "--loglevel", "warn"];
        Self::start(bootstrap, name, &arguments, false)
    }

    /// One who asks, and ends up with [`answers`](Self::answers).
    pub(crate) fn asker(bootstrap: &str, name: &str) -> Self {
        Self::start(bootstrap, name, &["ask-all"], true)
    }

    fn start(bootstrap: &str, name: &str, arguments: &[&str], asks: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/program.py");
        let log = File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new(python());
        command
            .arg("-B")
            .arg(program)
            .args(arguments)
            .env("BROKER", bootstrap)
            .env("NAME", name)
            .env("DATADIR", directory.path().join("data"))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if asks {
            command.env("ANSWERS", directory.path().join("answers"));
        }
        let child = command.spawn().unwrap();
        Self { child, directory }
    }

    /// What was answered, once all of it was, or what the process said until now.
    pub(crate) fn answers(&mut self) -> Result<serde_json::Value, String> {
        match fs::read(self.directory.path().join("answers")) {
            Ok(answers) => Ok(serde_json::from_slice(&answers).unwrap()),
            Err(_) => Err(self.said()),
        }
    }

    /// How the process ended, if it did, and what it said.
    pub(crate) fn said(&mut self) -> String {
        let log = fs::read(self.directory.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        format!("{:?}\n{log}", self.child.try_wait())
    }
}

impl Drop for Faust {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
