//! A bank: two agents write one table, one from a topic that is grouped anew, and wait or do not.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use faustus::{Guarantee, prelude::*};

use super::Outside;

/// How many partitions each of its topics has.
pub(crate) const PARTITIONS: u32 = 4;

#[derive(Record, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) account: String,
    pub(crate) amount: u64,
}

#[derive(Record, Serialize, Deserialize)]
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
        tokio::time::sleep(Duration::from_micros(order.amount % 3 * 300)).await;
        let total = totals.update(&*order.account, |total| *total += order.amount)?;
        order.reply(Total {
            account: order.account.clone(),
            total,
        });
    }
    Ok(())
}

async fn on_refund(State(bank): State<Bank>, mut refunds: Stream<Order, Total>) -> faustus::Result {
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

/// The bank `name`: `<name>-orders` and `<name>-refunds` → table `totals` → `<name>-audit`.
pub(crate) fn app(name: &str) -> App<Bank> {
    let app = App::new(name);
    let topic = |topic: &str| format!("{name}-{topic}");
    let orders = app.topic::<Order>(&topic("orders")).partitions(PARTITIONS);
    let refunds = app.topic::<Order>(&topic("refunds")).partitions(PARTITIONS);
    let audit = app.topic::<Total>(&topic("audit")).partitions(PARTITIONS);
    let totals = app.table("totals");
    app.with_state(Bank {
        totals: totals.clone(),
    })
    .agent(&topic("on-order"), orders.group_by(Order::ACCOUNT), |a| {
        a.concurrency(4).table(&totals).sink(&audit).run(on_order)
    })
    .agent(&topic("on-refund"), &refunds, |a| {
        a.concurrency(4).table(&totals).sink(&audit).run(on_refund)
    })
}

/// What was sent to a bank, and what it therefore should say.
#[derive(Default)]
pub(crate) struct Sent {
    /// Orders, and as many refunds.
    pub(crate) count: u64,
    pub(crate) sums: BTreeMap<String, u64>,
}

impl Sent {
    /// Sends `count` orders and as many refunds, others than before.
    pub(crate) async fn more(&mut self, outside: &Outside, name: &str, count: u64) {
        let mut orders = Vec::new();
        let mut refunds = Vec::new();
        for i in self.count + 1..=self.count + count {
            let account = format!("a{:02}", i * 7 % 23);
            *self.sums.entry(account.clone()).or_default() += 2 * i;
            let value = format!(r#"{{"account":"{account}","amount":{i}}}"#);
            orders.push((i.to_string(), value.clone()));
            refunds.push((account, value));
        }
        outside.send(&format!("{name}-orders"), orders).await;
        outside.send(&format!("{name}-refunds"), refunds).await;
        self.count += count;
    }

    /// Each event was counted and told exactly once.
    pub(crate) async fn check_exact(&self, outside: &Outside, name: &str) {
        let totals = outside.changelog(name, "totals").await;
        assert_eq!(totals, self.sums, "{name}");
        let audit = outside.records(&format!("{name}-audit")).await;
        let told: BTreeSet<(String, u64)> = audit
            .iter()
            .map(|record| record.json::<Total>())
            .map(|Total { account, total }| (account, total))
            .collect();
        let (all, different) = (audit.len() as u64, told.len() as u64);
        assert_eq!((all, different), (2 * self.count, 2 * self.count), "{name}");
    }

    /// As much as `guarantee` promises after a crash: all of it, and once only if exactly once.
    pub(crate) async fn check(&self, outside: &Outside, name: &str, guarantee: Guarantee) {
        if guarantee == Guarantee::ExactlyOnce {
            return self.check_exact(outside, name).await;
        }
        let totals = outside.changelog(name, "totals").await;
        for (account, sum) in &self.sums {
            let total = totals.get(account).copied().unwrap_or_default();
            assert!(total >= *sum, "{name}: {account} has {total} of {sum}");
        }
    }
}
