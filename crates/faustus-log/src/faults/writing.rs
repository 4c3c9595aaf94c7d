//! Producers of a faulty transport.

use faustus_core::{
    BoxFuture, GroupIdentity, OffsetCommit, Outgoing, Producer, PublishError, Published, Refusal,
    TopicName, TransactionalProducer, TransportError,
};

use super::{
    Call, Fault, Site,
    error::forbidden,
    transport::{Gate, carry_out},
};

pub(super) struct Plain {
    pub(super) inner: Box<dyn Producer>,
    pub(super) gate: Gate,
}

impl Producer for Plain {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(async move {
            match due(&self.gate, "", &outgoing).await {
                Some(Fault::Refuse(topic)) => publish_but(&mut *self.inner, &topic, outgoing).await,
                fault => carry_out(fault, self.inner.publish(outgoing)).await,
            }
        })
    }
}

/// The fault of a publish.
async fn due(gate: &Gate, id: &str, outgoing: &[Outgoing]) -> Option<Fault> {
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
    gate.due(&site).await
}

/// All records for `topic`, as refused.
fn refusals(outgoing: &[Outgoing], topic: &TopicName) -> Vec<Refusal> {
    let batches = outgoing.iter().enumerate();
    let batches = batches.filter(|(_, outgoing)| outgoing.partition.topic == *topic);
    let records = batches.flat_map(|(index, outgoing)| {
        (0..outgoing.batch.len()).map(move |record| Refusal {
            outgoing: index,
            record,
            reason: forbidden(topic),
        })
    });
    records.collect()
}

/// Stores what is not for `topic`, and refuses what is.
async fn publish_but<P: Producer + ?Sized>(
    inner: &mut P,
    topic: &TopicName,
    outgoing: Vec<Outgoing>,
) -> Result<Published, PublishError> {
    let mut refused = refusals(&outgoing, topic);
    if refused.is_empty() {
        return inner.publish(outgoing).await;
    }
    let others = outgoing.into_iter().enumerate();
    let others = others.filter(|(_, outgoing)| outgoing.partition.topic != *topic);
    let (places, others): (Vec<_>, Vec<_>) = others.unzip();
    match inner.publish(others).await {
        Ok(_) => {}
        Err(PublishError::Refused(more)) => {
            refused.extend(more.into_iter().map(|refusal| Refusal {
                outgoing: places[refusal.outgoing],
                ..refusal
            }))
        }
        Err(error) => return Err(error),
    }
    refused.sort_by_key(|refusal| (refusal.outgoing, refusal.record));
    Err(PublishError::Refused(refused))
}

pub(super) struct InTransactions {
    pub(super) inner: Box<dyn TransactionalProducer>,
    pub(super) gate: Gate,
    pub(super) id: String,
    /// Why the open transaction cannot be committed, if a fault refused records of it.
    pub(super) doomed: Option<String>,
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
        Box::pin(async move {
            match due(&self.gate, &self.id, &outgoing).await {
                Some(Fault::Refuse(topic)) => {
                    let refused = refusals(&outgoing, &topic);
                    match refused.first() {
                        Some(refusal) => self.doomed = Some(refusal.reason.clone()),
                        None => return self.inner.publish(outgoing).await,
                    }
                    Err(PublishError::Refused(refused))
                }
                fault => carry_out(fault, self.inner.publish(outgoing)).await,
            }
        })
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
        let Some(reason) = self.doomed.take() else {
            return Box::pin(self.gate.pass(site, self.inner.commit(group, offsets)));
        };
        let abort = async {
            self.inner.abort().await?;
            Err(TransportError::Aborted(reason))
        };
        Box::pin(self.gate.pass(site, abort))
    }

    fn abort(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.doomed = None;
        let site = Self::site(&self.id, Call::Abort);
        Box::pin(self.gate.pass(site, self.inner.abort()))
    }
}
