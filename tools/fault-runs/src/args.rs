//! The command line.

use std::{fmt, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

/// Kills workers and brokers under a running application and checks what becomes of its sums.
#[derive(Debug, Parser)]
#[command(name = "fault-runs")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One kind of fault on one log under one guarantee.
    Run(RunArgs),
    /// Every combination that makes sense.
    All(AllArgs),
    /// The application under test: one worker of it.
    #[command(hide = true)]
    Bank(BankArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// What the application runs on.
    #[arg(long)]
    pub(crate) log: LogKind,
    /// What is done to it.
    #[arg(long)]
    pub(crate) fault: Fault,
    /// What it promises.
    #[arg(long)]
    pub(crate) guarantee: Promise,
    /// How many times.
    #[arg(long, default_value_t = 20)]
    pub(crate) rounds: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AllArgs {
    /// A few rounds of each, within some four minutes, instead of 20.
    #[arg(long)]
    pub(crate) short: bool,
    /// Only the combinations on this log.
    #[arg(long)]
    pub(crate) log: Option<LogKind>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// Decides who is hit, when, and for how long. Default: random.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Keep the directory with the logs of the workers also when all is well.
    #[arg(long)]
    pub(crate) keep: bool,
    /// How many inputs are fed in a second.
    #[arg(long, default_value_t = 400)]
    pub(crate) rate: u64,
    /// The session timeout of the workers, in milliseconds.
    #[arg(long, default_value_t = 3000)]
    pub(crate) session_ms: u64,
    /// Which lives of a worker keep its tables in stores; others restore them from the changelogs.
    #[arg(long, default_value_t = Stores::Mixed)]
    pub(crate) stores: Stores,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BankArgs {
    /// A directory (`dir:PATH` or a plain path) or `kafka://HOST:PORT`.
    #[arg(long)]
    pub(crate) log: String,
    /// The name of the application, of which there may be several on one log.
    #[arg(long, default_value = "bank")]
    pub(crate) app: String,
    /// The name of this worker.
    #[arg(long)]
    pub(crate) id: String,
    /// Promise exactly once instead of at least once.
    #[arg(long)]
    pub(crate) exactly_once: bool,
    /// How many worker threads.
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,
    /// The session timeout in milliseconds.
    #[arg(long, default_value_t = 3000)]
    pub(crate) session_ms: u64,
    /// Where tables are kept; none: in memory.
    #[arg(long)]
    pub(crate) stores: Option<PathBuf>,
    /// Feed the inputs of these numbers, `FROM..TO`, as far as the log does not hold them, until a
    /// line `enough` comes on standard input.
    #[arg(long, value_parser = range)]
    pub(crate) feed: Option<std::ops::Range<u64>>,
    /// How many inputs are fed in a second.
    #[arg(long, default_value_t = 400)]
    pub(crate) rate: u64,
    /// Tell on standard output what was fed and what came out.
    #[arg(long)]
    pub(crate) tell: bool,
}

/// What the application runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogKind {
    /// The embedded log in a directory.
    Dir,
    /// Kafka, started for the run.
    Kafka,
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// A worker is killed with SIGKILL and started again.
    Kill,
    /// A worker is stopped with SIGSTOP beyond its session and goes on.
    Stop,
    /// Every worker is shut down in order and started again, one after the other.
    Rolling,
    /// A broker of three is killed with SIGKILL and started again.
    Broker,
}

/// What the application promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Promise {
    /// Nothing is lost.
    AtLeastOnce,
    /// Nothing is lost or doubled.
    ExactlyOnce,
}

/// Which lives of a worker keep its tables in stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stores {
    /// None.
    Never,
    /// Some: a store lags behind what the lives without it did.
    Mixed,
    /// All.
    Always,
}

macro_rules! shown_as_given {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let value = self.to_possible_value();
                f.write_str(value.as_ref().map_or("", |value| value.get_name()))
            }
        }
    )*};
}

shown_as_given!(LogKind, Fault, Promise, Stores);

fn range(text: &str) -> Result<std::ops::Range<u64>, String> {
    let wrong = || format!("`{text}` is no range; write FROM..TO, such as 1..1000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    Ok(number(from)?..number(to)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn ranges_are_written_as_in_rust() {
        assert_eq!(range("1..20"), Ok(1..20));
        assert!(range("1-20").unwrap_err().contains("FROM..TO"));
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        assert_eq!(
            (LogKind::Dir.to_string(), Promise::AtLeastOnce.to_string()),
            ("dir".to_owned(), "at-least-once".to_owned())
        );
    }
}
