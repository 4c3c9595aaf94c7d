//! One function as several agents, bound to what each of them is to do, with channels between them.
//!
//! ```text
//! cargo run --bin bound_agent
//! ```
//!
//! The leader's timer sends numbers to a topic. The first stage takes them from there, the second one from
//! the channel that is the first one's sink. What a stage cannot do goes to a channel of its own,
//! which a third agent reads.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::{process::ExitCode, sync::Arc};

use faustus::prelude::*;

/// What a stage makes of a number.
type Step = fn(i64) -> Result<i64, String>;

/// What a stage could not do.
#[derive(Clone, Debug, PartialEq)]
struct Refused {
    stage: &'static str,
    number: i64,
    why: String,
}

/// A stage: it makes something of each number, and puts aside what it cannot.
async fn stage(
    name: &'static str,
    step: Step,
    refused: Channel<Refused>,
    mut numbers: Stream<i64, i64>,
) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        match step(*number) {
            Ok(made) => number.reply(made),
            Err(why) => number.put(
                &refused,
                Refused {
                    stage: name,
                    number: *number,
                    why,
                },
            )?,
        }
    }
    Ok(())
}

fn halve(number: i64) -> Result<i64, String> {
    match number % 2 {
        0 => Ok(number / 2),
        _ => Err("it is odd".to_owned()),
    }
}

fn invert(number: i64) -> Result<i64, String> {
    1_000_i64
        .checked_div(number)
        .ok_or_else(|| "it is zero".to_owned())
}

/// What the program looks at: what came out, and what was refused.
#[derive(Clone)]
struct Results {
    made: Arc<dyn Fn(i64) + Send + Sync>,
    refused: Arc<dyn Fn(Refused) + Send + Sync>,
}

async fn tell(State(results): State<Results>, mut refused: Stream<Refused>) -> faustus::Result {
    while let Some(refusal) = refused.next().await? {
        (results.refused)(refusal.into_value());
    }
    Ok(())
}

fn app(results: Results) -> App<Results> {
    let app = App::new("bound-agent");
    let numbers = app.topic::<i64>("numbers").partitions(1);
    let halves = app.channel("halves").capacity(100);
    let refused = app.channel("refused");
    let bound = |name, step: Step| {
        let refused = refused.clone();
        move |numbers| stage(name, step, refused.clone(), numbers)
    };
    let made = Arc::clone(&results.made);
    let next = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let source = numbers.clone();
    let send = move || {
        let (to, number) = (
            source.clone(),
            next.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        );
        async move { to.send(&(), &number).await.map(drop) }
    };
    app.agent("halve", &numbers, |a| {
        a.sink(&halves).run(bound("halve", halve))
    })
    .agent("invert", &halves, |a| {
        a.sink(move |number| made(number))
            .run(bound("invert", invert))
    })
    .timer("send", millis(500), on_leader(send))
    .with_state(results)
    .agent("tell", &refused, |a| a.run(tell))
}

fn main() -> ExitCode {
    let results = Results {
        made: Arc::new(|number| println!("{number}")),
        refused: Arc::new(|refused| {
            println!(
                "{} cannot be done with {}: {}",
                refused.stage, refused.number, refused.why
            );
        }),
    };
    app(results).main()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use faustus::{Settings, testing::simulate};
    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn both_stages_do_what_they_are_bound_to_and_put_aside_what_they_cannot() {
        for seed in 0..5 {
            simulate(seed, async |cluster| {
                let (made, refused) = (
                    Arc::new(Mutex::new(Vec::new())),
                    Arc::new(Mutex::new(Vec::new())),
                );
                let (to, aside) = (Arc::clone(&made), Arc::clone(&refused));
                let results = Results {
                    made: Arc::new(move |number| to.lock().push(number)),
                    refused: Arc::new(move |refusal| aside.lock().push(refusal)),
                };
                let worker = cluster.worker(app(results), Settings::default());
                worker.handle().started().await.unwrap();
                // The timer sends 0, 1, 2, 3, 4, one each half second.
                while refused.lock().len() < 3 || made.lock().len() < 2 {
                    cluster.sleep(Duration::from_millis(50)).await;
                }
                assert_eq!(made.lock()[..2], [1_000, 500], "seed {seed}");
                let refusal = |stage, number, why: &str| Refused {
                    stage,
                    number,
                    why: why.to_owned(),
                };
                assert_eq!(
                    refused.lock()[..3],
                    [
                        refusal("invert", 0, "it is zero"),
                        refusal("halve", 1, "it is odd"),
                        refusal("halve", 3, "it is odd"),
                    ],
                    "seed {seed}"
                );
            });
        }
    }
}
