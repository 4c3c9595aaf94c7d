//! Sums that are exact, also when workers end and come again.

use faustus::{Ended, ErrorKind};

use crate::{
    common::{
        Outside, Running,
        bank::{self, Sent},
        both, check, until,
    },
    disk::{Disk, settings},
};

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_exact() {
    both("bank", async |name, guarantee| {
        let disk = Disk::new();
        let log = disk.open().await;
        let outside = Outside::new(&log);
        let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
        let mut sent = Sent::new(name);
        for _ in 0..3 {
            sent.more(&outside, 500).await;
            outside.settle(&[&worker]).await;
            sent.check_exact(&outside).await;
        }
        assert_eq!(worker.shutdown().await, Ended::Drained);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_restart_in_the_middle_of_work_doubles_nothing() {
    both("bank", async |name, guarantee| {
        let disk = Disk::new();
        let mut sent = Sent::new(name);
        for _ in 0..4 {
            let log = disk.open().await;
            let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
            sent.more(&Outside::new(&log), 500).await;
            assert_eq!(worker.shutdown().await, Ended::Drained);
        }
        let log = disk.open().await;
        let outside = Outside::new(&log);
        let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
        outside.settle(&[&worker]).await;
        sent.check_exact(&outside).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_dropped_in_the_middle_of_work_loses_nothing() {
    both("bank", async |name, guarantee| {
        let disk = Disk::new();
        let mut sent = Sent::new(name);
        let mut told = 0;
        for _ in 0..4 {
            let log = disk.open().await;
            let outside = Outside::new(&log);
            let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
            sent.more(&outside, 500).await;
            // Some of it is done, and some is not.
            let before = told;
            until(async || {
                told = outside.records(&format!("{name}-audit")).await.len();
                check(told > before, told)
            })
            .await;
            worker.crash().await;
        }
        let log = disk.open().await;
        let outside = Outside::new(&log);
        let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
        outside.settle(&[&worker]).await;
        sent.check(&outside, guarantee).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_on_the_directory_is_refused() {
    let disk = Disk::new();
    let log = disk.open().await;
    let error = disk.try_open().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let path = disk.log().display().to_string();
    let holder = format!("process {}", std::process::id());
    for part in [path.as_str(), &holder, "stop it, or use another directory"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    // The first one is none the worse for it.
    let name = "bank";
    let worker = Running::start(bank::app(name), &log, settings(Default::default())).await;
    let outside = Outside::new(&log);
    let mut sent = Sent::new(name);
    sent.more(&outside, 10).await;
    outside.settle(&[&worker]).await;
    sent.check_exact(&outside).await;
}
