//! A log that another process has: a transport of calls to it.
//!
//! It reads and writes records, topics, and the offsets of groups without members. It has no members
//! and no transactions: those are of the process that has the log, and end with it.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use faustus_core::{
    Admin, Batch, BoxFuture, CommittedOffset, Coordinator, Fetched, GroupError, GroupIdentity,
    JoinRequest, Joined, Log, NewTopic, Offset, OffsetCommit, OffsetSpec, Outgoing,
    PartitionReader, Producer, PublishError, Published, ReadOptions, SyncRequest, TopicDescription,
    TopicName, TopicPartition, TransactionalProducer, Transport, TransportError, TransportTraits,
};
use serde::de::DeserializeOwned;

use super::{
    Attached, Call,
    answers::Failure,
    attached::Lost,
    call::{Described, Topic, pair, pairs},
    records,
};

/// The log that another process has.
#[derive(Clone, Debug)]
pub(crate) struct RemoteLog(Arc<Attached>);

impl RemoteLog {
    pub(crate) fn new(attached: Attached) -> Self {
        Self(Arc::new(attached))
    }

    async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, Failure> {
        Ok(self.exchange(call, &[]).await?.0)
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        call: Call,
        body: &[u8],
    ) -> Result<(T, Vec<u8>), Failure> {
        let exchanged = self.0.exchange(call, body).await;
        exchanged.map_err(|lost| match lost {
            Lost::Failed(failure) => failure,
            Lost::Unsent(_) => Failure::Unavailable(self.0.gone(&lost)),
            Lost::Io(_) => Failure::OutcomeUnknown(self.0.gone(&lost)),
        })
    }
}

/// A call that changes nothing had no effect, whatever became of it.
fn read_only(failure: Failure) -> Failure {
    match failure {
        Failure::OutcomeUnknown(text) => Failure::Unavailable(text),
        other => other,
    }
}

impl Transport for RemoteLog {
    fn traits(&self) -> TransportTraits {
        TransportTraits {
            name: self.0.greeting().log.clone(),
            transaction_interval: Duration::ZERO,
            shared: false,
        }
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.clone())
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.clone())
    }

    fn coordinator(&self, group: &str) -> Arc<dyn Coordinator> {
        Arc::new(RemoteGroup {
            log: self.clone(),
            group: group.to_owned(),
        })
    }

    fn producer(&self) -> BoxFuture<'_, Result<Box<dyn Producer>, TransportError>> {
        let producer: Box<dyn Producer> = Box::new(self.clone());
        Box::pin(async { Ok(producer) })
    }

    fn transactional_producer<'a>(
        &'a self,
        _: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalProducer>, TransportError>> {
        Box::pin(async { Err(only_there("transactions")) })
    }
}

fn only_there(what: &str) -> TransportError {
    TransportError::Invalid(format!("{what} are of the process that has the log"))
}

impl Log for RemoteLog {
    fn read<'a>(
        &'a self,
        partition: &'a TopicPartition,
        from: Offset,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Box<dyn PartitionReader>, TransportError>> {
        let reader: Box<dyn PartitionReader> = Box::new(Reader {
            log: self.clone(),
            partition: partition.clone(),
            position: from,
            max_bytes: options.max_batch_bytes,
            fetching: None,
        });
        Box::pin(async { Ok(reader) })
    }
}

/// Fetches one batch after the other, each by a call of its own.
struct Reader {
    log: RemoteLog,
    partition: TopicPartition,
    position: Offset,
    max_bytes: usize,
    fetching: Option<BoxFuture<'static, Result<Fetched, Failure>>>,
}

impl PartitionReader for Reader {
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fetched, TransportError>> {
        let fetching = self.fetching.get_or_insert_with(|| {
            let (log, call) = (
                self.log.clone(),
                Call::Fetch {
                    partition: pair(&self.partition),
                    from: self.position.0,
                    max_bytes: self.max_bytes,
                },
            );
            Box::pin(async move {
                let ((count, position), body) = log.exchange::<(usize, i64)>(call, &[]).await?;
                let batch: Option<Batch> = records::read(&mut &*body, count);
                let broken = || Failure::Unavailable("an answer that was cut".to_owned());
                Ok(Fetched {
                    batch: batch.ok_or_else(broken)?,
                    position: Offset(position),
                })
            })
        });
        let fetched = ready!(fetching.as_mut().poll(cx));
        self.fetching = None;
        let fetched = fetched.map_err(|failure| TransportError::from(read_only(failure)))?;
        self.position = fetched.position;
        Poll::Ready(Ok(fetched))
    }

    fn position(&self) -> Offset {
        self.position
    }
}

impl Producer for RemoteLog {
    fn publish(
        &mut self,
        outgoing: Vec<Outgoing>,
    ) -> BoxFuture<'_, Result<Published, PublishError>> {
        Box::pin(async move {
            let mut body = Vec::new();
            let mut batches = Vec::with_capacity(outgoing.len());
            for outgoing in &outgoing {
                records::write(&outgoing.batch, &mut body);
                batches.push((pair(&outgoing.partition), outgoing.batch.len()));
            }
            let (ends, _) = self
                .exchange::<Vec<i64>>(Call::Publish { batches }, &body)
                .await?;
            Ok(Published {
                ends: ends.into_iter().map(Offset).collect(),
            })
        })
    }
}

impl Admin for RemoteLog {
    fn create_topics<'a>(
        &'a self,
        topics: &'a [NewTopic],
    ) -> BoxFuture<'a, Result<Vec<Result<(), TransportError>>, TransportError>> {
        let topics = topics.iter().map(Topic::from).collect();
        Box::pin(async move {
            let made: Vec<Option<Failure>> = self.call(Call::CreateTopics { topics }).await?;
            let made = made.into_iter();
            Ok(made
                .map(|failed| failed.map_or(Ok(()), |failure| Err(failure.into())))
                .collect())
        })
    }

    fn describe_topics<'a>(
        &'a self,
        topics: &'a [TopicName],
    ) -> BoxFuture<'a, Result<Vec<Option<TopicDescription>>, TransportError>> {
        let topics = topics.iter().map(ToString::to_string).collect();
        Box::pin(async move {
            let call = self.call(Call::DescribeTopics { topics }).await;
            let found: Vec<Option<Described>> = call.map_err(read_only)?;
            Ok(found.into_iter().map(|t| t.map(Into::into)).collect())
        })
    }

    fn list_topics(&self) -> BoxFuture<'_, Result<Vec<TopicName>, TransportError>> {
        Box::pin(async move {
            let call = self.call(Call::ListTopics).await;
            let names: Vec<String> = call.map_err(read_only)?;
            Ok(names.into_iter().map(TopicName::from).collect())
        })
    }

    fn delete_topic<'a>(
        &'a self,
        topic: &'a TopicName,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        let topic = topic.to_string();
        Box::pin(async move { Ok(self.call(Call::DeleteTopic { topic }).await?) })
    }

    fn delete_records<'a>(
        &'a self,
        before: &'a [(TopicPartition, Offset)],
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        let before = before.iter().map(|(partition, offset)| {
            let (topic, number) = pair(partition);
            (topic, number, offset.0)
        });
        let before = before.collect();
        Box::pin(async move { Ok(self.call(Call::DeleteRecords { before }).await?) })
    }

    fn offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        spec: OffsetSpec,
    ) -> BoxFuture<'a, Result<Vec<Offset>, TransportError>> {
        let call = Call::Offsets {
            partitions: pairs(partitions),
            end: spec.into(),
        };
        Box::pin(async move {
            let offsets: Vec<i64> = self.call(call).await.map_err(read_only)?;
            Ok(offsets.into_iter().map(Offset).collect())
        })
    }
}

/// The offsets of a group.
struct RemoteGroup {
    log: RemoteLog,
    group: String,
}

impl Coordinator for RemoteGroup {
    fn join(&self, _: JoinRequest) -> BoxFuture<'_, Result<Joined, GroupError>> {
        Box::pin(async { Err(only_there("members").into()) })
    }

    fn sync(&self, _: SyncRequest) -> BoxFuture<'_, Result<Vec<u8>, GroupError>> {
        Box::pin(async { Err(only_there("members").into()) })
    }

    fn heartbeat(&self, _: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(async { Err(only_there("members").into()) })
    }

    fn leave(&self, _: GroupIdentity) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(async { Err(only_there("members").into()) })
    }

    fn commit_offsets(
        &self,
        identity: GroupIdentity,
        offsets: Vec<OffsetCommit>,
    ) -> BoxFuture<'_, Result<(), GroupError>> {
        Box::pin(async move {
            if identity != GroupIdentity::none(&*self.group) {
                return Err(only_there("members").into());
            }
            let offsets = offsets.into_iter();
            let offsets = offsets.map(|c| (pair(&c.partition), c.offset.0, c.metadata));
            let call = Call::CommitOffsets {
                group: self.group.clone(),
                offsets: offsets.collect(),
            };
            Ok(self.log.call(call).await?)
        })
    }

    fn fetch_offsets<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
        require_stable: bool,
    ) -> BoxFuture<'a, Result<Vec<Option<CommittedOffset>>, GroupError>> {
        let call = Call::FetchOffsets {
            group: self.group.clone(),
            partitions: pairs(partitions),
            stable: require_stable,
        };
        Box::pin(async move {
            let found = self.log.call(call).await.map_err(read_only)?;
            let found: Vec<Option<(i64, String)>> = found;
            let committed = |(offset, metadata)| CommittedOffset {
                offset: Offset(offset),
                metadata,
            };
            Ok(found.into_iter().map(|f| f.map(committed)).collect())
        })
    }
}
