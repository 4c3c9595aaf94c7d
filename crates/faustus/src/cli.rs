//! The command line of an application: what [`App::main`] does.
//!
//! Standard output is data, everything else goes to standard error. A command is a function over a
//! [`Session`], which finds the log and the workers; it knows nothing of sockets.

mod agents;
mod by_name;
pub mod bytes;
mod common;
mod console;
mod described;
mod filter;
mod known;
mod letters;
mod messages;
mod models;
mod offsets;
mod orders;
pub mod output;
mod plan;
mod reading;
mod reset;
mod send;
mod session;
mod tables;
#[cfg(feature = "top")]
mod top;
mod topics;
mod user;
mod worker;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::{App, Error, Result, runtime::AppDef, settings::SettingArgs};
pub use by_name::{AppArgs, app};
use common::Common;
use session::{Session, Where};
use worker::WorkerArgs;

/// Run and look after an application of agents.
#[derive(Debug, Parser)]
#[command(
    version = concat!("on faustus ", env!("CARGO_PKG_VERSION")),
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Most commands work while a worker runs and while none does. Data goes to standard output, all else \
                  to standard error; --json gives data as JSON, an object on a line each.\n\n\
                  Exit codes: 0 done, 1 an error, 2 wrong arguments or settings, 3 a worker that left events to be done again, \
                  130 Ctrl-C."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agents until Ctrl-C; this is what happens without a command, too
    Worker(Box<WorkerArgs>),
    /// Show what a worker's start would make on the log, and what is wrong, without doing it
    Plan(plan::PlanArgs),
    /// List the agents, what they read and write, and how their lanes are
    Agents(agents::AgentsArgs),
    /// Show the lanes of an agent: what each does, since when, and why
    Agent(agents::AgentArgs),
    /// Watch what running workers do: throughput, lag, lanes, tables, epochs
    #[cfg(feature = "top")]
    Top(top::TopArgs),
    /// List the records that topics and tables hold
    Models(models::ModelsArgs),
    /// Show the fields of a record
    Model(models::ModelArgs),
    #[command(flatten)]
    Common(Common),
    /// Ask an agent and print its reply
    Ask(send::AskArgs),
    /// Send a record to an agent, without waiting for a reply
    Cast(send::CastArgs),
    /// Let parked tasks try again, or an agent that was paused go on
    Resume(orders::ResumeArgs),
    /// Let an agent take no more events, until it is resumed or its worker ends
    Pause(orders::AgentOrderArgs),
    /// End all instances of an agent and begin new ones
    Restart(orders::AgentOrderArgs),
    /// Print the script that completes this command line in a shell
    Completion {
        /// Which shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
}

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// Runs the command that the program's arguments name and gives the exit code for it.
    ///
    /// `worker` (also without a command) runs until Ctrl-C or `SIGTERM`, then finishes what is in
    /// flight; a second one ends it at once. All other commands look after the application: `--help`
    /// lists them, and those that were [added](Self::command). Exit codes: 0 done, with a worker all
    /// finished and stored; 1 an error; 2 wrong arguments or settings; 3 something was not finished in time by a
    /// worker and will be done again; 130 ended by Ctrl-C, or a worker at once by a second signal.
    ///
    /// Data goes to standard output, messages to standard error. Those of a worker are as its settings
    /// `log-level`, `log-format` and `log-file` say, unless the program has set a `tracing` subscriber
    /// before, which then gets them; other commands write warnings, or what the variable `RUST_LOG` says.
    /// `SIGHUP` has a worker read `log-level` again, and open its `log-file` anew.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let (name, commands) = {
            let def = self.def.lock();
            (def.name.to_string(), def.commands.clone())
        };
        if let Some(taken) = commands.iter().find(|own| is_taken(&commands, own)) {
            let taken = &taken.name;
            let text = format!(
                "application {name} has a command {taken:?} of its own, and there is another one of this name: \
                 give it a name of its own"
            );
            return code(Err(Error::config(text).into()));
        }
        if let Some((command, argument)) = taken_argument(&commands) {
            let text = format!(
                "command {command} of application {name} has an argument {argument:?}, which is one of the settings \
                 that all commands have: give it a name of its own"
            );
            return code(Err(Error::config(text).into()));
        }
        let matches = command_line(&name, &commands).get_matches();
        let own = matches.subcommand().and_then(|(name, arguments)| {
            let command = commands.iter().find(|command| &*command.name == name)?;
            Some((command, arguments))
        });
        if let Some((command, arguments)) = own {
            messages::warnings();
            return code(user::run(self, command, arguments));
        }
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let command = cli
            .command
            .unwrap_or_else(|| Command::Worker(Box::default()));
        match command {
            Command::Worker(args) => worker::main(self, &args),
            command => {
                messages::warnings();
                code(run(self, command))
            }
        }
    }
}

/// Whether a command of the program's own has the name of another one.
fn is_taken(all: &[crate::command::CommandDef], own: &crate::command::CommandDef) -> bool {
    let same = all.iter().filter(|other| other.name == own.name).count();
    same > 1 || *own.name == *"help" || Cli::command().find_subcommand(&*own.name).is_some()
}

/// A command of the program's own, and an argument of it that has the name of a setting.
fn taken_argument(all: &[crate::command::CommandDef]) -> Option<(String, String)> {
    let settings = SettingArgs::<false>::augment_args(clap::Command::new("settings"));
    all.iter().find_map(|command| {
        let described = (command.describe)(clap::Command::new("own"));
        let of_both = described.get_arguments().find(|argument| {
            let mut settings = settings.get_arguments();
            settings.any(|setting| {
                setting.get_id() == argument.get_id()
                    || setting.get_long() == argument.get_long() && argument.get_long().is_some()
            })
        });
        of_both.map(|argument| (command.name.to_string(), argument.get_id().to_string()))
    })
}

/// The command line of the application `name` with its own commands.
fn command_line(name: &str, own: &[crate::command::CommandDef]) -> clap::Command {
    let mut line = Cli::command().name(name.to_owned());
    for command in own {
        let about = format!("Run {}, a command of this application", command.name);
        let described = clap::Command::new(command.name.to_string()).about(about);
        let described = (command.describe)(described);
        line = line.subcommand(SettingArgs::<false>::augment_args(described));
    }
    line
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Stopped {
    /// What is wrong, where, and what to do.
    Failed(Error),
    /// The settings are wrong.
    Wrong(Error),
    /// What is wrong is what was shown.
    Shown,
    /// Ctrl-C.
    Interrupted,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The exit code for how a command ended, after it was told why.
#[must_use]
pub fn code(ended: Result<(), Stopped>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stopped::Shown) => ExitCode::FAILURE,
        Err(Stopped::Interrupted) => ExitCode::from(130),
        // Who reads the data has seen enough.
        Err(Stopped::Failed(error)) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(Stopped::Wrong(error)) => {
            let _ = writeln!(io::stderr().lock(), "error: {error}");
            ExitCode::from(2)
        }
        Err(Stopped::Failed(error)) => {
            let _ = writeln!(io::stderr().lock(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    source.is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run<S: Clone + Send + Sync + 'static>(app: App<S>, command: Command) -> Result<(), Stopped> {
    let Some(at) = command.at() else {
        return Ok(offline(&app.into_def(), &command)?);
    };
    let session = Session::new(app, at.settings())?;
    on_runtime(async {
        match command {
            Command::Ask(args) => send::ask(&session, &args).await,
            #[cfg(feature = "top")]
            Command::Top(args) => top::top(&session, &args).await,
            command => or_interrupted(with_log(&session, command)).await,
        }
    })
}

impl Command {
    /// Where it looks, if it looks at a log.
    fn at(&self) -> Option<&Where> {
        Some(match self {
            Self::Worker(_) | Self::Models(_) | Self::Model(_) | Self::Completion { .. } => {
                return None;
            }
            Self::Plan(args) => &args.at,
            Self::Agents(args) => &args.at,
            Self::Agent(args) => &args.at,
            #[cfg(feature = "top")]
            Self::Top(args) => &args.at,
            Self::Common(command) => command.at(),
            Self::Ask(args) => &args.at,
            Self::Cast(args) => &args.at,
            Self::Resume(args) => &args.at,
            Self::Pause(args) | Self::Restart(args) => &args.at,
        })
    }
}

/// What a future gives, unless Ctrl-C comes before it.
async fn or_interrupted<T>(future: impl Future<Output = Result<T>>) -> Result<T, Stopped> {
    tokio::select! {
        biased;
        // Before the command begins, so that none of it is ended by the signal itself.
        Ok(()) = tokio::signal::ctrl_c() => Err(Stopped::Interrupted),
        ended = future => Ok(ended?),
    }
}

/// Runs what a command does; what it leaves behind on other threads does not hold up its end.
fn on_runtime<T>(command: impl Future<Output = Result<T, Stopped>>) -> Result<T, Stopped> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(Error::from)?;
    let ended = runtime.block_on(command);
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    ended
}

async fn with_log(session: &Session, command: Command) -> Result {
    match command {
        Command::Plan(args) => plan::plan(session, &args).await,
        Command::Agents(args) => agents::agents(session, &args).await,
        Command::Agent(args) => agents::agent(session, &args).await,
        Command::Common(command) => command.run(session).await,
        Command::Cast(args) => send::cast(session, args).await,
        Command::Resume(args) => orders::resume(session, &args).await,
        Command::Pause(args) => orders::pause(session, &args).await,
        Command::Restart(args) => orders::restart(session, &args).await,
        command => offline(session.program()?, &command),
    }
}

/// What needs no log.
fn offline(def: &AppDef, command: &Command) -> Result {
    match command {
        Command::Completion { shell } => complete(def, *shell),
        Command::Models(args) => models::models(def, args),
        Command::Model(args) => models::model(def, args),
        _ => Ok(()),
    }
}

fn complete(def: &AppDef, shell: Shell) -> Result {
    let mut line = command_line(&def.name, &def.commands);
    let program = std::env::args_os().next();
    let program = program.as_deref().map(std::path::Path::new);
    let name = program.and_then(|path| path.file_name()?.to_str());
    let name = name.unwrap_or(&def.name).to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut line, name, &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
