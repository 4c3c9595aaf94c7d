//! Where replies go: topics, agents, channels and functions.

mod overlapping;

use std::{pin::Pin, sync::Arc, time::Duration};

use faustus::{Ended, FailurePolicy, Offset, prelude::*, testing::Cluster};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::scenario::{check_parked, for_seeds, settings};

/// What was done, in this order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// Replies each number, and says when it is done with one.
async fn reply(State(diary): State<Diary>, mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        number.reply(*number);
        diary.note(format!("agent {}", *number));
    }
    Ok(())
}

/// A function that notes replies, and fails at 13 as often as it is told to.
fn noting(
    diary: &Diary,
    failures: usize,
) -> impl Fn(u64) -> faustus::Result + Send + Sync + 'static {
    let (diary, left) = (diary.clone(), Mutex::new(failures));
    move |number| {
        diary.note(format!("function {number}"));
        let mut left = left.lock();
        if number == 13 && *left > 0 {
            *left -= 1;
            return Err(std::io::Error::other("told to fail").into());
        }
        Ok(())
    }
}

/// An application whose agent replies to the topic `said` and to `function`.
fn app<M>(
    diary: &Diary,
    policy: FailurePolicy,
    function: impl faustus::Sink<u64, M>,
) -> App<Diary> {
    let app = App::new("app");
    let numbers = app.topic::<u64>("numbers").partitions(1);
    let to = app.topic::<u64>("said").partitions(1);
    app.with_state(diary.clone()).agent("reply", &numbers, |a| {
        a.sink(&to).sink(function).on_failure(policy).run(reply)
    })
}

async fn send(cluster: &Cluster, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        cluster.send("numbers", "key", &number).await;
    }
}

async fn said(cluster: &Cluster) -> Vec<u64> {
    let records = cluster.records("said").await;
    records.iter().map(|record| record.json()).collect()
}

async fn moment(cluster: &Cluster) {
    cluster.sleep(Duration::from_secs(3)).await;
}

fn retry() -> FailurePolicy {
    FailurePolicy::retry(5, Duration::from_millis(10)).then_park()
}

#[test]
fn a_reply_goes_to_sinks_of_every_kind() {
    async fn double(mut numbers: Stream<u64, u64>) -> faustus::Result {
        while let Some(number) = numbers.next().await? {
            number.reply(*number * 2);
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("app");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let to = app.topic::<u64>("said").partitions(1);
        let doubled = app.topic::<u64>("doubled").partitions(1);
        let to_double = app.agent_topic::<u64>("double").partitions(1);
        let doubler = to_double.agent::<u64>();
        let channel = app.channel::<u64>("channel");
        let diary = Diary::default();
        let (noting, slowly) = (noting(&diary, 0), diary.clone());
        let slowly = move |number: u64| {
            let diary = slowly.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                diary.note(format!("async {number}"));
            }
        };
        let app = app
            .agent("double", &to_double, |a| a.sink(&doubled).run(double))
            .with_state(diary.clone())
            .agent("reply", &numbers, |a| {
                a.sink(&to)
                    .sink(&doubler)
                    .sink(slowly)
                    .sink(noting)
                    .sink(&channel)
                    .run(reply)
            });
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 2]).await;
        assert_eq!(channel.get().await.unwrap(), Some(1));
        assert_eq!(channel.get().await.unwrap(), Some(2));
        cluster.settle().await;
        assert_eq!(said(&cluster).await, [1, 2]);
        let doubled = cluster.records("doubled").await;
        assert_eq!(
            doubled.iter().map(|r| r.json()).collect::<Vec<u64>>(),
            [2, 4]
        );
        assert!(
            doubled
                .iter()
                .all(|record| record.key.as_deref() == Some(b"key")),
            "keys are kept"
        );
        assert_eq!(
            diary.take(),
            [
                "agent 1",
                "async 1",
                "function 1",
                "agent 2",
                "async 2",
                "function 2"
            ],
            "functions are called one after the other, when the agent is done with the event"
        );
    });
}

#[test]
fn a_function_that_fails_fails_the_event() {
    for_seeds(async |cluster, guarantee| {
        let diary = Diary::default();
        let app = app(&diary, retry(), noting(&diary, 2));
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 13, 2]).await;
        cluster.settle().await;
        assert_eq!(
            said(&cluster).await,
            [1, 13, 2],
            "what failed attempts replied is taken back"
        );
        let thirteens = diary
            .take()
            .iter()
            .filter(|line| line.ends_with(" 13"))
            .count();
        assert_eq!(thirteens, 6, "agent and function do it again together");
    });
}

#[test]
fn a_function_that_always_fails_meets_the_policy_of_the_agent() {
    for_seeds(async |cluster, guarantee| {
        let diary = Diary::default();
        let app = app(&diary, FailurePolicy::skip(), noting(&diary, usize::MAX));
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 13, 2]).await;
        cluster.settle().await;
        assert_eq!(said(&cluster).await, [1, 2]);
    });
    for_seeds(async |cluster, guarantee| {
        let diary = Diary::default();
        let app = app(&diary, FailurePolicy::park(), noting(&diary, usize::MAX));
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 13, 2]).await;
        moment(&cluster).await;
        check_parked(&worker, "sink: told to fail").await;
    });
}

#[test]
fn a_function_that_panics_fails_the_event() {
    for_seeds(async |cluster, guarantee| {
        let diary = Diary::default();
        let panics = |number: u64| assert!(number != 13, "told to panic");
        let app = app(&diary, FailurePolicy::skip(), panics);
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 13, 2]).await;
        cluster.settle().await;
        assert_eq!(said(&cluster).await, [1, 2]);
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
    });
}

/// A function that waits for a permit for each reply.
fn gated(gate: &Arc<Semaphore>) -> impl Fn(u64) -> Waiting + Send + Sync + 'static {
    let gate = Arc::clone(gate);
    move |_| {
        let gate = Arc::clone(&gate);
        Box::pin(async move { gate.acquire().await.unwrap().forget() })
    }
}

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

#[test]
fn an_event_is_not_complete_before_its_functions_are() {
    for_seeds(async |cluster, guarantee| {
        let (diary, gate) = (Diary::default(), Arc::new(Semaphore::new(1)));
        let worker = cluster.worker(app(&diary, retry(), gated(&gate)), settings(guarantee));
        send(&cluster, [1, 2, 3]).await;
        moment(&cluster).await;
        assert_eq!(said(&cluster).await, [1]);
        assert_eq!(
            diary.take(),
            ["agent 1", "agent 2"],
            "the agent waits for its function"
        );
        worker.crash();
        let gate = Arc::new(Semaphore::new(10));
        let _second = cluster.worker(app(&diary, retry(), gated(&gate)), settings(guarantee));
        cluster.settle().await;
        assert_eq!(said(&cluster).await, [1, 2, 3]);
        assert_eq!(
            diary.take(),
            ["agent 2", "agent 3"],
            "what was not complete is done again"
        );
    });
}

#[test]
fn a_shutdown_waits_for_functions() {
    for_seeds(async |cluster, guarantee| {
        let (diary, gate) = (Diary::default(), Arc::new(Semaphore::new(0)));
        let worker = cluster.worker(app(&diary, retry(), gated(&gate)), settings(guarantee));
        send(&cluster, [1]).await;
        moment(&cluster).await;
        worker.handle().shutdown();
        cluster.sleep(Duration::from_secs(2)).await;
        gate.add_permits(1);
        assert_eq!(worker.ended().await.unwrap(), Ended::Drained);
        assert_eq!(said(&cluster).await, [1]);
    });
}

#[test]
fn an_agent_that_returns_has_its_functions_called() {
    async fn once(State(diary): State<Diary>, mut numbers: Stream<u64, u64>) -> faustus::Result {
        if let Some(number) = numbers.next().await? {
            number.reply(*number);
            diary.note(format!("agent {}", *number));
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let diary = Diary::default();
        let app = App::new("app");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let to = app.topic::<u64>("said").partitions(1);
        let app = app.with_state(diary.clone()).agent("once", &numbers, |a| {
            a.sink(&to)
                .sink(noting(&diary, 1))
                .on_failure(retry())
                .run(once)
        });
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 13]).await;
        cluster.settle().await;
        assert_eq!(
            diary.take(),
            [
                "agent 1",
                "function 1",
                "agent 13",
                "function 13",
                "agent 13",
                "function 13"
            ]
        );
        assert_eq!(said(&cluster).await, [1, 13]);
    });
}

#[test]
fn functions_are_called_for_each_reply_of_each() {
    for_seeds(async |cluster, guarantee| {
        let diary = Diary::default();
        let app = App::new("app");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let app = app.agent("double", &numbers, |a| {
            a.sink(noting(&diary, 0))
                .each(async |number: u64| Ok(number * 2))
        });
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 2]).await;
        cluster.settle().await;
        assert_eq!(diary.take(), ["function 2", "function 4"]);
    });
}
