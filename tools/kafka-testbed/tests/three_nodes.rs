//! Three nodes: they know each other, go on without one, and come back from none.

#[expect(dead_code, reason = "other test files use the rest")]
mod common;

use std::time::{Duration, Instant};

use common::{create_topic, eventually, metadata};
use kafka_testbed::Cluster;

#[test]
fn three_nodes_form_one_cluster_and_survive_faults() {
    let before = Instant::now();
    let cluster = Cluster::builder().nodes(3).heap_mb(256).start().unwrap();
    eprintln!("three nodes were ready after {:?}", before.elapsed());
    let addresses: Vec<String> = (1..=3).map(|node| cluster.address(node).unwrap()).collect();
    assert_eq!(cluster.bootstrap(), addresses.join(","));
    for address in &addresses {
        assert_eq!(
            metadata(address, "__consumer_offsets").unwrap(),
            (vec![1, 2, 3], true)
        );
    }
    assert_eq!(create_topic(&addresses[0], "orders", 3).unwrap(), 0);

    // One is killed: the others notice.
    cluster.kill(1).unwrap();
    let others = || metadata(&addresses[1], "orders").ok();
    eventually("node 1 is gone", Duration::from_secs(60), || {
        others() == Some((vec![2, 3], true))
    });
    cluster.start_node(1).unwrap();
    cluster.wait_ready().unwrap();
    assert_eq!(
        metadata(&addresses[1], "orders").unwrap(),
        (vec![1, 2, 3], true)
    );

    // One is paused: the others notice that too.
    cluster.pause(3).unwrap();
    eventually("node 3 is gone", Duration::from_secs(60), || {
        others() == Some((vec![1, 2], true))
    });
    cluster.resume(3).unwrap();
    cluster.wait_ready().unwrap();
    assert_eq!(
        metadata(&addresses[2], "orders").unwrap(),
        (vec![1, 2, 3], true)
    );

    // All are killed.
    (1..=3).for_each(|node| cluster.kill(node).unwrap());
    (1..=3).for_each(|node| cluster.launch_node(node).unwrap());
    cluster.wait_ready().unwrap();
    for address in &addresses {
        assert_eq!(metadata(address, "orders").unwrap(), (vec![1, 2, 3], true));
    }
}
