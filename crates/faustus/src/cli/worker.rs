//! `worker`: runs the agents until a signal asks for the end.

mod banner;
mod line;
mod live;
mod recovery;
mod signals;

use std::{io::Write, process::ExitCode, sync::Arc};

use clap::Args;
use faustus_core::{Offset, TopicPartition};

use super::{
    Stopped, code,
    console::Console,
    messages::Messages,
    output::Output,
    session::{open_when_free, place},
};
use crate::{
    App, Ended, Result, Worker,
    control::Server,
    settings::{
        SettingArgs,
        layers::{Origins, Resolved},
    },
    worker::{random, random_id},
};
use banner::Banner;
use live::Shown;
use signals::Signals;

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
    let console = match resolved.settings.status_line {
        Some(false) => Console::plain(),
        _ => Console::live(),
    };
    let messages = match Messages::install(&resolved, origins, &console) {
        Ok(messages) => messages,
        Err(mistake) => return code(Err(Stopped::Wrong(mistake))),
    };
    match run(app, &resolved, &args.skip, &console, messages.clone()) {
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
        let width = Output::new(false).width();
        resolved.to_table(width.and_then(|width| u16::try_from(width).ok()))
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

#[tokio::main(worker_threads = 2)]
async fn run<S: Clone + Send + Sync + 'static>(
    app: App<S>,
    resolved: &Resolved,
    skip: &[(TopicPartition, Offset)],
    console: &Console,
    messages: Messages,
) -> Result<Ended> {
    let (address, settings) = (resolved.log(), resolved.settings.clone());
    let name = app.name();
    let signals = Signals::new()?;
    let log = open_when_free(&address, &name, &settings).await?;
    let banner = Banner::new(&app.def.lock(), &settings, &log.traits().name);
    match console.width() {
        Some(width) if messages.are_text() => console.write(banner.text(width).as_bytes()),
        _ => banner.tell(),
    }
    let (worker, handle) = Worker::new(app, Arc::clone(&log));
    let serving = Server::start(place(&address, &name), &name, log, Some(handle.clone()));
    let _serving = serving.inspect_err(|error| {
        tracing::warn!(%error, "no control socket: the command line cannot see this worker");
    });
    for (partition, offset) in skip {
        handle.skip(partition, *offset);
    }
    let shown = Shown::by(&settings);
    let mut beside = tokio::task::JoinSet::new();
    beside.spawn(signals.obey(handle.clone(), console.clone(), messages));
    beside.spawn(live::follow(handle, console.clone(), shown));
    let ended = worker.settings(settings).run().await;
    beside.shutdown().await;
    console.clear();
    ended
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
