//! Events taken together: `take`.

use std::{sync::Arc, time::Duration};

use faustus::{
    FailurePolicy, Guarantee, Offset, Settings, TopicPartition, prelude::*, testing::Cluster,
};
use parking_lot::Mutex;

use crate::scenario::{check_parked, for_seeds, settings};

/// The batches that an agent had in hand, each as its numbers.
type Seen = Arc<Mutex<Vec<Vec<u64>>>>;

#[derive(Clone)]
struct Sums {
    sum: Table<String, u64>,
    seen: Seen,
    most: usize,
    within: Duration,
}

/// Adds all numbers to one sum and replies each; 13 cannot be added.
async fn add(State(sums): State<Sums>, mut numbers: Stream<u64, u64>) -> faustus::Result {
    let sum = numbers.bind(&sums.sum);
    while let Some(batch) = numbers.take(sums.most, sums.within).await? {
        sums.seen.lock().push(batch.iter().map(|n| **n).collect());
        for number in &batch {
            sum.update("sum", |sum| *sum += **number)?;
            number.reply(**number);
            assert!(**number != 13, "told to panic");
        }
    }
    Ok(())
}

fn app(seen: &Seen, most: usize, within: Duration, policy: FailurePolicy) -> App<Sums> {
    let app = App::new("sums");
    let numbers = app.topic::<u64>("numbers").partitions(1);
    let added = app.topic::<u64>("added").partitions(1);
    let sum = app.table("sum");
    let state = Sums {
        sum: sum.clone(),
        seen: Arc::clone(seen),
        most,
        within,
    };
    app.with_state(state).agent("add", &numbers, |a| {
        a.table(&sum).sink(&added).on_failure(policy).run(add)
    })
}

async fn send(cluster: &Cluster, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        cluster.send("numbers", "", &number).await;
    }
}

async fn added(cluster: &Cluster) -> Vec<u64> {
    let records = cluster.records("added").await;
    records.iter().map(|record| record.json()).collect()
}

async fn sum(cluster: &Cluster) -> u64 {
    let sums = cluster.changelog::<String, u64>("sums", "sum").await;
    sums.get("sum").copied().unwrap_or_default()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_batch_has_as_many_events_as_asked_for_and_the_last_what_came_in_time() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let _worker = cluster.worker(
            app(&seen, 4, SECOND, FailurePolicy::skip()),
            settings(guarantee),
        );
        send(&cluster, 0..10).await;
        cluster.settle().await;
        let batches = seen.lock().clone();
        assert!(batches.iter().all(|batch| batch.len() <= 4), "{batches:?}");
        assert_eq!(batches.concat(), (0..10).collect::<Vec<_>>());
        assert!(batches.len() <= 4, "{batches:?}");
        assert_eq!(added(&cluster).await, (0..10).collect::<Vec<_>>());
        assert_eq!(sum(&cluster).await, 45);
    });
}

#[test]
fn one_event_is_given_alone_when_its_time_is_over() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = app(&seen, 4, SECOND * 30, FailurePolicy::skip());
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [7]).await;
        cluster.sleep(SECOND * 29).await;
        assert!(seen.lock().is_empty());
        cluster.sleep(SECOND * 2).await;
        assert_eq!(*seen.lock(), [[7]]);
    });
}

#[test]
fn of_a_batch_that_failed_only_the_event_at_fault_meets_the_policy() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let _worker = cluster.worker(
            app(&seen, 8, SECOND, FailurePolicy::skip()),
            settings(guarantee),
        );
        send(&cluster, [1, 2, 13, 4, 5]).await;
        cluster.settle().await;
        assert_eq!(added(&cluster).await, [1, 2, 4, 5]);
        assert_eq!(sum(&cluster).await, 12);
    });
}

#[test]
fn an_event_that_does_not_decode_fails_alone() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let _worker = cluster.worker(
            app(&seen, 8, SECOND, FailurePolicy::skip()),
            settings(guarantee),
        );
        send(&cluster, [1, 2]).await;
        cluster.send("numbers", "", &"three".to_owned()).await;
        send(&cluster, [4]).await;
        cluster.settle().await;
        assert_eq!(added(&cluster).await, [1, 2, 4]);
        assert_eq!(sum(&cluster).await, 7);
    });
}

#[test]
fn a_worker_that_dies_with_a_batch_in_hand_loses_and_doubles_nothing() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let first = cluster.worker(
            app(&seen, 5, SECOND, FailurePolicy::skip()),
            settings(guarantee),
        );
        send(&cluster, 0..12).await;
        cluster
            .sleep(Duration::from_millis(cluster.seed() * 100))
            .await;
        first.crash();
        let _second = cluster.worker(
            app(&seen, 5, SECOND, FailurePolicy::skip()),
            settings(guarantee),
        );
        cluster.sleep(SECOND * 60).await;
        cluster.settle().await;
        let (added, sum) = (added(&cluster).await, sum(&cluster).await);
        if guarantee == Guarantee::ExactlyOnce {
            assert_eq!(added, (0..12).collect::<Vec<_>>());
            assert_eq!(sum, 66);
        } else {
            assert!((0..12).all(|number| added.contains(&number)), "{added:?}");
            assert!(sum >= 66);
        }
    });
}

#[test]
fn other_readers_of_the_topic_split_no_batch() {
    async fn copy(mut numbers: Stream<u64, u64>) -> faustus::Result {
        while let Some(number) = numbers.next().await? {
            tokio::time::sleep(Duration::from_millis(40)).await;
            number.reply(*number);
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let with_reader = |seen: &Seen| {
            let app = app(seen, 6, SECOND, FailurePolicy::skip());
            let numbers = app.topic::<u64>("numbers");
            let copies = app.topic::<u64>("copies");
            app.agent("copy", &numbers, |a| a.sink(&copies).run(copy))
        };
        let seen = Seen::default();
        let first = cluster.worker(with_reader(&seen), settings(guarantee));
        send(&cluster, 20..38).await;
        // The slower reader is somewhere inside a batch.
        cluster
            .sleep(Duration::from_millis(70 + cluster.seed() * 37))
            .await;
        first.crash();
        let again = Seen::default();
        let _second = cluster.worker(with_reader(&again), settings(guarantee));
        cluster.sleep(SECOND * 60).await;
        cluster.settle().await;
        if guarantee == Guarantee::ExactlyOnce {
            assert_eq!(added(&cluster).await, (20..38).collect::<Vec<_>>());
            assert_eq!(sum(&cluster).await, 513);
        } else {
            assert!(sum(&cluster).await >= 513);
        }
        let firsts = again.lock().first().map(|batch| batch[0]);
        assert!(
            firsts.is_none_or(|first| (first - 20) % 6 == 0),
            "a batch is redone whole: {:?}",
            again.lock()
        );
    });
}

#[test]
fn events_collected_when_the_wait_was_given_up_are_given_again() {
    async fn impatient(State(seen): State<Seen>, mut numbers: Stream<u64, u64>) -> faustus::Result {
        loop {
            let taken = tokio::time::timeout(
                Duration::from_millis(70),
                numbers.take(4, Duration::from_secs(3600)),
            );
            let batch = match taken.await {
                Ok(batch) => batch?.map(|batch| batch.iter().map(|n| **n).collect()),
                Err(_) => {
                    let one = tokio::time::timeout(Duration::from_millis(50), numbers.next());
                    match one.await {
                        Ok(event) => event?.map(|event| vec![*event]),
                        Err(_) => continue,
                    }
                }
            };
            match batch {
                Some(batch) => seen.lock().push(batch),
                None => return Ok(()),
            }
        }
    }
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("impatient");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("impatient", &numbers, |a| a.run(impatient));
        let _worker = cluster.worker(app, settings(guarantee));
        for number in 0..11_u64 {
            cluster.send("numbers", "", &number).await;
            cluster.sleep(Duration::from_millis(9)).await;
        }
        cluster.sleep(SECOND * 2).await;
        let seen = seen.lock().concat();
        assert_eq!(seen, (0..11).collect::<Vec<_>>());
    });
}

#[test]
fn a_batch_ends_early_when_the_task_holds_as_much_as_it_may() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let settings = Settings {
            task_bytes: 64,
            ..settings(guarantee)
        };
        let within = Duration::from_secs(3600);
        let _worker = cluster.worker(app(&seen, 10_000, within, FailurePolicy::skip()), settings);
        let numbers: Vec<u64> = (1_000_000_000_000..1_000_000_000_200).collect();
        send(&cluster, numbers.iter().copied()).await;
        cluster.sleep(SECOND * 10).await;
        let seen = seen.lock().concat();
        assert!(seen.len() >= 150, "{}", seen.len());
        assert_eq!(seen[..], numbers[..seen.len()]);
    });
}

#[test]
fn an_agent_that_takes_turns_cannot_take_several_events() {
    for_seeds(async |cluster, guarantee| {
        let app = app(&Seen::default(), 4, SECOND, FailurePolicy::skip());
        let numbers = app.topic::<u64>("numbers");
        let sum = app.table::<String, u64>("other");
        let both = app
            .agent("one", &numbers, |a| a.table(&sum).run(nothing))
            .agent("two", &numbers, |a| a.table(&sum).run(take_one));
        let worker = cluster.worker(both, settings(guarantee));
        send(&cluster, [1]).await;
        cluster.sleep(SECOND * 60).await;
        check_parked(&worker, "takes turns").await;
    });
}

async fn nothing(mut numbers: Stream<u64>) -> faustus::Result {
    while numbers.next().await?.is_some() {}
    Ok(())
}

async fn take_one(mut numbers: Stream<u64>) -> faustus::Result {
    while numbers.take(1, SECOND).await?.is_some() {}
    Ok(())
}

/// Takes its time with four events, then replies each.
async fn slow(mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(batch) = numbers.take(4, SECOND).await? {
        tokio::time::sleep(SECOND * 5).await;
        for number in &batch {
            number.reply(**number);
        }
    }
    Ok(())
}

fn slow_app() -> App {
    let app = App::new("slow");
    let numbers = app.topic::<u64>("numbers").partitions(1);
    let sink = app.topic::<u64>("added").partitions(1);
    app.agent("slow", &numbers, |a| a.sink(&sink).run(slow))
}

#[test]
fn to_skip_one_event_of_a_batch_in_hand_loses_no_other() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(slow_app(), settings(guarantee));
        send(&cluster, 0..4).await;
        cluster.sleep(SECOND * 3).await;
        let partition = TopicPartition::new("numbers", 0);
        worker.handle().skip(&partition, Offset(3));
        cluster.settle().await;
        assert_eq!(added(&cluster).await[..3], [0, 1, 2]);
    });
}

#[test]
fn an_agent_that_is_restarted_with_a_batch_in_hand_takes_all_of_it_again() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(slow_app(), settings(guarantee));
        send(&cluster, 0..4).await;
        cluster.sleep(SECOND * 3).await;
        worker.handle().restart_agent("slow").unwrap();
        cluster.settle().await;
        assert_eq!(added(&cluster).await, [0, 1, 2, 3]);
    });
}
