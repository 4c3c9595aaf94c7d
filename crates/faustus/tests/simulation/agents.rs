//! What people do with running agents: look at them, restart them, pause them.

use std::{sync::Arc, time::Duration};

use faustus::{
    FailurePolicy, LaneState, LaneStatus, MemoryLog, TaskState, TokioClock, TopicPartition,
    testing::TestWorker,
};
use faustus_core::{Clock, Offset, Transport};
use faustus_log::{Call, Fault, Rule};

use crate::{
    common::{
        Running, check,
        flow::{self, Controls, expect},
        until,
    },
    scenario::{bank, counts, flow_with, for_seeds, said, send, sent, settings},
};

const PARTITION: (&str, u32) = ("flow-events", 0);

async fn only_lane(worker: &TestWorker) -> LaneStatus {
    let mut lanes = worker.handle().agents().await.unwrap();
    assert_eq!(lanes.len(), 1, "{lanes:?}");
    lanes.remove(0)
}

fn place(offset: i64) -> (TopicPartition, Offset) {
    (
        TopicPartition::new(PARTITION.0, PARTITION.1),
        Offset(offset),
    )
}

#[test]
fn the_status_of_a_lane_tells_what_it_does_and_since_when() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        let policy = FailurePolicy::retry(1, Duration::from_secs(7));
        let worker = cluster.worker(flow_with(&controls, 1, policy), settings(guarantee));
        cluster.sleep(Duration::from_secs(5)).await;
        let lane = only_lane(&worker).await;
        assert_eq!((&*lane.agent, lane.lane, lane.taken), ("flow-count", 0, 0));
        assert_eq!(lane.task.to_string(), "flow-count/0");
        assert_eq!(lane.state, LaneState::Waiting);

        controls.close("held");
        let sent = cluster.clock().now();
        send(&cluster, &["a", "held"]).await;
        cluster.sleep(Duration::from_secs(5)).await;
        let lane = only_lane(&worker).await;
        let LaneState::InEvent {
            partition,
            offset,
            since,
        } = lane.state
        else {
            panic!("{lane:?}")
        };
        assert_eq!((partition, offset), place(1));
        assert!(
            (0..1000).contains(&(since.0 - sent.0)),
            "{since:?} after {sent:?}"
        );
        assert_eq!(lane.taken, 2);
        controls.open("held");
        cluster.settle().await;

        controls.fail("bad", 2);
        send(&cluster, &["bad"]).await;
        cluster.sleep(Duration::from_secs(3)).await;
        let now = cluster.clock().now();
        let LaneState::Retrying {
            record,
            failures,
            error,
            at,
        } = only_lane(&worker).await.state
        else {
            panic!("it waits for its attempt")
        };
        assert_eq!((record, failures), (Some(place(2)), 1));
        assert_eq!(error, "told to fail");
        assert!(
            (2000..7000).contains(&(at.0 - now.0)),
            "{at:?} after {now:?}"
        );

        cluster.sleep(Duration::from_secs(10)).await;
        let parked = only_lane(&worker).await.state;
        let expected = LaneState::Parked {
            reason: "agent flow-count failed: told to fail".to_owned(),
            record: Some(place(2)),
        };
        assert_eq!(parked, expected);

        worker.handle().resume();
        cluster.settle().await;
        worker.handle().pause_agent("flow-count").unwrap();
        cluster.sleep(Duration::from_millis(1)).await;
        assert_eq!(only_lane(&worker).await.state, LaneState::Paused);
    });
}

#[test]
fn lanes_are_told_by_agent_task_and_number() {
    for_seeds(async |cluster, guarantee| {
        let app = flow::app("flow", &Controls::default(), 2, 3);
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        let lanes = worker.handle().agents().await.unwrap();
        let places: Vec<_> = lanes
            .iter()
            .map(|lane| (lane.task.partition, lane.lane))
            .collect();
        assert_eq!(places, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
    });
}

#[test]
fn threads_that_do_not_answer_are_spoken_for_after_a_second() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        let app = flow_with(&controls, 2, FailurePolicy::default());
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        worker.block_threads();
        let before = cluster.clock().monotonic();
        let lanes = worker.handle().agents().await.unwrap();
        let states: Vec<_> = lanes.into_iter().map(|lane| lane.state).collect();
        assert_eq!(states, [LaneState::Blocked, LaneState::Blocked]);
        let status = worker.status().await;
        assert_eq!(status[0].state, TaskState::Blocked);
        let took = cluster.clock().monotonic() - before;
        assert!(took <= Duration::from_secs(3), "{took:?}");
        worker.thaw();
        cluster.settle().await;
        assert_eq!(worker.status().await[0].state, TaskState::Idle);
    });
}

/// On real threads, since a lane that blocks one would block a whole simulation.
#[tokio::test(flavor = "multi_thread")]
async fn the_lane_that_blocks_its_thread_is_named() {
    let clock = Arc::new(TokioClock::real());
    let log: Arc<dyn Transport> = Arc::new(MemoryLog::new(Arc::clone(&clock) as _, 1));
    let controls = Controls::default();
    let worker = Running::start(
        flow::app("flow", &controls, 2, 1),
        &log,
        faustus::Settings {
            threads: 1,
            ..Default::default()
        },
    )
    .await;
    let before = clock.now();
    controls.block("wall");
    let outside = crate::common::Outside::new(&log);
    outside
        .send("flow-events", [("wall", "\"event\"".to_owned())])
        .await;
    let lanes = until(async || {
        let lanes = worker.handle.agents().await.unwrap();
        let blocks = |lane: &LaneStatus| matches!(lane.state, LaneState::Blocking { .. });
        check(lanes.iter().any(blocks), &lanes).map(|()| lanes)
    })
    .await;
    let since = lanes.iter().find_map(|lane| match lane.state {
        LaneState::Blocking { since } => Some(since),
        _ => None,
    });
    // The two clocks are read one after the other.
    assert!(since.unwrap().0 >= before.0 - 2);
    let blocked = |lane: &&LaneStatus| lane.state == LaneState::Blocked;
    assert_eq!(lanes.iter().filter(blocked).count(), 1, "{lanes:?}");
    // Also while the worker waits for it to come to its end.
    worker.handle.shutdown();
    let again = worker.handle.agents().await.unwrap();
    let blocking = |lanes: &[LaneStatus]| {
        lanes
            .iter()
            .position(|lane| matches!(lane.state, LaneState::Blocking { .. }))
    };
    assert_eq!(blocking(&again), blocking(&lanes));
    controls.unblock("wall");
    worker.ended().await;
}

#[test]
fn a_restarted_agent_gives_what_it_had_in_hand_to_a_new_instance() {
    for lanes in [1, 3] {
        for_seeds(async |cluster, guarantee| {
            let controls = Controls::default();
            controls.close("held");
            let app = flow_with(&controls, lanes, FailurePolicy::default());
            let worker = cluster.worker(app, settings(guarantee));
            send(&cluster, &["a", "held", "b", "held"]).await;
            cluster.sleep(Duration::from_secs(1)).await;
            assert_eq!(controls.in_flight(), ["held"]);
            worker.handle().restart_agent("flow-count").unwrap();
            cluster.sleep(Duration::from_secs(1)).await;
            assert_eq!(controls.in_flight(), ["held"], "a new instance has it");
            controls.open("held");
            worker.handle().restart_agent("flow-count").unwrap();
            cluster.settle().await;
            let all = expect(&[("a", 1), ("b", 1), ("held", 2)]);
            assert_eq!(counts(&cluster).await, all);
            assert_eq!(said(&cluster).await, 4);
        });
    }
}

#[test]
fn agents_restarted_at_any_moment_lose_and_double_nothing() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        let app = flow_with(&controls, 3, FailurePolicy::default());
        let worker = cluster.worker(app, settings(guarantee));
        let keys: Vec<String> = (0..40).map(|i| format!("k{i}")).collect();
        for (i, key) in keys.iter().enumerate() {
            if i % 5 == 0 {
                controls.close(key);
            }
        }
        for some in keys.chunks(8) {
            send(&cluster, some).await;
            cluster
                .sleep(Duration::from_millis(cluster.seed() * 7 % 40))
                .await;
            worker.handle().restart_agent("flow-count").unwrap();
            some.iter().for_each(|key| controls.open(key));
        }
        cluster.settle().await;
        flow::check_once(&cluster, "flow", &keys).await;
    });
}

#[test]
fn a_restart_neither_unparks_nor_hurries_what_failed() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        controls.fail("bad", 2);
        let policy = FailurePolicy::retry(1, Duration::from_secs(60));
        let worker = cluster.worker(flow_with(&controls, 1, policy), settings(guarantee));
        send(&cluster, &["bad", "b"]).await;
        cluster.sleep(Duration::from_secs(5)).await;
        worker.handle().restart_agent("flow-count").unwrap();
        cluster.sleep(Duration::from_secs(5)).await;
        let lane = only_lane(&worker).await;
        assert!(matches!(lane.state, LaneState::Retrying { .. }), "{lane:?}");
        cluster.sleep(Duration::from_secs(60)).await;
        worker.handle().restart_agent("flow-count").unwrap();
        cluster.sleep(Duration::from_secs(60)).await;
        let lane = only_lane(&worker).await;
        assert!(matches!(lane.state, LaneState::Parked { .. }), "{lane:?}");
        worker.handle().resume();
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("bad", 1), ("b", 1)]));
    });
}

#[test]
fn a_paused_agent_finishes_what_it_has_and_takes_nothing_until_it_is_resumed() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        controls.close("held");
        let app = flow_with(&controls, 1, FailurePolicy::default());
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, &["a", "held", "b"]).await;
        cluster.sleep(Duration::from_secs(1)).await;
        worker.handle().pause_agent("flow-count").unwrap();
        cluster.sleep(Duration::from_millis(1)).await;
        controls.open("held");
        cluster.sleep(Duration::from_secs(5)).await;
        assert_eq!(controls.done(), ["a", "held"]);
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("held", 1)]));
        worker.handle().resume_agent("flow-count").unwrap();
        cluster.settle().await;
        let all = expect(&[("a", 1), ("b", 1), ("held", 1)]);
        assert_eq!(counts(&cluster).await, all);
    });
}

#[test]
fn a_paused_agent_that_is_restarted_gives_up_what_it_had_in_hand() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        controls.close("held");
        let app = flow_with(&controls, 1, FailurePolicy::default());
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, &["a", "held", "b"]).await;
        cluster.sleep(Duration::from_secs(1)).await;
        worker.handle().pause_agent("flow-count").unwrap();
        worker.handle().restart_agent("flow-count").unwrap();
        cluster.sleep(Duration::from_secs(5)).await;
        assert!(controls.in_flight().is_empty());
        assert_eq!(only_lane(&worker).await.state, LaneState::Paused);
        // A worker that ends now has not done it, and the next one does.
        worker.shutdown().await.unwrap();
        controls.open("held");
        let app = flow_with(&controls, 1, FailurePolicy::default());
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        let all = expect(&[("a", 1), ("b", 1), ("held", 1)]);
        assert_eq!(counts(&cluster).await, all);
    });
}

#[test]
fn an_agent_stays_paused_in_tasks_that_come_later() {
    for_seeds(async |cluster, guarantee| {
        let controls = Controls::default();
        let app = || flow::app("flow", &controls, 4, 1);
        let first = cluster.worker(app(), settings(guarantee));
        let second = cluster.worker(app(), settings(guarantee));
        send(&cluster, &["a"]).await;
        cluster.settle().await;
        first.handle().pause_agent("flow-count").unwrap();
        second.crash();
        cluster.sleep(Duration::from_secs(60)).await;
        let lanes = first.handle().agents().await.unwrap();
        let paused = |lane: &LaneStatus| lane.state == LaneState::Paused;
        assert_eq!(lanes.len(), 4);
        assert!(lanes.iter().all(paused), "{lanes:?}");
        let keys: Vec<String> = (0..20).map(|i| format!("k{i}")).collect();
        send(&cluster, &keys).await;
        cluster.sleep(Duration::from_secs(10)).await;
        assert_eq!(controls.done().len(), 1);
        first.handle().resume_agent("flow-count").unwrap();
        cluster.settle().await;
        assert_eq!(said(&cluster).await, 21);
    });
}

#[test]
fn an_order_for_an_agent_that_is_not_there_is_refused() {
    for_seeds(async |cluster, guarantee| {
        let app = flow_with(&Controls::default(), 1, FailurePolicy::default());
        let worker = cluster.worker(app, settings(guarantee));
        let error = worker.handle().restart_agent("count").unwrap_err();
        let expected = "there is no agent count; the application's agents are flow-count";
        assert_eq!(error.to_string(), expected);
    });
}

#[test]
fn restarts_beside_slow_and_failing_commits_lose_and_double_nothing() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(bank(), settings(guarantee));
        worker.faults().delay_all(Duration::from_millis(3));
        let failing = Rule::new(Call::Publish, Fault::unavailable());
        worker.faults().add(failing.always().per_mille(100));
        let mut sent = sent();
        for round in 0..10 {
            sent.more(&cluster, 20).await;
            let moment = (cluster.seed() * 911 + round * 3571) % 20_000;
            cluster.sleep(Duration::from_micros(moment)).await;
            worker.handle().restart_agent("bank-on-order").unwrap();
            worker.handle().restart_agent("bank-on-refund").unwrap();
        }
        worker.faults().clear();
        cluster.settle().await;
        sent.check(&cluster, guarantee).await;
    });
}
