//! The command line of an application: what [`App::main`] does.
//!
//! Standard output is the program's own; everything the worker says goes to standard error.

mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::App;
use worker::WorkerArgs;

/// Run and look after an application of agents.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agents until Ctrl-C; this is what happens without a command, too.
    Worker(Box<WorkerArgs>),
}

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// Runs the command that the program's arguments name and gives the exit code for it.
    ///
    /// `worker` (also without a command) runs until Ctrl-C or `SIGTERM`, then finishes what is in
    /// flight; a second one ends it at once. Exit codes: 0 all finished and stored, 1 an error, 2
    /// wrong arguments or settings, 3 something was not finished in time and will be done again, 130 ended at
    /// once by a second signal.
    ///
    /// Messages go to standard error; the variable `RUST_LOG` says which, as in `faustus=debug`.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
        let _ = subscriber.try_init();
        let cli = Cli::parse();
        let Command::Worker(args) = cli
            .command
            .unwrap_or_else(|| Command::Worker(Box::default()));
        worker::main(self, &args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
