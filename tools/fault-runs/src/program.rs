//! The application under test: a bank whose two agents write the same table from two topics.
//!
//! It has whatever can go wrong: a repartition, several lanes in a task that wait in the middle of
//! an event and take turns, a table with a changelog, and a sink.

use std::{sync::Arc, time::Duration};

use faustus::prelude::*;

use crate::model::{Account, Names, Order, PARTITIONS, Refund, Total};

/// What the agents share.
#[derive(Clone)]
pub(crate) struct Bank {
    totals: Table<String, Account>,
    /// The name of this worker process.
    by: Arc<str>,
}

async fn on_order(State(bank): State<Bank>, mut orders: Stream<Order, Total>) -> faustus::Result {
    let totals = orders.bind(&bank.totals);
    while let Some(order) = orders.next().await? {
        // Waiting in the middle of an event lets other lanes overtake.
        tokio::time::sleep(Duration::from_micros(order.number * 37 % 1900)).await;
        let total = add(&totals, &order.account, order.number, order.amount)?;
        order.reply(Total {
            account: order.account.clone(),
            number: order.number,
            amount: order.amount,
            total,
            by: bank.by.to_string(),
        });
    }
    Ok(())
}

async fn on_refund(
    State(bank): State<Bank>,
    mut refunds: Stream<Refund, Total>,
) -> faustus::Result {
    let totals = refunds.bind(&bank.totals);
    while let Some(refund) = refunds.next().await? {
        let total = add(&totals, &refund.account, refund.number, refund.amount)?;
        refund.reply(Total {
            account: refund.account.clone(),
            number: refund.number,
            amount: refund.amount,
            total,
            by: bank.by.to_string(),
        });
    }
    Ok(())
}

fn add(
    totals: &Shard<String, Account>,
    account: &str,
    number: u64,
    amount: u64,
) -> faustus::Result<u64> {
    totals.modify(account, |slot| {
        let account = slot.get_or_insert_default();
        account.total += amount;
        account.numbers.push(number);
        account.total
    })
}

/// The application on the topics `names`, as the worker process `by` runs it.
pub(crate) fn app(names: &Names, by: &str) -> App<Bank> {
    let app = App::new(&names.app);
    let orders = app.topic::<Order>(&names.orders).partitions(PARTITIONS);
    let refunds = app.topic::<Refund>(&names.refunds).partitions(PARTITIONS);
    let audit = app
        .topic::<Total>(&names.order_totals)
        .partitions(PARTITIONS);
    let totals = app.table("totals");
    let bank = Bank {
        totals: totals.clone(),
        by: by.into(),
    };
    app.with_state(bank)
        .agent("on-order", orders.group_by(Order::ACCOUNT), |a| {
            a.concurrency(4).table(&totals).sink(&audit).run(on_order)
        })
        .agent("on-refund", &refunds, |a| {
            a.concurrency(4).table(&totals).sink(&audit).run(on_refund)
        })
}
