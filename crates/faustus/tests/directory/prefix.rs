//! An event in flight holds back what was completed after it.

use faustus::Ended;

use crate::{
    common::{
        Outside, both, flow,
        held::{Held, WITNESS},
        moved,
    },
    disk::{Disk, settings},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_with_an_event_in_flight() {
    both("flow", async |name, guarantee| {
        let disk = Disk::new();
        let log = disk.open().await;
        let (held, worker) = Held::new(name, &log, settings(guarantee)).await;
        worker.crash().await;
        drop(log);
        held.check_successor(&disk.open().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_that_an_event_in_flight_outlasts() {
    both("flow", async |name, guarantee| {
        let disk = Disk::new();
        let log = disk.open().await;
        let (held, worker) = Held::new(name, &log, settings(guarantee)).await;
        assert_eq!(worker.shutdown().await, Ended::Cut);
        // Nothing behind the event is stored.
        flow::check_once(&Outside::new(&log), name, &[WITNESS.to_owned()]).await;
        drop(log);
        held.check_successor(&disk.open().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_that_waits_for_the_event_in_flight() {
    both("flow", async |name, guarantee| {
        let disk = Disk::new();
        let log = disk.open().await;
        let (held, worker) = Held::new(name, &log, settings(guarantee)).await;
        worker.handle.shutdown();
        held.controls.open("k00");
        assert_eq!(worker.ended().await, Ended::Drained);
        let stored = flow::counts(&Outside::new(&log), name).await;
        assert_eq!(stored.get("k00"), Some(&1), "{name}");
        drop(log);
        held.check_successor(&disk.open().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_whose_task_has_an_event_in_flight_that_outlasts_the_drain() {
    both("flow", async |name, guarantee| {
        let disk = Disk::new();
        let log = disk.open().await;
        moved::outlasts(name, [&log, &log], settings(guarantee)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_that_waits_for_the_event_in_flight() {
    both("flow", async |name, guarantee| {
        let disk = Disk::new();
        let log = disk.open().await;
        moved::is_awaited(name, [&log, &log], settings(guarantee)).await;
    })
    .await;
}
