//! Owns what ready means. Guarantees that a wait ends: with a broker that answers, or with an error
//! that shows the log of the one that does not.

use std::thread;
use std::time::{Duration, Instant};

use crate::node::Node;
use crate::wire::{self, Coordinator};
use crate::{Cluster, Error};

/// Between two questions to a broker that is not ready.
const POLL: Duration = Duration::from_millis(20);

impl Cluster {
    /// Waits until every node that runs and is not paused answers and knows all the others.
    ///
    /// # Errors
    ///
    /// When a node ends, or is not ready in time.
    pub fn wait_ready(&self) -> Result<(), Error> {
        self.wait_for(&self.awake())
    }

    /// The nodes that run and are not paused.
    fn awake(&self) -> Vec<usize> {
        let awake = |node: &&Node| node.child.is_some() && !node.paused;
        let state = self.state();
        state
            .nodes
            .iter()
            .filter(awake)
            .map(|node| node.id)
            .collect()
    }

    /// Waits until each of `nodes` answers and knows all of them.
    pub(crate) fn wait_for(&self, nodes: &[usize]) -> Result<(), Error> {
        self.poll(nodes, |port| {
            let metadata = wire::metadata(port).map_err(|e| e.to_string())?;
            if metadata.cluster != self.id {
                return Err(format!(
                    "cluster {:?} answers on its port",
                    metadata.cluster
                ));
            }
            let knows = |id: &usize| {
                metadata
                    .brokers
                    .iter()
                    .any(|b| usize::try_from(*b) == Ok(*id))
            };
            if !nodes.iter().all(knows) {
                return Err(format!("it knows the brokers {:?}", metadata.brokers));
            }
            Ok(())
        })
    }

    /// Waits until every node knows a coordinator for groups and one for transactions: the
    /// internal topics exist then.
    pub(crate) fn wait_coordinators(&self) -> Result<(), Error> {
        self.poll(&self.awake(), |port| {
            wire::find_coordinator(port, Coordinator::Group)
                .and_then(|()| wire::find_coordinator(port, Coordinator::Transaction))
                .map_err(|e| e.to_string())
        })
    }

    /// Asks each of `nodes` again and again until the answer is good.
    fn poll(&self, nodes: &[usize], ask: impl Fn(u16) -> Result<(), String>) -> Result<(), Error> {
        let deadline = Instant::now() + self.timeout;
        for &node in nodes {
            let port = self.state().node(node)?.port;
            while let Err(reason) = ask(port) {
                for &other in nodes {
                    self.state().check_alive(other)?;
                }
                if Instant::now() > deadline {
                    let log = self.log_tail(node)?;
                    let seconds = self.timeout.as_secs();
                    return Err(Error::NotReady {
                        node,
                        seconds,
                        reason,
                        log,
                    });
                }
                thread::sleep(POLL);
            }
        }
        Ok(())
    }
}
