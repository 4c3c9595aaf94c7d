//! Partitions are on their own: where an agent fails, the others go on.
//!
//! ```text
//! cargo run --bin isolated_partitions
//! ```
//!
//! Each partition has an instance of the agent for itself. Number 13 makes one of them panic, again and
//! again, until its partition is *parked*: it stands still, and the worker says why, while the others
//! count on. To pass over the number, start it again with what the worker named:
//! `-- worker --skip numbers/PARTITION@OFFSET`.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::process::ExitCode;

use faustus::prelude::*;

/// It brings bad luck.
const BAD: u64 = 13;

/// What agents and tasks share.
#[derive(Clone)]
struct Numbers {
    numbers: Topic<u64>,
    /// How many numbers each partition has counted.
    progress: Table<u32, u64>,
}

/// Counts the numbers of one partition: what comes is always of the same one.
async fn count(State(app): State<Numbers>, mut numbers: Stream<u64>) -> faustus::Result {
    let progress = numbers.bind(&app.progress);
    while let Some(number) = numbers.next().await? {
        // What an event has written when it fails is taken back.
        progress.update(&number.partition(), |count| *count += 1)?;
        assert!(*number != BAD, "{BAD} brings bad luck");
    }
    Ok(())
}

/// Sends a number, the next one after those that were sent before, to some partition.
async fn produce(State(app): State<Numbers>) -> faustus::Result {
    let ends = app.numbers.end_offsets().await?;
    let sent: i64 = ends.iter().map(|end| end.0).sum();
    app.numbers.send(&(), &u64::try_from(sent)?).await?;
    Ok(())
}

/// Prints how far the partitions of this worker are.
async fn show(State(app): State<Numbers>) -> faustus::Result {
    let text = app.progress.to_text("Progress", "Partition", "Numbers");
    println!("{}", text.await?);
    Ok(())
}

fn app() -> App<Numbers> {
    let app = App::new("isolated-partitions");
    let state = Numbers {
        numbers: app.topic("numbers").partitions(4),
        progress: app.table("progress"),
    };
    let Numbers { numbers, progress } = state.clone();
    app.with_state(state)
        .agent("count", &numbers, |a| {
            a.table(&progress)
                .on_failure(FailurePolicy::retry(2, millis(100)))
                .run(count)
        })
        .timer("produce", millis(200), on_leader(produce))
        .timer("show", secs(2), show)
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use faustus::{Settings, TaskState, TopicPartition, prelude::*, testing::simulate};

    use super::{BAD, app};

    #[test]
    fn a_partition_whose_agent_panics_stands_still_while_the_others_go_on_until_it_is_skipped() {
        simulate(1, async |cluster| {
            let worker = cluster.worker(app(), Settings::default());
            cluster.sleep(minutes(1)).await;

            let records = cluster.records("numbers").await;
            let bad = records
                .iter()
                .find(|record| record.json::<u64>() == BAD)
                .unwrap();
            let status = worker.status().await;
            let parked = status.iter().filter_map(|task| match &task.state {
                TaskState::Parked(why) => Some((task.task.partition, why)),
                _ => None,
            });
            let parked: Vec<_> = parked.collect();
            let [(partition, why)] = &parked[..] else {
                panic!("one stands still: {parked:?}");
            };
            assert_eq!(*partition, bad.partition);
            assert!(why.contains("bad luck"), "{why}");
            let progress: BTreeMap<u32, u64> = worker.table("progress").await;
            for (partition, count) in &progress {
                if *partition == bad.partition {
                    assert_eq!(i64::try_from(*count).unwrap(), bad.offset.0);
                } else {
                    assert!(*count > 50, "{progress:?}");
                }
            }

            worker
                .handle()
                .skip(&TopicPartition::new("numbers", bad.partition), bad.offset);
            cluster.sleep(secs(10)).await;
            let progress: BTreeMap<u32, u64> = worker.table("progress").await;
            assert!(progress.values().all(|count| *count > 50), "{progress:?}");
        });
    }

    #[test]
    fn a_number_that_is_named_at_the_start_is_passed_over() {
        simulate(1, async |cluster| {
            let first = cluster.worker(app(), Settings::default());
            cluster.sleep(minutes(1)).await;
            first.shutdown().await.unwrap();

            let records = cluster.records("numbers").await;
            let bad = records.iter().find(|record| record.json::<u64>() == BAD);
            let bad = bad.unwrap();
            let second = cluster.worker(app(), Settings::default());
            // As `--skip` does it, before the worker has any partitions.
            let partition = TopicPartition::new("numbers", bad.partition);
            second.handle().skip(&partition, bad.offset);
            cluster.sleep(secs(10)).await;
            let progress: BTreeMap<u32, u64> = second.table("progress").await;
            assert_eq!(progress.len(), 4);
            assert!(progress.values().all(|count| *count > 50), "{progress:?}");
        });
    }
}
