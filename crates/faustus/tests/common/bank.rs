//! A bank: two agents write one table, one from a topic that is grouped anew, and wait or do not.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use faustus::{Guarantee, prelude::*};

use super::View;

/// An order, or a refund: both are added up.
#[derive(Record, Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Order {
    pub(crate) account: String,
    pub(crate) amount: u64,
}

#[derive(Record, Serialize, Deserialize, Debug)]
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
        add(&totals, &order)?;
    }
    Ok(())
}

async fn on_refund(State(bank): State<Bank>, mut refunds: Stream<Order, Total>) -> faustus::Result {
    let totals = refunds.bind(&bank.totals);
    while let Some(refund) = refunds.next().await? {
        add(&totals, &refund)?;
    }
    Ok(())
}

/// Adds an order or a refund to its account, and replies with the new total.
pub(crate) fn add(totals: &Shard<String, u64>, order: &Event<'_, Order, Total>) -> faustus::Result {
    let total = totals.update(&*order.account, |total| *total += order.amount)?;
    order.reply(Total {
        account: order.account.clone(),
        total,
    });
    Ok(())
}

/// The bank `name`: `<name>-orders` and `<name>-refunds` → table `totals` → `<name>-audit`.
pub(crate) fn app(name: &str) -> App<Bank> {
    app_of(4, name)
}

/// As [`app`], with topics of so many partitions.
pub(crate) fn app_of(partitions: u32, name: &str) -> App<Bank> {
    let app = App::new(name);
    let topic = |topic: &str| format!("{name}-{topic}");
    let orders = app.topic::<Order>(&topic("orders")).partitions(partitions);
    let refunds = app.topic::<Order>(&topic("refunds")).partitions(partitions);
    let audit = app.topic::<Total>(&topic("audit")).partitions(partitions);
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
#[derive(Debug)]
pub(crate) struct Sent {
    name: String,
    pub(crate) orders: u64,
    pub(crate) refunds: u64,
    /// The sum of each account.
    pub(crate) sums: BTreeMap<String, u64>,
}

impl Sent {
    /// Nothing was sent yet to the bank `name`.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            orders: 0,
            refunds: 0,
            sums: BTreeMap::new(),
        }
    }

    /// What lies in the topics of the bank `name`, whoever sent it.
    pub(crate) async fn found(view: &impl View, name: &str) -> Self {
        let mut sent = Self::new(name);
        let orders: Vec<Order> = view.told(&format!("{name}-orders")).await;
        let refunds: Vec<Order> = view.told(&format!("{name}-refunds")).await;
        sent.orders = orders.len() as u64;
        sent.refunds = refunds.len() as u64;
        for Order { account, amount } in orders.into_iter().chain(refunds) {
            *sent.sums.entry(account).or_default() += amount;
        }
        sent
    }

    /// Sends `count` orders and as many refunds, others than before.
    pub(crate) async fn more(&mut self, view: &impl View, count: u64) {
        let mut orders = Vec::new();
        let mut refunds = Vec::new();
        for amount in self.orders + 1..=self.orders + count {
            let account = format!("a{:02}", amount * 7 % 23);
            *self.sums.entry(account.clone()).or_default() += 2 * amount;
            let order = Order { account, amount };
            orders.push((amount.to_string(), order.clone()));
            refunds.push((order.account.clone(), order));
        }
        let name = &self.name;
        view.tell(&format!("{name}-orders"), orders).await;
        view.tell(&format!("{name}-refunds"), refunds).await;
        self.orders += count;
        self.refunds += count;
    }

    /// Each event was counted and told exactly once.
    pub(crate) async fn check_exact(&self, view: &impl View) {
        let name = &self.name;
        assert_eq!(view.numbers(name, "totals").await, self.sums, "{name}");
        let audit = self.audit(view).await;
        let events = self.orders + self.refunds;
        assert_eq!(audit.len() as u64, events, "{name}");
        let totals = audit.into_iter().map(|t| (t.account, t.total));
        let different: BTreeSet<(String, u64)> = totals.collect();
        assert_eq!(different.len() as u64, events, "{name}: told twice");
        let last: BTreeMap<String, u64> = different.into_iter().collect();
        assert_eq!(last, self.sums, "{name}: the last that was told");
    }

    /// As much as `guarantee` promises after a crash: all of it, and once only if exactly once.
    pub(crate) async fn check(&self, view: &impl View, guarantee: Guarantee) {
        if guarantee == Guarantee::ExactlyOnce {
            return self.check_exact(view).await;
        }
        let name = &self.name;
        self.check_not_below(&view.numbers(name, "totals").await);
        let (told, events) = (self.audit(view).await.len(), self.orders + self.refunds);
        assert!(
            told as u64 >= events,
            "{name}: {told} of {events} were told"
        );
    }

    /// No account lacks anything.
    pub(crate) fn check_not_below(&self, totals: &BTreeMap<String, u64>) {
        let name = &self.name;
        for (account, sum) in &self.sums {
            let total = totals.get(account).copied().unwrap_or_default();
            assert!(total >= *sum, "{name}: {account} has {total} of {sum}");
        }
    }

    /// The totals that the bank told.
    async fn audit(&self, view: &impl View) -> Vec<Total> {
        view.told(&format!("{}-audit", self.name)).await
    }
}
