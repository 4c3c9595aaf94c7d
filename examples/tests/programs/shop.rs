//! A program for the tests of the command line: agents that total, reply, fail and stand still.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use faustus::{Arguments, prelude::*};

/// What somebody bought.
#[derive(Clone, Debug, Record, Serialize, Deserialize)]
struct Order {
    account: String,
    amount: i64,
    note: Option<String>,
}

/// What an account has spent.
#[derive(Clone, Debug, Default, Record, Serialize, Deserialize)]
struct Total {
    amount: i64,
    orders: u64,
}

#[derive(Clone)]
struct Shop {
    orders: Topic<Order>,
    numbers: Topic<u64>,
    totals: Table<String, Total>,
    counts: Table<u64, u64>,
}

/// Totals orders. Those of nothing go to the dead letters.
async fn total(State(shop): State<Shop>, mut orders: Stream<Order>) -> faustus::Result {
    let totals = orders.bind(&shop.totals);
    while let Some(order) = orders.next().await? {
        if order.amount == 0 {
            return Err(io::Error::other("an order of nothing").into());
        }
        totals.update(&*order.account, |total| {
            total.amount += order.amount;
            total.orders += 1;
        })?;
    }
    Ok(())
}

/// Doubles numbers, counts them, stands still at 13, and blocks its thread at 17.
async fn double(State(shop): State<Shop>, mut numbers: Stream<u64, u64>) -> faustus::Result {
    let counts = numbers.bind(&shop.counts);
    while let Some(number) = numbers.next().await? {
        if *number == 13 {
            return Err(io::Error::other("thirteen is not doubled").into());
        }
        if *number == 17 {
            std::thread::sleep(Duration::from_secs(1));
        }
        counts.update(&*number, |count| *count += 1)?;
        number.reply(*number * 2);
    }
    Ok(())
}

/// Send some orders of one account.
#[derive(clap::Args)]
struct Produce {
    /// The account
    #[arg(long)]
    account: String,
    /// How many
    #[arg(long, default_value_t = 3)]
    count: i64,
    /// Then wait until somebody ends it
    #[arg(long)]
    wait: bool,
}

async fn produce(State(shop): State<Shop>, Arguments(args): Arguments<Produce>) -> faustus::Result {
    for amount in 1..=args.count {
        let order = Order {
            account: args.account.clone(),
            amount,
            note: None,
        };
        shop.orders.send(&args.account, &order).await?;
    }
    writeln!(io::stdout(), "sent {}", args.count)?;
    if args.wait {
        std::future::pending::<()>().await;
    }
    Ok(())
}

async fn ask(State(shop): State<Shop>) -> faustus::Result {
    let doubler = shop.numbers.agent::<u64>();
    writeln!(io::stdout(), "{}", doubler.ask(&(), &21).await?)?;
    Ok(())
}

async fn fail() -> faustus::Result {
    Err(io::Error::other("it failed on purpose").into())
}

fn main() -> ExitCode {
    let app = App::new("shop");
    let shop = Shop {
        orders: app.topic("orders").partitions(2),
        numbers: app.topic("numbers").partitions(1),
        totals: app.table("totals"),
        counts: app.table("counts"),
    };
    let dead = app.topic::<Order>("orders-dead").partitions(1);
    let Shop {
        orders,
        numbers,
        totals,
        counts,
    } = shop.clone();
    app.with_state(shop)
        .agent("total", &orders, |a| {
            let policy = FailurePolicy::dead_letter(&dead);
            a.table(&totals).on_failure(policy).run(total)
        })
        .agent("double", &numbers, |a| {
            let policy = FailurePolicy::retry(1, Duration::from_millis(10));
            a.table(&counts).on_failure(policy).run(double)
        })
        .command("produce", produce)
        .command("ask-double", ask)
        .command("fail", fail)
        .main()
}
