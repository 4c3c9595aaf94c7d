//! Owns how a new cluster is made: options, files, first start.

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::java::{self, Jvm};
use crate::node::Node;
use crate::properties::{self, NodePorts};
use crate::{Error, jars, ports, random, storage};

/// The options of a new [`Cluster`].
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    nodes: usize,
    heap_mb: usize,
    timeout: Duration,
    properties: BTreeMap<String, String>,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ClusterBuilder {
    /// One node with 512 MB of heap.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: 1,
            heap_mb: 512,
            timeout: Duration::from_secs(120),
            properties: BTreeMap::new(),
        }
    }

    /// How many nodes, each a broker and a controller.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// The most heap a node may use, in MB.
    #[must_use]
    pub fn heap_mb(mut self, heap_mb: usize) -> Self {
        self.heap_mb = heap_mb;
        self
    }

    /// How long to wait for nodes that start; two minutes unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets a broker property on every node, over the value the testbed would choose.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Starts the cluster and waits until every node answers, every node knows all the others,
    /// and groups and transactions have their coordinators.
    ///
    /// # Errors
    ///
    /// When Java or Maven is missing, the jars cannot be resolved, or a node does not start.
    pub fn start(self) -> Result<Cluster, Error> {
        if self.nodes == 0 {
            return Err(Error::NoNodes);
        }
        let java = java::java()?;
        let jars = jars::resolve_jars()?;
        let ports = ports::reserve(&jars::cache()?, 2 * self.nodes)?;
        let pairs: Vec<NodePorts> = ports
            .chunks_exact(2)
            .map(|pair| NodePorts {
                client: pair[0].number,
                controller: pair[1].number,
            })
            .collect();
        let tmp = env::temp_dir();
        let tmp = tmp.canonicalize().map_err(Error::path("find", &tmp))?;
        let dir = tempfile::Builder::new()
            .prefix("kafka-testbed-")
            .tempdir_in(&tmp)
            .map_err(Error::path("create a directory in", &tmp))?;
        let jvm = Jvm {
            java,
            jars,
            log4j: storage::log4j(dir.path())?,
        };
        let mut nodes = Vec::new();
        for (id, pair) in (1..).zip(&pairs) {
            let paths = storage::paths(dir.path(), id);
            let text = properties::server(id, &pairs, &paths.data, &self.properties);
            storage::write(&paths.properties, &text)?;
            nodes.push(Node {
                id,
                port: pair.client,
                dir: paths.dir,
                log: paths.log,
                command: jvm.command(self.heap_mb, "kafka.Kafka", &[], &[&paths.properties]),
                child: None,
                paused: false,
            });
        }
        let id = random::uuid();
        // The cluster first, so that its watchdog cleans up when formatting is cut short.
        let cluster = Cluster::new(id.clone(), dir, ports, nodes, self.timeout)?;
        storage::format(cluster.dir(), self.nodes, &id, &jvm)?;
        for node in 1..=self.nodes {
            cluster.launch_node(node)?;
        }
        cluster.wait_ready()?;
        cluster.wait_coordinators()?;
        Ok(cluster)
    }
}
