//! The command line of an application: what [`App::main`] does.
//!
//! Standard output is the program's own; everything the worker says goes to standard error.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Parser, Subcommand};
use faustus_core::{Offset, TopicPartition};
use tracing_subscriber::EnvFilter;

use crate::{
    App, Ended, Guarantee, Result, Settings, TokioClock, Worker, WorkerHandle, open_log_for,
};

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

#[derive(Args, Debug, Default)]
struct WorkerArgs {
    /// The log: a directory, memory://, or kafka://host:port [default: <app>-data]
    #[arg(long, env = "FAUSTUS_LOG", value_name = "ADDRESS")]
    log: Option<String>,
    /// Let every event count exactly once, whatever crashes [default: at least once]
    #[arg(long)]
    exactly_once: bool,
    /// How many worker threads [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The worker's name, unlike that of all other workers of the application [default: random]
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// Keep the place in the group over restarts, under this name
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Keep tables in this directory between starts [default: in memory]
    #[arg(long, value_name = "DIR")]
    stores: Option<PathBuf>,
    /// How many seconds without a sign of life until others take the tasks [default: 45]
    #[arg(long, value_name = "SECONDS")]
    session: Option<u64>,
    /// Pass over the record at TOPIC/PARTITION@OFFSET, which a task cannot get past; may be repeated
    #[arg(long, value_name = "RECORD", value_parser = parse_record)]
    skip: Vec<(TopicPartition, Offset)>,
    /// Go on with a log that lost acknowledged records, with what is left of it
    #[arg(long)]
    accept_loss: bool,
}

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// Runs the command that the program's arguments name and gives the exit code for it.
    ///
    /// `worker` (also without a command) runs until Ctrl-C or `SIGTERM`, then finishes what is in
    /// flight; a second one ends it at once. Exit codes: 0 all finished and stored, 1 an error, 2
    /// wrong arguments, 3 something was not finished in time and will be done again, 130 ended at
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
        match run(self, *args) {
            Ok(Ended::Drained) => ExitCode::SUCCESS,
            Ok(Ended::Cut) => ExitCode::from(3),
            Err(error) => {
                tracing::error!("{error}");
                ExitCode::FAILURE
            }
        }
    }
}

#[tokio::main(worker_threads = 2)]
async fn run<S: Clone + Send + Sync + 'static>(app: App<S>, args: WorkerArgs) -> Result<Ended> {
    let address = args.log.unwrap_or_else(|| format!("{}-data", app.name()));
    let defaults = Settings::default();
    let settings = Settings {
        guarantee: if args.exactly_once {
            Guarantee::ExactlyOnce
        } else {
            Guarantee::AtLeastOnce
        },
        threads: args.threads.unwrap_or(defaults.threads).max(1),
        worker_id: args.id.unwrap_or_default(),
        instance: args.instance,
        stores: args.stores,
        accept_loss: args.accept_loss,
        session_timeout: args
            .session
            .map_or(defaults.session_timeout, std::time::Duration::from_secs),
        ..defaults
    };
    let log = open_log_for(&address, Arc::new(TokioClock::real()), &settings).await?;
    tracing::info!(app = %app.name(), log = %log.traits().name, guarantee = ?settings.guarantee, threads = settings.threads, "worker starts");
    let (worker, handle) = Worker::new(app, log);
    for (partition, offset) in &args.skip {
        handle.skip(partition, *offset);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a process has signals, a simulation none"
    )]
    tokio::spawn(end_on_signal(handle)?);
    worker.settings(settings).run().await
}

/// The first signal asks for an orderly end, the second ends the process.
fn end_on_signal(handle: WorkerHandle) -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        for asked in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if asked > 0 {
                #[expect(clippy::exit, reason = "the second signal means: at once")]
                std::process::exit(130);
            }
            tracing::info!("worker finishes what is in flight; once more ends it at once");
            handle.shutdown();
        }
    })
}

fn parse_record(text: &str) -> Result<(TopicPartition, Offset), String> {
    let parse = || {
        let (partition, offset) = text.rsplit_once('@')?;
        let (topic, partition) = partition.rsplit_once('/')?;
        Some((
            TopicPartition::new(topic, partition.parse().ok()?),
            Offset(offset.parse().ok()?),
        ))
    };
    parse().ok_or_else(|| "write it as TOPIC/PARTITION@OFFSET, such as orders/3@17".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_record_is_named_by_topic_partition_and_offset() {
        let record = (TopicPartition::new("a/b", 3), Offset(17));
        assert_eq!(parse_record("a/b/3@17"), Ok(record));
        assert!(parse_record("orders@3").is_err());
    }
}
