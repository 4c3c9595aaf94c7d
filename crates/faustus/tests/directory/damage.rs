//! Directories whose files were torn or damaged.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use faustus::{ErrorKind, Guarantee, Settings, TaskState, TaskStatus};
use faustus_core::{
    BatchBuilder, NewTopic, Outgoing, Timestamp, TopicConfig, TopicPartition, TransportError,
};

use crate::{
    common::{
        Outside, Running,
        bank::{self, Sent},
        check, until,
    },
    disk::{Disk, settings},
};

const NAME: &str = "bank";

fn with_stores(disk: &Disk) -> Settings {
    Settings {
        stores: Some(disk.path().join("stores")),
        ..settings(Guarantee::ExactlyOnce)
    }
}

/// A directory whose bank did some work and was closed.
async fn worked(orders: u64) -> Disk {
    let disk = Disk::new();
    let log = disk.open().await;
    let outside = Outside::new(&log);
    let worker = Running::start(bank::app(NAME), &log, with_stores(&disk)).await;
    let mut sent = Sent::new(NAME);
    while sent.orders < orders {
        sent.more(&outside, 100).await;
    }
    outside.settle(&[&worker]).await;
    worker.shutdown().await;
    drop((outside, log));
    // Closed: another one may have it.
    drop(disk.open().await);
    disk
}

/// The files of the log's database with this extension, in order of their names.
fn files(disk: &Disk, extension: &str) -> Vec<PathBuf> {
    fn find(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                find(&path, extension, found);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    find(&disk.log().join("data"), extension, &mut found);
    found.sort();
    found
}

/// Changes the written part of the newest journal; behind it there are zeros.
fn change_journal(disk: &Disk, change: impl FnOnce(&mut Vec<u8>)) {
    let path = files(disk, "jnl").pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(used);
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// A bank on the directory agrees with whatever the topics hold, and goes on.
async fn check_goes_on(disk: &Disk) {
    let log = disk.open().await;
    let outside = Outside::new(&log);
    let worker = Running::start(bank::app(NAME), &log, with_stores(disk)).await;
    Sent::new(NAME).more(&outside, 50).await;
    outside.settle(&[&worker]).await;
    let found = Sent::found(&outside, NAME).await;
    found.check_exact(&outside).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_not_finished_is_dropped_and_the_worker_goes_on() {
    let disk = worked(200).await;
    // The beginning of a write, as a kill in its middle leaves it.
    change_journal(&disk, |bytes| bytes.extend_from_within(..40));
    check_goes_on(&disk).await;
}

/// Lets the directory look as after a power loss: written in an earlier run of the machine.
fn restart_machine(disk: &Disk) {
    let path = disk.log().join("HEAD");
    let mut bytes = fs::read(&path).unwrap();
    // The id of the run is the last of it.
    let id = bytes.len() - 36;
    bytes[id..].fill(b'0');
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_a_power_loss_took_is_done_without_and_the_worker_goes_on() {
    for cut in [1, 700, 20_000] {
        let disk = worked(200).await;
        change_journal(&disk, |bytes| bytes.truncate(bytes.len() - cut));
        restart_machine(&disk);
        check_goes_on(&disk).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_missing_for_no_reason_is_refused() {
    let disk = worked(200).await;
    change_journal(&disk, |bytes| bytes.truncate(bytes.len() - 700));
    let error = disk.try_open().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    let path = disk.log().display().to_string();
    for part in [
        path.as_str(),
        "missing",
        "restore the directory from a copy",
    ] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_damaged_in_the_middle_is_refused() {
    let disk = worked(200).await;
    change_journal(&disk, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8].fill(0xa5);
    });
    let error = disk.try_open().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    let path = disk.log().display().to_string();
    for part in [path.as_str(), "restore the directory from a copy"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

/// A directory whose bank's records are in files, long since in no journal any more.
async fn long_since_worked() -> Disk {
    let disk = worked(6_000).await;
    let log = disk.open().await;
    let new = NewTopic {
        name: "padding".into(),
        partitions: 1,
        replicas: None,
        config: TopicConfig::default(),
    };
    log.admin().create_topics(&[new]).await.unwrap();
    // It pushes out what was written before, and is compressed to nothing itself.
    let value = vec![b'0'; 200_000];
    let mut producer = log.producer().await.unwrap();
    for _ in 0..25 {
        let mut batch = BatchBuilder::new();
        batch.push(Timestamp(0), None, Some(&value));
        let partition = TopicPartition::new("padding", 0);
        let batch = batch.build();
        let outgoing = vec![Outgoing { partition, batch }];
        producer.publish(outgoing).await.unwrap();
    }
    until(async || {
        let tables = files_in(&disk, "tables");
        check(!tables.is_empty(), "nothing was pushed out")
    })
    .await;
    drop((producer, log));
    drop(disk.open().await);
    disk
}

/// The files of the log's keyspace in a folder of it: tables, or the blobs they point to.
fn files_in(disk: &Disk, folder: &str) -> Vec<PathBuf> {
    let folder = disk.log().join("data/keyspaces/1").join(folder);
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// The file of the oldest records.
fn oldest(disk: &Disk) -> PathBuf {
    let length = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let oldest = files_in(disk, "blobs").into_iter().max_by_key(length);
    let oldest = oldest.unwrap();
    let length = length(&oldest);
    assert!(
        length > 100_000,
        "what was written first is there: {length}"
    );
    oldest
}

/// Flips a bit in every block of a part of a file.
fn damage(path: &Path, part: impl FnOnce(usize) -> Range<usize>) {
    let mut bytes = fs::read(path).unwrap();
    let part = part(bytes.len());
    bytes[part]
        .chunks_mut(512)
        .for_each(|block| block[0] ^= 0x10);
    fs::write(path, bytes).unwrap();
}

fn check_says_what_to_do(disk: &Disk, text: &str) {
    let path = disk.log().display().to_string();
    for part in [
        path.as_str(),
        "damaged",
        "restore the directory from a copy",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_whose_older_files_are_damaged_all_over_is_refused() {
    for folder in ["tables", "blobs"] {
        let disk = long_since_worked().await;
        for file in files_in(&disk, folder) {
            damage(&file, |length| 0..length);
        }
        let error = disk.try_open().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{folder}");
        check_says_what_to_do(&disk, &error.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_damaged_are_told_to_all_who_read_them() {
    let disk = long_since_worked().await;
    damage(&oldest(&disk), |length| length / 3..length / 2);
    // What must be read at once may be among it.
    let log = match disk.try_open().await {
        Ok(log) => log,
        Err(error) => return check_says_what_to_do(&disk, &error.to_string()),
    };
    let mut told = 0;
    for topic in log.admin().list_topics().await.unwrap() {
        let read = Outside::new(&log).try_records(topic.as_str()).await;
        if let Err(error) = read {
            assert!(matches!(error, TransportError::Corrupt(_)), "{error}");
            check_says_what_to_do(&disk, &error.to_string());
            told += 1;
        }
    }
    assert!(told > 0, "damage was read as if it were records");
    // A worker without stores reads its tables from changelogs, and its sources where it was.
    let settings = settings(Guarantee::ExactlyOnce);
    let worker = Running::start(bank::app(NAME), &log, settings).await;
    until(async || {
        let statuses = worker.status().await;
        let recovering = |status: &TaskStatus| status.state == TaskState::Recovering;
        let done = !statuses.is_empty() && !statuses.iter().any(recovering);
        check(done, statuses)
    })
    .await;
    for (_, why) in worker.parked().await {
        check_says_what_to_do(&disk, &why);
    }
}
