//! Rounds of events through an application on the log in memory: workers as in production, on virtual
//! time and one thread, in an order that is always the same.
//!
//! In each round the worker processes and commits all that there is. The first rounds are not counted:
//! buffers grow in them.

use std::time::Duration;

use anyhow::{Result, ensure};
use faustus::{
    App, Guarantee, Settings, State, Stream, Table, Transport,
    testing::{Cluster, TestWorker},
};

use crate::{
    input::{self, Deposit},
    mark,
};

/// How many events a round has.
pub(super) const ROUND: u64 = 8192;

/// So many accounts get eight deposits each in a round.
pub(super) const ACCOUNTS: u64 = ROUND / 8;

/// Rounds that are not counted.
const BEFORE: u64 = 3;

/// Rounds that are counted.
const COUNTED: u64 = 3;

/// How many events are counted.
pub(super) const EVENTS: u64 = COUNTED * ROUND;

/// How many events all rounds have.
pub(super) const ALL: u64 = BEFORE * ROUND + EVENTS;

/// Of the order in which things happen.
pub(super) const SEED: u64 = 1;

pub(super) const TOPIC: &str = "deposits";

pub(super) const TABLE: &str = "totals";

/// A worker's settings: an epoch ends when a round's events have retired, since virtual time stands
/// still until then.
pub(super) fn settings(guarantee: Guarantee) -> Settings {
    let interval = Duration::from_millis(10);
    Settings {
        guarantee,
        threads: 1,
        commit_interval: interval,
        transaction_interval: Some(interval),
        ..Settings::default()
    }
}

/// An application that totals deposits by account.
pub(super) fn bank() -> App<Table<String, i64>> {
    let app = App::new("guard");
    let (deposits, totals) = (app.topic(TOPIC), app.table(TABLE));
    let app = app.with_state(totals.clone());
    app.agent("total", &deposits, |a| a.table(&totals).run(add))
}

pub(super) async fn add(
    State(totals): State<Table<String, i64>>,
    mut deposits: Stream<Deposit>,
) -> faustus::Result {
    let totals = deposits.bind(&totals);
    while let Some(deposit) = deposits.next().await? {
        totals.update(&*deposit.account_id, |total| *total += deposit.amount)?;
    }
    Ok(())
}

/// Sends all rounds to the cluster's workers, and marks those that are counted.
pub(super) async fn rounds(cluster: &Cluster, accounts: u64, keyed: bool) -> Result<()> {
    let mut producer = cluster.log().producer().await?;
    let batches = |numbers| input::batches(TOPIC, numbers, accounts, keyed);
    let rounds: Vec<_> = (0..BEFORE + COUNTED)
        .map(|round| batches(round * ROUND..(round + 1) * ROUND))
        .collect();
    for (number, round) in (0..).zip(rounds) {
        if number == BEFORE {
            mark::begin();
        }
        for outgoing in round {
            producer.publish(outgoing).await?;
        }
        cluster.settle().await;
    }
    mark::end();
    Ok(())
}

/// Fails unless the worker's totals are those of all rounds.
pub(super) async fn ensure_right(worker: &TestWorker, accounts: u64) -> Result<()> {
    let totals = worker.table::<String, i64>(TABLE).await;
    let (len, sum) = (totals.len() as u64, totals.values().sum::<i64>());
    ensure!(len == accounts, "{len} totals of {accounts} accounts");
    ensure!(sum == input::sum(ALL), "the totals are {sum} in all");
    Ok(())
}
