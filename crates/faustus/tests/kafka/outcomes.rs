//! Commits of which nobody knows how they ended, and commits that a rebalance meets.

use std::time::Duration;

use faustus::Guarantee;
use faustus_core::{Offset, OffsetSpec};
use faustus_log::{Call, Fault, Rule};

use crate::{
    broker::{connect, faulty, settings},
    common::{
        Outside, Running,
        bank::{self, Sent},
        both, check,
        flow::{self, Controls},
        until,
    },
};

/// The call that commits offsets.
fn commit(guarantee: Guarantee) -> Call {
    match guarantee {
        Guarantee::ExactlyOnce => Call::Commit,
        Guarantee::AtLeastOnce => Call::CommitOffsets,
    }
}

async fn unknown(name: &str, guarantee: Guarantee, fault: Fault) {
    let (log, faults) = faulty().await;
    let outside = Outside::new(&connect().await);
    for skip in [0, 2, 5] {
        // Rules are used up in order, so that these are three commits out of about ten.
        faults.add(Rule::new(commit(guarantee), fault.clone()).skip(skip));
    }
    let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
    let mut sent = Sent::new(name);
    for _ in 0..4 {
        sent.more(&outside, 50).await;
        outside.settle(&[&worker]).await;
    }
    sent.check_exact(&outside).await;
    let made = faults.seen(commit(guarantee));
    assert!(made > 3, "{name}: {made} commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_unknown_outcome_that_took_effect() {
    both("unknown-with", async |name, guarantee| {
        unknown(name, guarantee, Fault::unknown_with_effect()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_unknown_outcome_that_took_no_effect() {
    both("unknown-without", async |name, guarantee| {
        unknown(name, guarantee, Fault::unknown_without_effect()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_during_a_slow_commit_rolls_back_nothing() {
    both("slow-commit", async |name, guarantee| {
        let (log, faults) = faulty().await;
        let outside = Outside::new(&connect().await);
        let first = Running::start(bank::app(name), &log, settings(guarantee)).await;
        let mut sent = Sent::new(name);
        sent.more(&outside, 20).await;
        outside.settle(&[&first]).await;
        let slow = Fault::Delay(Duration::from_secs(2));
        faults.add(Rule::new(commit(guarantee), slow).always());
        let before = faults.seen(commit(guarantee));
        sent.more(&outside, 30).await;
        until(async || check(faults.seen(commit(guarantee)) > before, "no commit")).await;
        // A commit is under way, and takes its time.
        let second = Running::start(bank::app(name), &connect().await, settings(guarantee)).await;
        until(async || check(!second.status().await.is_empty(), "no task moved")).await;
        faults.clear();
        outside.settle(&[&first, &second]).await;
        sent.check_exact(&outside).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_while_an_epoch_commits_goes_with_the_next() {
    let name = "sent-meanwhile";
    let (log, faults) = faulty().await;
    let outside = Outside::new(&connect().await);
    let controls = Controls::default();
    let app = flow::app(name, &controls, 1, 1);
    let worker = Running::start(app, &log, settings(Guarantee::ExactlyOnce)).await;
    // Less than the timeout of transactions.
    let slow = Fault::Delay(Duration::from_secs(6));
    faults.add(Rule::new(Call::Commit, slow));
    flow::send(&outside, name, &["a"]).await;
    until(async || check(faults.seen(Call::Commit) > 0, "no commit")).await;
    flow::send(&outside, name, &["b"]).await;
    until(async || check(controls.times("b") > 0, "not done")).await;
    // The first epoch is still open.
    flow::check_once(&outside, name, &[]).await;
    outside.settle(&[&worker]).await;
    flow::check_once(&outside, name, &["a".into(), "b".into()]).await;
    for topic in ["said", "counts-changelog"] {
        let topic = format!("{name}-{topic}");
        let ends = outside.ends(&topic, OffsetSpec::HighWatermark);
        // Two records, and the markers of two transactions.
        assert_eq!(ends.await, [Offset(4)], "{topic}");
    }
}
