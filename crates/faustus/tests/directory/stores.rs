//! Tables that are kept in stores beside the log.

use std::{collections::BTreeMap, fs};

use faustus::{ErrorKind, Settings};
use faustus_core::{Change, OffsetSpec, StoreProvider};
use faustus_store::FjallStores;

use crate::{
    common::{
        Outside, Running,
        bank::{self, Sent},
        both,
        flow::{self, Controls, expect},
        rebuilt::{self, OnDisk, Place, count_on, plant},
        said, until,
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

/// Runs a scenario for both guarantees, each on a directory of its own.
async fn in_places(name: &str, scenario: impl AsyncFn(&OnDisk)) {
    both(name, async |name, guarantee| {
        let disk = Disk::new();
        let stores = disk.path().join("stores");
        let place = OnDisk::new(name, disk.open().await, settings(guarantee), stores);
        scenario(&place).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_older_than_its_tombstones_is_rebuilt() {
    in_places("old", async |place| {
        rebuilt::a_store_older_than_its_tombstones(place).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_topic_id_is_rebuilt() {
    in_places("other", async |place| {
        rebuilt::a_store_of_another_topic_id(place).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_ahead_of_the_log_is_rebuilt() {
    in_places("ahead", async |place| {
        rebuilt::a_store_ahead_of_the_log(place).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_with_a_damaged_manifest_are_rebuilt() {
    in_places("damaged", async |place| {
        rebuilt::a_damaged_store(place).await;
    })
    .await;
}

/// Changes the written part of the stores' only journal; behind it there are zeros.
fn change_journal(place: &OnDisk, change: impl FnOnce(&mut Vec<u8>)) {
    let path = place.database().join("0.jnl");
    let mut bytes = fs::read(&path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(used);
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Damages the first place in the stores' only journal that holds this; more was written behind it.
fn damage_journal(place: &OnDisk, what: &[u8]) {
    change_journal(place, |bytes| {
        let found = bytes.windows(what.len()).position(|part| part == what);
        let found = found.unwrap();
        bytes[found..found + what.len()].fill(0xa5);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_with_a_damaged_entry_in_the_middle_of_a_journal_are_rebuilt() {
    in_places("entry", async |place| {
        count_on(place, 1).await;
        plant(place, |_| ()).await;
        damage_journal(place, br#""a""#);
        count_on(place, 2).await;
        said::check(&[&place.path(), "ChecksumMismatch"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_with_damage_in_the_middle_of_an_older_journal_are_rebuilt() {
    in_places("journal", async |place| {
        count_on(place, 1).await;
        plant(place, |_| ()).await;
        // The mark at the end of a batch, without which the rest is taken for a torn tail.
        damage_journal(place, b"FJL\x03");
        // As if the process had ended just after it began another journal.
        fs::write(place.database().join("1.jnl"), [0; 4_096]).unwrap();
        count_on(place, 2).await;
        said::check(&[&place.path(), "journal 0 is damaged at byte"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_with_a_torn_journal_miss_nothing() {
    in_places("torn", async |place| {
        count_on(place, 1).await;
        change_journal(place, |bytes| bytes.truncate(bytes.len() - 1));
        count_on(place, 2).await;
        change_journal(place, |bytes| bytes.extend_from_within(..40));
        count_on(place, 3).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_somebody_else_uses_are_left_alone() {
    in_places("used", async |place| {
        count_on(place, 1).await;
        let user = place.stores().await;
        let error = place.try_start().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        for part in [&*place.path(), "is held by", "a data directory of its own"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        let store = user.open("counts", 0).unwrap();
        assert_eq!(store.get(br#""a""#).unwrap().as_deref(), Some(&b"2"[..]));
        drop((store, user));
        count_on(place, 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_where_stores_should_be_stops_the_worker_and_stays() {
    in_places("nowhere", async |place| {
        fs::write(place.path(), "a file").unwrap();
        let error = place.try_start().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        let text = error.to_string();
        assert!(text.contains(&place.path()), "{text}");
        assert!(!text.contains("damaged"), "{text}");
        assert_eq!(fs::read_to_string(place.path()).unwrap(), "a file");
    })
    .await;
}
