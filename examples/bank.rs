//! Accounts of a bank: two agents write one table from two topics, one of them grouped by account.
//!
//! ```text
//! cargo run --bin bank -- worker --exactly-once
//! ```

use std::{process::ExitCode, time::Duration};

use faustus::prelude::*;

#[derive(Record, Serialize, Deserialize)]
struct Order {
    account: String,
    amount: f64,
}

#[derive(Record, Serialize, Deserialize)]
struct Refund {
    account: String,
    amount: f64,
}

#[derive(Record, Serialize, Deserialize)]
struct Total {
    account: String,
    total: f64,
}

#[derive(Clone)]
struct Bank {
    totals: Table<String, f64>,
}

/// Adds each order to its account, after asking somebody else, and tells the new total.
async fn on_order(State(bank): State<Bank>, mut orders: Stream<Order, Total>) -> faustus::Result {
    let totals = orders.bind(&bank.totals);
    while let Some(order) = orders.next().await? {
        check_credit(&order).await;
        let total = totals.update(&*order.account, |total| *total += order.amount)?;
        order.reply(Total {
            account: order.account.clone(),
            total,
        });
    }
    Ok(())
}

/// Stands for a call of another service: while one order waits here, others of the partition go on.
async fn check_credit(_: &Order) {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Takes each refund from its account.
async fn on_refund(
    State(bank): State<Bank>,
    mut refunds: Stream<Refund, Total>,
) -> faustus::Result {
    let totals = refunds.bind(&bank.totals);
    while let Some(refund) = refunds.next().await? {
        let total = totals.update(&*refund.account, |total| *total -= refund.amount)?;
        refund.reply(Total {
            account: refund.account.clone(),
            total,
        });
    }
    Ok(())
}

fn app() -> App<Bank> {
    let app = App::new("bank");
    let (orders, refunds, audit) = (
        app.topic::<Order>("orders"),
        app.topic::<Refund>("refunds"),
        app.topic("order-totals"),
    );
    let totals = app.table("totals");
    app.with_state(Bank {
        totals: totals.clone(),
    })
    .agent("on-order", orders.group_by(Order::ACCOUNT), |a| {
        a.concurrency(4).table(&totals).sink(&audit).run(on_order)
    })
    .agent("on-refund", refunds.group_by(Refund::ACCOUNT), |a| {
        a.concurrency(4).table(&totals).sink(&audit).run(on_refund)
    })
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use faustus::{Guarantee, Settings, testing::simulate};

    use super::{Order, Refund, app};

    #[test]
    fn orders_and_refunds_meet_in_the_account() {
        simulate(3, async |cluster| {
            let settings = Settings {
                guarantee: Guarantee::ExactlyOnce,
                ..Settings::default()
            };
            let worker = cluster.worker(app(), settings);
            for amount in 1..=10 {
                let (account, amount) = ("ann".to_owned(), f64::from(amount));
                cluster.send("orders", "", &Order { account, amount }).await;
            }
            cluster
                .send(
                    "refunds",
                    "",
                    &Refund {
                        account: "ann".to_owned(),
                        amount: 5.0,
                    },
                )
                .await;
            cluster.settle().await;
            assert_eq!(worker.table::<String, f64>("totals").await["ann"], 50.0);
            assert_eq!(cluster.records("order-totals").await.len(), 11);
        });
    }
}
