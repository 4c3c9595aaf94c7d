//! [`Coordinator`] of an embedded log.

use std::sync::Arc;

use faustus_core::{
    BoxFuture, CommittedOffset, Coordinator, GroupError, GroupIdentity, JoinRequest, Joined,
    OffsetCommit, SyncRequest, TopicPartition,
};

use super::{Shared, Step};

pub(super) struct Member {
    pub(super) shared: Arc<Shared>,
    pub(super) group: String,
}

impl Coordinator for Member {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, GroupError>> {
        Box::pin(async move {
            let ticket = self.shared.call(|broker, now| {
                broker.in_group(&self.group, |members, ids, options| {
                    let delay = options.initial_rebalance_delay;
                    members.join(request, delay, ids, now.monotonic)
                })
            })?;
            let answer = self.shared.wait(|broker, waker| {
                let Some(members) = broker.members(&self.group) else {
                    return Step::Done(Err(GroupError::UnknownMember));
                };
                if let Some(answer) = members.poll_join(&ticket) {
                    return Step::Done(answer);
                }
                members.wait(waker);
                Step::Wait(members.deadline())
            });
            answer.await
        })
    }

    fn sync(&self, request: SyncRequest) -> BoxFuture<'_, Result<Vec<u8>, GroupError>> {
        Box::pin(async move {
            let identity = request.identity.clone();
            self.shared.call(|broker, now| {
                broker.in_group(&self.group, |members, _, _| {
                    members.sync(request, now.monotonic)
                })
            })?;
            let answer = self.shared.wait(|broker, waker| {
                let Some(members) = broker.members(&self.group) else {
                    return Step::Done(Err(GroupError::UnknownMember));
                };
                if let Some(answer) = members.poll_sync(&identity) {
                    return Step::Done(answer);
                }
                members.wait(waker);
                Step::Wait(members.deadline())
            });
            answer.await
        })
    }

    fn heartbeat(&self, identity: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(async move {
            self.shared
                .call(|broker, now| match broker.members(&self.group) {
                    Some(members) => members.heartbeat(&identity, now.monotonic),
                    None => Err(GroupError::UnknownMember),
                })
        })
    }

    fn leave(&self, identity: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(async move {
            self.shared.call(|broker, now| {
                broker.in_group(&self.group, |members, _, _| {
                    members.leave(&identity, now.monotonic)
                })
            })
        })
    }

    fn commit_offsets(
        &self,
        mut identity: GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(async move {
            identity.group.clone_from(&self.group);
            let (done, unknown) = self
                .shared
                .call(|broker, now| broker.commit_offsets(&identity, offsets, now))?;
            done.finished().await?;
            unknown.map_or(Ok(()), |topic| Err(GroupError::TopicRefused(topic)))
        })
    }

    fn fetch_offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        require_stable: bool,
    ) -> BoxFuture<'a, Result<Vec<Option<CommittedOffset>>, GroupError>> {
        Box::pin(async move {
            self.shared
                .call(|broker, _| broker.fetch_offsets(&self.group, partitions, require_stable))
        })
    }
}
