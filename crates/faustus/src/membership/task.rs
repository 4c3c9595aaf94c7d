//! What is assigned: tasks, and the sub-topologies that they are partitions of.

use std::{collections::BTreeMap, fmt, sync::Arc};

use faustus_core::TopicName;

/// One partition of a sub-topology, the unit of assignment, recovery and commit; written `name/3`.
///
/// # Examples
///
/// ```
/// use faustus::membership::TaskId;
///
/// assert_eq!(TaskId::new("orders", 3).to_string(), "orders/3");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The name of the sub-topology.
    pub subtopology: Arc<str>,
    /// The partition's number, counted from 0; the same in all topics of the sub-topology.
    pub partition: u32,
}

impl TaskId {
    /// Task `partition` of `subtopology`.
    #[must_use]
    pub fn new(subtopology: impl Into<Arc<str>>, partition: u32) -> Self {
        Self {
            subtopology: subtopology.into(),
            partition,
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subtopology, self.partition)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Agents, topics and tables that hang together, and therefore are partitioned alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubTopology {
    /// Its name, the same in all members that know it.
    pub name: Arc<str>,
    /// The source topics that its tasks read, with `partitions` partitions if nothing else is said.
    pub topics: Vec<TopicName>,
    /// Those of them that have fewer, with their numbers: further tasks do not read them.
    pub smaller: BTreeMap<TopicName, u32>,
    /// How many tasks it has.
    pub partitions: u32,
    /// Whether its tasks have tables, so that a standby replica is worth keeping.
    pub stateful: bool,
}

impl SubTopology {
    /// Whether its task of this partition reads `topic`.
    #[must_use]
    pub fn reads(&self, topic: &TopicName, partition: u32) -> bool {
        self.topics.contains(topic) && self.smaller.get(topic).is_none_or(|n| partition < *n)
    }

    /// Its tasks in order.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        (0..self.partitions).map(|partition| TaskId::new(Arc::clone(&self.name), partition))
    }
}
