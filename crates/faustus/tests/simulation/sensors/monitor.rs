//! The figures of a worker, to the last one and in their units.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use faustus::{
    AgentFigures, FailurePolicy, Guarantee, Monitor, TaskActivity, Timestamp, TopicPartition,
    prelude::*,
    testing::{Call, Cluster, Fault, Rule, simulate},
};

use super::{counter, settings};
use crate::scenario::for_seeds;

const TEN: Duration = Duration::from_millis(10);

fn agent(monitor: &Monitor) -> &AgentFigures {
    &monitor.agents[0]
}

async fn send_words(cluster: &Cluster, words: &[&str]) {
    for word in words {
        cluster.send("words", "k", word).await;
    }
}

#[test]
fn events_table_uses_and_traffic_are_counted_one_by_one() {
    for_seeds(async |cluster, guarantee| {
        let app = counter(FailurePolicy::default(), TEN, None);
        let worker = cluster.worker(app, settings(guarantee));
        send_words(&cluster, &["a", "b", "a", "drop"]).await;
        cluster.settle().await;
        let monitor = worker.handle().monitor().await;
        let agent = agent(&monitor);
        assert_eq!(agent.agent, "count");
        assert_eq!((agent.events_taken, agent.events_completed), (4, 4));
        assert_eq!(
            (agent.events_skipped, agent.failures, agent.retries),
            (0, 0, 0)
        );
        let table = &monitor.tables[0];
        assert_eq!(table.table, "counts");
        assert_eq!(
            (table.keys_read, table.keys_set, table.keys_deleted),
            (3, 3, 1)
        );
        assert_eq!(table.records_restored, 0);
        let received = &monitor.received[0];
        assert_eq!((&*received.topic, received.traffic.records), ("words", 4));
        let sent: BTreeMap<_, _> = monitor
            .sent
            .iter()
            .map(|topic| (&*topic.topic, topic.traffic))
            .collect();
        assert_eq!(sent["said"].records, 3);
        assert!(sent["counter-counts-changelog"].records >= 2, "{sent:?}");
        let values: usize = cluster
            .records("said")
            .await
            .iter()
            .map(|record| record.value.as_ref().map_or(0, |value| value.len()))
            .sum();
        assert!(sent["said"].bytes >= values as u64, "{sent:?}");
        assert!(monitor.epochs.committed >= 1);
        assert_eq!(monitor.epochs.whole.count(), monitor.epochs.committed);
        assert_eq!(monitor.epochs.rolled_back, 0);
    });
}

#[test]
fn failures_retries_skips_and_dead_letters_are_counted_apart() {
    for_seeds(async |cluster, guarantee| {
        let policy = FailurePolicy::retry(2, Duration::from_millis(20)).then_skip();
        let worker = cluster.worker(counter(policy, TEN, None), settings(guarantee));
        send_words(&cluster, &["a", "fail", "b"]).await;
        cluster.settle().await;
        let monitor = worker.handle().monitor().await;
        let agent = agent(&monitor);
        assert_eq!((agent.failures, agent.retries), (3, 2));
        assert_eq!(agent.events_skipped, 1);
        assert_eq!(agent.events_completed, 2);
        assert_eq!(agent.events_taken, 5);
        assert_eq!((agent.events_dead_lettered, agent.parkings), (0, 0));
    });
}

#[test]
fn a_parked_task_is_seen_and_holds_its_lag() {
    for_seeds(async |cluster, guarantee| {
        let app = counter(FailurePolicy::default(), TEN, None);
        let worker = cluster.worker(app, settings(guarantee));
        send_words(&cluster, &["a", "fail", "b", "c"]).await;
        cluster.settle().await;
        let monitor = worker.handle().monitor().await;
        assert!(agent(&monitor).parkings >= 1);
        let parked = monitor.tasks.iter();
        let parked: Vec<_> = parked
            .filter(|task| task.state == TaskActivity::Parked)
            .collect();
        assert_eq!(parked.len(), 1, "{monitor:?}");
        assert_eq!(parked[0].records_held, 3, "{parked:?}");
        let lags: Vec<_> = monitor
            .partitions
            .iter()
            .filter_map(|partition| partition.lag_records())
            .collect();
        assert_eq!(lags.iter().sum::<u64>(), 3, "{monitor:?}");
    });
}

#[test]
fn lag_is_what_waits_in_records_and_in_event_time() {
    simulate(1, async |cluster| {
        let app = counter(FailurePolicy::default(), Duration::from_secs(1), None);
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        cluster.settle().await;
        let began = cluster.clock().now();
        for _ in 0..10 {
            cluster
                .send_bytes("words", Some(b"k"), Some(b"\"a\""), began)
                .await;
        }
        cluster.sleep(Duration::from_millis(3_500)).await;
        let monitor = worker.handle().monitor().await;
        let behind: Vec<_> = monitor
            .partitions
            .iter()
            .filter(|partition| partition.lag_records() != Some(0))
            .collect();
        assert_eq!(behind.len(), 1);
        assert_eq!(behind[0].lag_records(), Some(7));
        assert_eq!(behind[0].fetched.0, 10);
        let late = Timestamp(began.0 + 60_000);
        assert_eq!(behind[0].lag_time(late), Some(Duration::from_secs(60)));
        cluster.settle().await;
        let monitor = worker.handle().monitor().await;
        for partition in &monitor.partitions {
            assert_eq!(partition.lag_records(), Some(0));
            assert_eq!(partition.lag_time(late), Some(Duration::ZERO));
            assert_eq!(partition.committed, partition.retired);
        }
    });
}

#[test]
fn times_are_in_seconds_and_not_a_thousand_times_that() {
    simulate(1, async |cluster| {
        let app = counter(FailurePolicy::default(), TEN, None);
        let worker = cluster.worker(app, settings(Guarantee::ExactlyOnce));
        cluster.settle().await;
        let before = worker.handle().monitor_now().epochs.committing;
        let slow = Rule::new(Call::Commit, Fault::Delay(Duration::from_millis(400)));
        worker.faults().add(slow);
        send_words(&cluster, &["a"]).await;
        cluster.settle().await;
        let epochs = worker.handle().monitor_now().epochs;
        let took = epochs.committing.sum() - before.sum();
        assert_eq!(took, Duration::from_millis(400));
        assert!(epochs.whole.sum() >= took);
        assert!(epochs.publishing.sum() < Duration::from_millis(100));
    });
}

#[test]
fn figures_of_partitions_are_there_for_those_assigned_and_no_others() {
    for_seeds(async |cluster, guarantee| {
        let app = || counter(FailurePolicy::default(), TEN, None);
        let one = cluster.worker(app(), settings(guarantee));
        send_words(&cluster, &["a", "b"]).await;
        cluster.settle().await;
        let all: BTreeSet<_> = (0..2).map(|p| TopicPartition::new("words", p)).collect();
        assert_eq!(shown(&one.handle().monitor().await), all);
        let two = cluster.worker(app(), settings(guarantee));
        cluster.sleep(Duration::from_secs(60)).await;
        cluster.settle().await;
        let (first, second) = (one.handle().monitor().await, two.handle().monitor().await);
        let (mut shown_first, shown_second) = (shown(&first), shown(&second));
        assert_eq!(
            (shown_first.len(), shown_second.len()),
            (1, 1),
            "stale series"
        );
        assert_eq!((first.tasks.len(), second.tasks.len()), (1, 1));
        assert!(first.rebalances.begun >= 2);
        assert_eq!(second.rebalances.tasks_started, 1);
        assert!(!first.rebalances.under_way && !second.rebalances.under_way);
        shown_first.extend(shown_second);
        assert_eq!(shown_first, all);
        // Counts never go back.
        assert_eq!(agent(&first).events_completed, 2);
        one.shutdown().await.unwrap();
        cluster.settle().await;
        assert_eq!(shown(&two.handle().monitor().await), all);
    });
}

fn shown(monitor: &Monitor) -> BTreeSet<TopicPartition> {
    let partitions = monitor.partitions.iter();
    partitions
        .map(|partition| partition.partition.clone())
        .collect()
}

#[test]
fn after_a_crash_the_next_worker_counts_what_it_restores_and_does_again() {
    for_seeds(async |cluster, guarantee| {
        let app = || counter(FailurePolicy::default(), TEN, None);
        let one = cluster.worker(app(), settings(guarantee));
        send_words(&cluster, &["a", "b", "a"]).await;
        cluster.settle().await;
        one.crash();
        send_words(&cluster, &["c"]).await;
        let two = cluster.worker(app(), settings(guarantee));
        cluster.settle().await;
        let monitor = two.handle().monitor().await;
        assert_eq!(agent(&monitor).events_completed, 1, "{monitor:?}");
        assert!(monitor.tables[0].records_restored >= 2, "{monitor:?}");
        assert_eq!(monitor.rebalances.tasks_started, 2);
        assert_eq!(monitor.rebalances.recovering.count(), 2);
        assert!(monitor.tasks.iter().all(|task| task.restoring.is_empty()));
        assert_eq!(monitor.received[0].traffic.records, 1);
    });
}

#[test]
fn an_epoch_that_is_rolled_back_is_counted_and_its_events_again() {
    simulate(1, async |cluster| {
        let app = counter(FailurePolicy::default(), TEN, None);
        let worker = cluster.worker(app, settings(Guarantee::ExactlyOnce));
        cluster.settle().await;
        worker
            .faults()
            .add(Rule::new(Call::Publish, Fault::refuse("said")).times(1));
        send_words(&cluster, &["a"]).await;
        cluster.settle().await;
        let monitor = worker.handle().monitor_now();
        assert_eq!(monitor.epochs.rolled_back, 1, "{monitor:?}");
        assert_eq!(monitor.epochs.refused, 1);
    });
}

#[test]
fn figures_are_there_while_threads_block_and_after_the_end() {
    simulate(1, async |cluster| {
        let app = counter(FailurePolicy::default(), TEN, None);
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        send_words(&cluster, &["a", "b"]).await;
        cluster.settle().await;
        let handle = worker.handle().clone();
        worker.block_threads();
        assert_eq!(agent(&handle.monitor().await).events_completed, 2);
        worker.thaw();
        worker.shutdown().await.unwrap();
        let monitor = handle.monitor().await;
        assert_eq!(agent(&monitor).events_completed, 2);
        assert_eq!((monitor.tasks.len(), monitor.partitions.len()), (0, 0));
    });
}

async fn relay(State(relayed): State<Topic<String>>, mut words: Stream<String>) -> faustus::Result {
    while let Some(word) = words.next().await? {
        relayed.send(&(), &*word).await?;
    }
    Ok(())
}

#[test]
fn sends_that_leave_at_once_are_counted_with_their_failures() {
    simulate(1, async |cluster| {
        let app = App::new("relay");
        let words = app.topic::<String>("words").partitions(1);
        let relayed = app.topic::<String>("relayed").partitions(1);
        let app = app
            .with_state(relayed.clone())
            .agent("relay", &words, |a| a.run(relay));
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        send_words(&cluster, &["a", "b", "c"]).await;
        cluster.settle().await;
        let monitor = worker.handle().monitor_now();
        assert_eq!((monitor.sends.sent, monitor.sends.failed), (3, 0));
        assert_eq!(monitor.sends.publishing.count(), 3);
        let sent = monitor.sent.iter().find(|topic| topic.topic == "relayed");
        assert_eq!(sent.unwrap().traffic.records, 3);
    });
}

async fn double(mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        tokio::time::sleep(Duration::from_millis(100)).await;
        number.reply(*number * 2);
    }
    Ok(())
}

#[test]
fn requests_are_counted_with_how_long_they_took() {
    simulate(1, async |cluster| {
        let app = App::new("asker");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let doubler = numbers.agent::<u64>();
        let answers = std::sync::Arc::new(parking_lot::Mutex::new(0));
        let answered = std::sync::Arc::clone(&answers);
        let app = app
            .agent("double", &numbers, |a| a.run(double))
            .task("ask", move || {
                let (doubler, answered) = (doubler.clone(), std::sync::Arc::clone(&answered));
                async move {
                    let answer = doubler.ask(&(), &4).await?;
                    *answered.lock() = answer;
                    Ok(())
                }
            });
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        cluster.settle().await;
        cluster.sleep(Duration::from_secs(5)).await;
        assert_eq!(*answers.lock(), 8);
        let monitor = worker.handle().monitor_now();
        let asks = monitor.asks;
        assert_eq!(
            (asks.asked, asks.answered, asks.failed, asks.timed_out),
            (1, 1, 0, 0)
        );
        assert!(asks.waiting.sum() >= Duration::from_millis(100), "{asks:?}");
        assert!(asks.waiting.sum() < Duration::from_secs(5), "{asks:?}");
        assert_eq!(monitor.replied.records, 1);
        assert!(
            monitor
                .sent
                .iter()
                .all(|topic| !topic.topic.starts_with("f-reply-")),
            "topics of askers would be labels without end"
        );
    });
}
