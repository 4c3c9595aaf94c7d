//! Faustus in the place of one of the systems it is compared with: one workload on Kafka.
//!
//! Programs for other systems answer to the same command line, so that one driver runs and checks
//! all of them. Each processes a number of input events until they are done and committed, and says
//! what that took in one line of JSON. This one is written as a user would write it: an application
//! of agents (`programs`, `shuffle`), run by a worker with settings (`run`).

mod args;
mod programs;
mod progress;
mod rules;
mod run;
mod shuffle;

use std::process::ExitCode;

use bench::measure::Meter;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let outcome = Meter::start().and_then(|since_start| {
        let args = args::parse();
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
        run::run(&args, since_start)
    });
    match outcome {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("peer: {error:#}");
            ExitCode::FAILURE
        }
    }
}
