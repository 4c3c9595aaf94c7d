//! Random calls give what a list in memory says: readers see the records of committed transactions
//! and of none, in the order of their offsets, whatever was aborted, compacted or opened again.

mod support;

use std::{collections::BTreeMap, future::poll_fn, path::Path, sync::Arc, time::Duration};

use faustus_core::{
    BatchBuilder, CleanupPolicy, Clock, GroupIdentity, NewTopic, Offset, OffsetCommit, OffsetSpec,
    Outgoing, Producer, ReadOptions, Timestamp, TopicConfig, TopicPartition, TransactionalProducer,
    Transport,
};
use faustus_log::{DirectoryLog, DirectoryOptions, MemoryLog};
use proptest::prelude::*;
use support::TokioClock;

const PARTITIONS: u32 = 2;
const PRODUCERS: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    /// So many records with these keys, by a plain producer or in a transaction.
    Publish {
        producer: Option<usize>,
        partition: u32,
        keys: Vec<u8>,
    },
    Commit(usize),
    Abort(usize),
    /// A new producer of the id.
    Replace(usize),
    Clean,
    /// Closes the log, if it lies in a directory, and opens it again.
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let producer = prop::option::of(0..PRODUCERS);
    let keys = prop::collection::vec(0..4_u8, 1..5);
    prop_oneof![
        6 => (producer, 0..PARTITIONS, keys).prop_map(|(producer, partition, keys)| Op::Publish {
            producer,
            partition,
            keys
        }),
        2 => (0..PRODUCERS).prop_map(Op::Commit),
        1 => (0..PRODUCERS).prop_map(Op::Abort),
        1 => (0..PRODUCERS).prop_map(Op::Replace),
        1 => Just(Op::Clean),
        1 => Just(Op::Reopen),
    ]
}

/// A record as the model keeps it.
#[derive(Clone, Debug)]
struct Written {
    offset: i64,
    key: u8,
    value: String,
    /// The producer whose open transaction it belongs to.
    open: Option<usize>,
}

enum Log<'a> {
    Memory(MemoryLog),
    Directory(&'a Path, Option<DirectoryLog>),
}

impl Log<'_> {
    fn transport(&self) -> Arc<dyn Transport> {
        match self {
            Self::Memory(log) => Arc::new(log.clone()),
            Self::Directory(_, log) => Arc::new(log.clone().expect("it is open")),
        }
    }

    fn open(&mut self) {
        if let Self::Directory(path, log) = self {
            let clock = Arc::new(TokioClock::new()) as Arc<dyn Clock>;
            let options = DirectoryOptions::default().reserve(0);
            *log = Some(DirectoryLog::open(path, clock, options).expect("it opens"));
        }
    }

    async fn clean(&self) {
        match self {
            Self::Memory(log) => log.clean(),
            Self::Directory(_, log) => {
                let cleaned = log.as_ref().expect("it is open").clean();
                cleaned.await.expect("it can be cleaned");
            }
        }
    }
}

/// The log under test, its producers, and what should be in it.
struct Run<'a> {
    log: Log<'a>,
    plain: Option<Box<dyn Producer>>,
    producers: Vec<Option<(Box<dyn TransactionalProducer>, bool)>>,
    written: BTreeMap<u32, Vec<Written>>,
    count: usize,
}

impl Run<'_> {
    async fn replace(&mut self, producer: usize) {
        let id = format!("id-{producer}");
        let timeout = Duration::from_secs(600);
        let transport = self.log.transport();
        let new = transport.transactional_producer(&id, timeout).await;
        self.producers[producer] = Some((new.expect("a producer"), false));
        self.end(producer, false);
    }

    fn end(&mut self, producer: usize, committed: bool) {
        for records in self.written.values_mut() {
            records.retain(|record| committed || record.open != Some(producer));
            for record in records.iter_mut() {
                if record.open == Some(producer) {
                    record.open = None;
                }
            }
        }
    }

    async fn publish(&mut self, producer: Option<usize>, partition: u32, keys: &[u8]) {
        let mut builder = BatchBuilder::new();
        let mut records = Vec::new();
        for key in keys {
            self.count += 1;
            let value = self.count.to_string();
            builder.push(Timestamp(1), Some(&[*key]), Some(value.as_bytes()));
            records.push((*key, value));
        }
        let outgoing = vec![Outgoing {
            partition: TopicPartition::new("topic", partition),
            batch: builder.build(),
        }];
        let published = match producer {
            None => {
                self.plain
                    .as_mut()
                    .expect("a producer")
                    .publish(outgoing)
                    .await
            }
            Some(number) => {
                let (producer, open) = self.producers[number].as_mut().expect("a producer");
                if !*open {
                    producer.begin().await.expect("it begins");
                    *open = true;
                }
                producer.publish(outgoing).await
            }
        };
        let end = published.expect("it is stored").ends[0].0;
        let first = end - i64::try_from(records.len()).expect("it is small");
        let written = self.written.entry(partition).or_default();
        written.extend(
            (first..)
                .zip(records)
                .map(|(offset, (key, value))| Written {
                    offset,
                    key,
                    value,
                    open: producer,
                }),
        );
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Publish {
                producer,
                partition,
                keys,
            } => self.publish(producer, partition, &keys).await,
            Op::Commit(number) | Op::Abort(number) => {
                let (producer, open) = self.producers[number].as_mut().expect("a producer");
                if !std::mem::take(open) {
                    return;
                }
                let committed = matches!(op, Op::Commit(_));
                if committed {
                    let partition = TopicPartition::new("topic", 0);
                    let count = i64::try_from(self.count).expect("it is small");
                    let offsets = vec![OffsetCommit::new(partition, Offset(count))];
                    let group = GroupIdentity::none("group");
                    producer.commit(&group, offsets).await.expect("it commits");
                } else {
                    producer.abort().await.expect("it aborts");
                }
                self.end(number, committed);
            }
            Op::Replace(number) => self.replace(number).await,
            Op::Clean => self.log.clean().await,
            Op::Reopen => {
                let Log::Directory(_, log) = &mut self.log else {
                    return;
                };
                self.plain = None;
                self.producers.fill_with(|| None);
                *log = None;
                self.start().await;
            }
        }
    }

    async fn start(&mut self) {
        self.log.open();
        let transport = self.log.transport();
        self.plain = Some(transport.producer().await.expect("a producer"));
        for number in 0..PRODUCERS {
            self.replace(number).await;
        }
    }

    /// All that a reader sees is in the model, and the last of each key is seen.
    async fn check(&self) {
        let transport = self.log.transport();
        for partition in 0..PARTITIONS {
            let at = TopicPartition::new("topic", partition);
            let of = std::slice::from_ref(&at);
            let ends = transport.admin().offsets(of, OffsetSpec::LastStable).await;
            let end = ends.expect("it has ends")[0];
            let readers = transport.log();
            let options = ReadOptions::default().max_batch_bytes(20);
            let reader = readers.read(&at, Offset::ZERO, options).await;
            let mut reader = reader.expect("it can be read");
            let mut seen = Vec::new();
            while reader.position() < end {
                let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await;
                for record in fetched.expect("it can be read").batch.iter() {
                    let value = String::from_utf8_lossy(record.value().expect("a value"));
                    seen.push((record.offset().0, value.into_owned()));
                }
            }
            let empty = Vec::new();
            let written = self.written.get(&partition).unwrap_or(&empty);
            let first_open = written.iter().find(|record| record.open.is_some());
            let stable = first_open.map_or(i64::MAX, |record| record.offset);
            let visible: Vec<_> = written.iter().filter(|r| r.offset < stable).collect();
            let expected = |r: &&Written| (r.offset, r.value.clone());
            let all: Vec<_> = visible.iter().map(expected).collect();
            assert!(
                seen.iter().all(|record| all.contains(record)),
                "{seen:?} of {all:?}"
            );
            assert!(seen.is_sorted());
            let last: BTreeMap<_, _> = visible.iter().map(|r| (r.key, expected(r))).collect();
            assert!(
                last.values().all(|record| seen.contains(record)),
                "{seen:?} of {last:?}"
            );
        }
    }
}

async fn run(log: Log<'_>, ops: Vec<Op>) {
    let mut run = Run {
        log,
        plain: None,
        producers: (0..PRODUCERS).map(|_| None).collect(),
        written: BTreeMap::new(),
        count: 0,
    };
    run.start().await;
    let new = NewTopic {
        name: "topic".into(),
        partitions: PARTITIONS,
        replicas: None,
        config: TopicConfig {
            cleanup: Some(CleanupPolicy::Compact),
            ..TopicConfig::default()
        },
    };
    let created = run.log.transport().admin().create_topics(&[new]).await;
    created.expect("topics can be made");
    for op in ops {
        run.apply(op).await;
        run.check().await;
    }
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn in_memory(ops in prop::collection::vec(op(), 1..40)) {
        block_on(async {
            let clock = Arc::new(TokioClock::new());
            run(Log::Memory(MemoryLog::new(clock, 1)), ops).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 100, ..ProptestConfig::default() })]
    #[test]
    fn in_a_directory(ops in prop::collection::vec(op(), 1..60)) {
        block_on(async {
            let directory = tempfile::tempdir().expect("a directory");
            run(Log::Directory(directory.path(), None), ops).await;
        });
    }
}
