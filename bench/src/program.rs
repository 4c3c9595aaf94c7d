//! The applications that are measured.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use faustus::{App, State, Stream, Table, Transport, Worker, WorkerHandle};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{cases::Program, input::Deposit};

/// The table's name.
pub(crate) const TABLE: &str = "totals";

/// What a program tells of itself.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The sum of all amounts, of agents that have ended.
    pub(crate) sum: AtomicI64,
    /// An agent got its first event.
    pub(crate) first: Notify,
}

/// A sum that is told when its agent ends, in whichever way.
struct Sum<'a> {
    seen: &'a Seen,
    sum: i64,
}

impl Drop for Sum<'_> {
    fn drop(&mut self) {
        self.seen.sum.fetch_add(self.sum, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Bank {
    totals: Table<String, i64>,
}

/// An account's total after an event, in reply to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Total {
    pub(crate) account_id: String,
    pub(crate) total: i64,
    /// The event's own.
    pub(crate) ts: i64,
}

/// A worker of an application named `name` that reads `<name>-in` and replies to `<name>-out`.
pub(crate) fn worker(
    name: &str,
    program: Program,
    log: Arc<dyn Transport>,
    seen: &Arc<Seen>,
) -> (Worker, WorkerHandle) {
    let app = App::new(name);
    let deposits = app.topic(&format!("{name}-in"));
    if program == Program::Decode {
        let app = app.with_state(Arc::clone(seen));
        return Worker::new(app.agent("decode", &deposits, |a| a.run(decode)), log);
    }
    let totals = app.table(TABLE);
    let app = app.with_state(Bank {
        totals: totals.clone(),
    });
    let app = if program == Program::Reply {
        let replies = app.topic(&format!("{name}-out"));
        app.agent("total", &deposits, |a| {
            a.table(&totals).sink(&replies).run(reply)
        })
    } else {
        app.agent("total", &deposits, |a| a.table(&totals).run(total))
    };
    Worker::new(app, log)
}

async fn decode(State(seen): State<Arc<Seen>>, mut deposits: Stream<Deposit>) -> faustus::Result {
    let mut sum = Sum {
        seen: &seen,
        sum: 0,
    };
    while let Some(deposit) = deposits.next().await? {
        if sum.sum == 0 {
            seen.first.notify_one();
        }
        sum.sum += deposit.amount;
    }
    Ok(())
}

async fn total(State(bank): State<Bank>, mut deposits: Stream<Deposit>) -> faustus::Result {
    let totals = deposits.bind(&bank.totals);
    while let Some(deposit) = deposits.next().await? {
        totals.update(&*deposit.account_id, |total| *total += deposit.amount)?;
    }
    Ok(())
}

async fn reply(State(bank): State<Bank>, mut deposits: Stream<Deposit, Total>) -> faustus::Result {
    let totals = deposits.bind(&bank.totals);
    while let Some(deposit) = deposits.next().await? {
        let total = totals.update(&*deposit.account_id, |total| *total += deposit.amount)?;
        deposit.reply(Total {
            account_id: deposit.account_id.clone(),
            total,
            ts: deposit.ts,
        });
    }
    Ok(())
}
