//! Agents on the log in memory.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use anyhow::{Result, ensure};
use faustus::{App, Guarantee, Operators, State, Stream, Table, testing::simulate};

use super::rounds::{
    ACCOUNTS, ALL, EVENTS, ROUND, SEED, TABLE, TOPIC, add, bank, ensure_right, rounds, settings,
};
use crate::input::{self, Deposit};

const SINK: &str = "replies";

pub(super) fn agent() -> Result<u64> {
    simulate(SEED, async |cluster| {
        let seen = Arc::<AtomicI64>::default();
        let app = App::new("guard");
        let deposits = app.topic(TOPIC);
        let app = app.with_state(Arc::clone(&seen));
        let app = app.agent("agent", &deposits, |a| a.run(see));
        input::create(cluster.log(), TOPIC).await?;
        let _worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        rounds(&cluster, ACCOUNTS, true).await?;
        let found = seen.load(Ordering::Relaxed);
        ensure!(found == input::sum(ALL), "the agent found {found} in all");
        Ok(EVENTS)
    })
}

pub(super) fn total() -> Result<u64> {
    totals(Guarantee::AtLeastOnce, ACCOUNTS)
}

pub(super) fn total_eos() -> Result<u64> {
    totals(Guarantee::ExactlyOnce, ACCOUNTS)
}

pub(super) fn changelog() -> Result<u64> {
    totals(Guarantee::AtLeastOnce, ROUND)
}

fn totals(guarantee: Guarantee, accounts: u64) -> Result<u64> {
    simulate(SEED, async |cluster| {
        input::create(cluster.log(), TOPIC).await?;
        let worker = cluster.worker(bank(), settings(guarantee));
        rounds(&cluster, accounts, true).await?;
        ensure_right(&worker, accounts).await?;
        Ok(EVENTS)
    })
}

pub(super) fn reply() -> Result<u64> {
    simulate(SEED, async |cluster| {
        let app = App::new("guard");
        let (deposits, replies, totals) = (app.topic(TOPIC), app.topic(SINK), app.table(TABLE));
        let app = app.with_state(totals.clone());
        let app = app.agent("total", &deposits, |a| {
            a.table(&totals).sink(&replies).run(add_and_reply)
        });
        for topic in [TOPIC, SINK] {
            input::create(cluster.log(), topic).await?;
        }
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        rounds(&cluster, ACCOUNTS, true).await?;
        ensure_right(&worker, ACCOUNTS).await?;
        let replies = cluster.records(SINK).await.len();
        ensure!(replies as u64 == ALL, "{replies} replies to {ALL} events");
        Ok(EVENTS)
    })
}

pub(super) fn rekey() -> Result<u64> {
    simulate(SEED, async |cluster| {
        let app = App::new("guard");
        let (deposits, totals) = (app.topic(TOPIC), app.table(TABLE));
        let app = app.with_state(totals.clone());
        let by_account = deposits.group_by(Deposit::ACCOUNT_ID);
        let app = app.agent("total", by_account, |a| a.table(&totals).run(add));
        input::create(cluster.log(), TOPIC).await?;
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        rounds(&cluster, ACCOUNTS, false).await?;
        ensure_right(&worker, ACCOUNTS).await?;
        Ok(EVENTS)
    })
}

async fn see(State(seen): State<Arc<AtomicI64>>, mut deposits: Stream<Deposit>) -> faustus::Result {
    while let Some(deposit) = deposits.next().await? {
        seen.fetch_add(deposit.amount, Ordering::Relaxed);
    }
    Ok(())
}

async fn add_and_reply(
    State(totals): State<Table<String, i64>>,
    mut deposits: Stream<Deposit, i64>,
) -> faustus::Result {
    let totals = deposits.bind(&totals);
    while let Some(deposit) = deposits.next().await? {
        let total = totals.update(&*deposit.account_id, |total| *total += deposit.amount)?;
        deposit.reply(total);
    }
    Ok(())
}
