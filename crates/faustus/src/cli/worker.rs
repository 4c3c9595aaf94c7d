//! `worker`: runs the agents until a signal asks for the end.

use std::{io::Write, process::ExitCode, sync::Arc};

use clap::Args;
use faustus_core::{Offset, TopicPartition};

use super::session::{open_when_free, place};
use crate::{
    App, Ended, Result, Worker, WorkerHandle,
    control::Server,
    settings::{
        SettingArgs,
        layers::{self, Resolved},
    },
};

#[derive(Args, Debug, Default)]
#[command(after_help = "\
Each setting may also stand in faustus.toml, as in `commit-interval = \"1 s\"`, and in the environment, as in
FAUSTUS_COMMIT_INTERVAL. An option holds over the environment, that over the program's code, that over the file.")]
pub(super) struct WorkerArgs {
    /// Show all settings, where each is from, and end
    #[arg(long)]
    show_settings: bool,
    /// Show them as JSON
    #[arg(long, requires = "show_settings")]
    json: bool,
    /// Pass over the record at TOPIC/PARTITION@OFFSET, which a task cannot get past; may be repeated
    #[arg(long, value_name = "RECORD", value_parser = parse_record)]
    skip: Vec<(TopicPartition, Offset)>,
    #[command(flatten)]
    settings: SettingArgs<true>,
}

/// Runs a worker of `app`, or shows its settings. Gives the exit code.
pub(super) fn main<S: Clone + Send + Sync + 'static>(app: App<S>, args: &WorkerArgs) -> ExitCode {
    let resolved = match layers::read(&app, &args.settings.0) {
        Ok(resolved) => resolved,
        Err(mistakes) => {
            let _ = writeln!(std::io::stderr(), "error: {mistakes}");
            return ExitCode::from(2);
        }
    };
    if args.show_settings {
        return show(&resolved, args.json);
    }
    match run(app, &resolved, &args.skip) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Cut) => ExitCode::from(3),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes all settings to standard output. A reader that has seen enough is no failure.
fn show(resolved: &Resolved, json: bool) -> ExitCode {
    let text = if json {
        resolved.to_json()
    } else {
        resolved.to_table()
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

#[tokio::main(worker_threads = 2)]
async fn run<S: Clone + Send + Sync + 'static>(
    app: App<S>,
    resolved: &Resolved,
    skip: &[(TopicPartition, Offset)],
) -> Result<Ended> {
    let (address, settings) = (resolved.log(), resolved.settings.clone());
    let name = app.name();
    let log = open_when_free(&address, &name, &settings).await?;
    tracing::info!(app = %name, log = %log.traits().name, guarantee = ?settings.guarantee, threads = settings.threads, "worker starts");
    let (worker, handle) = Worker::new(app, Arc::clone(&log));
    let serving = Server::start(place(&address, &name), &name, log, Some(handle.clone()));
    let _serving = serving.inspect_err(|error| {
        tracing::warn!(%error, "no control socket: the command line cannot see this worker");
    });
    for (partition, offset) in skip {
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

pub(super) fn parse_record(text: &str) -> Result<(TopicPartition, Offset), String> {
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

    #[test]
    fn the_help_tells_of_all_options() {
        let command = WorkerArgs::augment_args(clap::Command::new("worker"));
        insta::assert_snapshot!(command.term_width(100).render_help());
    }

    #[test]
    fn a_record_is_named_by_topic_partition_and_offset() {
        let record = (TopicPartition::new("a/b", 3), Offset(17));
        assert_eq!(parse_record("a/b/3@17"), Ok(record));
        assert!(parse_record("orders@3").is_err());
    }
}
