//! From a worker's start until its work is done and committed.

use std::{path::PathBuf, pin::pin, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bench::measure::Meter;
use faustus::{
    Ended, Guarantee, Settings, TaskState, TaskStatus, TokioClock, Transport, Worker, WorkerHandle,
    open_log_for,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    args::{Args, Store, Workload},
    programs,
    progress::{Moment, Progress},
    shuffle,
};

/// How often the broker or the worker is asked for what is waited for.
const POLL: Duration = Duration::from_millis(5);

/// How long the input topic may take to appear.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a workload and gives its line of results.
pub(crate) fn run(args: &Args, since_start: Meter) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()?;
    runtime.block_on(work(args, Arc::new(Progress::new(since_start))))
}

async fn work(args: &Args, progress: Arc<Progress>) -> Result<Value> {
    let (stores, _temporary) = stores(args)?;
    let settings = Settings {
        guarantee: if args.exactly_once {
            Guarantee::ExactlyOnce
        } else {
            Guarantee::AtLeastOnce
        },
        threads: args.threads.into(),
        stores,
        ..Settings::default()
    };
    let address = format!("kafka://{}", args.bootstrap);
    let clock = Arc::new(TokioClock::real());
    let log = open_log_for(&address, clock, &settings).await;
    let log = log.map_err(told)?;
    let partitions = partitions(&*log, &args.input).await?;
    let (worker, handle) = worker(args, partitions, log, &progress)?;
    let mut running = pin!(worker.settings(settings).run());
    let restored = tokio::select! {
        biased;
        ended = &mut running => bail!("the worker ended before its time: {ended:?}"),
        restored = until_done(args, &handle, &progress) => restored?,
    };
    // An orderly end finishes what is in flight and commits everything.
    handle.shutdown();
    let ended = running.await.map_err(told)?;
    ensure!(ended == Ended::Drained, "not all was finished and stored");
    figures(args, &progress, restored)
}

/// Where tables are kept, and the directory to be removed in the end.
fn stores(args: &Args) -> Result<(Option<PathBuf>, Option<TempDir>)> {
    Ok(match (args.store, &args.state_dir) {
        (Store::Memory, _) => (None, None),
        (Store::Persistent, Some(directory)) => (Some(directory.clone()), None),
        (Store::Persistent, None) => {
            let directory = tempfile::tempdir()?;
            (Some(directory.path().to_owned()), Some(directory))
        }
    })
}

/// How many partitions `topic` has. A broker knows a new topic some moments after it was made.
async fn partitions(log: &dyn Transport, topic: &str) -> Result<u32> {
    let find = async {
        loop {
            let found = log.admin().describe_topics(&[topic.into()]).await?;
            if let Some(described) = found.into_iter().flatten().next() {
                return Ok(described.partitions);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, find).await;
    found.with_context(|| format!("there is no topic {topic}"))?
}

fn worker(
    args: &Args,
    partitions: u32,
    log: Arc<dyn Transport>,
    progress: &Arc<Progress>,
) -> Result<(Worker, WorkerHandle)> {
    let (name, input, progress) = (&*args.app_id, &*args.input, Arc::clone(progress));
    let out = || args.out.as_deref().context("--out is missing");
    Ok(match args.workload {
        Workload::Pass => Worker::new(programs::pass(name, input, out()?, progress), log),
        Workload::Total | Workload::Recover => {
            Worker::new(programs::total(name, input, progress), log)
        }
        Workload::Rekey => Worker::new(programs::rekey(name, input, progress), log),
        Workload::Shuffle => {
            let app = shuffle::shuffle(name, input, out()?, partitions, progress);
            Worker::new(app, log)
        }
        Workload::Latency => Worker::new(programs::latency(name, input, out()?, progress), log),
    })
}

/// Waits until all input events, and what they sent through a topic of the application's own, are
/// done. Gives when all tasks had their state restored.
async fn until_done(args: &Args, handle: &WorkerHandle, progress: &Progress) -> Result<Moment> {
    let mut restored = None;
    loop {
        tokio::time::sleep(POLL).await;
        let tasks = handle.status().await.map_err(told)?;
        let mut recovering = false;
        for task in &tasks {
            match &task.state {
                TaskState::Parked(reason) => bail!("task {} is parked: {reason}", task.task),
                state => recovering |= *state == TaskState::Recovering,
            }
        }
        if tasks.is_empty() || recovering {
            continue;
        }
        let restored = match restored {
            Some(restored) => restored,
            None => *restored.insert(progress.now()?),
        };
        let from_input = |task: &&TaskStatus| {
            let mut topics = task.sources.iter().map(|source| source.topic.as_str());
            topics.any(|topic| topic == args.input)
        };
        let (input, through): (Vec<_>, Vec<_>) = tasks.iter().partition(from_input);
        // Read after the tasks' status: whoever has retired has sent.
        let sent_through = match args.workload {
            Workload::Rekey => args.events,
            _ => progress.sent_through(),
        };
        if retired(&input) >= args.events && retired(&through) >= sent_through {
            return Ok(restored);
        }
    }
}

fn retired(tasks: &[&TaskStatus]) -> u64 {
    tasks.iter().map(|task| task.retired).sum()
}

fn figures(args: &Args, progress: &Progress, restored: Moment) -> Result<Value> {
    let (first, end) = (progress.first()?, progress.now()?);
    let mut figures = json!({
        "events": args.events,
        "first_s": rounded(first.wall),
        "seconds": rounded(end.wall - first.wall),
        "cpu_s": rounded(end.cpu - first.cpu),
        "system": "faustus",
    });
    if args.workload != Workload::Pass {
        figures["changelog_per"] = "epoch".into();
    }
    if args.workload == Workload::Recover {
        figures["restore_s"] = rounded(restored.wall);
        figures["restore_cpu_s"] = rounded(restored.cpu);
    }
    Ok(figures)
}

/// Seconds to a thousandth.
fn rounded(seconds: f64) -> Value {
    ((seconds * 1000.0).round() / 1000.0).into()
}

/// Its text; that error is none of the standard library's, so that all of those convert into it.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: faustus::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
