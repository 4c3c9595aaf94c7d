//! Tables that are kept in stores beside the log.

use std::collections::BTreeMap;

use faustus::Settings;
use faustus_core::{Change, OffsetSpec, StoreProvider};
use faustus_store::FjallStores;

use crate::{
    common::{
        Outside, Running,
        bank::{self, Sent},
        both,
        flow::{self, Controls, expect},
        until,
    },
    disk::{Disk, settings},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_up_to_date_is_used_instead_of_the_changelog() {
    both("flow", async |name, guarantee| {
        let disk = Disk::new();
        let stores = disk.path().join("stores");
        let settings = Settings {
            stores: Some(stores.clone()),
            ..settings(guarantee)
        };
        let app = || flow::app(name, &Controls::default(), 1, 1);
        let log = disk.open().await;
        let outside = Outside::new(&log);
        let worker = Running::start(app(), &log, settings.clone()).await;
        let keys = ["a", "b", "a"];
        flow::send(&outside, name, &keys).await;
        outside.settle(&[&worker]).await;
        worker.shutdown().await;
        // What only the store says shows that it is read.
        {
            let stores = until(async || FjallStores::open(&stores)).await;
            let store = stores.open("counts", 0).unwrap();
            let checkpoint = store.checkpoint().unwrap().unwrap();
            let changelog = format!("{name}-counts-changelog");
            let end = outside.ends(&changelog, OffsetSpec::HighWatermark).await[0];
            assert!(checkpoint.offset <= end);
            let mark = Change {
                key: br#""mark""#[..].into(),
                value: Some(b"7"[..].into()),
            };
            store.apply(&[mark], &checkpoint).unwrap();
        }
        let worker = Running::start(app(), &log, settings).await;
        flow::send(&outside, name, &keys).await;
        outside.settle(&[&worker]).await;
        let table: BTreeMap<String, u64> = worker.handle.table("counts").await.unwrap();
        assert_eq!(table, expect(&[("a", 4), ("b", 2), ("mark", 7)]));
        let stored = flow::counts(&outside, name).await;
        assert_eq!(stored, expect(&[("a", 4), ("b", 2)]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_in_stores_are_right_after_a_worker_was_dropped() {
    both("bank", async |name, guarantee| {
        let disk = Disk::new();
        let settings = Settings {
            stores: Some(disk.path().join("stores")),
            ..settings(guarantee)
        };
        let mut sent = Sent::new(name);
        for round in 0..3 {
            let log = disk.open().await;
            let outside = Outside::new(&log);
            let start = || Running::try_start(bank::app(name), &log, settings.clone());
            let worker = until(async || start().await).await;
            sent.more(&outside, 300).await;
            // One end is graceful, the others are not.
            if round == 0 {
                worker.shutdown().await;
            } else {
                worker.crash().await;
            }
        }
        let log = disk.open().await;
        let outside = Outside::new(&log);
        let start = || Running::try_start(bank::app(name), &log, settings.clone());
        let worker = until(async || start().await).await;
        outside.settle(&[&worker]).await;
        sent.check(&outside, guarantee).await;
        let table: BTreeMap<String, u64> = worker.handle.table("totals").await.unwrap();
        assert_eq!(table, outside.changelog(name, "totals").await, "{name}");
    })
    .await;
}
