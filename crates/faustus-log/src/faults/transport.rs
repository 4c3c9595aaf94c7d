//! The transport that asks its faults before every call, with its admin and coordinators.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use faustus_core::{
    Admin, BoxFuture, Clock, CommittedOffset, Coordinator, GroupError, GroupIdentity, JoinRequest,
    Joined, Log, NewTopic, Offset, OffsetCommit, OffsetSpec, Producer, SyncRequest,
    TopicDescription, TopicName, TopicPartition, TransactionalProducer, Transport, TransportError,
    TransportTraits,
};

use super::{
    Call, Fault, Faults, Site,
    error::{Injected, forbidden},
    reading, writing,
};

/// A transport whose calls fail or wait as [`Faults`] say.
///
/// A fault without effect is one of a call whose future was never polled, so the futures of the inner
/// transport must have no effect before they are.
#[derive(Clone, Debug)]
pub struct FaultyTransport {
    inner: Arc<dyn Transport>,
    gate: Gate,
}

impl FaultyTransport {
    /// Puts `faults` before `inner`; calls that wait do so on `clock`.
    #[must_use]
    pub fn new(inner: Arc<dyn Transport>, clock: Arc<dyn Clock>, faults: Faults) -> Self {
        Self {
            inner,
            gate: Gate { clock, faults },
        }
    }
}

/// Where every call passes.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) faults: Faults,
}

impl Gate {
    /// Makes a call, with the fault that is due.
    pub(super) async fn pass<T, E: Injected>(
        &self,
        site: Site<'_>,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let fault = self.due(&site).await;
        carry_out(fault, call).await
    }

    /// The fault of the call at `site`, whose delay is over.
    pub(super) async fn due(&self, site: &Site<'_>) -> Option<Fault> {
        let (delay, fault) = self.faults.at(site);
        if !delay.is_zero() {
            self.clock.sleep(delay).await;
        }
        fault
    }

    async fn pass_on<T, E: Injected>(
        &self,
        call: Call,
        subject: &str,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let topics = &[];
        let site = Site {
            call,
            subject,
            topics,
        };
        self.pass(site, future).await
    }
}

/// Makes a call with this fault.
pub(super) async fn carry_out<T, E: Injected>(
    fault: Option<Fault>,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match fault {
        None | Some(Fault::Delay(_)) => call.await,
        Some(Fault::Before(error)) => Err(error.into()),
        Some(Fault::Answer(answer)) => Err(E::answer(answer)),
        Some(Fault::Refuse(topic)) => Err(TransportError::Unauthorized(forbidden(&topic)).into()),
        Some(Fault::After(error)) => call.await.and_then(|_| Err(error.into())),
        Some(Fault::Cut(polls)) => cut(polls, call).await,
    }
}

/// Polls `call` so often and drops it then.
async fn cut<T, E: Injected>(
    polls: usize,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut call = pin!(call);
    let mut left = polls;
    let done = poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    let unknown = || TransportError::OutcomeUnknown("injected: the call was cut".into());
    done.await.unwrap_or_else(|| Err(unknown().into()))
}

impl Transport for FaultyTransport {
    fn traits(&self) -> TransportTraits {
        self.inner.traits()
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(reading::Readers {
            inner: self.inner.log(),
            gate: self.gate.clone(),
        })
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(Topics {
            inner: self.inner.admin(),
            gate: self.gate.clone(),
        })
    }

    fn coordinator(&self, group: &str) -> Arc<dyn Coordinator> {
        Arc::new(Group {
            inner: self.inner.coordinator(group),
            gate: self.gate.clone(),
            group: group.to_owned(),
        })
    }

    fn producer(&self) -> BoxFuture<'_, Result<Box<dyn Producer>, TransportError>> {
        Box::pin(async move {
            let inner = self
                .gate
                .pass_on(Call::Producer, "", self.inner.producer())
                .await?;
            let gate = self.gate.clone();
            let producer: Box<dyn Producer> = Box::new(writing::Plain { inner, gate });
            Ok(producer)
        })
    }

    fn transactional_producer<'a>(
        &'a self,
        transactional_id: &'a str,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalProducer>, TransportError>> {
        Box::pin(async move {
            let made = self.inner.transactional_producer(transactional_id, timeout);
            let inner = self
                .gate
                .pass_on(Call::Producer, transactional_id, made)
                .await?;
            let producer: Box<dyn TransactionalProducer> = Box::new(writing::InTransactions {
                inner,
                gate: self.gate.clone(),
                id: transactional_id.to_owned(),
                doomed: None,
            });
            Ok(producer)
        })
    }
}

struct Topics {
    inner: Arc<dyn Admin>,
    gate: Gate,
}

impl Admin for Topics {
    fn create_topics<'a>(
        &'a self,
        topics: &'a [NewTopic],
    ) -> BoxFuture<'a, Result<Vec<Result<(), TransportError>>, TransportError>> {
        let subject = topics.first().map_or("", |topic| topic.name.as_str());
        let call = self.inner.create_topics(topics);
        Box::pin(self.gate.pass_on(Call::Change, subject, call))
    }

    fn describe_topics<'a>(
        &'a self,
        topics: &'a [TopicName],
    ) -> BoxFuture<'a, Result<Vec<Option<TopicDescription>>, TransportError>> {
        let subject = topics.first().map_or("", TopicName::as_str);
        let call = self.inner.describe_topics(topics);
        Box::pin(self.gate.pass_on(Call::Ask, subject, call))
    }

    fn list_topics(&self) -> BoxFuture<'_, Result<Vec<TopicName>, TransportError>> {
        Box::pin(self.gate.pass_on(Call::Ask, "", self.inner.list_topics()))
    }

    fn delete_topic<'a>(
        &'a self,
        topic: &'a TopicName,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        let call = self.inner.delete_topic(topic);
        Box::pin(self.gate.pass_on(Call::Change, topic.as_str(), call))
    }

    fn delete_records<'a>(
        &'a self,
        before: &'a [(TopicPartition, Offset)],
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        let subject = before.first().map_or("", |(name, _)| name.topic.as_str());
        let call = self.inner.delete_records(before);
        Box::pin(self.gate.pass_on(Call::Change, subject, call))
    }

    fn offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        spec: OffsetSpec,
    ) -> BoxFuture<'a, Result<Vec<Offset>, TransportError>> {
        let subject = partitions.first().map_or("", |name| name.topic.as_str());
        let call = self.inner.offsets(partitions, spec);
        Box::pin(self.gate.pass_on(Call::Ask, subject, call))
    }
}

struct Group {
    inner: Arc<dyn Coordinator>,
    gate: Gate,
    group: String,
}

impl Group {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        future: BoxFuture<'a, Result<T, GroupError>>,
    ) -> BoxFuture<'a, Result<T, GroupError>> {
        Box::pin(self.gate.pass_on(call, &self.group, future))
    }
}

impl Coordinator for Group {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, GroupError>> {
        self.pass(Call::Join, self.inner.join(request))
    }

    fn sync(&self, request: SyncRequest) -> BoxFuture<'_, Result<Vec<u8>, GroupError>> {
        self.pass(Call::Sync, self.inner.sync(request))
    }

    fn heartbeat(&self, identity: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>> {
        self.pass(Call::Heartbeat, self.inner.heartbeat(identity))
    }

    fn leave(&self, identity: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>> {
        self.pass(Call::Leave, self.inner.leave(identity))
    }

    fn commit_offsets(
        &self,
        identity: GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'_, Result<(), GroupError>> {
        let call = self.inner.commit_offsets(identity, offsets);
        self.pass(Call::CommitOffsets, call)
    }

    fn fetch_offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        require_stable: bool,
    ) -> BoxFuture<'a, Result<Vec<Option<CommittedOffset>>, GroupError>> {
        let call = self.inner.fetch_offsets(partitions, require_stable);
        self.pass(Call::FetchOffsets, call)
    }
}
