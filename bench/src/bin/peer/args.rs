//! The command line, which the programs for all systems share.

use std::path::PathBuf;

use clap::{
    Arg, ArgAction, Command, CommandFactory, FromArgMatches, Parser, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
    value_parser,
};

/// Runs one workload on Faustus and Kafka, and says what it took in one line of JSON.
#[derive(Debug, Parser)]
#[command(name = "peer")]
pub(crate) struct Args {
    /// What is done with the events.
    #[arg(long, value_name = "NAME")]
    pub(crate) workload: Workload,
    /// A broker.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap: String,
    /// The name of the application.
    #[arg(long, value_name = "ID")]
    pub(crate) app_id: String,
    /// The topic of the events.
    #[arg(long = "in", value_name = "TOPIC")]
    pub(crate) input: String,
    /// The topic of the results; may be left out where the workload writes none.
    #[arg(long, value_name = "TOPIC")]
    #[arg(required_if_eq_any = [("workload", "pass"), ("workload", "shuffle"), ("workload", "latency")])]
    pub(crate) out: Option<String>,
    /// How many input events this run handles.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) events: u64,
    /// How many worker threads.
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Where tables are kept.
    #[arg(long, value_enum, default_value_t = Store::Memory)]
    pub(crate) store: Store,
    /// The directory of a persistent store [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Process every event exactly once [default: at least once].
    #[arg(long)]
    pub(crate) exactly_once: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Decode, add a field, encode, send on.
    Pass,
    /// Add up amounts by account in a table.
    Total,
    /// The same of events without keys, grouped by account first.
    Rekey,
    /// Match records against rules, keep a state per rule.
    Shuffle,
    /// Restore the table of an earlier `total`, then as `total`.
    Recover,
    /// As `total`, and send each new sum on.
    Latency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    Memory,
    Persistent,
}

/// An option of other systems' programs, which has to be refused with a reason.
const PER_UPDATE: &str = "changelog-per-update";

/// The arguments of this process, which ends here with status 2 if they are wrong.
pub(crate) fn parse() -> Args {
    match parse_from(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    }
}

fn command() -> Command {
    let per_update = Arg::new(PER_UPDATE)
        .long(PER_UPDATE)
        .action(ArgAction::SetTrue)
        .help("Refused: a changelog gets the last value of each changed key once per epoch");
    Args::command().arg(per_update)
}

fn parse_from<T: Into<std::ffi::OsString> + Clone>(
    arguments: impl IntoIterator<Item = T>,
) -> Result<Args, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments);
    let matches = matches.map_err(|error| with_usage(error, &mut command))?;
    if matches.get_flag(PER_UPDATE) {
        let why = format!(
            "--{PER_UPDATE} cannot be had: Faustus writes the last value of each changed key to \
             the changelog once per epoch"
        );
        return Err(command.error(ErrorKind::ArgumentConflict, why));
    }
    Args::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Adds the usage where the parser says no more than which values there are.
fn with_usage(mut error: clap::Error, command: &mut Command) -> clap::Error {
    if error.get(ContextKind::Usage).is_none() {
        let usage = ContextValue::StyledStr(command.render_usage());
        error.insert(ContextKind::Usage, usage);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "peer --workload total --bootstrap b:1 --app-id a --in i --events 5";

    fn parsed(line: &str) -> Result<Args, clap::Error> {
        parse_from(line.split(' '))
    }

    fn refusal(line: &str) -> String {
        let error = parsed(line).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn what_is_not_said_is_memory_one_thread_and_at_least_once() {
        let args = parsed(LEAST).unwrap();
        assert_eq!(
            (args.threads, args.store, args.exactly_once),
            (1, Store::Memory, false)
        );
    }

    #[test]
    fn wrong_arguments_are_refused_with_the_usage() {
        for (from, to) in [
            ("total", "sum"),
            ("--events 5", "--events 0"),
            ("--events 5", "--events 5 --threads 0"),
            ("--events 5", "--events 5 --store disk"),
            (" --in i", ""),
        ] {
            let said = refusal(&LEAST.replace(from, to));
            assert!(said.contains("Usage:"), "{said}");
        }
    }

    #[test]
    fn an_output_is_asked_for_where_the_workload_writes_one() {
        for name in ["pass", "shuffle", "latency"] {
            let line = LEAST.replace("total", name);
            assert!(refusal(&line).contains("--out <TOPIC>"));
            assert!(parsed(&format!("{line} --out o")).is_ok());
        }
    }

    #[test]
    fn a_changelog_per_update_is_refused_with_the_reason() {
        let said = refusal(&format!("{LEAST} --changelog-per-update"));
        assert!(said.contains("once per epoch"), "{said}");
        assert!(said.contains("Usage:"), "{said}");
    }
}
