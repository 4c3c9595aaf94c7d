//! A test of tables under load: for each of four keys the values 0 to 9999, in order.
//!
//! ```text
//! cargo run --bin tabletest -- worker --exactly-once
//! ```
//!
//! The agent sees to it that the values of each key are consecutive, so that none is lost or mixed up,
//! and adds them up. In the end each sum is 49995000. Kill it with `kill -9` meanwhile, or start more
//! of it on Kafka, and it still is.
//!
//! The leader sends all values whenever it begins to lead. That does no harm: the agent passes over those
//! that it has added already.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::process::ExitCode;

use faustus::{Error, ErrorKind, prelude::*};
use futures_util::future::try_join_all;

/// How many keys there are.
const KEYS: u32 = 4;
/// How many values each of them has.
const VALUES: u64 = 10_000;

/// What is known of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// The value that must come next.
    next: u64,
    sum: u64,
}

/// What agents and tasks share.
#[derive(Clone)]
struct Test {
    values: Topic<u64>,
    progress: Table<u32, Progress>,
}

/// Adds up the values of each key, and fails where one is missing.
async fn add_up(State(test): State<Test>, mut values: Stream<(u32, u64)>) -> faustus::Result {
    let progress = values.bind(&test.progress);
    while let Some(event) = values.next().await? {
        let (key, value) = *event;
        let next = progress.get_or_default(&key)?.next;
        if value > next {
            let text = format!("key {key} has value {value}, where {next} must come");
            return Err(Error::new(ErrorKind::Application, text));
        }
        if value == next {
            progress.update(&key, |progress| {
                progress.next += 1;
                progress.sum += value;
            })?;
        }
    }
    Ok(())
}

/// Sends all values: the keys side by side, and each value when the one before is stored.
async fn produce(State(test): State<Test>) -> faustus::Result {
    try_join_all((0..KEYS).map(async |key| {
        for value in 0..VALUES {
            test.values.send(&key, &value).await?;
        }
        Ok(())
    }))
    .await
    .map(drop)
}

/// Prints how far the keys of this worker are.
async fn show(State(test): State<Test>) -> faustus::Result {
    let text = test.progress.to_text("Sums", "Key", "Progress").await?;
    println!("{text}");
    Ok(())
}

fn app() -> App<Test> {
    let app = App::new("tabletest");
    let test = Test {
        values: app.topic("tabletest-values").partitions(4),
        progress: app.table("progress"),
    };
    let Test { values, progress } = test.clone();
    app.with_state(test)
        .agent("add-up", values.keyed::<u32>(), |a| {
            a.table(&progress)
                .on_failure(FailurePolicy::stop())
                .run(add_up)
        })
        .task("produce", on_leader(produce))
        .timer("show", secs(2), show)
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use faustus::{
        Guarantee, Settings,
        prelude::{millis, secs},
        testing::{Cluster, TestWorker, simulate},
    };

    use super::{KEYS, Progress, VALUES, app};

    fn start(cluster: &Cluster) -> TestWorker {
        let settings = Settings {
            guarantee: Guarantee::ExactlyOnce,
            session_timeout: secs(5),
            ..Settings::default()
        };
        let worker = cluster.worker(app(), settings);
        // On a log that takes its time there is a middle to crash in.
        worker.faults().delay_all(millis(1));
        worker
    }

    async fn progress(cluster: &Cluster) -> BTreeMap<u32, Progress> {
        cluster.changelog("tabletest", "progress").await
    }

    #[test]
    fn each_sum_is_right_to_the_last_value_over_a_crash() {
        simulate(1, async |cluster| {
            let _one = start(&cluster);
            let two = start(&cluster);
            cluster.sleep(secs(2)).await;
            let before = progress(&cluster).await;
            assert!(before.values().any(|key| key.next > 0), "{before:?}");
            assert!(before.values().all(|key| key.next < VALUES), "{before:?}");
            two.crash();
            let _three = start(&cluster);

            let done = Progress {
                next: VALUES,
                sum: 49_995_000,
            };
            let done: BTreeMap<_, _> = (0..KEYS).map(|key| (key, done.clone())).collect();
            for _ in 0..10 {
                cluster.sleep(secs(10)).await;
                if progress(&cluster).await == done {
                    return;
                }
            }
            panic!("in the end {:?}", progress(&cluster).await);
        });
    }

    #[test]
    fn a_value_that_is_missing_stops_the_worker_which_names_the_next_one() {
        simulate(1, async |cluster| {
            let worker = start(&cluster);
            cluster.send("tabletest-values", "7", &0).await;
            cluster.send("tabletest-values", "7", &2).await;
            let error = worker.ended().await.unwrap_err().to_string();
            assert!(
                error.contains("key 7 has value 2, where 1 must come"),
                "{error}"
            );
            assert!(error.contains("tabletest-values/"), "{error}");
        });
    }
}
