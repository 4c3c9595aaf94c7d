//! Channels: values in memory between parts of a program, and the agents that read them.

mod ends;
mod refused;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use faustus::{
    Ended, FailurePolicy, Guarantee, LaneState, Offset, Settings, TaskState, TopicPartition,
    prelude::*,
    testing::{Call, Cluster, Fault, Rule, TestWorker},
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::scenario::{for_seeds, settings};

/// What an agent had in hand, in this order.
type Seen = Arc<Mutex<Vec<u64>>>;

/// An application around one channel of numbers.
#[derive(Clone)]
struct Numbers {
    numbers: Channel<u64>,
    seen: Seen,
    /// An agent takes a permit for each number, and gives it back.
    gate: Arc<Semaphore>,
}

impl Numbers {
    fn new<S: Clone + Send + Sync + 'static>(app: &App<S>) -> Self {
        Self {
            numbers: app.channel("numbers"),
            seen: Seen::default(),
            gate: Arc::new(Semaphore::new(1)),
        }
    }

    fn seen(&self) -> Vec<u64> {
        self.seen.lock().clone()
    }

    /// Lets no number through, until the guard is dropped.
    fn shut(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.gate.try_acquire().unwrap()
    }
}

/// Notes each number and replies it.
async fn note(State(state): State<Numbers>, mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        let _open = state.gate.acquire().await;
        state.seen.lock().push(*number);
        number.reply(*number);
    }
    Ok(())
}

/// Puts each number of a topic into the channel, and each beyond 100 as many times as its hundreds.
async fn put(State(state): State<Numbers>, mut numbers: Stream<u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        for _ in 0..(*number / 100).max(1) {
            number.put(&state.numbers, *number % 100)?;
        }
    }
    Ok(())
}

/// From the topic `input` through the channel to the topic `noted`.
fn app() -> (App<Numbers>, Numbers) {
    app_with(4096, FailurePolicy::default())
}

fn app_with(capacity: usize, policy: FailurePolicy) -> (App<Numbers>, Numbers) {
    let app = App::new("app");
    let mut state = Numbers::new(&app);
    state.numbers = state.numbers.capacity(capacity);
    let input = app.topic::<u64>("input").partitions(1);
    let noted = app.topic::<u64>("noted").partitions(1);
    let app = app
        .with_state(state.clone())
        .agent("put", &input, |a| a.run(put))
        .agent("note", &state.numbers, |a| {
            a.sink(&noted).on_failure(policy).run(note)
        });
    (app, state)
}

async fn send(cluster: &Cluster, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        cluster.send("input", "", &number).await;
    }
}

async fn noted(cluster: &Cluster) -> Vec<u64> {
    let records = cluster.records("noted").await;
    records.iter().map(|record| record.json()).collect()
}

async fn moment(cluster: &Cluster) {
    cluster.sleep(Duration::from_secs(3)).await;
}

#[test]
fn what_an_event_puts_into_a_channel_comes_to_its_agent_in_order() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app();
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, 0..50).await;
        cluster.settle().await;
        assert_eq!(state.seen(), (0..50).collect::<Vec<_>>());
        assert_eq!(noted(&cluster).await, (0..50).collect::<Vec<_>>());
        assert!(state.numbers.is_empty());
    });
}

#[test]
fn every_agent_that_reads_a_channel_gets_each_value() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("app");
        let (one, other) = (Numbers::new(&app), Numbers::new(&app));
        let worker = cluster.worker(
            app.with_state(one.clone())
                .agent("one", &one.numbers, |a| a.run(note))
                .with_state(other.clone())
                .agent("other", &other.numbers, |a| a.run(note)),
            settings(guarantee),
        );
        worker.handle().started().await.unwrap();
        for number in 0..10 {
            one.numbers.put(number).await.unwrap();
        }
        cluster.settle().await;
        assert_eq!(one.seen(), (0..10).collect::<Vec<_>>());
        assert_eq!(
            other.seen(),
            one.seen(),
            "the same name is the same channel"
        );
    });
}

#[test]
fn values_of_one_key_keep_their_order_in_lanes_that_overlap() {
    for_seeds(async |cluster, guarantee| {
        async fn slow(
            State(seen): State<Arc<Mutex<Vec<String>>>>,
            mut words: Stream<String>,
        ) -> faustus::Result {
            while let Some(word) = words.next().await? {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let key = String::from_utf8(word.key().unwrap().to_vec()).unwrap();
                seen.lock().push(format!("{key}{}", *word));
            }
            Ok(())
        }
        let app = App::new("app");
        let words = app.channel::<String>("words");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("slow", &words, |a| a.concurrency(4).run(slow));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let before = cluster.clock().monotonic();
        for number in 0..10 {
            for key in ["a", "b", "c", "d"] {
                words.send(key, number.to_string()).await.unwrap();
            }
        }
        while !words.is_empty() {
            cluster.sleep(Duration::from_millis(1)).await;
        }
        let took = cluster.clock().monotonic() - before;
        assert!(took < Duration::from_millis(395), "lanes overlap: {took:?}");
        let mut by_key: BTreeMap<char, Vec<String>> = BTreeMap::new();
        for word in seen.lock().iter() {
            by_key
                .entry(word.chars().next().unwrap())
                .or_default()
                .push(word[1..].to_owned());
        }
        for numbers in by_key.values() {
            assert_eq!(*numbers, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
        }
    });
}

#[test]
fn who_puts_into_a_full_channel_waits_for_room() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app_with(2, FailurePolicy::default());
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let shut = state.shut();
        state.numbers.put(1).await.unwrap();
        state.numbers.put(2).await.unwrap();
        let third = state.numbers.put(3);
        tokio::pin!(third);
        let waited = tokio::time::timeout(Duration::from_secs(5), &mut third).await;
        assert!(waited.is_err(), "what is in hand takes room, too");
        drop(shut);
        third.await.unwrap();
        cluster.settle().await;
        assert_eq!(state.seen(), [1, 2, 3]);
    });
}

#[test]
fn a_put_that_is_given_up_puts_nothing() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app_with(1, FailurePolicy::default());
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let shut = state.shut();
        state.numbers.put(1).await.unwrap();
        let given_up = tokio::time::timeout(Duration::from_secs(1), state.numbers.put(2)).await;
        assert!(given_up.is_err());
        drop(shut);
        cluster.settle().await;
        assert_eq!(state.seen(), [1]);
    });
}

#[test]
fn an_agent_whose_channel_is_full_takes_no_more_events() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app_with(3, FailurePolicy::default());
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let shut = state.shut();
        // The second one puts five values, which is more than there is room for.
        send(&cluster, [1, 502, 3, 4, 5]).await;
        moment(&cluster).await;
        assert_eq!(state.numbers.len(), 6, "an event's values go in together");
        let lanes = worker.handle().agents().await.unwrap();
        let putting = lanes.iter().find(|lane| lane.agent == "put").unwrap();
        let waits = LaneState::WaitingForRoom("numbers".to_owned());
        assert_eq!((putting.taken, &putting.state), (2, &waits));
        drop(shut);
        cluster.settle().await;
        assert_eq!(state.seen(), [1, 2, 2, 2, 2, 2, 3, 4, 5]);
    });
}

#[test]
fn an_event_that_fails_puts_nothing_and_puts_once_when_it_is_done_again() {
    for_seeds(async |cluster, guarantee| {
        async fn put_late(
            State(state): State<(Numbers, Seen)>,
            mut numbers: Stream<u64>,
        ) -> faustus::Result {
            while let Some(number) = numbers.next().await? {
                number.put(&state.0.numbers, *number)?;
                state.1.lock().push(*number);
                let tries = state
                    .1
                    .lock()
                    .iter()
                    .filter(|seen| **seen == *number)
                    .count();
                assert!(*number != 2 || tries > 2, "told to panic");
            }
            Ok(())
        }
        let app = App::new("app");
        let state = Numbers::new(&app);
        let input = app.topic::<u64>("input").partitions(1);
        let tried = Seen::default();
        let app = app
            .with_state(state.clone())
            .agent("note", &state.numbers, |a| a.run(note))
            .with_state((state.clone(), Arc::clone(&tried)))
            .agent("put", &input, |a| a.run(put_late));
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, 1..4).await;
        cluster.settle().await;
        assert_eq!(*tried.lock(), [1, 2, 2, 2, 3]);
        assert_eq!(state.seen(), [1, 2, 3]);
    });
}

#[test]
fn the_agent_of_a_channel_has_the_policies_of_any_other() {
    async fn pick(State(seen): State<Seen>, mut numbers: Stream<u64>) -> faustus::Result {
        while let Some(number) = numbers.next().await? {
            seen.lock().push(*number);
            assert!(*number != 2, "told to panic");
        }
        Ok(())
    }
    async fn run(
        cluster: &Cluster,
        guarantee: Guarantee,
        policy: FailurePolicy,
    ) -> (TestWorker, Seen) {
        let app = App::new("app");
        let (numbers, seen) = (app.channel::<u64>("numbers"), Seen::default());
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("pick", &numbers, |a| a.on_failure(policy).run(pick));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        for number in 1..4 {
            numbers.put(number).await.unwrap();
        }
        moment(cluster).await;
        (worker, seen)
    }
    for_seeds(async |cluster, guarantee| {
        let (worker, seen) = run(&cluster, guarantee, FailurePolicy::skip()).await;
        assert_eq!(*seen.lock(), [1, 2, 3]);
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
    });
    for_seeds(async |cluster, guarantee| {
        let policy = FailurePolicy::retry(2, Duration::from_millis(10)).then_park();
        let (worker, seen) = run(&cluster, guarantee, policy).await;
        assert_eq!(*seen.lock(), [1, 2, 2, 2]);
        let status = &worker.status().await[0];
        assert!(
            matches!(&status.state, TaskState::Parked(why) if why.contains("told to panic")),
            "{status:?}"
        );
        worker
            .handle()
            .skip(&TopicPartition::new("numbers", 0), Offset(1));
        cluster.settle().await;
        assert_eq!(*seen.lock(), [1, 2, 2, 2, 3]);
    });
}

#[test]
fn an_epoch_that_fails_loses_nothing_that_came_through_a_channel() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app();
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        cluster.settle().await;
        let call = match guarantee {
            Guarantee::AtLeastOnce => Call::Publish,
            Guarantee::ExactlyOnce => Call::Commit,
        };
        worker.faults().add(Rule::new(call, Fault::full()));
        for number in 0..10 {
            state.numbers.put(number).await.unwrap();
        }
        cluster.settle().await;
        let mut noted = noted(&cluster).await;
        noted.sort_unstable();
        noted.dedup();
        assert_eq!(noted, (0..10).collect::<Vec<_>>());
        assert!(
            state.seen().len() > 10,
            "the epoch did fail: {:?}",
            state.seen()
        );
    });
}

#[test]
fn more_values_than_a_channel_has_room_for_pass_between_two_commits() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app_with(8, FailurePolicy::default());
        let settings = Settings {
            commit_interval: Duration::from_secs(60),
            ..settings(guarantee)
        };
        let worker = cluster.worker(app, settings);
        worker.handle().started().await.unwrap();
        let before = cluster.clock().monotonic();
        for number in 0..200 {
            state.numbers.put(number).await.unwrap();
        }
        assert!(cluster.clock().monotonic() - before < Duration::from_secs(10));
        cluster.settle().await;
        assert_eq!(state.seen(), (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn values_are_brought_together_by_key_through_the_log() {
    async fn count(
        State(counts): State<Table<String, u64>>,
        mut words: Stream<String>,
    ) -> faustus::Result {
        let counts = words.bind(&counts);
        while let Some(word) = words.next().await? {
            counts.update(word.as_str(), |count| *count += 1)?;
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("app");
        let words = app.channel::<String>("words");
        let counts = app.table("counts");
        let source = words
            .filter(|word| !word.is_empty())
            .codec(faustus::Json)
            .group_by_key("word", |word: &String| word.clone());
        let app = app
            .with_state(counts.clone())
            .agent("count", source, |a| a.table(&counts).run(count));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        for word in ["a", "b", "", "a"] {
            words.put(word.to_owned()).await.unwrap();
        }
        cluster.settle().await;
        let grouped = cluster.records("count-words-word-repartition").await;
        assert_eq!(grouped.len(), 3);
        let found = cluster.changelog::<String, u64>("app", "counts").await;
        assert_eq!(
            found,
            BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)])
        );
    });
}

#[test]
fn values_are_taken_together() {
    async fn sum(State(sums): State<Seen>, mut numbers: Stream<u64>) -> faustus::Result {
        while let Some(batch) = numbers.take(5, Duration::from_secs(1)).await? {
            sums.lock().push(batch.iter().map(|number| **number).sum());
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("app");
        let (numbers, sums) = (app.channel("numbers"), Seen::default());
        let app = app
            .with_state(Arc::clone(&sums))
            .agent("sum", &numbers, |a| a.run(sum));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        for number in 1..=7 {
            numbers.put(number).await.unwrap();
        }
        moment(&cluster).await;
        assert_eq!(*sums.lock(), [15, 13]);
    });
}

/// Faust's agents died of a rebalance that came while they waited on a channel.
#[test]
fn rebalance_while_an_agent_waits_on_a_channel() {
    for_seeds(async |cluster, guarantee| {
        let (first_app, first) = app();
        let _first = cluster.worker(first_app, settings(guarantee));
        cluster.settle().await;
        let (second_app, second) = app();
        let joined = cluster.worker(second_app, settings(guarantee));
        cluster.settle().await;
        joined.shutdown().await.unwrap();
        cluster.settle().await;
        first.numbers.put(1).await.unwrap();
        send(&cluster, [2]).await;
        cluster.settle().await;
        let mut all = [first.seen(), second.seen()].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

#[test]
fn channels_go_on_when_the_group_forgot_the_worker() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app();
        let worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        let shut = state.shut();
        for number in 0..5 {
            state.numbers.put(number).await.unwrap();
        }
        moment(&cluster).await;
        worker.freeze();
        cluster.sleep(Duration::from_secs(120)).await;
        worker.thaw();
        moment(&cluster).await;
        drop(shut);
        cluster.settle().await;
        let mut noted = noted(&cluster).await;
        noted.dedup();
        assert_eq!(noted, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn nobody_needs_a_source_in_the_log_to_use_a_channel() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("app");
        let state = Numbers::new(&app);
        let (results, said) = (app.channel("results"), app.topic::<u64>("noted"));
        let app = app
            .with_state(state.clone())
            .agent("note", &state.numbers, |a| {
                a.sink(&results).sink(&said).run(note)
            });
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        state.numbers.put(7).await.unwrap();
        assert_eq!(results.get().await.unwrap(), Some(7));
        cluster.settle().await;
        assert_eq!(noted(&cluster).await, [7]);
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
        assert_eq!(
            results.get().await.unwrap(),
            None,
            "the application has ended"
        );
    });
}
