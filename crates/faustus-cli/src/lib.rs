//! The command `faustus`: begins projects, looks after applications by their names, and looks into
//! embedded logs.
//!
//! It has no application's program. What needs one, that program's own command line does:
//! `faustus::App::main`.

mod log;
mod new;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use faustus::{
    __command::{AppArgs, Stopped, app, code},
    Error, ErrorKind,
};

/// Begin projects with Faustus, look after applications, and look into embedded logs.
#[derive(Debug, Parser)]
#[command(
    name = "faustus",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Examples:
  faustus new bank
  faustus app bank lag --log kafka://broker:9092
  faustus log bank-data topics
  faustus log bank-data records orders --limit 5 --json | jq .value

Data goes to standard output, all else to standard error; --json gives data as JSON, an object on a line each. Exit codes: \
0 done; 1 it could not be done, or something is wrong with the log; 2 the command line or settings are wrong; 130 Ctrl-C. \
A program made with Faustus has a command line of its own, which does more: its --help tells."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::NewArgs),
    App(AppArgs),
    Log(log::LogArgs),
}

type Result<T = (), E = Stopped> = std::result::Result<T, E>;

/// A failure with this text.
fn told<T>(text: impl Into<String>) -> Result<T> {
    Err(failed(text))
}

fn failed(text: impl Into<String>) -> Stopped {
    Error::new(ErrorKind::Configuration, text).into()
}

/// Does what the process's arguments ask for, and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Who closed the pipe has seen enough.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    code(match cli.command {
        Command::New(args) => new::run(&args),
        Command::App(args) => app(args),
        Command::Log(args) => log::run(&args),
    })
}
