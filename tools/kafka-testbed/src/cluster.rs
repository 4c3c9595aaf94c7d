//! Owns a running cluster and the faults done to it. Guarantees that its brokers end and its
//! data goes with it.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::node::Node;
use crate::ports::Port;
use crate::state::State;
use crate::watchdog::Watchdog;
use crate::{ClusterBuilder, Error};

/// A Kafka cluster on loopback. Its nodes are counted from 1; dropping it kills them and removes
/// their data.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) id: String,
    pub(crate) timeout: Duration,
    // Dropped in this order: brokers, watchdog, data, ports.
    state: Mutex<State>,
    dir: TempDir,
    _ports: Vec<Port>,
}

impl Cluster {
    /// Starts a cluster with default options; [`Cluster::builder`] has more.
    ///
    /// # Errors
    ///
    /// As [`ClusterBuilder::start`].
    pub fn start(nodes: usize) -> Result<Self, Error> {
        Self::builder().nodes(nodes).start()
    }

    /// The options of a new cluster.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::new()
    }

    /// A cluster whose nodes do not run yet.
    pub(crate) fn new(
        id: String,
        dir: TempDir,
        ports: Vec<Port>,
        nodes: Vec<Node>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let watchdog = Watchdog::start(dir.path())?;
        let state = Mutex::new(State { nodes, watchdog });
        Ok(Self {
            id,
            timeout,
            state,
            dir,
            _ports: ports,
        })
    }

    /// The addresses of all nodes, as `bootstrap.servers` takes them.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.state().nodes.iter().map(address).collect();
        addresses.join(",")
    }

    /// The address of one node, the same after each restart.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn address(&self, node: usize) -> Result<String, Error> {
        self.state().node(node).map(|node| address(node))
    }

    /// How many nodes the cluster has, running or not.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.state().nodes.len()
    }

    /// The pid of a node's JVM while it runs.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn pid(&self, node: usize) -> Result<Option<u32>, Error> {
        let mut state = self.state();
        state.reap(node)?;
        state.node(node).map(|node| node.pid())
    }

    /// The directory with every node's properties, log and data.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The last lines of a node's log; empty when it wrote none.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn log_tail(&self, node: usize) -> Result<String, Error> {
        self.state().node(node).map(|node| node.log_tail())
    }

    /// Kills a node with SIGKILL, also a paused one; its data stays. The process is gone when
    /// this returns.
    ///
    /// # Errors
    ///
    /// When there is no such node or it does not run.
    pub fn kill(&self, node: usize) -> Result<(), Error> {
        let mut state = self.state();
        state.reap(node)?;
        let child = state
            .node(node)?
            .child
            .take()
            .ok_or(Error::NotRunning { node })?;
        state.end(vec![child])
    }

    /// Stops a node with SIGSTOP: connections stay open and nothing answers. It stands still when
    /// this returns.
    ///
    /// # Errors
    ///
    /// When there is no such node or it does not run.
    pub fn pause(&self, node: usize) -> Result<(), Error> {
        let mut state = self.state();
        state.reap(node)?;
        state.node(node)?.signal("STOP")
    }

    /// Lets a paused node go on with SIGCONT. The controller may have fenced it meanwhile:
    /// [`Cluster::wait_ready`] waits until it is back.
    ///
    /// # Errors
    ///
    /// When there is no such node or it does not run.
    pub fn resume(&self, node: usize) -> Result<(), Error> {
        let mut state = self.state();
        state.reap(node)?;
        state.node(node)?.signal("CONT")
    }

    /// Kills a node if it runs and starts it again, on the same ports and data, as
    /// [`Cluster::start_node`].
    ///
    /// # Errors
    ///
    /// When there is no such node or it does not start.
    pub fn restart(&self, node: usize) -> Result<(), Error> {
        if self.pid(node)?.is_some() {
            self.kill(node)?;
        }
        self.start_node(node)
    }

    /// Starts a node that does not run, on the same ports and data, and waits until it answers as
    /// a member of the cluster. That needs a majority of the nodes: after more were killed, use
    /// [`Cluster::launch_node`] on each, then [`Cluster::wait_ready`].
    ///
    /// A node that was killed is let in again after `broker.session.timeout.ms` (3 s) at most.
    ///
    /// # Errors
    ///
    /// When there is no such node, it runs, or it does not start.
    pub fn start_node(&self, node: usize) -> Result<(), Error> {
        self.launch_node(node)?;
        self.wait_for(&[node])
    }

    /// Starts a node that does not run, without waiting for it.
    ///
    /// # Errors
    ///
    /// When there is no such node or it runs.
    pub fn launch_node(&self, node: usize) -> Result<(), Error> {
        let mut state = self.state();
        state.reap(node)?;
        if state.node(node)?.child.is_some() {
            return Err(Error::AlreadyRunning { node });
        }
        state.node(node)?.spawn()?;
        state.tell_watchdog()?;
        state.node(node)?.release()
    }

    /// The state, also after a test panicked while it held the lock: the drop must go on.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(node: &Node) -> String {
    format!("127.0.0.1:{}", node.port)
}
