//! Work of the leader: however many workers there are, one of them greets.
//!
//! ```text
//! cargo run -p faustus-examples --features kafka --bin leader -- worker --log kafka://localhost:9092
//! ```
//!
//! Start it in several terminals: every two seconds one greeting appears, in one of them, and it always
//! comes from the same process. End that one, and another one leads. On the embedded log
//! (`cargo run --bin leader`) there is one worker, which leads.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::process::{self, ExitCode};

use faustus::{Raw, prelude::*};

/// What the timer and the agent share.
#[derive(Clone)]
struct Greeter {
    /// The worker's name, as it stands in greetings.
    name: String,
    greetings: Topic<String>,
}

/// Prints each greeting.
async fn say(mut greetings: Stream<String>) -> faustus::Result {
    while let Some(greeting) = greetings.next().await? {
        println!("{}", *greeting);
    }
    Ok(())
}

/// Sends a greeting.
async fn greet(State(greeter): State<Greeter>) -> faustus::Result {
    let greeting = format!("hello from {}, which leads", greeter.name);
    greeter.greetings.send(&(), &greeting).await?;
    Ok(())
}

fn app(name: String) -> App<Greeter> {
    let app = App::new("leader");
    // The bytes of the text as they are, without the quotes of JSON.
    let greetings = app.topic("leader-greetings").codec(Raw);
    let state = Greeter {
        name,
        greetings: greetings.clone(),
    };
    app.with_state(state)
        .agent("say", &greetings, |a| a.run(say))
        .timer("greet", secs(2), on_leader(greet))
}

fn main() -> ExitCode {
    app(format!("process {}", process::id())).main()
}

#[cfg(test)]
mod tests {
    use faustus::{
        Settings,
        prelude::secs,
        testing::{Cluster, simulate},
    };

    /// All greetings so far, and how many there are of each kind.
    async fn greetings(cluster: &Cluster) -> Vec<(String, usize)> {
        let mut greetings: Vec<String> = Vec::new();
        for record in cluster.records("leader-greetings").await {
            greetings.push(String::from_utf8(record.value.unwrap().into()).unwrap());
        }
        greetings.sort();
        let of_one = greetings.chunk_by(|a, b| a == b);
        of_one.map(|same| (same[0].clone(), same.len())).collect()
    }

    #[test]
    fn one_worker_greets_at_a_time_and_another_follows_when_it_dies() {
        for seed in 0..5 {
            simulate(seed, async |cluster| {
                let mut workers = Vec::new();
                for name in ["one", "two", "three"] {
                    let worker = cluster.worker(super::app(name.to_owned()), Settings::default());
                    workers.push((name, worker));
                }
                cluster.sleep(secs(61)).await;
                let first = greetings(&cluster).await;
                let [(greeting, count)] = &first[..] else {
                    panic!("one leads (seed {seed}): {first:?}");
                };
                assert!((25..=30).contains(count), "{count} (seed {seed})");

                let leads = |(name, _): &mut (&str, _)| greeting.contains(*name);
                let leader = workers.extract_if(.., leads).next().unwrap();
                leader.1.crash();
                cluster
                    .sleep(secs(61) + Settings::default().session_timeout)
                    .await;
                cluster.settle().await;
                let both = greetings(&cluster).await;
                assert_eq!(both.len(), 2, "{both:?} (seed {seed})");
                let count: usize = both.iter().map(|(_, count)| count).sum();
                assert!((50..=83).contains(&count), "{both:?} (seed {seed})");
            });
        }
    }
}
