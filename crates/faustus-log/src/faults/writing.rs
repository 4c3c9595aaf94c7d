//! Producers of a faulty transport.

use faustus_core::{
    BoxFuture, GroupIdentity, OffsetCommit, Outgoing, Producer, PublishError, Published,
    TransactionalProducer, TransportError,
};

use super::{Call, Site, transport::Gate};

pub(super) struct Plain {
    pub(super) inner: Box<dyn Producer>,
    pub(super) gate: Gate,
}

impl Producer for Plain {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(publish(&mut *self.inner, &self.gate, "", outgoing))
    }
}

async fn publish<P: Producer + ?Sized>(
    inner: &mut P,
    gate: &Gate,
    id: &str,
    outgoing: Vec<Outgoing>,
) -> Result<Published, PublishError> {
    let names: Vec<_> = outgoing
        .iter()
        .map(|batch| batch.partition.topic.clone())
        .collect();
    let topics: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    let site = Site {
        call: Call::Publish,
        subject: id,
        topics: &topics,
    };
    gate.pass(site, inner.publish(outgoing)).await
}

pub(super) struct InTransactions {
    pub(super) inner: Box<dyn TransactionalProducer>,
    pub(super) gate: Gate,
    pub(super) id: String,
}

impl InTransactions {
    fn site(id: &str, call: Call) -> Site<'_> {
        Site {
            call,
            subject: id,
            topics: &[],
        }
    }
}

impl Producer for InTransactions {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(publish(&mut *self.inner, &self.gate, &self.id, outgoing))
    }
}

impl TransactionalProducer for InTransactions {
    fn begin(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        let site = Self::site(&self.id, Call::Begin);
        Box::pin(self.gate.pass(site, self.inner.begin()))
    }

    fn commit<'a>(
        &'a mut self,
        group: &'a GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        let site = Self::site(&self.id, Call::Commit);
        Box::pin(self.gate.pass(site, self.inner.commit(group, offsets)))
    }

    fn abort(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        let site = Self::site(&self.id, Call::Abort);
        Box::pin(self.gate.pass(site, self.inner.abort()))
    }
}
