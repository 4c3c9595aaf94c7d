//! Owns the end of brokers whose owner is gone. Guarantees that when this process ends, in any
//! way, the brokers are killed and the cluster's directory is removed.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::Error;

/// Reads lines, each the whole list of running brokers, until the pipe's only writer is gone.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pids=
while read -r line; do pids=$line; done
[ -z "$pids" ] || kill -KILL $pids
tries=0
while [ -e "$1" ] && [ $tries -lt 50 ]; do
    rm -rf -- "$1" || sleep 0.1
    tries=$((tries + 1))
done
"#;

/// A shell that outlives this process by a moment.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    /// Closed by the operating system when this process ends.
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts the shell that will remove `dir`.
    pub(crate) fn start(dir: &Path) -> Result<Self, Error> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "kafka-testbed-watchdog"])
            .arg(dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in the terminal's process group: Ctrl-C is for the owner.
            .process_group(0)
            .spawn()
            .map_err(Error::io("start /bin/sh"))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Tells the shell which processes to kill, from now on exactly these.
    ///
    /// Called before a new broker may run and before an ended one is reaped, so that a listed
    /// number never belongs to another process.
    pub(crate) fn watch(&mut self, pids: impl Iterator<Item = u32>) -> Result<(), Error> {
        let mut line = pids
            .map(|pid| pid.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        line.push('\n');
        match &mut self.pipe {
            Some(pipe) => pipe
                .write_all(line.as_bytes())
                .map_err(Error::io("tell the watchdog")),
            None => Ok(()),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.pipe = None;
        // Nothing to do about a shell that cannot be waited for.
        let _ = self.shell.wait();
    }
}
