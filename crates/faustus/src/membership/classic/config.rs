//! What a member of a group has to be told.

use std::{sync::Arc, time::Duration};

use crate::membership::{Assignor, SubTopology};

/// Who a [`ClassicMember`](super::ClassicMember) is, and how patient.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemberConfig {
    /// The group's name.
    pub group: String,
    /// The id of a static member, which keeps its place over a restart; unique in the group.
    pub instance: Option<String>,
    /// What this worker can run, with the partition counts as they are now.
    pub subtopologies: Vec<SubTopology>,
    /// On how many further members the state of each task is kept. The leader's value counts.
    pub standby_replicas: u32,
    /// Where this worker's web server can be reached by other workers.
    pub url: Option<String>,
    /// Without a heartbeat for so long a member is removed. Heartbeats go out three times in it.
    pub session_timeout: Duration,
    /// How long the group waits for a member to rejoin. Must be longer than the time between two
    /// heartbeats and the two below together.
    pub rebalance_timeout: Duration,
    /// How long the runtime may take to give tasks up; after it, everything is lost.
    pub revoke_timeout: Duration,
    /// How long running commits may hold back a join; after it, their permits are void.
    pub commit_timeout: Duration,
    /// How long before the end of a session the lease ends.
    pub lease_margin: Duration,
    /// The first and the longest pause after a call that did not reach the coordinator.
    pub retry_backoff: (Duration, Duration),
    /// Decides in place of the default assignor when this member is leader.
    pub assignor: Option<Arc<dyn Assignor>>,
}

impl MemberConfig {
    /// A dynamic member of `group` with a session of 45 s, a rebalance timeout of 60 s, 20 s to
    /// revoke, 10 s to commit, a lease margin of 3 s and no standbys.
    #[must_use]
    pub fn new(group: impl Into<String>, subtopologies: Vec<SubTopology>) -> Self {
        Self {
            group: group.into(),
            instance: None,
            subtopologies,
            standby_replicas: 0,
            url: None,
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(60),
            revoke_timeout: Duration::from_secs(20),
            commit_timeout: Duration::from_secs(10),
            lease_margin: Duration::from_secs(3),
            retry_backoff: (Duration::from_millis(100), Duration::from_secs(5)),
            assignor: None,
        }
    }

    /// The pause before try `tries`, counted from 1: doubling from the first to the longest.
    pub(super) fn backoff(&self, tries: u32) -> Duration {
        let (first, longest) = self.retry_backoff;
        first
            .saturating_mul(1 << tries.saturating_sub(1).min(16))
            .min(longest)
    }
}
