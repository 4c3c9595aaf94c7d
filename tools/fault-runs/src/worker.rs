//! One worker of the application under test, in a process of its own.
//!
//! It is told what to do by signals (SIGTERM: shut down in order) and by its standard input: a line
//! `enough` ends the feeding, and its end ends the process, so that no worker outlives its run. On
//! its standard output it tells what was fed (`fed N`), what came out (`saw PARTITION N BY`), and
//! that nothing is left to do (`rest`); its log goes to standard error.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use faustus::{Ended, Guarantee, Settings, Transport, Worker, WorkerHandle};
use faustus_core::OffsetSpec;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};

use crate::{
    args::BankArgs,
    feed::feed,
    log::{self, Place},
    model::Names,
    program, rest, tail,
};

/// The exit code of a worker that could not finish in time what was in flight.
const CUT: u8 = 3;

/// The exit code of a worker that its runner left.
const LEFT: u8 = 4;

/// Longer than any run.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// How long the other tasks of the process may take to end after the worker has.
const TIDY: Duration = Duration::from_secs(2);

/// Runs the worker until it ends.
pub(crate) fn run(args: &BankArgs) -> Result<ExitCode> {
    #[cfg(target_os = "linux")]
    // A stopped process would not see the end of its standard input.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_thread_names(true)
        .init();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let code = runtime.block_on(Box::pin(work(args)));
    runtime.shutdown_timeout(TIDY);
    code
}

async fn work(args: &BankArgs) -> Result<ExitCode> {
    let session = Duration::from_millis(args.session_ms);
    let log = Place::parse(&args.log).open(session * 2 / 3).await?;
    let names = Names::of(&args.app);
    let by = format!("{}:{}", args.id, std::process::id());
    tracing::info!(by, log = log.traits().name, "worker starts");
    let (enough, told_enough) = watch::channel(false);
    let (leave, left) = oneshot::channel();
    thread::spawn(move || hear(&enough, leave));

    let (worker, handle) = Worker::new(program::app(&names, &by), Arc::clone(&log));
    let running = worker.settings(settings(args, session)).run();
    tokio::spawn(shut_down_on_term(handle));
    if args.tell {
        log::ensure_topics(&*log, &[&names.order_totals]).await?;
        let from = log::ends(&*log, &names.order_totals, OffsetSpec::LastStable).await?;
        let (log, names) = (Arc::clone(&log), names.clone());
        tokio::spawn(async move {
            let see = |seen: tail::Sighting| {
                tell(&format!(
                    "saw {} {} {}",
                    seen.partition, seen.number, seen.by
                ));
            };
            complain(tail::follow(&log, &names.order_totals, from, see).await);
        });
    }
    if let Some(range) = args.feed.clone() {
        let (log, rate) = (Arc::clone(&log), args.rate);
        tokio::spawn(async move {
            let fed = |number| tell(&format!("fed {number}"));
            complain(feed_then_rest(&log, &names, range, rate, told_enough, fed).await);
        });
    }
    tokio::select! {
        ended = running => match ended.map_err(|error| anyhow!("the worker failed: {error}"))? {
            Ended::Drained => Ok(ExitCode::SUCCESS),
            Ended::Cut => Ok(ExitCode::from(CUT)),
        },
        _ = left => Ok(ExitCode::from(LEFT)),
    }
}

fn settings(args: &BankArgs, session: Duration) -> Settings {
    Settings {
        guarantee: if args.exactly_once {
            Guarantee::ExactlyOnce
        } else {
            Guarantee::AtLeastOnce
        },
        threads: args.threads,
        commit_interval: Duration::from_millis(500),
        drain_timeout: Duration::from_secs(2),
        session_timeout: session,
        worker_id: args.id.clone(),
        stores: args.stores.clone(),
        ..Settings::default()
    }
}

async fn shut_down_on_term(handle: WorkerHandle) {
    match signal(SignalKind::terminate()) {
        Ok(mut term) => {
            term.recv().await;
            tracing::info!("shutting down");
            handle.shutdown();
        }
        Err(error) => tracing::error!(%error, "no shutdown by signal"),
    }
}

async fn feed_then_rest(
    log: &Arc<dyn Transport>,
    names: &Names,
    range: std::ops::Range<u64>,
    rate: u64,
    enough: watch::Receiver<bool>,
    fed: impl Fn(u64),
) -> Result<()> {
    feed(log, names, range, rate, enough, fed).await?;
    let left = rest::rest(&**log, names, NEVER).await?;
    anyhow::ensure!(left.is_empty(), "no rest: {left:?}");
    tell("rest");
    Ok(())
}

/// Listens to the runner.
fn hear(enough: &watch::Sender<bool>, leave: oneshot::Sender<()>) {
    for line in io::stdin().lock().lines().map_while(io::Result::ok) {
        if line == "enough" {
            enough.send_replace(true);
        }
    }
    let _ = leave.send(());
}

/// Tells the runner, if it still listens.
fn tell(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn complain(result: Result<()>) {
    if let Err(error) = result.context("beside the worker") {
        tracing::error!("{error:#}");
    }
}
