//! A program as a process: what it says, signals to it, and its end. It is killed if a test drops it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// Where a program says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// What it is for.
    Out,
    /// What the worker in it says.
    Err,
}

/// A program that runs.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<(Output, String)>,
    /// All it said up to now, for the message of a test that fails.
    said: Vec<String>,
}

impl Program {
    /// Starts `program` with arguments.
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_remove("RUST_LOG");
        without_settings(&mut command);
        Self::of(command)
    }

    /// Starts what is to be run.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, lines) = channel();
        let out: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
        let err: Box<dyn Read + Send> = Box::new(child.stderr.take().unwrap());
        for (output, pipe) in [(Output::Out, out), (Output::Err, err)] {
            let say = say.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = say.send((output, line));
                }
            });
        }
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits until it says a line of which `wanted` makes something, and gives that.
    pub(crate) fn until<T>(&mut self, what: &str, wanted: impl Fn(Output, &str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((output, line)) = self.lines.recv_timeout(left) else {
                panic!("no {what}, only:\n{}", self.said.join("\n"));
            };
            let found = wanted(output, &line);
            self.said.push(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Waits until its worker says something with `text` in it.
    pub(crate) fn until_worker_says(&mut self, text: &str) {
        self.until(text, |output, line| {
            (output == Output::Err && line.contains(text)).then_some(())
        });
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.id()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ends it with `SIGKILL`, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal that ends it, and gives its exit code.
    pub(crate) fn end(self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.exit_code()
    }

    /// Waits until it ends, and gives its exit code.
    pub(crate) fn exit_code(self) -> Option<i32> {
        self.ended().0.code()
    }

    /// Waits until it ends, and gives how, and all it said.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Read on, or it could wait for room in the pipe.
            self.said.extend(self.lines.try_iter().map(|line| line.1));
            if let Some(status) = self.child.try_wait().unwrap() {
                self.said.extend(self.lines.iter().map(|line| line.1));
                return (status, self.said.join("\n"));
            }
            let said = &self.said;
            assert!(Instant::now() < deadline, "no end:\n{}", said.join("\n"));
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes the settings of the surroundings out of a command's environment.
pub(crate) fn without_settings(command: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("FAUSTUS_") {
            command.env_remove(variable);
        }
    }
}
