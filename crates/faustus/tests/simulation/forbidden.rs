//! Records for a topic that the log forbids after their event completed, and permissions that lack
//! whatever an event does.

use std::{collections::BTreeMap, time::Duration};

use faustus::{
    FailurePolicy, Guarantee, TaskState, TaskStatus, Timestamp,
    prelude::*,
    testing::{Cluster, TestWorker},
};
use faustus_core::{GroupError, Offset, TopicPartition, TransportError};
use faustus_log::{Call, Fault, Rule};

use crate::{
    common::flow::expect,
    scenario::{check_parked, counts, flow, for_seeds, said, send, settings},
};

#[derive(Clone)]
struct Desk {
    counts: Table<String, u64>,
    open: Topic<String>,
    closed: Topic<String>,
}

/// Counts what comes, and passes it on: what begins with a `c` to the closed topic, too.
async fn sort(State(desk): State<Desk>, mut events: Stream<String>) -> faustus::Result {
    let counts = events.bind(&desk.counts);
    while let Some(event) = events.next().await? {
        counts.update(&**event, |count| *count += 1)?;
        event.send(&desk.open, &**event, &event)?;
        if event.starts_with('c') {
            event.send(&desk.closed, &**event, &event)?;
        }
        tokio::time::sleep(Duration::from_millis(event.len() as u64)).await;
    }
    Ok(())
}

fn desk(policy: FailurePolicy) -> App<Desk> {
    let app = App::new("desk");
    let events = app.topic::<String>("events").partitions(1);
    let counts = app.table("counts");
    let state = Desk {
        counts: counts.clone(),
        open: app.topic("open").partitions(2),
        closed: app.topic("closed").partitions(1),
    };
    app.with_state(state).agent("sort", &events, |a| {
        a.table(&counts).on_failure(policy).run(sort)
    })
}

const EVENTS: [&str; 7] = ["aa", "b", "closed", "aa", "cc", "b", "d"];

/// A worker with its events, and where those are that send to the forbidden topic.
async fn start(
    cluster: &Cluster,
    policy: FailurePolicy,
    guarantee: Guarantee,
) -> (TestWorker, Vec<(TopicPartition, Offset)>) {
    let worker = cluster.worker(desk(policy), settings(guarantee));
    forbid(&worker);
    let mut bad = Vec::new();
    for event in EVENTS {
        let json = format!("{event:?}");
        let sent = cluster.send_bytes("events", Some(b"k"), Some(json.as_bytes()), Timestamp(1));
        let place = sent.await;
        if event.starts_with('c') {
            bad.push(place);
        }
    }
    (worker, bad)
}

fn forbid(worker: &TestWorker) {
    let refuse = Rule::new(Call::Publish, Fault::refuse("closed")).always();
    worker.faults().add(refuse);
}

/// How often each event came through to a topic.
async fn came(cluster: &Cluster, topic: &str) -> BTreeMap<String, u64> {
    let mut came = BTreeMap::new();
    for record in cluster.records(topic).await {
        *came.entry(record.json()).or_default() += 1;
    }
    came
}

/// The table and its changelog count these events, all of which came through, once if that is promised.
async fn check_counted(
    cluster: &Cluster,
    worker: &TestWorker,
    guarantee: Guarantee,
    expected: &[(&str, u64)],
) {
    let expected = expect(expected);
    assert_eq!(worker.table::<String, u64>("counts").await, expected);
    let changelog = cluster.changelog::<String, u64>("desk", "counts").await;
    assert_eq!(changelog, expected);
    let mut open = came(cluster, "open").await;
    if guarantee == Guarantee::AtLeastOnce {
        // What leaves before its epoch may leave twice, and before it is known what it leads to.
        open.retain(|event, _| expected.contains_key(event));
        for (event, times) in &mut open {
            assert!(*times >= expected[event], "{event}: {times}");
            *times = expected[event];
        }
    }
    assert_eq!(open, expected);
}

const GOOD: [(&str, u64); 3] = [("aa", 2), ("b", 2), ("d", 1)];
const ALL: [(&str, u64); 5] = [("aa", 2), ("b", 2), ("cc", 1), ("closed", 1), ("d", 1)];

fn retry(max: u32) -> FailurePolicy {
    FailurePolicy::retry(max, Duration::from_millis(100))
}

#[test]
fn an_event_that_sends_to_a_forbidden_topic_is_skipped_alone() {
    for_seeds(async |cluster, guarantee| {
        let (worker, _) = start(&cluster, FailurePolicy::skip(), guarantee).await;
        cluster.settle().await;
        check_counted(&cluster, &worker, guarantee, &GOOD).await;
        assert!(came(&cluster, "closed").await.is_empty());
    });
}

#[test]
fn a_record_is_passed_over_whenever_that_is_asked() {
    for policy in [retry(3), FailurePolicy::park()] {
        for_seeds(async |cluster, guarantee| {
            let (worker, bad) = start(&cluster, policy.clone(), guarantee).await;
            worker.faults().delay_all(Duration::from_millis(20));
            // Before it comes, in flight, completed, about to be refused, parked.
            let moment = Duration::from_millis(cluster.seed() * 11);
            cluster.sleep(moment).await;
            for (partition, offset) in &bad {
                worker.handle().skip(partition, *offset);
            }
            cluster.settle().await;
            check_counted(&cluster, &worker, guarantee, &GOOD).await;
        });
    }
}

#[test]
fn an_event_that_sends_to_a_forbidden_topic_is_parked_until_it_is_skipped() {
    for policy in [retry(3), FailurePolicy::park()] {
        for_seeds(async |cluster, guarantee| {
            let (worker, bad) = start(&cluster, policy.clone(), guarantee).await;
            for (partition, offset) in &bad {
                cluster.settle().await;
                check_parked(&worker, "closed is forbidden").await;
                worker.handle().skip(partition, *offset);
            }
            cluster.settle().await;
            check_counted(&cluster, &worker, guarantee, &GOOD).await;
            assert!(came(&cluster, "closed").await.is_empty());
        });
    }
}

#[test]
fn what_came_before_an_event_that_is_parked_for_a_forbidden_topic_is_stored() {
    for policy in [retry(3), FailurePolicy::park()] {
        for_seeds(async |cluster, guarantee| {
            let (worker, _) = start(&cluster, policy.clone(), guarantee).await;
            cluster.settle().await;
            check_parked(&worker, "closed is forbidden").await;
            let before = [("aa", 1), ("b", 1)];
            check_counted(&cluster, &worker, guarantee, &before).await;
        });
    }
}

#[test]
fn a_parked_event_goes_on_when_its_topic_is_permitted() {
    for policy in [retry(3), FailurePolicy::park()] {
        for_seeds(async |cluster, guarantee| {
            let (worker, _) = start(&cluster, policy.clone(), guarantee).await;
            cluster.settle().await;
            check_parked(&worker, "closed is forbidden").await;
            worker.faults().clear();
            worker.handle().resume();
            cluster.settle().await;
            check_counted(&cluster, &worker, guarantee, &ALL).await;
            let closed = came(&cluster, "closed").await;
            assert_eq!(closed, expect(&[("cc", 1), ("closed", 1)]));
        });
    }
}

#[test]
fn an_event_that_is_tried_again_goes_through_when_its_topic_is_permitted_in_time() {
    for_seeds(async |cluster, guarantee| {
        let (worker, _) = start(&cluster, retry(100), guarantee).await;
        cluster.sleep(Duration::from_secs(3)).await;
        worker.faults().clear();
        cluster.settle().await;
        check_counted(&cluster, &worker, guarantee, &ALL).await;
        let closed = came(&cluster, "closed").await;
        assert_eq!(closed, expect(&[("cc", 1), ("closed", 1)]));
    });
}

/// The worker stands still and says why, tries nothing meanwhile, and is whole after `resume`.
async fn waits_for_permission(call: Call, fault: Fault, guarantee: Guarantee, cluster: Cluster) {
    let worker = cluster.worker(flow(), settings(guarantee));
    send(&cluster, &["a", "b"]).await;
    cluster.settle().await;
    // A producer that is at its end is made anew.
    worker.faults().add(Rule::new(call, fault).always());
    if call == Call::Producer {
        let fenced = TransportError::Fenced("injected".into());
        let lost = Rule::new(Call::Publish, Fault::Before(fenced));
        worker.faults().add(lost);
    }
    send(&cluster, &["a", "c"]).await;
    cluster.sleep(Duration::from_secs(10)).await;
    check_parked(&worker, "injected").await;
    let tried = worker.faults().seen(call);
    cluster.sleep(Duration::from_secs(60)).await;
    assert_eq!(worker.faults().seen(call), tried, "in vain");
    if guarantee == Guarantee::ExactlyOnce {
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
    }
    worker.faults().clear();
    worker.handle().resume();
    cluster.settle().await;
    let parked = |task: &TaskStatus| matches!(task.state, TaskState::Parked(_));
    let status = worker.status().await;
    assert!(!status.iter().any(parked), "{status:?}");
    let expected = expect(&[("a", 2), ("b", 1), ("c", 1)]);
    assert_eq!(counts(&cluster).await, expected);
    if guarantee == Guarantee::ExactlyOnce {
        assert_eq!(said(&cluster).await, 4);
    }
}

#[test]
fn a_worker_that_may_store_nothing_parks_and_says_so() {
    let denied = GroupError::Transport(TransportError::Unauthorized("injected".into()));
    for_seeds(async |cluster, guarantee| {
        waits_for_permission(Call::Publish, Fault::forbidden(), guarantee, cluster).await;
    });
    for_seeds(async |cluster, guarantee| {
        let (call, fault) = match guarantee {
            Guarantee::AtLeastOnce => (Call::CommitOffsets, Fault::Answer(denied.clone())),
            Guarantee::ExactlyOnce => (Call::Commit, Fault::forbidden()),
        };
        waits_for_permission(call, fault, guarantee, cluster).await;
    });
    for_seeds(async |cluster, guarantee| {
        waits_for_permission(Call::Producer, Fault::forbidden(), guarantee, cluster).await;
    });
}
