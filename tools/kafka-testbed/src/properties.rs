//! Owns the broker's properties. Guarantees values that make tests quick, each of which a test
//! may override.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The ports of one node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodePorts {
    /// Where clients and other brokers connect.
    pub(crate) client: u16,
    /// Where the controllers talk.
    pub(crate) controller: u16,
}

/// The `server.properties` of `node` (counted from 1), a combined broker and controller.
pub(crate) fn server(
    node: usize,
    ports: &[NodePorts],
    data: &Path,
    overrides: &BTreeMap<String, String>,
) -> String {
    let own = ports[node - 1];
    let replicas = ports.len().min(3);
    let in_sync = replicas.min(2);
    let voters: Vec<String> = ports
        .iter()
        .zip(1..)
        .map(|(p, id)| format!("{id}@127.0.0.1:{}", p.controller))
        .collect();
    let client = format!("PLAINTEXT://127.0.0.1:{}", own.client);
    let identity = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", node.to_string()),
        ("controller.quorum.voters", voters.join(",")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        (
            "listeners",
            format!("{client},CONTROLLER://127.0.0.1:{}", own.controller),
        ),
        ("advertised.listeners", client),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        ),
        ("log.dirs", data.display().to_string()),
    ];
    let replication = [
        ("default.replication.factor", replicas),
        ("min.insync.replicas", in_sync),
        ("offsets.topic.replication.factor", replicas),
        ("transaction.state.log.replication.factor", replicas),
        ("transaction.state.log.min.isr", in_sync),
        ("share.coordinator.state.topic.replication.factor", replicas),
        ("share.coordinator.state.topic.min.isr", 1),
    ];
    let mut all = BTreeMap::new();
    all.extend(identity.map(|(k, v)| (k.to_owned(), v)));
    all.extend(replication.map(|(k, v)| (k.to_owned(), v.to_string())));
    all.extend(
        QUICK
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
    );
    all.extend(overrides.clone());
    all.iter().fold(String::new(), |mut text, (key, value)| {
        // A write to a String does not fail.
        let _ = writeln!(text, "{key}={}", escape(value));
        text
    })
}

/// Short waits, few partitions, few threads.
const QUICK: &[(&str, &str)] = &[
    ("num.partitions", "1"),
    ("auto.create.topics.enable", "false"),
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.num.partitions", "4"),
    ("share.coordinator.state.topic.num.partitions", "4"),
    // The first member of a group gets its partitions at once; a lost one is noticed in a second.
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    // A topic with cleanup.policy=compact is compacted within seconds.
    ("log.cleaner.backoff.ms", "1000"),
    ("log.cleaner.min.compaction.lag.ms", "0"),
    ("log.cleaner.dedupe.buffer.size", "16777216"),
    ("log.segment.delete.delay.ms", "1000"),
    // A killed broker loses its partitions after three seconds.
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    ("num.network.threads", "2"),
    ("num.io.threads", "4"),
    ("num.replica.fetchers", "1"),
    ("background.threads", "2"),
];

/// A value as a properties file writes it.
fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(nodes: u16, overrides: &[(&str, &str)]) -> Vec<String> {
        let ports: Vec<_> = (1..=nodes)
            .map(|i| NodePorts {
                client: i,
                controller: 100 + i,
            })
            .collect();
        let overrides = overrides
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        server(1, &ports, Path::new("/data"), &overrides)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn replication_follows_the_number_of_nodes() {
        for (nodes, replicas, in_sync) in [(1, 1, 1), (2, 2, 2), (3, 3, 2), (5, 3, 2)] {
            let all = lines(nodes, &[]);
            assert!(all.contains(&format!("default.replication.factor={replicas}")));
            assert!(all.contains(&format!("min.insync.replicas={in_sync}")));
        }
        assert!(
            lines(2, &[])
                .contains(&"controller.quorum.voters=1@127.0.0.1:101,2@127.0.0.1:102".to_owned())
        );
    }

    #[test]
    fn a_test_may_override_every_property() {
        let all = lines(1, &[("num.partitions", "7"), ("a.b", "c\\d")]);
        assert!(all.contains(&"num.partitions=7".to_owned()));
        assert!(!all.contains(&"num.partitions=1".to_owned()));
        assert!(all.contains(&"a.b=c\\\\d".to_owned()));
    }
}
