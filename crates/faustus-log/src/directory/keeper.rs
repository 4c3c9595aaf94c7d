//! The thread that cleans: retention, compaction, and sweeping what nobody can read.
//!
//! It reads beside the writers and hands its changes to the queue like everybody: each chunk that
//! compaction makes is one operation with the removal of those that it replaces.

use std::{collections::BTreeSet, time::Duration};

use faustus_core::{Offset, TopicId, TopicName, TopicPartition, TransportError};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{chunk, disk::Disk, format};
use crate::{
    broker::{
        Broker, Completion, Now, Place, Submitted, Write,
        compact::{After, Compactor, LastOffsets},
        partition::Chunk,
        topic::Settings,
    },
    shell::Core,
};

/// A compaction looks at so many keys at a time, as they are kept in memory.
const KEYS: usize = 4_000_000;

/// So many entries are swept in one operation.
const SWEEP: usize = 1_000;

/// Partitions are looked at so often, by real time.
const INTERVAL: Duration = Duration::from_secs(5);

/// Who asked for a cleaning is told how it went.
type Request = oneshot::Sender<Result<(), TransportError>>;

/// How the keeper is asked to clean, or to end.
#[derive(Debug, Default)]
pub(super) struct Chores {
    requests: Mutex<Vec<Request>>,
    changed: Condvar,
}

impl Chores {
    /// Asks for a cleaning.
    pub(super) fn ask(&self) -> oneshot::Receiver<Result<(), TransportError>> {
        let (request, done) = oneshot::channel();
        self.requests.lock().push(request);
        self.changed.notify_one();
        done
    }

    /// Lets the keeper see that the log is being closed.
    pub(super) fn end(&self, core: &Core) {
        let _requests = self.requests.lock();
        core.close();
        self.changed.notify_one();
    }

    /// The requests since the last time, perhaps none; `None` at the end.
    fn next(&self, core: &Core) -> Option<Vec<Request>> {
        let mut requests = self.requests.lock();
        if requests.is_empty() && !core.is_closing() {
            self.changed.wait_for(&mut requests, INTERVAL);
        }
        (!core.is_closing()).then(|| std::mem::take(&mut *requests))
    }
}

/// Cleans from time to time and when asked to, until the log is closed.
pub(super) fn run(core: &Core, disk: &Disk, chores: &Chores) {
    while let Some(requests) = chores.next(core) {
        let result = clean(core, disk, !requests.is_empty());
        if let (true, Err(error)) = (requests.is_empty(), &result)
            && *error != TransportError::Closed
        {
            tracing::error!(%error, "the log could not be cleaned");
        }
        for request in requests {
            // Whoever asked may be gone.
            let _ = request.send(result.clone());
        }
    }
}

/// A partition to be cleaned.
struct Task {
    topic: TopicId,
    name: TopicPartition,
    settings: Settings,
    start: Offset,
    stable: Offset,
    cleaned: Offset,
    dirty: bool,
}

/// Cleans all partitions; those with little new in them are compacted only if `all`.
fn clean(core: &Core, disk: &Disk, all: bool) -> Result<(), TransportError> {
    let (now, tasks) = core.call(|broker, now| (now, tasks(broker)));
    for task in tasks {
        if task.settings.cleanup.deletes()
            && let Some(retention) = task.settings.retention
        {
            expire(core, disk, &task, now, retention)?;
        }
        if task.settings.cleanup.compacts() && (all || task.dirty) {
            compact(core, disk, &task, now)?;
        }
        sweep_below(core, disk, &task)?;
    }
    sweep_topics(core, disk)
}

fn tasks(broker: &Broker) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (name, topic) in &broker.topics {
        for (number, partition) in (0..).zip(&topic.partitions) {
            tasks.push(Task {
                topic: topic.id,
                name: TopicPartition::new(TopicName::clone(name), number),
                settings: topic.settings.clone(),
                start: partition.start,
                stable: partition.last_stable(),
                cleaned: partition.cleaned,
                dirty: partition.is_dirty(),
            });
        }
    }
    tasks
}

/// Deletes the oldest chunks whose records are all older than `retention`.
fn expire(
    core: &Core,
    disk: &Disk,
    task: &Task,
    now: Now,
    retention: Duration,
) -> Result<(), TransportError> {
    let mut start = task.start;
    for entry in disk.chunks(task.topic, task.name.partition, task.start) {
        let (base, bytes) = entry?;
        let head = chunk::decode_head(base, &bytes);
        let head = head.ok_or_else(|| disk.damaged(&task.key(base)))?;
        if head.next > task.stable || head.latest.after(retention) >= now.wall {
            break;
        }
        start = start.max(head.next);
    }
    if start > task.start {
        let done = core.call(|broker, _| broker.delete_records(&[(task.name.clone(), start)]))?;
        finish(done)?;
    }
    Ok(())
}

fn compact(core: &Core, disk: &Disk, task: &Task, now: Now) -> Result<(), TransportError> {
    let mut last = LastOffsets::default();
    let mut end = task.stable;
    let from = task.cleaned.max(task.start);
    for chunk in disk.decoded(task.topic, task.name.partition, from) {
        let chunk = chunk?;
        go_on(core)?;
        if chunk.base >= end || task.settings.spares(&chunk, now.wall) || last.len() >= KEYS {
            end = end.min(chunk.base);
            break;
        }
        last.add(&chunk.batch);
    }
    let delete_retention = task.settings.delete_retention;
    let mut compactor = Compactor::new(&last, now.wall, delete_retention);
    let mut sources = Vec::new();
    let mut left = 0;
    for chunk in disk.decoded(task.topic, task.name.partition, task.start) {
        let chunk = chunk?;
        go_on(core)?;
        if chunk.base >= end {
            break;
        }
        if let Some(finished) = compactor.add(&chunk) {
            left += finished.batch.bytes();
            replace(core, task, &mut sources, finished)?;
        }
        sources.push((chunk.base, chunk.batch.len(), chunk.horizon));
    }
    if let Some(finished) = compactor.finish() {
        left += finished.batch.bytes();
        replace(core, task, &mut sources, finished)?;
    }
    core.call(|broker, _| {
        if let Ok((id, partition)) = broker.partition(&task.name)
            && id == task.topic
        {
            partition.cleaned = end;
            partition.clean_bytes = left;
            partition.dirty = 0;
            // Readers get what is left, not what was.
            partition.evict(0);
        }
    });
    Ok(())
}

/// Puts `chunk` in the place of its sources, if it differs.
fn replace(
    core: &Core,
    task: &Task,
    sources: &mut Vec<(Offset, usize, Option<faustus_core::Timestamp>)>,
    chunk: Chunk,
) -> Result<(), TransportError> {
    let taken: Vec<_> = std::mem::take(sources);
    if let [(base, records, horizon)] = taken[..]
        && (base, records, horizon) == (chunk.base, chunk.batch.len(), chunk.horizon)
    {
        return Ok(());
    }
    let (topic, partition) = (task.topic, task.name.partition);
    let mut writes: Vec<_> = taken
        .iter()
        .filter(|(base, ..)| *base != chunk.base)
        .map(|(base, ..)| Write::RemoveChunk {
            topic,
            partition,
            base: *base,
        })
        .collect();
    writes.push(Write::Chunk {
        topic,
        partition,
        chunk,
    });
    submit(core, writes)
}

/// Removes the chunks that lie wholly below the start.
fn sweep_below(core: &Core, disk: &Disk, task: &Task) -> Result<(), TransportError> {
    let place = |base| Place {
        topic: task.topic,
        partition: task.name.clone(),
        base,
    };
    let mut bases = Vec::new();
    for entry in disk.chunks(task.topic, task.name.partition, Offset::ZERO) {
        let (base, bytes) = entry?;
        let head = chunk::decode_head(base, &bytes);
        let head = head.ok_or_else(|| disk.damaged(&task.key(base)))?;
        // The last chunk stays: it says where the partition ends.
        if head.next > task.start || head.next >= task.stable {
            break;
        }
        bases.push(place(base));
    }
    for bases in bases.chunks(SWEEP) {
        let write = |place: &Place| Write::RemoveChunk {
            topic: place.topic,
            partition: place.partition.partition,
            base: place.base,
        };
        submit(core, bases.iter().map(write).collect())?;
    }
    Ok(())
}

/// Removes what is left of topics that were deleted.
fn sweep_topics(core: &Core, disk: &Disk) -> Result<(), TransportError> {
    for kind in [format::CHUNK, format::START] {
        let mut from = vec![kind];
        while let Some(key) = disk.first_key(&from)? {
            let topic = format::topic_of(&key).filter(|_| key[0] == kind);
            let Some(topic) = topic else { break };
            let known: BTreeSet<_> =
                core.call(|broker, _| broker.topics.values().map(|topic| topic.id).collect());
            if !known.contains(&topic) {
                sweep_topic(core, disk, kind, topic)?;
            }
            let Some(next) = topic.0.checked_add(1) else {
                break;
            };
            from = format::prefix(kind, TopicId(next));
        }
    }
    Ok(())
}

fn sweep_topic(core: &Core, disk: &Disk, kind: u8, topic: TopicId) -> Result<(), TransportError> {
    loop {
        let entries = disk.scan(&format::prefix(kind, topic)).take(SWEEP);
        let mut writes = Vec::new();
        for entry in entries {
            let (key, _) = entry?;
            let partition = key.get(17..21).and_then(|bytes| bytes.try_into().ok());
            let partition = u32::from_be_bytes(partition.ok_or_else(|| disk.damaged(&key))?);
            writes.push(match format::base_of(&key) {
                Some(base) => Write::RemoveChunk {
                    topic,
                    partition,
                    base,
                },
                None => Write::RemoveStart { topic, partition },
            });
        }
        if writes.is_empty() {
            return Ok(());
        }
        submit(core, writes)?;
    }
}

fn submit(core: &Core, writes: Vec<Write>) -> Result<(), TransportError> {
    go_on(core)?;
    finish(core.call(|broker, _| broker.submit(Completion::Nothing, |_| writes)))
}

/// Ends the cleaning when the log is being closed.
fn go_on(core: &Core) -> Result<(), TransportError> {
    if core.is_closing() {
        return Err(TransportError::Closed);
    }
    Ok(())
}

/// Waits in this thread until an operation is written.
fn finish(submitted: Submitted) -> Result<(), TransportError> {
    match submitted {
        Submitted::Done => Ok(()),
        Submitted::Waiting(reply) => reply.blocking_recv().unwrap_or(Err(TransportError::Closed)),
    }
}

impl Task {
    fn key(&self, base: Offset) -> Vec<u8> {
        format::chunk_key(self.topic, self.name.partition, base)
    }
}
