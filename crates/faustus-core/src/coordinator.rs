//! The coordinator of a consumer group: Kafka's classic protocol reduced to six calls.
//!
//! Contract: a group has a *generation* that grows with every rebalance. A member joins (and waits
//! until all members did or their rebalance timeout passed), one of them is told to be leader and
//! sends every member's assignment with its sync, and each gets its own. Whoever calls with an old
//! generation is told. A member that sends no heartbeat for its session timeout is removed.
//!
//! It never knows tasks: what members say of themselves and what the leader assigns are bytes to it.

use std::time::Duration;

use crate::{BoxFuture, Offset, TopicName, TopicPartition, TransportError};

/// Group membership and committed offsets of one consumer group.
pub trait Coordinator: Send + Sync {
    /// Joins or rejoins, and waits for the others.
    ///
    /// # Errors
    ///
    /// [`GroupError::MemberIdRequired`] once for a new dynamic member: call again with that id.
    ///
    /// # Cancel safety
    ///
    /// The member may be in the group and not know it; it then leaves by its session timeout.
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, GroupError>>;

    /// Brings (leader) or waits for (others) the assignments of this generation.
    ///
    /// # Errors
    ///
    /// [`GroupError::RebalanceInProgress`]: join again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe; the call may be repeated in the same generation.
    fn sync(&self, request: SyncRequest) -> BoxFuture<'_, Result<Vec<u8>, GroupError>>;

    /// Says that the member is alive.
    ///
    /// # Errors
    ///
    /// [`GroupError::RebalanceInProgress`]: still a member, but should join again soon.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe; the call may be repeated.
    fn heartbeat(&self, identity: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>>;

    /// Leaves at once, so that others need not wait for the session timeout.
    ///
    /// # Errors
    ///
    /// [`GroupError::UnknownMember`] if the group had removed it already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it unknown whether the member left; the call may be repeated.
    fn leave(&self, identity: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>>;

    /// Stores offsets: all of topics that exist, or none.
    ///
    /// # Errors
    ///
    /// - [`GroupError::IllegalGeneration`], [`UnknownMember`](GroupError::UnknownMember),
    ///   [`RebalanceInProgress`](GroupError::RebalanceInProgress) (after a join, before the sync),
    ///   [`FencedInstance`](GroupError::FencedInstance): nothing was stored. A commit with
    ///   [`GroupIdentity::none`] is taken only while the group has no members.
    /// - [`GroupError::TopicRefused`] names a topic that has no such partition: the offsets of all
    ///   others were stored.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown, but all or none; the call may be repeated.
    fn commit_offsets(
        &self,
        identity: GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'_, Result<(), GroupError>>;

    /// The committed offset of each of `partitions`, `None` where there is none.
    ///
    /// With `require_stable`, an offset that an open transaction is about to change is not told:
    /// the call fails with [`GroupError::UnstableOffsets`] and should be repeated.
    ///
    /// # Errors
    ///
    /// [`GroupError::UnstableOffsets`] and transport failures.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    fn fetch_offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        require_stable: bool,
    ) -> BoxFuture<'a, Result<Vec<Option<CommittedOffset>>, GroupError>>;
}

/// Who commits: a member of the group in a generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupIdentity {
    /// The group's name.
    pub group: String,
    /// The generation, -1 outside of any.
    pub generation: i32,
    /// The id that the coordinator gave, empty outside of any generation.
    pub member: String,
    /// The id of a static member, which keeps its place over a restart.
    pub instance: Option<String>,
}

impl GroupIdentity {
    /// Somebody who is not a member of `group`.
    #[must_use]
    pub fn none(group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            generation: -1,
            member: String::new(),
            instance: None,
        }
    }
}

/// A wish to be a member of the next generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// The id from an earlier join, empty at first.
    pub member: String,
    /// The id of a static member.
    pub instance: Option<String>,
    /// Without a heartbeat for so long a member is removed.
    pub session_timeout: Duration,
    /// How long the others wait for a member to rejoin.
    pub rebalance_timeout: Duration,
    /// The name of the assignment protocol; all members must offer the same.
    pub protocol: String,
    /// What the leader gets to see of this member: for Kafka a `ConsumerProtocolSubscription`.
    pub metadata: Vec<u8>,
    /// Why the member joins, for the coordinator's log.
    pub reason: String,
}

/// A place in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// This member's id.
    pub member: String,
    /// The leader's id.
    pub leader: String,
    /// All members and their metadata: for the leader; empty for others.
    pub members: Vec<JoinedMember>,
    /// The leader need not assign: the coordinator keeps the assignment of this static member's predecessor.
    pub skip_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member: String,
    /// Its static id.
    pub instance: Option<String>,
    /// What it sent with its join.
    pub metadata: Vec<u8>,
}

/// The second half of a rebalance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// Who, in the new generation.
    pub identity: GroupIdentity,
    /// The protocol's name, as in the join.
    pub protocol: String,
    /// From the leader: each member's id and assignment; from others nothing.
    pub assignments: Vec<(String, Vec<u8>)>,
}

/// An offset to be stored for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// The partition.
    pub partition: TopicPartition,
    /// The next record to be read.
    pub offset: Offset,
    /// Text kept with the offset.
    pub metadata: String,
}

/// An offset that is stored for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to be read.
    pub offset: Offset,
    /// The text that was stored with it.
    pub metadata: String,
}

/// What a coordinator answers instead of a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A new member must join again with this id.
    #[error("join again as {0}")]
    MemberIdRequired(String),
    /// The group does not know the member (any more): all it had is lost.
    #[error("the group does not know this member")]
    UnknownMember,
    /// The generation is over.
    #[error("the generation is over")]
    IllegalGeneration,
    /// Members are joining: join again.
    #[error("a rebalance is in progress")]
    RebalanceInProgress,
    /// Another process uses this static member id.
    #[error("another process took this instance id")]
    FencedInstance,
    /// The group speaks another protocol, or is of another kind.
    #[error("the group speaks another assignment protocol")]
    InconsistentProtocol,
    /// An open transaction is about to change the offset.
    #[error("an open transaction holds the offsets back")]
    UnstableOffsets,
    /// A topic of the request is refused: it has no such partition, or is forbidden.
    #[error("topic {0} is refused")]
    TopicRefused(TopicName),
    /// The call did not reach a coordinator or came back broken.
    #[error(transparent)]
    Transport(#[from] TransportError),
}
