//! Crontabs: by the clock of the world, and by the clock on the wall of a place.
//!
//! ```text
//! cargo run --bin crontab
//! ```
//!
//! Each minute one message says so, and at 20:16 one more, in Berlin: with the summer time of that place,
//! wherever the worker runs. On Kafka each comes once, however many workers there are.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::process::ExitCode;

use faustus::prelude::*;

/// Without a zone: UTC.
const EVERY_MINUTE: &str = "*/1 * * * *";
/// With a zone.
const IN_THE_EVENING: &str = "16 20 * * * Europe/Berlin";

/// Says that a minute has begun.
async fn every_minute(State(messages): State<Topic<String>>) -> faustus::Result {
    messages.send(&(), &"a minute".to_owned()).await?;
    Ok(())
}

/// Says that it is evening.
async fn in_the_evening(State(messages): State<Topic<String>>) -> faustus::Result {
    messages.send(&(), &"the evening".to_owned()).await?;
    Ok(())
}

/// Prints what was said.
async fn print(mut messages: Stream<String>) -> faustus::Result {
    while let Some(message) = messages.next().await? {
        println!("{}: {}", message.timestamp(), *message);
    }
    Ok(())
}

fn app() -> App<Topic<String>> {
    let app = App::new("crontab");
    let messages = app.topic("crontab-messages");
    app.with_state(messages.clone())
        .agent("print", &messages, |a| a.run(print))
        .crontab("every-minute", EVERY_MINUTE, on_leader(every_minute))
        .crontab("in-the-evening", IN_THE_EVENING, on_leader(in_the_evening))
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use faustus::{
        Settings,
        prelude::{hours, minutes, secs},
        testing::{Cluster, simulate},
    };
    use jiff::Timestamp;

    /// When `message` was said, to the second.
    async fn said(cluster: &Cluster, message: &str) -> Vec<Timestamp> {
        let mut times = Vec::new();
        for record in cluster.records("crontab-messages").await {
            if record.json::<String>() == message {
                times.push(Timestamp::from_second(record.timestamp.0 / 1000).unwrap());
            }
        }
        times.sort();
        times
    }

    fn after_midnight(time: Duration) -> Timestamp {
        let midnight: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        midnight + time
    }

    #[test]
    fn it_is_evening_by_the_clock_of_berlin() {
        simulate(1, async |cluster| {
            cluster.worker(super::app(), Settings::default());
            cluster.sleep(hours(24)).await;
            let evenings = said(&cluster, "the evening").await;
            assert_eq!(evenings, [after_midnight(hours(19) + minutes(16))]);
        });
    }

    #[test]
    fn each_minute_comes_once_among_three_workers() {
        simulate(1, async |cluster| {
            let start = || cluster.worker(super::app(), Settings::default());
            let _workers = [start(), start(), start()];
            cluster.sleep(minutes(10) + secs(30)).await;
            let times = said(&cluster, "a minute").await;
            let expected: Vec<_> = (1..=10).map(|n| after_midnight(minutes(n))).collect();
            assert_eq!(times, expected);
        });
    }
}
