//! Tests of what a directory keeps, and of what is done when it is damaged, full or in use.

mod look;

use std::{
    fs, future,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use faustus_core::{
    BatchBuilder, CleanupPolicy, CommittedOffset, GroupIdentity, NewTopic, Offset, OffsetCommit,
    OffsetSpec, Outgoing, PublishError, ReadOptions, Timestamp, TopicConfig, TopicPartition,
};
use tempfile::TempDir;

use super::*;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(future::pending())
    }
}

fn options() -> DirectoryOptions {
    DirectoryOptions::default().reserve(0)
}

fn try_open(path: &Path, options: DirectoryOptions) -> Result<DirectoryLog, TransportError> {
    DirectoryLog::open(path, Arc::new(Still), options)
}

fn open(path: &Path) -> DirectoryLog {
    try_open(path, options()).unwrap()
}

fn at(partition: u32) -> TopicPartition {
    TopicPartition::new("topic", partition)
}

async fn create(log: &DirectoryLog, config: TopicConfig) {
    let new = NewTopic {
        name: "topic".into(),
        partitions: 2,
        replicas: None,
        config,
    };
    let results = log.admin().create_topics(&[new]).await.unwrap();
    assert_eq!(results, [Ok(())]);
}

fn outgoing(partition: u32, values: &[&str]) -> Vec<Outgoing> {
    let mut builder = BatchBuilder::new();
    for value in values {
        let (key, value) = value.split_once('=').unwrap_or(("k", value));
        let stamp = Timestamp(1_700_000_000_000);
        builder.push(stamp, Some(key.as_bytes()), Some(value.as_bytes()));
    }
    vec![Outgoing {
        partition: at(partition),
        batch: builder.build(),
    }]
}

async fn publish(log: &DirectoryLog, partition: u32, values: &[&str]) -> Result<(), PublishError> {
    let mut producer = log.producer().await.unwrap();
    let published = producer.publish(outgoing(partition, values)).await;
    published.map(drop)
}

/// One epoch: a record in each partition and an offset.
async fn epoch(log: &DirectoryLog, number: i64) -> Result<(), TransportError> {
    let timeout = Duration::from_secs(60);
    let mut producer = log.transactional_producer("id", timeout).await.unwrap();
    producer.begin().await.unwrap();
    for partition in 0..2 {
        let sent = outgoing(partition, &[&number.to_string()]);
        producer.publish(sent).await.unwrap();
    }
    let commit = OffsetCommit {
        partition: at(0),
        offset: Offset(number),
        metadata: format!("epoch {number}"),
    };
    let nobody = GroupIdentity::none("group");
    producer.commit(&nobody, vec![commit]).await
}

async fn committed(log: &DirectoryLog) -> Option<CommittedOffset> {
    let coordinator = log.coordinator("group");
    let offsets = coordinator.fetch_offsets(&[at(0)], true).await.unwrap();
    offsets.into_iter().next().unwrap()
}

async fn end(log: &DirectoryLog, partition: u32, spec: OffsetSpec) -> i64 {
    let ends = log.admin().offsets(&[at(partition)], spec).await.unwrap();
    ends[0].0
}

async fn read(log: &DirectoryLog, partition: u32) -> Vec<(i64, String)> {
    let start = end(log, partition, OffsetSpec::Earliest).await;
    let stable = end(log, partition, OffsetSpec::LastStable).await;
    let partition = at(partition);
    let readers = log.log();
    let reader = readers.read(&partition, Offset(start), ReadOptions::default());
    let mut reader = reader.await.unwrap();
    let mut records = Vec::new();
    while reader.position().0 < stable {
        let fetched = future::poll_fn(|cx| reader.poll_fetch(cx)).await.unwrap();
        for record in fetched.batch.iter() {
            let value = String::from_utf8_lossy(record.value().unwrap_or(b"-"));
            records.push((record.offset().0, value.into_owned()));
        }
    }
    records
}

fn values(records: &[(i64, String)]) -> Vec<&str> {
    records.iter().map(|(_, value)| value.as_str()).collect()
}

/// The newest journal of the database.
fn journal(directory: &TempDir) -> PathBuf {
    let files = fs::read_dir(directory.path().join("data")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let journals = paths.filter(|path| path.extension().is_some_and(|ext| ext == "jnl"));
    journals.max().unwrap()
}

#[tokio::test]
async fn an_opened_log_has_what_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let config = TopicConfig {
        retention: Some(None),
        ..TopicConfig::default()
    };
    create(&log, config).await;
    publish(&log, 0, &["plain 0", "plain 1"]).await.unwrap();
    epoch(&log, 1).await.unwrap();
    let before = [(at(0), Offset(1))];
    log.admin().delete_records(&before).await.unwrap();
    let described = log.admin().describe_topics(&["topic".into()]).await;
    let ends = [end(&log, 0, OffsetSpec::HighWatermark).await, 2];
    drop(log);
    let log = open(directory.path());
    let again = log.admin().describe_topics(&["topic".into()]).await;
    assert_eq!(again, described);
    let records = read(&log, 0).await;
    assert_eq!(values(&records), ["plain 1", "1"]);
    assert_eq!(end(&log, 0, OffsetSpec::Earliest).await, 1);
    assert_eq!(end(&log, 0, OffsetSpec::HighWatermark).await, ends[0]);
    assert_eq!(end(&log, 1, OffsetSpec::HighWatermark).await, ends[1]);
    let expected = CommittedOffset {
        offset: Offset(1),
        metadata: "epoch 1".into(),
    };
    assert_eq!(committed(&log).await, Some(expected));
}

#[tokio::test]
async fn nothing_is_left_of_a_transaction_that_was_open_or_aborted() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    let timeout = Duration::from_secs(60);
    let mut aborted = log.transactional_producer("a", timeout).await.unwrap();
    aborted.begin().await.unwrap();
    aborted.publish(outgoing(0, &["aborted"])).await.unwrap();
    aborted.abort().await.unwrap();
    let passed = end(&log, 0, OffsetSpec::LastStable).await;
    let mut open_one = log.transactional_producer("b", timeout).await.unwrap();
    open_one.begin().await.unwrap();
    open_one.publish(outgoing(0, &["open"])).await.unwrap();
    publish(&log, 0, &["plain"]).await.unwrap();
    drop((aborted, open_one, log));
    let log = open(directory.path());
    assert_eq!(values(&read(&log, 0).await), ["plain"]);
    // The hole that readers passed is still there: their positions are in range.
    let partition = at(0);
    let readers = log.log();
    let reader = readers.read(&partition, Offset(passed), ReadOptions::default());
    assert!(reader.await.is_ok());
}

#[tokio::test]
async fn a_hole_at_the_end_survives() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    let timeout = Duration::from_secs(60);
    let mut producer = log.transactional_producer("a", timeout).await.unwrap();
    producer.begin().await.unwrap();
    producer.publish(outgoing(0, &["aborted"])).await.unwrap();
    producer.abort().await.unwrap();
    assert_eq!(end(&log, 0, OffsetSpec::LastStable).await, 2);
    drop((producer, log));
    let log = open(directory.path());
    assert_eq!(end(&log, 0, OffsetSpec::LastStable).await, 2);
}

#[tokio::test]
async fn what_is_not_held_in_memory_is_read_from_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    let value = "v".repeat(100_000);
    for _ in 0..40 {
        publish(&log, 0, &[&value, "small"]).await.unwrap();
    }
    let records = read(&log, 0).await;
    let offsets: Vec<_> = records.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (0..80).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_open_is_refused_and_names_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let error = try_open(directory.path(), options()).unwrap_err();
    let id = std::process::id().to_string();
    assert!(error.to_string().contains(&id), "{error}");
    drop(log);
    open(directory.path());
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_stores_nothing_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    epoch(&log, 1).await.unwrap();
    let reserve = |bytes| {
        let disk = log.disk.upgrade().unwrap();
        disk.reserve.store(bytes, Ordering::Relaxed);
    };
    reserve(u64::MAX);
    let error = publish(&log, 0, &["full"]).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Transport(TransportError::Full(_))),
        "{error}"
    );
    let error = epoch(&log, 2).await.unwrap_err();
    assert!(matches!(error, TransportError::Full(_)), "{error}");
    let error = log.admin().delete_topic(&"topic".into()).await.unwrap_err();
    assert!(matches!(error, TransportError::Full(_)), "{error}");
    assert_eq!(values(&read(&log, 0).await), ["1"]);
    let position = end(&log, 0, OffsetSpec::LastStable).await;
    reserve(0);
    // Any write brings along the holes that could not be stored.
    publish(&log, 1, &["room"]).await.unwrap();
    drop(log);
    let log = open(directory.path());
    assert_eq!(values(&read(&log, 0).await), ["1"]);
    assert_eq!(values(&read(&log, 1).await), ["1", "room"]);
    assert_eq!(end(&log, 0, OffsetSpec::LastStable).await, position);
    assert_eq!(committed(&log).await.unwrap().offset, Offset(1));
}

/// A log of 30 epochs, closed.
async fn thirty_epochs() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    for number in 1..=30 {
        epoch(&log, number).await.unwrap();
    }
    directory
}

/// A copy of a closed log whose newest journal has other bytes.
fn copy(original: &TempDir, change: impl FnOnce(&mut Vec<u8>)) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(directory.path().join(&folder)).unwrap();
        for file in fs::read_dir(original.path().join(&folder)).unwrap() {
            let file = file.unwrap();
            let path = folder.join(file.file_name());
            if file.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if file.path() != journal(original) {
                fs::copy(file.path(), directory.path().join(&path)).unwrap();
            }
        }
    }
    let path = journal(original);
    let mut bytes = fs::read(&path).unwrap();
    // Behind what is written a journal is filled with zeros.
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(used);
    change(&mut bytes);
    let path = path.strip_prefix(original.path()).unwrap();
    fs::write(directory.path().join(path), bytes).unwrap();
    directory
}

/// The log holds the first epochs and nothing of the others; gives how many.
async fn check_prefix(log: &DirectoryLog) -> i64 {
    let count = committed(log).await.map_or(0, |offset| offset.offset.0);
    let expected: Vec<_> = (1..=count).map(|number| number.to_string()).collect();
    for partition in 0..2 {
        assert_eq!(values(&read(log, partition).await), expected);
    }
    count
}

#[tokio::test]
async fn a_torn_write_at_the_end_is_dropped() {
    // The beginning of a write that the process did not finish: the same bytes as the first one's.
    let directory = copy(&thirty_epochs().await, |bytes| {
        bytes.extend_from_within(..40)
    });
    let log = open(directory.path());
    assert!(log.disk.upgrade().unwrap().torn.is_some());
    assert_eq!(check_prefix(&log).await, 30);
    epoch(&log, 31).await.unwrap();
    drop(log);
    let log = open(directory.path());
    assert_eq!(log.disk.upgrade().unwrap().torn, None);
    assert_eq!(check_prefix(&log).await, 31);
}

#[tokio::test]
async fn a_journal_that_lost_its_end_is_refused_and_then_accepted_as_a_prefix() {
    let original = thirty_epochs().await;
    for cut in [1, 100, 333, 1000, 2500] {
        let directory = copy(&original, |bytes| bytes.truncate(bytes.len() - cut));
        let error = try_open(directory.path(), options()).unwrap_err();
        assert!(error.to_string().contains("accept_loss"), "{error}");
        let log = try_open(directory.path(), options().accept_loss(true)).unwrap();
        let left = check_prefix(&log).await;
        assert!((1..30).contains(&left), "{left} after {cut} bytes");
        drop(log);
        assert_eq!(check_prefix(&open(directory.path())).await, left);
    }
}

#[tokio::test]
async fn a_flipped_bit_is_refused() {
    let original = thirty_epochs().await;
    for place in 1..13 {
        let directory = copy(&original, |bytes| {
            let at = bytes.len() * place / 13;
            bytes[at] ^= 0x10;
        });
        let error = try_open(directory.path(), options()).unwrap_err();
        assert!(matches!(error, TransportError::Corrupt(_)), "{error}");
    }
}

#[tokio::test]
async fn writes_may_be_on_the_disk_itself_before_they_are_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let log = try_open(directory.path(), options().fsync(true)).unwrap();
    create(&log, TopicConfig::default()).await;
    for number in 1..=3 {
        epoch(&log, number).await.unwrap();
    }
    drop(log);
    assert_eq!(check_prefix(&open(directory.path())).await, 3);
}

#[tokio::test]
async fn what_was_compacted_is_compacted_after_an_open() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let config = TopicConfig {
        cleanup: Some(CleanupPolicy::Compact),
        ..TopicConfig::default()
    };
    create(&log, config).await;
    for round in 0..20 {
        let value = format!("a={round}");
        publish(&log, 0, &["b=1", &value]).await.unwrap();
    }
    log.clean().await.unwrap();
    let expected = [(38, "1".to_owned()), (39, "19".to_owned())];
    assert_eq!(read(&log, 0).await, expected);
    drop(log);
    let log = open(directory.path());
    assert_eq!(read(&log, 0).await, expected);
    assert_eq!(end(&log, 0, OffsetSpec::HighWatermark).await, 40);
    publish(&log, 0, &["a=20"]).await.unwrap();
    log.clean().await.unwrap();
    let expected = [(38, "1".to_owned()), (40, "20".to_owned())];
    assert_eq!(read(&log, 0).await, expected);
}

#[tokio::test]
async fn nothing_is_left_on_disk_of_a_deleted_topic_after_a_cleaning() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    for number in 1..=5 {
        epoch(&log, number).await.unwrap();
    }
    let before = [(at(0), Offset(4))];
    log.admin().delete_records(&before).await.unwrap();
    let entries = |kind: u8| {
        let disk = log.disk.upgrade().unwrap();
        disk.scan(&[kind]).count()
    };
    log.clean().await.unwrap();
    assert_eq!(entries(format::CHUNK), 8);
    log.admin().delete_topic(&"topic".into()).await.unwrap();
    log.clean().await.unwrap();
    for kind in [format::TOPIC, format::CHUNK, format::START, format::COMMIT] {
        assert_eq!(entries(kind), 0, "{}", char::from(kind));
    }
}

#[tokio::test]
async fn a_directory_whose_chunks_lie_among_the_keys_is_still_read_and_written() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let data = directory.path().join("data");
    fs::remove_dir_all(&data).unwrap();
    let database = fjall::Database::builder(&data).open().unwrap();
    let options = || fjall::KeyspaceCreateOptions::default().max_memtable_size(512 * 1024);
    drop(database.keyspace("log", options).unwrap());
    drop(database);
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    let value = "v".repeat(100_000);
    for _ in 0..10 {
        publish(&log, 0, &[&value]).await.unwrap();
    }
    drop(log);
    assert_eq!(read(&open(directory.path()), 0).await.len(), 10);
}

#[tokio::test]
async fn the_room_of_deleted_records_is_used_again() {
    const RECORD: usize = 1_000_000;
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    // What repeats would be compressed.
    let mut seed = 1_u64;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + (seed >> 58) as u8)
    });
    let value: String = noise.take(RECORD).collect();
    for number in 1..=64 {
        publish(&log, 0, &[&value]).await.unwrap();
        let before = [(at(0), Offset(number - 1))];
        log.admin().delete_records(&before).await.unwrap();
        log.clean().await.unwrap();
    }
    let size = size(&directory.path().join("data/keyspaces"));
    assert!(size < 32 * RECORD as u64, "{size} bytes for one record");
}

/// How long all files in `path` are together.
fn size(path: &Path) -> u64 {
    let files = fs::read_dir(path).unwrap();
    let sizes = files.map(|file| {
        let path = file.unwrap().path();
        // A file may be removed meanwhile.
        let len = fs::metadata(&path).map_or(0, |found| found.len());
        if path.is_dir() { size(&path) } else { len }
    });
    sizes.sum()
}
