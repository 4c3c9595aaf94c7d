//! The applications that are measured.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use faustus::{
    App, CommitCompleted, EventOut, MessagesIn, Operators, Sensor, State, Stream, Table, Transport,
    Worker, WorkerHandle,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    cases::{Listener, Program},
    input::Deposit,
};

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

/// A deposit that was passed on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Passed {
    pub(crate) account_id: String,
    pub(crate) amount: i64,
    pub(crate) ts: i64,
    pub(crate) seen: bool,
}

impl From<Deposit> for Passed {
    fn from(deposit: Deposit) -> Self {
        Self {
            account_id: deposit.account_id,
            amount: deposit.amount,
            ts: deposit.ts,
            seen: true,
        }
    }
}

/// An account's total after an event, in reply to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Total {
    pub(crate) account_id: String,
    pub(crate) total: i64,
    /// The event's own.
    pub(crate) ts: i64,
}

/// What a worker's application is made of.
pub(crate) struct Plan<'a> {
    /// The application's name.
    pub(crate) name: &'a str,
    pub(crate) program: Program,
    /// The topics that it reads; agents with tables read the first.
    pub(crate) sources: &'a [String],
    /// How many agents each topic has; agents with tables are alone.
    pub(crate) readers: u32,
    /// The topic that replies go to.
    pub(crate) sink: &'a str,
    pub(crate) listener: Listener,
}

/// Adds up what it hears.
#[derive(Default)]
struct Listening {
    events: bool,
    heard: AtomicU64,
}

impl Listening {
    fn hear(&self, more: u64) {
        self.heard.fetch_add(more, Ordering::Relaxed);
    }
}

impl Sensor for Listening {
    fn wants_events(&self) -> bool {
        self.events
    }

    fn on_messages_in(&self, messages: &MessagesIn<'_>) {
        self.hear(messages.records as u64);
    }

    fn on_event_out(&self, event: &EventOut<'_>) {
        self.hear(u64::from(event.took.subsec_nanos()));
    }

    fn on_commit_completed(&self, commit: &CommitCompleted<'_>) {
        self.hear(u64::from(commit.took.subsec_nanos()));
    }
}

impl Plan<'_> {
    /// A worker of it.
    pub(crate) fn worker(
        &self,
        log: Arc<dyn Transport>,
        seen: &Arc<Seen>,
    ) -> (Worker, WorkerHandle) {
        let app = App::new(self.name);
        let sensor = |events| Listening {
            events,
            ..Listening::default()
        };
        let app = match self.listener {
            Listener::Nobody | Listener::Reader => app,
            Listener::Sensor => app.sensor(sensor(false)),
            Listener::EventSensor => app.sensor(sensor(true)),
        };
        if self.program.only_decodes() {
            return Worker::new(self.decoders(app.with_state(Arc::clone(seen))), log);
        }
        let deposits = app.topic(&self.sources[0]);
        if self.program.passes() {
            let sink = app.topic(self.sink);
            let app = app.agent("pass", &deposits, |a| match self.program {
                Program::Each => a.sink(&sink).each(pass_one),
                _ => a.sink(&sink).run(pass),
            });
            return Worker::new(app, log);
        }
        let totals = app.table(TABLE);
        let app = app.with_state(Bank {
            totals: totals.clone(),
        });
        let app = match self.program {
            Program::Reply => {
                let sink = app.topic(self.sink);
                app.agent("total", &deposits, |a| {
                    a.table(&totals).sink(&sink).run(reply)
                })
            }
            Program::Bank => {
                let by_account = deposits.group_by(Deposit::ACCOUNT_ID);
                let sink = app.topic(self.sink);
                app.agent("total", by_account, |a| {
                    a.table(&totals).sink(&sink).run(reply)
                })
            }
            Program::Rekey => {
                let by_account = deposits.group_by(Deposit::ACCOUNT_ID);
                app.agent("total", by_account, |a| a.table(&totals).run(total))
            }
            Program::RekeyAsync => {
                let by_account = deposits.group_by_async("account", async |deposit: &Deposit| {
                    Ok(deposit.account_id.clone())
                });
                app.agent("total", by_account, |a| a.table(&totals).run(total))
            }
            _ => app.agent("total", &deposits, |a| a.table(&totals).run(total)),
        };
        Worker::new(app, log)
    }

    fn decoders(&self, mut app: App<Arc<Seen>>) -> App<Arc<Seen>> {
        for source in self.sources {
            let deposits = app.topic(source);
            for reader in 0..self.readers {
                let name = format!("decode-{source}-{reader}");
                app = app.agent(&name, &deposits, |a| match self.program {
                    Program::Take => a.run(take),
                    Program::Manual => a.run(manual),
                    _ => a.run(decode),
                });
            }
        }
        app
    }
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

async fn take(State(seen): State<Arc<Seen>>, mut deposits: Stream<Deposit>) -> faustus::Result {
    let mut sum = Sum {
        seen: &seen,
        sum: 0,
    };
    while let Some(batch) = deposits.take(100, Duration::from_secs(1)).await? {
        if sum.sum == 0 {
            seen.first.notify_one();
        }
        sum.sum += batch.iter().map(|deposit| deposit.amount).sum::<i64>();
    }
    Ok(())
}

async fn manual(State(seen): State<Arc<Seen>>, deposits: Stream<Deposit>) -> faustus::Result {
    let mut sum = Sum {
        seen: &seen,
        sum: 0,
    };
    let mut deposits = deposits.manual();
    while let Some(deposit) = deposits.next().await? {
        if sum.sum == 0 {
            seen.first.notify_one();
        }
        sum.sum += deposit.amount;
        deposit.ack();
    }
    Ok(())
}

async fn pass_one(deposit: Deposit) -> faustus::Result<Passed> {
    Ok(deposit.into())
}

async fn pass(mut deposits: Stream<Deposit, Passed>) -> faustus::Result {
    while let Some(deposit) = deposits.next().await? {
        deposit.reply(deposit.value().clone().into());
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
