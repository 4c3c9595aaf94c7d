//! Owns one broker process. Guarantees that the child is the JVM itself, so that a signal hits
//! the broker and nothing else, and that it runs only once the watchdog knows it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// Waits for one line, then becomes the broker: same process, other program.
const GATE: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// How many lines of a broker's log are shown.
const TAIL: usize = 40;

/// One node: what it takes to start it, and its process while it has one.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: usize,
    pub(crate) port: u16,
    /// Where the JVM runs, so that what it writes when it crashes is removed with the cluster.
    pub(crate) dir: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) command: Vec<OsString>,
    pub(crate) child: Option<Child>,
    pub(crate) paused: bool,
}

impl Node {
    /// Creates the process, which waits for [`Node::release`].
    pub(crate) fn spawn(&mut self) -> Result<(), Error> {
        let open = File::options().create(true).append(true).open(&self.log);
        let log = open.map_err(Error::path("open", &self.log))?;
        let errors = log.try_clone().map_err(Error::path("open", &self.log))?;
        let child = Command::new("/bin/sh")
            .args(["-c", GATE, "kafka-testbed-gate"])
            .args(&self.command)
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::io("start /bin/sh"))?;
        self.child = Some(child);
        self.paused = false;
        Ok(())
    }

    /// Lets the process become the broker.
    pub(crate) fn release(&mut self) -> Result<(), Error> {
        match self.child.as_mut().and_then(|child| child.stdin.take()) {
            Some(mut gate) => gate.write_all(b"\n").map_err(Error::io("start a broker")),
            None => Ok(()),
        }
    }

    /// The pid of the broker.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// How the broker ended, if it ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten())
    }

    /// Sends `STOP` or `CONT`; after `STOP`, waits until the broker stands still.
    pub(crate) fn signal(&mut self, signal: &str) -> Result<(), Error> {
        let pid = self.pid().ok_or(Error::NotRunning { node: self.id })?;
        let failed = || Error::io(format!("send SIG{signal} to node {}", self.id));
        let status = Command::new("/bin/sh")
            .args(["-c", r#"kill -"$1" "$2""#, "sh", signal, &pid.to_string()])
            .status()
            .map_err(failed())?;
        if !status.success() {
            return Err(failed()(io::Error::other(status.to_string())));
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while signal == "STOP" && moves(pid) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        self.paused = signal == "STOP";
        Ok(())
    }

    /// The last lines of the broker's log.
    pub(crate) fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let skip = text.lines().count().saturating_sub(TAIL);
        text.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

/// Whether a thread of the process is not stopped; false where there is no `/proc` to tell.
fn moves(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with(['T', 't', 'Z', 'X']))
    })
}
