//! Hello, world: a timer sends greetings, an agent prints them.
//!
//! ```text
//! cargo run --bin hello_world
//! ```
//!
//! `cargo run --bin hello_world -- greet` sends more, while it runs or while it does not, and
//! `-- send greetings '"hello you"'` one of your own; `-- --help` tells what else there is.
//!
//! Its log is the directory `hello-world-data`. On Kafka (`--features kafka`, then
//! `worker --log kafka://localhost:9092`) it may run in many terminals, which share the greetings.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::process::ExitCode;

use faustus::prelude::*;

/// Prints each greeting.
async fn print(mut greetings: Stream<String>) -> faustus::Result {
    while let Some(greeting) = greetings.next().await? {
        println!("{}", *greeting);
    }
    Ok(())
}

/// Sends a hundred greetings.
async fn greet(State(greetings): State<Topic<String>>) -> faustus::Result {
    for number in 0..100 {
        greetings.send(&(), &format!("hello {number}")).await?;
    }
    Ok(())
}

fn app() -> App<Topic<String>> {
    let app = App::new("hello-world");
    let greetings = app.topic("greetings");
    app.with_state(greetings.clone())
        .agent("print", &greetings, |a| a.run(print))
        .timer("greet", secs(5), greet)
        .command("greet", greet)
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use faustus::{Settings, prelude::secs, testing::simulate};

    #[test]
    fn a_hundred_greetings_are_sent_every_five_seconds_and_all_are_read() {
        simulate(1, async |cluster| {
            cluster.worker(super::app(), Settings::default());
            for rounds in 1..=3 {
                // A little longer, for the sends themselves.
                cluster.sleep(secs(5) + secs(1)).await;
                cluster.settle().await;
                let greetings = cluster.records("greetings").await;
                assert_eq!(greetings.len(), 100 * rounds);
                assert_eq!(greetings[0].json::<String>(), "hello 0");
            }
        });
    }
}
