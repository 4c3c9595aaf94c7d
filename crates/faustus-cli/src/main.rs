//! The command `faustus`: begins projects and looks into embedded logs.
//!
//! It knows no application. What an application can be asked, its own program answers:
//! `faustus::App::main`.

mod bytes;
mod log;
mod new;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::Failure;

/// Begin projects with Faustus, and look into embedded logs.
#[derive(Debug, Parser)]
#[command(
    name = "faustus",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Examples:
  faustus new bank
  faustus log bank-data topics
  faustus log bank-data records orders --limit 5 --json | jq .value

Data goes to standard output, all else to standard error. Exit codes: 0 done; 1 it could not be
done, or something is wrong with the log; 2 the command line is wrong. What a program made with
Faustus can do, its own --help tells."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::NewArgs),
    Log(log::LogArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Who closed the pipe has seen enough.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match &cli.command {
        Command::New(args) => new::run(args),
        Command::Log(args) => log::run(args),
    };
    match done {
        Ok(()) | Err(Failure::Unheard) => ExitCode::SUCCESS,
        Err(Failure::Shown) => ExitCode::FAILURE,
        Err(Failure::Told(text)) => {
            output::say(&format!("error: {text}"));
            ExitCode::FAILURE
        }
    }
}
