//! Directories whose files were torn or damaged.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use faustus::{ErrorKind, Guarantee, Settings};

use crate::{
    common::{
        Outside, Running,
        bank::{self, Order, Sent},
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
    let mut sent = Sent::default();
    while sent.count < orders {
        sent.more(&outside, NAME, 100).await;
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
    Sent::default().more(&outside, NAME, 50).await;
    outside.settle(&[&worker]).await;
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = 0;
    for topic in ["orders", "refunds"] {
        for record in outside.records(&format!("{NAME}-{topic}")).await {
            let Order { account, amount } = record.json();
            *sums.entry(account).or_default() += amount;
            count += 1;
        }
    }
    assert_eq!(outside.changelog(NAME, "totals").await, sums);
    let told = outside.records(&format!("{NAME}-audit")).await.len();
    assert_eq!(told, count);
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
