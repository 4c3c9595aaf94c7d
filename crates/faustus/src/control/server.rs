//! The side of the process that has the log: answers calls, each on a task of the ordinary runtime.
//!
//! It takes nothing from the worker's threads: what it asks of them goes the way of a [`WorkerHandle`],
//! and the log's calls are those of any other user of the log.

use std::{
    future::poll_fn, io, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration,
};

use faustus_core::{
    GroupIdentity, NewTopic, Offset, OffsetCommit, Outgoing, ReadOptions, TopicName, Transport,
};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
};

use super::{
    Place,
    answers::{Answer, Failure},
    call::{Call, Described, Greeting, Lane, Order, Task, partition, partitions},
    in_time, records,
    wire::{VERSION, read_frame, write_frame},
};
use crate::WorkerHandle;

/// How many calls may be under way; more of them wait.
const CALLS: usize = 256;

/// How long somebody who connected may take to say what he wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves a log, and perhaps the worker on it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    place: Place,
    address: PathBuf,
    /// Aborted with it, and with it all calls under way.
    _accepting: JoinSet<()>,
}

/// What is served.
struct Served {
    app: String,
    log: Arc<dyn Transport>,
    worker: Option<WorkerHandle>,
    calls: Semaphore,
}

impl Server {
    /// Begins to serve at `place`; in a tokio runtime.
    ///
    /// # Errors
    ///
    /// When there can be no socket.
    pub(crate) fn start(
        place: Place,
        app: &str,
        log: Arc<dyn Transport>,
        worker: Option<WorkerHandle>,
    ) -> io::Result<Self> {
        let address = place.claim()?;
        // Under a name that nobody knows until nobody else may connect.
        let hidden = address.with_extension("new");
        let _ = std::fs::remove_file(&hidden);
        let listener = UnixListener::bind(&hidden)?;
        std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&hidden, &address)?;
        let served = Served {
            app: app.to_owned(),
            log,
            worker,
            calls: Semaphore::new(CALLS),
        };
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::new(served)));
        Ok(Self {
            place,
            address,
            _accepting: accepting,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.place.release(&self.address);
    }
}

async fn accept(listener: UnixListener, served: Arc<Served>) {
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let served = Arc::clone(&served);
                    calls.spawn(async move { served.serve(stream).await });
                }
                // Out of files, most likely: it passes, and must not be spun on.
                Err(error) => {
                    tracing::debug!(%error, "the control socket accepts nobody for a moment");
                    in_time(Duration::from_millis(100), std::future::pending::<()>()).await;
                }
            },
            Some(_) = calls.join_next() => {}
        }
    }
}

impl Served {
    /// Answers one call, unless whoever asked goes away before.
    async fn serve(&self, mut stream: UnixStream) {
        let Ok(_permit) = self.calls.acquire().await else {
            return;
        };
        let read = in_time(PATIENCE, read_frame::<Value>(&mut stream)).await;
        let Some(Ok((head, body))) = read else {
            return;
        };
        let (mut from, mut to) = stream.split();
        let answer = tokio::select! {
            answer = self.answer(head, &body) => answer,
            // Nothing more is to come: this is the end.
            _ = from.read_u8() => return,
        };
        let (answer, body) = match answer {
            Ok((value, body)) => (Answer::Done(value), body),
            Err(failure) => (Answer::Failed(failure), Vec::new()),
        };
        if let Err(error) = write_frame(&mut to, &answer, &body).await {
            tracing::debug!(%error, "an answer over the control socket was not taken");
        }
    }

    async fn answer(&self, head: Value, body: &[u8]) -> Result<(Value, Vec<u8>), Failure> {
        let version = head.get("version").and_then(Value::as_u64).unwrap_or(0);
        if version != u64::from(VERSION) {
            return Err(Failure::Invalid(format!(
                "process {} speaks version {VERSION} of the control protocol, and not {version}: use the \
                 program that it is",
                std::process::id()
            )));
        }
        let call: Call = serde_json::from_value(head)
            .map_err(|error| Failure::Invalid(format!("a call that is not known here: {error}")))?;
        match call {
            Call::Fetch {
                partition: of,
                from,
                max_bytes,
            } => self.fetch(of, Offset(from), max_bytes).await,
            Call::Publish { batches } => Ok((self.publish(batches, body).await?, Vec::new())),
            call => Ok((self.call(call).await?, Vec::new())),
        }
    }

    async fn fetch(
        &self,
        of: (String, u32),
        from: Offset,
        max_bytes: usize,
    ) -> Result<(Value, Vec<u8>), Failure> {
        let options = ReadOptions::default().max_batch_bytes(max_bytes);
        let log = self.log.log();
        let mut reader = log.read(&partition(of), from, options).await?;
        let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await?;
        let mut body = Vec::new();
        records::write(&fetched.batch, &mut body);
        Ok((json!([fetched.batch.len(), fetched.position.0]), body))
    }

    async fn publish(
        &self,
        batches: Vec<((String, u32), usize)>,
        mut body: &[u8],
    ) -> Result<Value, Failure> {
        let mut outgoing = Vec::with_capacity(batches.len());
        for (to, count) in batches {
            let batch = records::read(&mut body, count);
            outgoing.push(Outgoing {
                partition: partition(to),
                batch: batch.ok_or_else(|| Failure::Invalid("records that are none".to_owned()))?,
            });
        }
        let mut producer = self.log.producer().await?;
        let published = producer.publish(outgoing).await?;
        let ends: Vec<i64> = published.ends.iter().map(|end| end.0).collect();
        Ok(json!(ends))
    }

    async fn call(&self, call: Call) -> Result<Value, Failure> {
        let admin = self.log.admin();
        Ok(match call {
            Call::Hello => to_value(Greeting {
                app: self.app.clone(),
                pid: std::process::id(),
                log: self.log.traits().name,
                worker: self.worker.is_some(),
            }),
            Call::ListTopics => {
                let names = admin.list_topics().await?;
                to_value(names.iter().map(TopicName::as_str).collect::<Vec<_>>())
            }
            Call::DescribeTopics { topics } => {
                let names: Vec<TopicName> = topics.into_iter().map(TopicName::from).collect();
                let found = admin.describe_topics(&names).await?.into_iter();
                to_value(
                    found
                        .map(|topic| topic.map(Described::from))
                        .collect::<Vec<_>>(),
                )
            }
            Call::CreateTopics { topics } => {
                let topics: Vec<NewTopic> = topics.into_iter().map(NewTopic::from).collect();
                let made = admin.create_topics(&topics).await?.into_iter();
                to_value(
                    made.map(|made| made.err().map(Failure::from))
                        .collect::<Vec<_>>(),
                )
            }
            Call::DeleteTopic { topic } => {
                admin.delete_topic(&topic.into()).await?;
                Value::Null
            }
            Call::DeleteRecords { before } => {
                let before: Vec<_> = before
                    .into_iter()
                    .map(|(topic, number, offset)| (partition((topic, number)), Offset(offset)))
                    .collect();
                admin.delete_records(&before).await?;
                Value::Null
            }
            Call::Offsets {
                partitions: of,
                end,
            } => {
                let offsets = admin.offsets(&partitions(of), end.into()).await?;
                to_value(offsets.iter().map(|offset| offset.0).collect::<Vec<_>>())
            }
            Call::FetchOffsets {
                group,
                partitions: of,
                stable,
            } => {
                let coordinator = self.log.coordinator(&group);
                let found = coordinator.fetch_offsets(&partitions(of), stable).await?;
                let each = found.into_iter();
                to_value(
                    each.map(|found| found.map(|found| (found.offset.0, found.metadata)))
                        .collect::<Vec<_>>(),
                )
            }
            Call::CommitOffsets { group, offsets } => {
                let commit = |(of, offset, metadata)| OffsetCommit {
                    partition: partition(of),
                    offset: Offset(offset),
                    metadata,
                };
                let offsets = offsets.into_iter().map(commit).collect();
                let coordinator = self.log.coordinator(&group);
                let nobody = GroupIdentity::none(group);
                coordinator.commit_offsets(nobody, offsets).await?;
                Value::Null
            }
            other => self.ask_worker(other).await?,
        })
    }

    async fn ask_worker(&self, call: Call) -> Result<Value, Failure> {
        let worker = self.worker.as_ref().ok_or_else(|| {
            Failure::Unavailable(format!(
                "process {} has the log open and runs no agents",
                std::process::id()
            ))
        })?;
        Ok(match call {
            Call::Status => {
                let tasks = worker.status().await?;
                to_value(tasks.into_iter().map(Task::from).collect::<Vec<_>>())
            }
            Call::Lanes => {
                let lanes = worker.agents().await?;
                to_value(lanes.into_iter().map(Lane::from).collect::<Vec<_>>())
            }
            Call::Monitor => to_value(worker.monitor().await),
            Call::Skip {
                partition: of,
                offset,
            } => {
                worker.skip(&partition(of), Offset(offset));
                Value::Null
            }
            Call::Resume => {
                worker.resume();
                Value::Null
            }
            Call::Agent { name, order } => {
                match order {
                    Order::Restart => worker.restart_agent(&name)?,
                    Order::Pause => worker.pause_agent(&name)?,
                    Order::Resume => worker.resume_agent(&name)?,
                }
                Value::Null
            }
            Call::Shutdown => {
                worker.shutdown();
                Value::Null
            }
            other => {
                let other = to_value(other);
                return Err(Failure::Invalid(format!("{other} is no call of a worker")));
            }
        })
    }
}

/// What we made ourselves has a JSON form.
fn to_value(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
