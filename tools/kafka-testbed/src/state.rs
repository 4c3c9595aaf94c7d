//! Owns the processes of a cluster. Guarantees that the watchdog knows exactly the brokers that
//! run, and that all of them are gone when it is dropped.

use std::io;
use std::process::Child;

use crate::Error;
use crate::node::Node;
use crate::watchdog::Watchdog;

/// The nodes, and the watchdog that knows which of them run.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) nodes: Vec<Node>,
    pub(crate) watchdog: Watchdog,
}

impl State {
    pub(crate) fn node(&mut self, node: usize) -> Result<&mut Node, Error> {
        let nodes = self.nodes.len();
        node.checked_sub(1)
            .and_then(|index| self.nodes.get_mut(index))
            .ok_or(Error::NoSuchNode { node, nodes })
    }

    pub(crate) fn tell_watchdog(&mut self) -> Result<(), Error> {
        self.watchdog.watch(self.nodes.iter().filter_map(Node::pid))
    }

    /// Kills and reaps processes that were taken from their nodes.
    pub(crate) fn end(&mut self, mut children: Vec<Child>) -> Result<(), Error> {
        let killed = children
            .iter_mut()
            .map(Child::kill)
            .fold(Ok(()), io::Result::and);
        // What could not be killed cannot be waited for, and the watchdog goes on knowing it.
        killed.map_err(Error::io("kill a broker"))?;
        let told = self.tell_watchdog();
        for child in &mut children {
            child.wait().map_err(Error::io("wait for a broker"))?;
        }
        told
    }

    /// Forgets the process of a node that ended by itself.
    pub(crate) fn reap(&mut self, node: usize) -> Result<(), Error> {
        if self.node(node)?.ended().is_some() {
            self.node(node)?.child = None;
            self.tell_watchdog()?;
        }
        Ok(())
    }

    pub(crate) fn check_alive(&mut self, node: usize) -> Result<(), Error> {
        if let Some(status) = self.node(node)?.ended() {
            let log = self.node(node)?.log_tail();
            self.reap(node)?;
            return Err(Error::Died {
                node,
                status: status.to_string(),
                log,
            });
        }
        match self.node(node)?.child {
            Some(_) => Ok(()),
            None => Err(Error::NotRunning { node }),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let children = self
            .nodes
            .iter_mut()
            .filter_map(|node| node.child.take())
            .collect();
        // A broker that cannot be killed here is left to the watchdog.
        let _ = self.end(children);
    }
}
