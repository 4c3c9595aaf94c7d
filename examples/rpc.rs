//! Agents that ask agents: one adds by asking another one, and a task asks for many at once.
//!
//! ```text
//! cargo run --bin rpc
//! ```
//!
//! To reply an agent does what it always does. Who asks awaits the reply, and an error if there is none.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::process::ExitCode;

use faustus::prelude::*;

/// What is multiplied by what.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Product {
    x: f64,
    y: f64,
}

/// What agents and tasks share: those who can be asked.
#[derive(Clone)]
struct Askable {
    multiply: Agent<Product, f64>,
    percent: Agent<f64, f64>,
}

/// Multiplies.
async fn multiply(mut products: Stream<Product, f64>) -> faustus::Result {
    while let Some(product) = products.next().await? {
        product.reply(product.x * product.y);
    }
    Ok(())
}

/// Makes percents of shares, by asking for each product.
async fn percent(State(ask): State<Askable>, mut shares: Stream<f64, f64>) -> faustus::Result {
    while let Some(share) = shares.next().await? {
        let product = Product {
            x: 100.0,
            y: *share,
        };
        share.reply(ask.multiply.ask(&(), &product).await?);
    }
    Ok(())
}

/// Asks for one, and then for seven at once.
async fn ask(State(ask): State<Askable>) -> faustus::Result {
    println!("0.5 is {}%", ask.percent.ask(&(), &0.5).await?);
    let shares = [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0];
    println!("{shares:?} are {:?}%", ask.percent.join(shares).await?);
    Ok(())
}

fn app() -> App<Askable> {
    let app = App::new("rpc");
    let products = app.agent_topic("multiply");
    let shares = app.agent_topic("percent");
    let state = Askable {
        multiply: products.agent(),
        percent: shares.agent(),
    };
    app.with_state(state)
        .agent("multiply", &products, |a| a.run(multiply))
        // An event waits for its reply: more of them may wait at a time.
        .agent("percent", &shares, |a| a.unordered(10).run(percent))
        .task("ask", ask)
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use faustus::{Agent, Settings, testing::simulate};

    use super::app;

    #[test]
    fn who_asks_an_agent_that_asks_another_one_gets_its_replies_in_order() {
        for seed in 0..5 {
            simulate(seed, async |cluster| {
                let app = app();
                // As another program would name it.
                let percent: Agent<f64, f64> = app.topic("rpc-percent").agent();
                let _workers = [
                    cluster.worker(app, Settings::default()),
                    cluster.worker(super::app(), Settings::default()),
                ];
                cluster.settle().await;
                assert_eq!(percent.ask(&(), &0.25).await.unwrap(), 25.0);
                let shares = (0..100).map(|n| f64::from(n) / 64.0);
                let percents = percent.join(shares.clone()).await.unwrap();
                let expected: Vec<f64> = shares.map(|share| share * 100.0).collect();
                assert_eq!(percents, expected, "seed {seed}");
            });
        }
    }
}
