//! Memberships on the embedded log's broker, on virtual time.

#![expect(clippy::disallowed_methods, reason = "the time of tests is virtual")]

mod chaos;
mod cluster;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::Duration,
};

use faustus_core::{GroupError, OffsetCommit, TopicPartition};
use tokio::time::Instant;

use self::cluster::{Cluster, SESSION, Worker, pass, until};
use super::*;
use crate::membership::{MembershipError, TaskId};

/// The generation of the next assignment, with all before it passed over.
async fn assigned(group: &ClassicGroup) -> i32 {
    loop {
        if let GroupEvent::Assigned(assigned) = group.next_event().await {
            return assigned.generation;
        }
    }
}

/// Whether `future` is done within a second.
async fn soon<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_secs(1), future)
        .await
        .ok()
}

#[tokio::test(start_paused = true)]
async fn three_members_share_the_tasks() {
    let workers = Cluster::new().workers([None; 3]).await;
    let all: BTreeSet<TaskId> = workers.iter().flat_map(Worker::runs).collect();
    assert_eq!(all.len(), 9);
    let generation = workers[0].group.generation();
    pass(60).await;
    assert!(workers.iter().all(|w| w.group.generation() == generation));
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_who_leaves_are_taken_over_at_once() {
    let cluster = Cluster::new();
    let [first, second, third] = cluster.workers([None; 3]).await;
    let left = Instant::now();
    first.group.leave(false);
    until(|| second.runs().len() + third.runs().len() == 9).await;
    // Others hear of it with their next heartbeat.
    assert!(left.elapsed() < SESSION / 2, "{:?}", left.elapsed());
    assert_eq!(first.seen.lock().end, Some(GroupEvent::Left));
    assert!(first.group.permit().await.is_none());
    assert_eq!(first.group.next_event().await, GroupEvent::Left);
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_who_dies_are_taken_over_after_its_session() {
    let cluster = Cluster::new();
    let [first, second, third] = cluster.workers([None; 3]).await;
    let handle = first.group.clone();
    let died = Instant::now();
    first.die();
    until(|| second.runs().len() + third.runs().len() == 9).await;
    assert!(died.elapsed() > SESSION / 2 && died.elapsed() < SESSION * 2);
    assert!(second.seen.lock().revoked.is_empty() && third.seen.lock().revoked.is_empty());

    // The handle of the dead tells its own side.
    assert!(handle.permit().await.is_none());
    assert!(matches!(handle.next_event().await, GroupEvent::Lost { .. }));
    let end = handle.next_event().await;
    assert!(
        matches!(end, GroupEvent::Failed(MembershipError::NotDriven { .. })),
        "{end:?}"
    );
    assert_eq!(handle.lease_until(), None);
}

#[tokio::test(start_paused = true)]
async fn who_was_stopped_for_a_session_has_lost_all_and_comes_back() {
    let cluster = Cluster::new();
    cluster.create_topic().await;
    let [first, second, third] = cluster.workers([None; 3]).await;
    let permit = first.group.permit().await.unwrap();
    first.pause.set(true);
    until(|| second.runs().len() + third.runs().len() == 9).await;
    assert!(first.group.lease_until().unwrap() < cluster.clock.monotonic());

    // What it still commits is refused.
    let coordinator = cluster.log.coordinator("group");
    let offset = OffsetCommit::new(TopicPartition::new("orders", 0), faustus_core::Offset(1));
    let refused = coordinator.commit_offsets(permit.identity().clone(), vec![offset]);
    let refused = refused.await.unwrap_err();
    assert!(
        matches!(
            refused,
            GroupError::UnknownMember | GroupError::IllegalGeneration
        ),
        "{refused:?}"
    );

    first.pause.set(false);
    until(|| first.seen.lock().losses == 1).await;
    assert!(permit.is_void());
    assert!(first.seen.lock().revoked.is_empty());
    until(|| first.runs().len() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn replacing_static_members_one_by_one_moves_nothing() {
    let cluster = Cluster::new();
    let names = ["a", "b", "c"];
    let mut workers: BTreeMap<&str, Worker> = names
        .into_iter()
        .zip(cluster.workers(names.map(Some)).await)
        .collect();
    let generation = workers["a"].group.generation();
    for name in names {
        let old = workers.remove(name).unwrap();
        let ran = old.runs();
        old.group.leave(false);
        until(|| old.seen.lock().end.is_some()).await;
        pass(5).await;
        let new = cluster.worker(Some(name));
        until(|| new.runs() == ran).await;
        workers.insert(name, new);
        pass(20).await;
    }
    for worker in workers.values() {
        assert_eq!(worker.group.generation(), generation);
        assert!(worker.seen.lock().revoked.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_delays_the_join_and_the_next_one_has_the_new_generation() {
    let cluster = Cluster::new();
    let (group, _, _) = cluster.join(Cluster::config(None));
    let generation = assigned(&group).await;
    let permit = group.permit().await.unwrap();
    assert_eq!(permit.identity().generation, generation);

    group.rejoin("test");
    assert!(soon(group.next_event()).await.is_none());
    assert!(
        soon(group.permit()).await.is_none(),
        "a commit began before the join"
    );
    assert_eq!(group.status().state, "rejoining");
    assert!(!permit.is_void());

    drop(permit);
    assert_eq!(assigned(&group).await, generation + 1);
    let permit = group.permit().await.unwrap();
    assert_eq!(permit.identity().generation, generation + 1);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_held_for_too_long_is_voided() {
    let cluster = Cluster::new();
    let (group, _, _) = cluster.join(Cluster::config(None));
    let generation = assigned(&group).await;
    let permit = group.permit().await.unwrap();
    let asked = Instant::now();
    group.rejoin("test");
    permit.voided().await;
    assert_eq!(asked.elapsed().as_secs(), 4);
    assert!(permit.is_void());
    // The rebalance goes on without it, and the next term does not wait for it.
    assert_eq!(assigned(&group).await, generation + 1);
    group.rejoin("test");
    assert_eq!(soon(assigned(&group)).await, Some(generation + 2));
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_given_before_a_loss_is_dealt_with() {
    let cluster = Cluster::new();
    let (group, pause, _) = cluster.join(Cluster::config(None));
    let generation = assigned(&group).await;
    pause.set(true);
    tokio::time::sleep(SESSION * 2).await;
    pause.set(false);
    // It joins again, but the runtime does not know yet that it lost everything.
    until(|| group.generation() > generation).await;
    assert!(soon(group.permit()).await.is_none());
    assert!(matches!(group.next_event().await, GroupEvent::Lost { .. }));
    assert!(soon(group.permit()).await.is_none(), "it was only told");
    assigned(&group).await;
    assert!(group.permit().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn waiting_permits_and_the_lease_follow_the_heartbeats() {
    let cluster = Cluster::new();
    let (group, _, _) = cluster.join(Cluster::config(None));
    assert_eq!(group.lease_until(), None);
    let permit = tokio::spawn({
        let group = group.clone();
        async move { group.permit().await }
    });
    assigned(&group).await;
    assert!(permit.await.unwrap().is_some());
    for _ in 0..10 {
        pass(7).await;
        let left = group.lease_until().unwrap() - cluster.clock.monotonic();
        assert!(left > SESSION / 2 && left < SESSION, "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn new_partitions_are_shared_out() {
    let cluster = Cluster::new();
    let workers = cluster.workers([None; 3]).await;
    let mut subtopologies = Cluster::config(None).subtopologies;
    subtopologies[0].partitions = 12;
    workers[2].group.set_subtopologies(subtopologies);
    until(|| workers.iter().all(|w| w.runs().len() == 4)).await;
    assert!(workers.iter().all(|w| w.seen.lock().revoked.is_empty()));
}
