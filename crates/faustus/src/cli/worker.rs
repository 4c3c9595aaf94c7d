//! `worker`: runs the agents until a signal asks for the end.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use faustus_core::{Offset, TopicPartition};

use crate::{
    App, Ended, Guarantee, Result, Settings, TokioClock, Worker, WorkerHandle, open_log_for,
};

#[derive(Args, Debug, Default)]
pub(super) struct WorkerArgs {
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

#[tokio::main(worker_threads = 2)]
pub(super) async fn run<S: Clone + Send + Sync + 'static>(
    app: App<S>,
    args: WorkerArgs,
) -> Result<Ended> {
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

    #[test]
    fn a_record_is_named_by_topic_partition_and_offset() {
        let record = (TopicPartition::new("a/b", 3), Offset(17));
        assert_eq!(parse_record("a/b/3@17"), Ok(record));
        assert!(parse_record("orders@3").is_err());
    }
}
