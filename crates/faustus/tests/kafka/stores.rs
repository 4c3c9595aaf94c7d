//! Tables in stores that outlive their workers, and must be rebuilt.

use crate::{
    broker::{connect, settings},
    common::{
        both,
        rebuilt::{self, OnDisk},
    },
};

/// Runs a scenario for both guarantees, each with stores of its own.
async fn in_places(name: &str, scenario: impl AsyncFn(&OnDisk)) {
    both(name, async |name, guarantee| {
        let directory = tempfile::tempdir().unwrap();
        let stores = directory.path().join("stores");
        let place = OnDisk::new(name, connect().await, settings(guarantee), stores);
        scenario(&place).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_older_than_its_tombstones_is_rebuilt() {
    in_places("store-old", async |place| {
        rebuilt::a_store_older_than_its_tombstones(place).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_topic_id_is_rebuilt() {
    in_places("store-other", async |place| {
        rebuilt::a_store_of_another_topic_id(place).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_ahead_of_the_log_is_rebuilt() {
    in_places("store-ahead", async |place| {
        rebuilt::a_store_ahead_of_the_log(place).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_stores_are_rebuilt() {
    in_places("store-damaged", async |place| {
        rebuilt::a_damaged_store(place).await;
    })
    .await;
}
