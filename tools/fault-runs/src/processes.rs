//! Worker processes: starting, signalling and ending them, and hearing what they tell.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::timeout,
};

use crate::{
    args::Promise,
    log::Place,
    tail::{Progress, Sighting},
};

/// How a worker of a run is started.
#[derive(Clone, Debug)]
pub(crate) struct WorkerPlan {
    pub(crate) place: Place,
    pub(crate) app: String,
    pub(crate) id: String,
    pub(crate) promise: Promise,
    pub(crate) session: Duration,
    /// Where a life that keeps its tables keeps them.
    pub(crate) stores: PathBuf,
    /// Feed, at this rate, and tell; on a log that one process holds.
    pub(crate) feeds: Option<u64>,
    /// Where its log goes, all its lives after each other.
    pub(crate) log: PathBuf,
}

/// A worker, alive or not.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    plan: WorkerPlan,
    child: Option<Child>,
    /// Kept apart: its end ends the process, and waiting for a child would close it.
    stdin: Option<ChildStdin>,
    by: String,
}

impl WorkerProcess {
    pub(crate) fn new(plan: WorkerPlan) -> Self {
        Self {
            plan,
            child: None,
            stdin: None,
            by: String::new(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.plan.id
    }

    pub(crate) fn log(&self) -> &Path {
        &self.plan.log
    }

    /// What the present process signs its outputs with.
    pub(crate) fn by(&self) -> &str {
        &self.by
    }

    /// Starts it, with its stores or without. What it tells goes to `progress`.
    pub(crate) fn start(
        &mut self,
        with_stores: bool,
        progress: &watch::Sender<Progress>,
    ) -> Result<()> {
        let plan = &self.plan;
        let log = File::options().create(true).append(true).open(&plan.log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["bank", "--log", &plan.place.url(), "--app", &plan.app])
            .args(["--id", &plan.id])
            .args(["--session-ms", &plan.session.as_millis().to_string()]);
        if plan.promise == Promise::ExactlyOnce {
            command.arg("--exactly-once");
        }
        if with_stores {
            command.arg("--stores").arg(&plan.stores);
        }
        if let Some(rate) = plan.feeds {
            command
                .args(["--tell", "--feed", "1..1000000000"])
                .args(["--rate", &rate.to_string()]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("start a worker")?;
        let pid = child.id().context("a worker without a pid")?;
        self.by = format!("{}:{pid}", plan.id);
        if let Some(told) = child.stdout.take() {
            let progress = progress.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(told).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    progress.send_modify(|progress| hear(progress, &line));
                }
            });
        }
        self.stdin = child.stdin.take();
        self.child = Some(child);
        Ok(())
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.as_ref().and_then(Child::id);
        let pid = pid.and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.with_context(|| format!("{} does not run", self.plan.id))?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.plan.id))
    }

    /// Ends it with SIGKILL.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Ends it with SIGTERM, and fails if it does not end well within `patience`.
    pub(crate) async fn shut_down(&mut self, patience: Duration) -> Result<()> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().context("it does not run")?;
        match timeout(patience, child.wait()).await {
            Ok(status) => {
                let status = status?;
                ensure!(
                    status.success(),
                    "{} ended with {status} after SIGTERM",
                    self.plan.id
                );
                Ok(())
            }
            Err(_) => {
                child.kill().await?;
                bail!("{} did not end in {patience:?} after SIGTERM", self.plan.id)
            }
        }
    }

    /// Tells it that nothing more needs to be fed.
    pub(crate) async fn enough(&mut self) -> Result<()> {
        let stdin = self.stdin.as_mut();
        let stdin = stdin.with_context(|| format!("{} does not run", self.plan.id))?;
        stdin.write_all(b"enough\n").await?;
        Ok(())
    }

    /// How it ended, if it ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(&self.plan.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let skip = text.lines().count().saturating_sub(lines);
        text.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

/// Takes in a line that a worker told.
fn hear(progress: &mut Progress, line: &str) {
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("fed"), Some(number), None, None) => {
            let number = number.parse().unwrap_or_default();
            progress.fed = progress.fed.max(number);
        }
        (Some("saw"), Some(partition), Some(number), Some(by)) => {
            if let (Ok(partition), Ok(number)) = (partition.parse(), number.parse()) {
                progress.see(Sighting {
                    partition,
                    number,
                    by: by.to_owned(),
                });
            }
        }
        (Some("rest"), None, None, None) => progress.rests = true,
        _ => tracing::warn!(line, "a worker tells something else"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_tells_is_heard() {
        let mut progress = Progress::default();
        for line in ["fed 20", "saw 3 17 w1:99", "rest"] {
            hear(&mut progress, line);
        }
        assert_eq!((progress.fed, progress.rests), (20, true));
        assert!(progress.have_worked(&["w1:99".to_owned()], 16));
    }
}
