//! [`Producer`] and [`TransactionalProducer`] of an embedded log.

use std::sync::Arc;

use faustus_core::{
    BoxFuture, GroupIdentity, OffsetCommit, Outgoing, Producer, PublishError, Published,
    TransactionalProducer, TransportError,
};

use super::{Shared, give_way};
use crate::broker::{Accepted, ProducerHandle};

pub(super) struct Plain(pub(super) Arc<Shared>);

impl Producer for Plain {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(async move {
            let Accepted {
                ends,
                refusals,
                done,
            } = self.0.call(|broker, _| broker.publish(outgoing))?;
            done.finished().await?;
            if refusals.is_empty() {
                Ok(Published { ends })
            } else {
                Err(PublishError::Refused(refusals))
            }
        })
    }
}

/// Dropped with an open transaction it leaves that to its timeout, as a process does that dies.
pub(super) struct InTransactions {
    pub(super) shared: Arc<Shared>,
    pub(super) handle: ProducerHandle,
}

impl Producer for InTransactions {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(async move {
            let (ends, refusals) = self
                .shared
                .call(|broker, now| broker.publish_in(&self.handle, outgoing, now))?;
            if refusals.is_empty() {
                Ok(Published { ends })
            } else {
                Err(PublishError::Refused(refusals))
            }
        })
    }
}

impl TransactionalProducer for InTransactions {
    fn begin(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move { self.shared.call(|broker, _| broker.begin(&self.handle)) })
    }

    fn commit<'a>(
        &'a mut self,
        group: &'a GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            if !offsets.is_empty() {
                self.shared
                    .call(|broker, now| broker.add_offsets(&self.handle, group, offsets, now))?;
                // Two requests, as to a broker: between them the offsets are pending.
                give_way().await;
            }
            let done = self.shared.call(|broker, _| broker.commit(&self.handle))?;
            done.finished().await
        })
    }

    fn abort(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move { self.shared.call(|broker, _| broker.abort(&self.handle)) })
    }
}
