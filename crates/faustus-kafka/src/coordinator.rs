//! Group membership and committed offsets over the wire protocol.
//!
//! Every call goes to the group's coordinator, which is looked up once and again whenever it moved
//! or does not answer; all six calls may be repeated without harm, so connections that break and
//! coordinators that load are waited out until the call's deadline. Each call has a connection of
//! its own: a join that waits for the other members holds back no heartbeat.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use faustus_core::{
    BoxFuture, CommittedOffset, Coordinator, GroupError, GroupIdentity, JoinRequest, Joined,
    JoinedMember, OffsetCommit, SyncRequest, TopicPartition, TransportError,
};
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{
        GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::{Request, StrBytes},
};
use parking_lot::Mutex;

use crate::{
    background::{Background, Ended},
    error::{CallError, group_error},
    net::{Cluster, Retry, Target},
    options::Address,
};

mod offsets;
mod subscription;

/// The kind of group that all of Kafka's tools understand.
const PROTOCOL_TYPE: &str = "consumer";

/// The coordinator of one group.
pub(crate) struct KafkaCoordinator {
    group: Arc<Group>,
    background: Arc<Background>,
}

impl fmt::Debug for KafkaCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaCoordinator")
            .field("group", &self.group.id.0)
            .finish_non_exhaustive()
    }
}

/// What calls of one group share.
struct Group {
    id: GroupId,
    cluster: Arc<Cluster>,
    /// Where the coordinator is; `None` until it is looked up.
    address: Mutex<Option<Address>>,
    /// The rebalance timeout of the latest join in milliseconds: how long a sync may take.
    rebalance_millis: AtomicU64,
}

impl KafkaCoordinator {
    pub(crate) fn new(group: &str, cluster: Arc<Cluster>, background: Arc<Background>) -> Self {
        Self {
            group: Arc::new(Group {
                id: GroupId(text(group)),
                cluster,
                address: Mutex::new(None),
                rebalance_millis: AtomicU64::new(60_000),
            }),
            background,
        }
    }

    /// Runs `call` with the group on the background thread.
    fn run<T, F, W>(&self, call: F) -> BoxFuture<'_, Result<T, GroupError>>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Group>) -> W + Send + 'static,
        W: Future<Output = Result<T, GroupError>> + Send + 'static,
    {
        let group = Arc::clone(&self.group);
        Box::pin(async move {
            self.background
                .run(call(group))
                .await
                .unwrap_or_else(|Ended| Err(TransportError::Closed.into()))
        })
    }
}

impl Coordinator for KafkaCoordinator {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, GroupError>> {
        self.run(|group| async move { group.join(request).await })
    }

    fn sync(&self, request: SyncRequest) -> BoxFuture<'_, Result<Vec<u8>, GroupError>> {
        self.run(|group| async move { group.sync(request).await })
    }

    fn heartbeat(&self, identity: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>> {
        self.run(|group| async move { group.heartbeat(identity).await })
    }

    fn leave(&self, identity: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>> {
        self.run(|group| async move { group.leave(identity).await })
    }

    fn commit_offsets(
        &self,
        identity: GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'_, Result<(), GroupError>> {
        self.run(|group| async move { group.commit_offsets(identity, offsets).await })
    }

    fn fetch_offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        require_stable: bool,
    ) -> BoxFuture<'a, Result<Vec<Option<CommittedOffset>>, GroupError>> {
        let partitions = partitions.to_vec();
        self.run(move |group| async move { group.fetch_offsets(partitions, require_stable).await })
    }
}

impl Group {
    async fn join(&self, request: JoinRequest) -> Result<Joined, GroupError> {
        subscription::check(&request.metadata).map_err(TransportError::Invalid)?;
        let rebalance = millis(request.rebalance_timeout);
        self.rebalance_millis
            .store(rebalance.unsigned_abs().into(), Ordering::Relaxed);
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_string(request.protocol))
            .with_metadata(Bytes::from(request.metadata));
        let reason = (!request.reason.is_empty()).then(|| StrBytes::from_string(request.reason));
        let wire = JoinGroupRequest::default()
            .with_group_id(self.id.clone())
            .with_session_timeout_ms(millis(request.session_timeout))
            .with_rebalance_timeout_ms(rebalance)
            .with_member_id(StrBytes::from_string(request.member))
            .with_group_instance_id(request.instance.map(StrBytes::from_string))
            .with_protocol_type(text(PROTOCOL_TYPE))
            .with_protocols(vec![protocol])
            .with_reason(reason);
        let answer = self
            .call(&wire, 9, self.rebalance_limit(), |answer| answer.error_code)
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failed::Code(ResponseError::MemberIdRequired, answer)) => {
                return Err(GroupError::MemberIdRequired(answer.member_id.to_string()));
            }
            Err(failed) => return Err(self.error(failed, "join")),
        };
        let members = answer.members.into_iter().map(|member| JoinedMember {
            member: member.member_id.to_string(),
            instance: member.group_instance_id.map(|id| id.to_string()),
            metadata: member.metadata.to_vec(),
        });
        Ok(Joined {
            generation: answer.generation_id,
            member: answer.member_id.to_string(),
            leader: answer.leader.to_string(),
            members: members.collect(),
            skip_assignment: answer.skip_assignment,
        })
    }

    async fn sync(&self, request: SyncRequest) -> Result<Vec<u8>, GroupError> {
        let assignments = request.assignments.into_iter().map(|(member, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member))
                .with_assignment(Bytes::from(assignment))
        });
        let wire = SyncGroupRequest::default()
            .with_group_id(self.id.clone())
            .with_generation_id(request.identity.generation)
            .with_member_id(StrBytes::from_string(request.identity.member))
            .with_group_instance_id(request.identity.instance.map(StrBytes::from_string))
            .with_protocol_type(Some(text(PROTOCOL_TYPE)))
            .with_protocol_name(Some(StrBytes::from_string(request.protocol)))
            .with_assignments(assignments.collect());
        let answer = self
            .call(&wire, 5, self.rebalance_limit(), |answer| answer.error_code)
            .await
            .map_err(|failed| self.error(failed, "sync"))?;
        Ok(answer.assignment.to_vec())
    }

    async fn heartbeat(&self, identity: GroupIdentity) -> Result<(), GroupError> {
        let wire = HeartbeatRequest::default()
            .with_group_id(self.id.clone())
            .with_generation_id(identity.generation)
            .with_member_id(StrBytes::from_string(identity.member))
            .with_group_instance_id(identity.instance.map(StrBytes::from_string));
        let limit = self.cluster.request_timeout();
        self.call(&wire, 4, limit, |answer| answer.error_code)
            .await
            .map_err(|failed| self.error(failed, "heartbeat"))?;
        Ok(())
    }

    async fn leave(&self, identity: GroupIdentity) -> Result<(), GroupError> {
        let member = MemberIdentity::default()
            .with_member_id(StrBytes::from_string(identity.member))
            .with_group_instance_id(identity.instance.map(StrBytes::from_string));
        let wire = LeaveGroupRequest::default()
            .with_group_id(self.id.clone())
            .with_members(vec![member]);
        let limit = self.cluster.request_timeout();
        // Version 3 brought static members.
        self.call(&wire, 4, limit, |answer| {
            let member = answer.members.first().map_or(0, |member| member.error_code);
            if answer.error_code == 0 {
                member
            } else {
                answer.error_code
            }
        })
        .await
        .map_err(|failed| self.error(failed, "leave"))?;
        Ok(())
    }

    /// How long a join or sync may wait for the other members, the broker's own delays included.
    fn rebalance_limit(&self) -> Duration {
        let rebalance = Duration::from_millis(self.rebalance_millis.load(Ordering::Relaxed));
        rebalance + self.cluster.request_timeout()
    }

    /// Asks the coordinator, wherever it is, until `limit`; `code` finds the error in an answer.
    async fn call<R: Request>(
        &self,
        request: &R,
        max_version: i16,
        limit: Duration,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, Failed<R::Response>> {
        let mut retry = Retry::within(limit);
        loop {
            let failed = match self.call_once(request, max_version, retry.left()).await {
                Ok(answer) => match code(&answer).err() {
                    None => return Ok(answer),
                    Some(code) => Failed::Code(code, answer),
                },
                Err(error) => Failed::Call(error),
            };
            let passing = match &failed {
                // These are the caller's business, though they pass.
                Failed::Code(
                    ResponseError::RebalanceInProgress
                    | ResponseError::UnstableOffsetCommit
                    | ResponseError::UnknownTopicOrPartition
                    | ResponseError::UnknownTopicId,
                    _,
                ) => false,
                Failed::Code(code, _) => crate::error::is_transient(*code),
                Failed::Call(error) => error.is_transient(),
            };
            if passing {
                self.address.lock().take();
            }
            if !passing || !retry.again().await {
                return Err(failed);
            }
        }
    }

    async fn call_once<R: Request>(
        &self,
        request: &R,
        max_version: i16,
        limit: Duration,
    ) -> Result<R::Response, CallError> {
        let known = self.address.lock().clone();
        let address = match known {
            Some(address) => address,
            None => {
                let address = self.cluster.find_coordinator(&self.id.0).await?;
                *self.address.lock() = Some(address.clone());
                address
            }
        };
        self.cluster
            .call(&Target::Address(address), request, max_version, limit)
            .await
    }

    fn error<A>(&self, failed: Failed<A>, call: &str) -> GroupError {
        group_error(match failed {
            Failed::Call(error) => error,
            Failed::Code(code, _) => {
                CallError::refused(code, format!("{call} in group {}", self.id.0.as_str()))
            }
        })
    }
}

/// How a call failed: without an answer, or with one that holds an error.
enum Failed<A> {
    Call(CallError),
    Code(ResponseError, A),
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Milliseconds as the protocol has them; longer than 24 days is as good as for ever.
fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
