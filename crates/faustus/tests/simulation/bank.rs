//! The application of the simulations: a bank whose two agents write the same table from two topics.

use std::{collections::BTreeMap, time::Duration};

use faustus::{
    Guarantee, Settings,
    prelude::*,
    testing::{Cluster, simulate},
};

#[derive(Record, Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Order {
    pub(crate) account: String,
    pub(crate) amount: u64,
}

#[derive(Record, Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) account: String,
    pub(crate) amount: u64,
}

#[derive(Record, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Total {
    pub(crate) account: String,
    pub(crate) total: u64,
}

#[derive(Clone)]
pub(crate) struct Bank {
    totals: Table<String, u64>,
}

async fn on_order(State(bank): State<Bank>, mut orders: Stream<Order, Total>) -> faustus::Result {
    let totals = orders.bind(&bank.totals);
    while let Some(order) = orders.next().await? {
        // Waiting in the middle of an event lets other lanes overtake.
        tokio::time::sleep(Duration::from_micros(order.amount * 37 % 900)).await;
        let total = totals.update(&*order.account, |total| *total += order.amount)?;
        order.reply(Total {
            account: order.account.clone(),
            total,
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
        let total = totals.update(&*refund.account, |total| *total += refund.amount)?;
        refund.reply(Total {
            account: refund.account.clone(),
            total,
        });
    }
    Ok(())
}

/// Orders are grouped by account, refunds come keyed by it.
pub(crate) fn app() -> App<Bank> {
    let app = App::new("bank");
    let orders = app.topic::<Order>("orders").partitions(8);
    let refunds = app.topic::<Refund>("refunds").partitions(8);
    let audit = app.topic::<Total>("order-totals").partitions(8);
    let totals = app.table("totals");
    app.with_state(Bank {
        totals: totals.clone(),
    })
    .agent("on-order", orders.group_by(Order::ACCOUNT), |a| {
        a.concurrency(4).table(&totals).sink(&audit).run(on_order)
    })
    .agent("on-refund", &refunds, |a| {
        a.concurrency(4).table(&totals).sink(&audit).run(on_refund)
    })
}

pub(crate) fn settings(guarantee: Guarantee) -> Settings {
    Settings {
        guarantee,
        threads: 2,
        ..Settings::default()
    }
}

/// Sends `count` orders and as many refunds from `first` on, and gives what they add up to.
pub(crate) async fn send(cluster: &Cluster, first: u64, count: u64) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for i in first..first + count {
        let account = format!("a{:02}", i * 7 % 23);
        *sums.entry(account.clone()).or_default() += 2 * i;
        let order = Order {
            account: account.clone(),
            amount: i,
        };
        cluster.send("orders", &format!("{i}"), &order).await;
        let refund = Refund {
            account: account.clone(),
            amount: i,
        };
        cluster.send("refunds", &account, &refund).await;
    }
    sums
}

/// Runs a scenario with several seeds for both guarantees.
pub(crate) fn for_seeds(scenario: impl AsyncFn(Cluster, Guarantee)) {
    for seed in 0..20 {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
            simulate(seed, async |cluster| scenario(cluster, guarantee).await);
        }
    }
}
