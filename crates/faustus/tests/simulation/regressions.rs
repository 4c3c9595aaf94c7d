//! What went wrong in Python's Faust and libraries like it, and has no test where the feature is tested.
//!
//! Each test is named after what should have happened, and its comment says what did.

mod commits;
mod rebalances;
mod recovery;

use faustus::{TopicPartition, testing::Cluster};
use faustus_core::{Offset, OffsetSpec, Transport};

use crate::common::flow::{self, Controls, Flow};

/// The flow of so many partitions; nothing is held and nothing fails.
fn flow_of(partitions: u32) -> faustus::App<Flow> {
    flow::app("flow", &Controls::default(), partitions, 1)
}

/// The first `count` partitions of a topic.
fn partitions(topic: &str, count: u32) -> Vec<TopicPartition> {
    let partition = |partition| TopicPartition::new(topic, partition);
    (0..count).map(partition).collect()
}

/// The position after the last committed record of each partition.
async fn ends(cluster: &Cluster, topic: &str, count: u32) -> Vec<Offset> {
    let partitions = partitions(topic, count);
    let ends = cluster.log().admin();
    let ends = ends.offsets(&partitions, OffsetSpec::LastStable).await;
    ends.unwrap()
}

/// What a group has committed of each partition; 0 where it has nothing.
async fn committed(cluster: &Cluster, group: &str, topic: &str, count: u32) -> Vec<Offset> {
    let partitions = partitions(topic, count);
    let coordinator = cluster.log().coordinator(group);
    let committed = coordinator.fetch_offsets(&partitions, true).await.unwrap();
    let offsets = committed
        .into_iter()
        .map(|committed| committed.map_or(Offset(0), |committed| committed.offset));
    offsets.collect()
}
