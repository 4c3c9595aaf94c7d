//! Events that overlap: `manual`, `detach` and `unordered`; and `each`.

use std::{sync::Arc, time::Duration};

use faustus::{FailurePolicy, Guarantee, ManualEvent, prelude::*, testing::Cluster};
use parking_lot::Mutex;

use crate::scenario::{check_parked, for_seeds, settings};

/// Events that the program keeps, to end them when it likes.
type Kept = Arc<Mutex<Vec<ManualEvent<u64, u64>>>>;

async fn keep(State(kept): State<Kept>, numbers: Stream<u64, u64>) -> faustus::Result {
    let mut numbers = numbers.manual();
    while let Some(mut number) = numbers.next().await? {
        let value = *number;
        number.reply(value);
        kept.lock().push(number);
    }
    Ok(())
}

fn app(kept: &Kept, policy: FailurePolicy) -> App<Kept> {
    let app = App::new("keeper");
    let numbers = app.topic::<u64>("numbers").partitions(1);
    let done = app.topic::<u64>("done").partitions(1);
    app.with_state(Arc::clone(kept))
        .agent("keep", &numbers, |a| {
            a.sink(&done).on_failure(policy).run(keep)
        })
}

async fn send(cluster: &Cluster, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        cluster.send("numbers", "", &number).await;
    }
}

async fn told(cluster: &Cluster) -> Vec<u64> {
    let records = cluster.records("done").await;
    records.iter().map(|record| record.json()).collect()
}

async fn moment(cluster: &Cluster) {
    cluster.sleep(Duration::from_secs(3)).await;
}

#[test]
fn events_acknowledged_in_any_order_are_stored_in_that_of_the_log() {
    for_seeds(async |cluster, guarantee| {
        let kept = Kept::default();
        let _worker = cluster.worker(app(&kept, FailurePolicy::skip()), settings(guarantee));
        send(&cluster, 0..5).await;
        moment(&cluster).await;
        assert_eq!(kept.lock().len(), 5, "all are in flight at once");
        let mut events: Vec<_> = kept.lock().drain(..).collect();
        let first = events.remove(0);
        events.into_iter().rev().for_each(ManualEvent::ack);
        moment(&cluster).await;
        assert_eq!(
            told(&cluster).await,
            [0_u64; 0],
            "the first one is in flight"
        );
        first.ack();
        cluster.settle().await;
        assert_eq!(told(&cluster).await, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn an_event_dropped_without_a_verdict_comes_again() {
    for_seeds(async |cluster, guarantee| {
        let kept = Kept::default();
        let policy = FailurePolicy::default();
        let _worker = cluster.worker(app(&kept, policy), settings(guarantee));
        send(&cluster, 0..3).await;
        moment(&cluster).await;
        let mut events: Vec<_> = kept.lock().drain(..).collect();
        drop(events.remove(1));
        events.into_iter().for_each(ManualEvent::ack);
        moment(&cluster).await;
        assert_eq!(kept.lock().len(), 1);
        kept.lock().drain(..).for_each(ManualEvent::ack);
        cluster.settle().await;
        assert_eq!(told(&cluster).await, [0, 1, 2]);
    });
}

#[test]
fn an_event_that_failed_meets_the_policy_of_its_agent() {
    for_seeds(async |cluster, guarantee| {
        let kept = Kept::default();
        let _worker = cluster.worker(app(&kept, FailurePolicy::skip()), settings(guarantee));
        send(&cluster, 0..3).await;
        moment(&cluster).await;
        let mut events: Vec<_> = kept.lock().drain(..).collect();
        events.remove(1).nack(std::io::Error::other("no"));
        events.into_iter().for_each(ManualEvent::ack);
        cluster.settle().await;
        assert_eq!(told(&cluster).await, [0, 2]);
    });
}

#[test]
fn what_had_no_verdict_when_the_worker_died_is_done_again() {
    for_seeds(async |cluster, guarantee| {
        let kept = Kept::default();
        let first = cluster.worker(app(&kept, FailurePolicy::skip()), settings(guarantee));
        send(&cluster, 0..4).await;
        moment(&cluster).await;
        let mut events: Vec<_> = kept.lock().drain(..).collect();
        let late = events.split_off(2);
        events.into_iter().for_each(ManualEvent::ack);
        moment(&cluster).await;
        first.crash();
        let again = Kept::default();
        let _second = cluster.worker(app(&again, FailurePolicy::skip()), settings(guarantee));
        // Of a task that is gone nobody hears this.
        late.into_iter().for_each(ManualEvent::ack);
        cluster.sleep(Duration::from_secs(60)).await;
        let numbers: Vec<u64> = again.lock().iter().map(|event| **event).collect();
        assert!(numbers.ends_with(&[2, 3]), "{numbers:?}");
        again.lock().drain(..).for_each(ManualEvent::ack);
        cluster.settle().await;
        let done = told(&cluster).await;
        if guarantee == Guarantee::ExactlyOnce {
            assert_eq!(done, [0, 1, 2, 3]);
        } else {
            assert!(done.ends_with(&[2, 3]), "{done:?}");
        }
    });
}

#[test]
fn a_worker_that_ends_waits_for_verdicts_of_events_that_left_the_loop() {
    for_seeds(async |cluster, guarantee| {
        let kept = Kept::default();
        let worker = cluster.worker(app(&kept, FailurePolicy::skip()), settings(guarantee));
        send(&cluster, 0..3).await;
        moment(&cluster).await;
        worker.handle().shutdown();
        cluster.sleep(Duration::from_secs(5)).await;
        kept.lock().drain(..).for_each(ManualEvent::ack);
        assert_eq!(worker.ended().await.unwrap(), faustus::Ended::Drained);
        assert_eq!(told(&cluster).await, [0, 1, 2]);
    });
}

#[test]
fn an_agent_with_tables_cannot_let_events_leave_the_loop() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("keeper");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let done = app.topic::<u64>("done").partitions(1);
        let table = app.table::<String, u64>("t");
        let app = app
            .with_state(Kept::default())
            .agent("keep", &numbers, |a| a.table(&table).sink(&done).run(keep));
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1]).await;
        cluster.sleep(Duration::from_secs(60)).await;
        check_parked(&worker, "writes table t").await;
    });
}

#[test]
fn unordered_lanes_overtake_and_store_in_order() {
    async fn slow(mut numbers: Stream<u64, u64>) -> faustus::Result {
        while let Some(number) = numbers.next().await? {
            let wait = if *number == 0 { 900 } else { 100 };
            tokio::time::sleep(Duration::from_millis(wait)).await;
            number.reply(*number);
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("slow");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let done = app.topic::<u64>("done").partitions(1);
        let app = app.agent("slow", &numbers, |a| a.unordered(4).sink(&done).run(slow));
        let _worker = cluster.worker(app, settings(guarantee));
        let start = cluster.clock().monotonic();
        send(&cluster, 0..20).await;
        cluster.settle().await;
        let took = cluster.clock().monotonic() - start;
        assert!(took < Duration::from_millis(2800), "{took:?}");
        assert_eq!(told(&cluster).await, (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn a_function_for_each_event_replies_what_it_gives_and_fails_as_an_agent_does() {
    async fn half(State(by): State<u64>, number: u64) -> faustus::Result<u64> {
        if !number.is_multiple_of(by) {
            return Err(std::io::Error::other("odd").into());
        }
        Ok(number / by)
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("halves").with_state(2_u64);
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let done = app.topic::<u64>("done").partitions(1);
        let app = app.agent("half", &numbers, |a| {
            a.sink(&done).on_failure(FailurePolicy::skip()).each(half)
        });
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [2, 3, 4]).await;
        cluster.settle().await;
        assert_eq!(told(&cluster).await, [1, 2]);
    });
}
