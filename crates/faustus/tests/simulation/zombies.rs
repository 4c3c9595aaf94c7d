//! Workers that hang: threads that do not answer, processes that stop and wake.

use std::time::Duration;

use faustus::{
    Ended, Guarantee, Settings,
    testing::{Cluster, TestWorker, simulate},
};
use faustus_core::TransportError;
use faustus_log::{Call, Fault, Rule};

use crate::{
    common::bank::Sent,
    scenario::{bank, for_seeds, sent, settings},
};

#[test]
fn a_worker_that_sleeps_through_its_session_wakes_as_a_zombie_and_stores_nothing() {
    for_seeds(async |cluster, guarantee| {
        let first = cluster.worker(bank(), settings(guarantee));
        first.faults().delay_all(Duration::from_millis(2));
        let mut sent = sent();
        sent.more(&cluster, 30).await;
        let second = cluster.worker(bank(), settings(guarantee));
        cluster.sleep(Duration::from_millis(500)).await;
        sent.more(&cluster, 30).await;
        cluster
            .sleep(Duration::from_micros(cluster.seed() * 733))
            .await;
        first.freeze();
        sent.more(&cluster, 30).await;
        cluster.sleep(Duration::from_secs(90)).await;
        first.thaw();
        sent.more(&cluster, 30).await;
        cluster.settle().await;
        sent.check(&cluster, guarantee).await;
        drop(second);
    });
}

/// A worker whose threads have been blocked for long, and another that came meanwhile.
async fn blocked(cluster: &Cluster, guarantee: Guarantee) -> (TestWorker, TestWorker, Sent) {
    let first = cluster.worker(bank(), settings(guarantee));
    first.faults().delay_all(Duration::from_millis(2));
    let mut sent = sent();
    sent.more(cluster, 30).await;
    cluster.sleep(Duration::from_millis(cluster.seed())).await;
    first.block_threads();
    let second = cluster.worker(bank(), settings(guarantee));
    sent.more(cluster, 30).await;
    cluster.sleep(Duration::from_secs(200)).await;
    (first, second, sent)
}

#[test]
fn a_worker_thread_that_is_blocked_during_a_revoke_is_cut_off() {
    for_seeds(async |cluster, guarantee| {
        let (first, second, sent) = blocked(&cluster, guarantee).await;
        assert!(
            !second.status().await.is_empty(),
            "the other worker was not held up"
        );
        first.thaw();
        cluster.settle().await;
        sent.check(&cluster, guarantee).await;
        // What was cut then was done elsewhere; this end is orderly.
        assert_eq!(first.shutdown().await.unwrap(), Ended::Drained);
    });
}

#[test]
fn asking_a_worker_whose_threads_hang_does_not_keep_it_from_ending() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(bank(), settings(guarantee));
        let mut sent = sent();
        sent.more(&cluster, 30).await;
        cluster.settle().await;
        worker.block_threads();
        let handle = worker.handle().clone();
        let asking = tokio::task::spawn_local(async move { handle.status().await });
        cluster.sleep(Duration::from_millis(10)).await;
        worker.handle().shutdown();
        let ended = tokio::time::timeout(Duration::from_secs(60), worker.ended()).await;
        assert_eq!(ended.unwrap().unwrap(), Ended::Cut);
        drop(asking);
        sent.more(&cluster, 30).await;
        let _next = cluster.worker(bank(), settings(guarantee));
        cluster.settle().await;
        sent.check(&cluster, guarantee).await;
    });
}

#[test]
fn tasks_that_come_back_to_a_thread_that_was_blocked_run_again() {
    for_seeds(async |cluster, guarantee| {
        let (first, second, mut sent) = blocked(&cluster, guarantee).await;
        second.shutdown().await.unwrap();
        cluster.sleep(Duration::from_secs(100)).await;
        // It hears of the end and of the new beginning in one breath.
        first.thaw();
        sent.more(&cluster, 30).await;
        cluster.settle().await;
        sent.check(&cluster, guarantee).await;
    });
}

/// For five seconds the worker gets no answer to its heartbeats, all of which arrive.
fn deafen(cluster: &Cluster, worker: &TestWorker) {
    let clock = cluster.clock();
    let until = clock.monotonic() + Duration::from_secs(5);
    let lost = Fault::After(TransportError::Unavailable("injected".into()));
    let beats = Rule::new(Call::Heartbeat, lost).always();
    worker
        .faults()
        .add(beats.when(move |_| clock.monotonic() < until));
}

#[test]
fn a_commit_that_outlives_a_loss_in_the_same_generation_is_not_doubled() {
    for seed in 0..40 {
        simulate(seed, async |cluster| {
            let settings = Settings {
                session_timeout: Duration::from_secs(4),
                ..settings(Guarantee::ExactlyOnce)
            };
            // A leader that joins again would begin a generation.
            let leader = cluster.worker(bank(), settings.clone());
            let mut sent = sent();
            sent.more(&cluster, 30).await;
            cluster.settle().await;
            let follower = cluster.worker(bank(), settings);
            cluster.sleep(Duration::from_secs(10)).await;
            // So would a first loss: the words of the join that follows it are new.
            deafen(&cluster, &follower);
            cluster.sleep(Duration::from_secs(15)).await;
            cluster.settle().await;
            let joins = || [&leader, &follower].map(|worker| worker.faults().seen(Call::Join));
            let [of_leader, of_follower] = joins();
            // A second one repeats them, while a commit is on its way.
            let late = Fault::Delay(Duration::from_millis(8000 + seed * 37));
            follower
                .faults()
                .add(Rule::new(Call::Commit, late).times(2));
            sent.more(&cluster, 30).await;
            deafen(&cluster, &follower);
            cluster.sleep(Duration::from_secs(15)).await;
            assert_eq!(joins(), [of_leader, of_follower + 1], "seed {seed}");
            sent.more(&cluster, 30).await;
            cluster.settle().await;
            sent.check_exact(&cluster).await;
        });
    }
}
