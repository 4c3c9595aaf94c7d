//! `worker`: runs the agents until a signal asks for the end.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use faustus_core::{Offset, TopicPartition};

use super::{
    Stopped, code,
    messages::Messages,
    session::{open_when_free, place},
};
use crate::{
    App, Ended, Result, Worker, WorkerHandle,
    control::Server,
    settings::{
        SettingArgs,
        layers::{Origins, Resolved},
    },
    worker::{random, random_id},
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
    let origins = Origins::of(&app, &args.settings.0);
    let mut resolved = match origins.read() {
        Ok(resolved) => resolved,
        Err(mistakes) => return code(Err(Stopped::Wrong(mistakes))),
    };
    if args.show_settings {
        return show(&resolved, args.json);
    }
    if resolved.settings.worker_id.is_empty() {
        resolved.settings.worker_id = random_id(random());
    }
    let messages = match Messages::install(&resolved, origins) {
        Ok(messages) => messages,
        Err(mistake) => return code(Err(Stopped::Wrong(mistake))),
    };
    match run(app, &resolved, &args.skip, messages.clone()) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Cut) => ExitCode::from(3),
        Err(error) => {
            messages.failed(&error);
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
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

#[tokio::main(worker_threads = 2)]
async fn run<S: Clone + Send + Sync + 'static>(
    app: App<S>,
    resolved: &Resolved,
    skip: &[(TopicPartition, Offset)],
    messages: Messages,
) -> Result<Ended> {
    let (address, settings) = (resolved.log(), resolved.settings.clone());
    let name = app.name();
    let log = open_when_free(&address, &name, &settings).await?;
    tracing::info!(app = name, worker = settings.worker_id, log = %address, guarantee = ?settings.guarantee, threads = settings.threads, "worker starts");
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
    tokio::spawn(obey_signals(handle, messages)?);
    worker.settings(settings).run().await
}

/// The first signal asks for an orderly end, the second ends the process. `SIGHUP` is for the messages,
/// unless the terminal is gone: that asks for an end, too.
fn obey_signals(handle: WorkerHandle, messages: Messages) -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let began_with = terminals();
    Ok(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {
                    if terminals() == began_with {
                        messages.reopen();
                        continue;
                    }
                }
            }
            if std::mem::replace(&mut asked, true) {
                #[expect(clippy::exit, reason = "the second signal means: at once")]
                std::process::exit(130);
            }
            tracing::info!("worker finishes what is in flight; once more ends it at once");
            handle.shutdown();
        }
    })
}

/// Which of standard input, output and error are a terminal that is still there.
fn terminals() -> [bool; 3] {
    [
        io::stdin().is_terminal(),
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
    ]
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
