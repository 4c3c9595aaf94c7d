//! Processes that are killed in the middle of work.
//!
//! This test binary runs itself as the process that is killed: [`victim`] is no test unless a
//! directory is given to it.

use std::{
    collections::BTreeMap,
    env,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use faustus::{Guarantee, Settings, TokioClock, open_log};
use faustus_core::Transport;

use crate::{
    common::{
        Outside, Running,
        bank::{self, Sent},
    },
    disk::{Disk, settings},
};

const DIRECTORY: &str = "FAUSTUS_KILLS_DIRECTORY";
const GUARANTEE: &str = "FAUSTUS_KILLS_GUARANTEE";
const ROUNDS: u64 = 6;
const NAME: &str = "bank";

/// The bank with its tables in stores, one of which may be torn by a kill as well.
async fn start(log: &Arc<dyn Transport>, directory: &str, guarantee: Guarantee) -> Running {
    let settings = Settings {
        stores: Some(format!("{directory}/stores").into()),
        ..settings(guarantee)
    };
    Running::start(bank::app(NAME), log, settings).await
}

/// Works and sends, and says how much it has sent, until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Ok(directory) = env::var(DIRECTORY) else {
        return;
    };
    let guarantee = match env::var(GUARANTEE).as_deref() {
        Ok("eos") => Guarantee::ExactlyOnce,
        _ => Guarantee::AtLeastOnce,
    };
    let log = open_log(&format!("{directory}/log"), Arc::new(TokioClock::real())).await;
    let log = log.unwrap();
    let _worker = start(&log, &directory, guarantee).await;
    let outside = Outside::new(&log);
    let mut sent = Sent::new(NAME);
    loop {
        sent.more(&outside, 20).await;
        let line = format!("sent {}\n", sent.orders);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn spawn(directory: &str, guarantee: Guarantee) -> Child {
    let guarantee = match guarantee {
        Guarantee::ExactlyOnce => "eos",
        Guarantee::AtLeastOnce => "alo",
    };
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kills::victim", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(GUARANTEE, guarantee)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs a victim, kills it somewhere in its work, and gives how many orders it said it had sent.
fn run_and_kill(directory: &str, guarantee: Guarantee) -> u64 {
    let mut child = spawn(directory, guarantee);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut sent = lines.filter_map(|line| line.unwrap().strip_prefix("sent ")?.parse().ok());
    // It works: from now on any moment will do.
    let first = sent.next();
    let moment = RandomState::new().hash_one(0) % 400_000;
    std::thread::sleep(Duration::from_micros(moment));
    child.kill().unwrap();
    child.wait().unwrap();
    sent.last().or(first).unwrap_or_default()
}

async fn survives_kills(guarantee: Guarantee) {
    let disk = Disk::new();
    let directory = disk.path().to_str().unwrap().to_owned();
    let mut sent = 0;
    for round in 1..=ROUNDS {
        let directory = directory.clone();
        let killed = tokio::task::spawn_blocking(move || run_and_kill(&directory, guarantee));
        let more = killed.await.unwrap();
        assert!(more > 0, "round {round}: the victim never sent");
        sent += more;
    }
    let log = disk.open().await;
    let outside = Outside::new(&log);
    let worker = start(&log, &directory, guarantee).await;
    outside.settle(&[&worker]).await;
    // What there is to add up is what is in the topics: at least what was acknowledged.
    let found = Sent::found(&outside, NAME).await;
    let fewest = found.orders.min(found.refunds);
    assert!(fewest >= sent, "{fewest} of {sent} are there");
    found.check(&outside, guarantee).await;
    let table: BTreeMap<String, u64> = worker.handle.table("totals").await.unwrap();
    assert_eq!(table, outside.changelog(NAME, "totals").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_and_doubles_nothing_exactly_once() {
    survives_kills(Guarantee::ExactlyOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_at_least_once() {
    survives_kills(Guarantee::AtLeastOnce).await;
}
