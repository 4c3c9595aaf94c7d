//! A broker that is killed and comes back while a worker runs.

use std::time::Duration;

use crate::{
    broker::{connect_to, settings},
    common::{
        Outside, Running,
        bank::{self, Sent},
        both, check, until,
    },
};

/// How long the broker is away: longer than a session, so that the worker has to notice.
const AWAY: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_for_a_while_costs_nothing_but_time() {
    let cluster = kafka_testbed::Cluster::start(1).unwrap();
    let barrier = tokio::sync::Barrier::new(2);
    both("outage", async |name, guarantee| {
        let bootstrap = cluster.bootstrap();
        let outside = Outside::new(&connect_to(&bootstrap).await);
        let log = connect_to(&bootstrap).await;
        let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
        let mut sent = Sent::new(name);
        sent.more(&outside, 500).await;
        // Some of it is done, and some is not.
        until(async || {
            let seen = outside.records(&format!("{name}-audit")).await.len();
            check(seen > 0, seen)
        })
        .await;
        if barrier.wait().await.is_leader() {
            cluster.kill(1).unwrap();
            tokio::time::sleep(AWAY).await;
            tokio::task::block_in_place(|| cluster.start_node(1).unwrap());
        }
        barrier.wait().await;
        sent.more(&outside, 100).await;
        outside.settle(&[&worker]).await;
        sent.check(&outside, guarantee).await;
    })
    .await;
}
