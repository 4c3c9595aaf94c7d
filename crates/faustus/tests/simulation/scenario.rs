//! What the simulations have in common: the applications under their names here, settings, seeds.

use std::collections::BTreeMap;

use faustus::{
    FailurePolicy, Guarantee, Settings, TaskState,
    prelude::*,
    testing::{Cluster, TestWorker, simulate},
};

use crate::common::{
    bank::{self, Bank, Sent},
    flow::{self, Controls, Flow},
};

/// The bank, `bank`.
pub(crate) fn bank() -> App<Bank> {
    bank::app_of(8, "bank")
}

/// What is sent to the bank.
pub(crate) fn sent() -> Sent {
    Sent::new("bank")
}

/// The flow, `flow`, of one partition; nothing is held and nothing fails.
pub(crate) fn flow() -> App<Flow> {
    flow_with(&Controls::default(), 1, FailurePolicy::default())
}

/// The flow of one partition with `lanes` lanes.
pub(crate) fn flow_with(controls: &Controls, lanes: u32, policy: FailurePolicy) -> App<Flow> {
    flow::app_that(policy, "flow", controls, 1, lanes)
}

/// Sends the flow one event per key.
pub(crate) async fn send(cluster: &Cluster, keys: &[impl AsRef<str>]) {
    flow::send(cluster, "flow", keys).await;
}

/// The flow's counts, as a reader outside sees them.
pub(crate) async fn counts(cluster: &Cluster) -> BTreeMap<String, u64> {
    flow::counts(cluster, "flow").await
}

/// How often the flow said something.
pub(crate) async fn said(cluster: &Cluster) -> usize {
    flow::said(cluster, "flow").await
}

pub(crate) fn settings(guarantee: Guarantee) -> Settings {
    Settings {
        guarantee,
        threads: 2,
        ..Settings::default()
    }
}

/// The first task of a worker is parked, and says why.
pub(crate) async fn check_parked(worker: &TestWorker, reason: &str) {
    let status = &worker.status().await[0];
    assert!(
        matches!(&status.state, TaskState::Parked(why) if why.contains(reason)),
        "{status:?}"
    );
}

/// Runs a scenario with several seeds for both guarantees.
pub(crate) fn for_seeds(scenario: impl AsyncFn(Cluster, Guarantee)) {
    for seed in 0..20 {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
            let _told = Seed(seed, guarantee);
            simulate(seed, async |cluster| scenario(cluster, guarantee).await);
        }
    }
}

/// Tells which run it was if it fails.
struct Seed(u64, Guarantee);

#[expect(clippy::print_stderr, reason = "it belongs to the panic's message")]
impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} {:?}", self.0, self.1);
        }
    }
}
