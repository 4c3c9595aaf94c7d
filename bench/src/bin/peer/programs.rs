//! The workloads on orders.

use std::sync::Arc;

use faustus::prelude::*;

use crate::progress::Progress;

/// The name of the table, which the driver knows its changelog by.
const TABLE: &str = "totals";

#[derive(Record, Serialize, Deserialize)]
pub(crate) struct Order {
    account_id: String,
    amount: i64,
    ts: i64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SeenOrder {
    account_id: String,
    amount: i64,
    ts: i64,
    seen: bool,
}

/// An account's total after an order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Total {
    account_id: String,
    total: i64,
    ts: i64,
}

#[derive(Clone)]
pub(crate) struct Bank {
    totals: Table<String, i64>,
    progress: Arc<Progress>,
}

/// `pass`: sends each order on, with a field more, under the same key.
pub(crate) fn pass(
    name: &str,
    input: &str,
    out: &str,
    progress: Arc<Progress>,
) -> App<Arc<Progress>> {
    let app = App::new(name);
    let (orders, seen) = (app.topic(input), app.topic(out));
    app.with_state(progress)
        .agent("mark", &orders, |a| a.sink(&seen).run(mark))
}

async fn mark(
    State(progress): State<Arc<Progress>>,
    mut orders: Stream<Order, SeenOrder>,
) -> faustus::Result {
    while let Some(order) = orders.next().await? {
        progress.begin();
        order.reply(SeenOrder {
            account_id: order.account_id.clone(),
            amount: order.amount,
            ts: order.ts,
            seen: true,
        });
    }
    Ok(())
}

/// `total`: adds up amounts by account; the orders have the account as their key.
pub(crate) fn total(name: &str, input: &str, progress: Arc<Progress>) -> App<Bank> {
    let (app, totals) = bank(name, progress);
    let orders = app.topic(input);
    app.agent("add-up", &orders, |a| a.table(&totals).run(add_up))
}

/// `rekey`: the same of orders without a key, which go through a topic where the account is the key.
///
/// Grouping is the first that is done with an order, so this is where progress begins.
pub(crate) fn rekey(name: &str, input: &str, progress: Arc<Progress>) -> App<Bank> {
    let (app, totals) = bank(name, Arc::clone(&progress));
    let orders = app.topic::<Order>(input);
    let by_account = orders
        .filter(move |_| {
            progress.begin();
            true
        })
        .group_by(Order::ACCOUNT_ID);
    // The agent's name is a part of that topic's, which other applications must not share.
    let agent = format!("{name}-add-up");
    app.agent(&agent, by_account, |a| a.table(&totals).run(add_up))
}

/// `latency`: as `total`, and sends each new sum on.
pub(crate) fn latency(name: &str, input: &str, out: &str, progress: Arc<Progress>) -> App<Bank> {
    let (app, totals) = bank(name, progress);
    let (orders, sums) = (app.topic(input), app.topic(out));
    app.agent("add-up-and-tell", &orders, |a| {
        a.table(&totals).sink(&sums).run(add_up_and_tell)
    })
}

fn bank(name: &str, progress: Arc<Progress>) -> (App<Bank>, Table<String, i64>) {
    let app = App::new(name);
    let totals = app.table(TABLE);
    let bank = Bank {
        totals: totals.clone(),
        progress,
    };
    (app.with_state(bank), totals)
}

async fn add_up(State(bank): State<Bank>, mut orders: Stream<Order>) -> faustus::Result {
    let totals = orders.bind(&bank.totals);
    while let Some(order) = orders.next().await? {
        bank.progress.begin();
        totals.update(&*order.account_id, |total| *total += order.amount)?;
    }
    Ok(())
}

async fn add_up_and_tell(
    State(bank): State<Bank>,
    mut orders: Stream<Order, Total>,
) -> faustus::Result {
    let totals = orders.bind(&bank.totals);
    while let Some(order) = orders.next().await? {
        bank.progress.begin();
        let total = totals.update(&*order.account_id, |total| *total += order.amount)?;
        order.reply(Total {
            account_id: order.account_id.clone(),
            total,
            ts: order.ts,
        });
    }
    Ok(())
}
