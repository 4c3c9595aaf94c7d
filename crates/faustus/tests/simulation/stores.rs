//! Tables in stores that outlive their workers: used, or rebuilt and the reason said.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use faustus::{Guarantee, testing::Cluster};
use faustus_core::StoreProvider;
use faustus_store::MemoryStores;

use crate::{
    common::{
        flow,
        rebuilt::{self, Place, count_on, plant},
        said,
    },
    scenario::{bank, for_seeds, sent, settings},
};

#[test]
fn a_store_that_survives_a_crash_is_used_and_right() {
    for_seeds(async |cluster, guarantee| {
        let mut stores = Arc::new(MemoryStores::new());
        let mut sent = sent();
        for _ in 0..4 {
            let worker =
                cluster.worker_with_stores(bank(), settings(guarantee), Arc::clone(&stores));
            worker.faults().delay_all(Duration::from_millis(2));
            sent.more(&cluster, 30).await;
            if guarantee == Guarantee::ExactlyOnce {
                cluster
                    .sleep(Duration::from_millis(cluster.seed() * 3))
                    .await;
                worker.crash();
                stores = Arc::new(stores.after_crash());
            } else {
                worker.shutdown().await.unwrap();
            }
        }
        let worker = cluster.worker_with_stores(bank(), settings(guarantee), Arc::clone(&stores));
        cluster.settle().await;
        assert_eq!(worker.table::<String, u64>("totals").await, sent.sums);
        sent.check_exact(&cluster).await;
    });
}

/// A flow on virtual time, and its stores.
struct Simulated {
    name: String,
    cluster: Cluster,
    guarantee: Guarantee,
    stores: Arc<MemoryStores>,
}

impl Place for Simulated {
    fn name(&self) -> &str {
        &self.name
    }

    async fn count(&self, keys: &[&str]) -> [BTreeMap<String, u64>; 2] {
        let (cluster, stores) = (&self.cluster, Arc::clone(&self.stores));
        let app = rebuilt::app(&self.name);
        let worker = cluster.worker_with_stores(app, settings(self.guarantee), stores);
        flow::send(cluster, &self.name, keys).await;
        cluster.settle().await;
        let table = worker.table("counts").await;
        worker.shutdown().await.unwrap();
        [table, flow::counts(cluster, &self.name).await]
    }

    async fn stores(&self) -> Arc<dyn StoreProvider> {
        Arc::clone(&self.stores) as _
    }

    fn damage(&self) -> [String; 2] {
        self.stores.damage("counts", 0);
        let changelog = format!("{}-counts-changelog/0", self.name);
        [changelog, "counts/0: damaged by the test".to_owned()]
    }
}

/// Runs a scenario with several seeds, each with a flow whose name begins so.
fn in_places(name: &str, scenario: &impl AsyncFn(&Simulated)) {
    for_seeds(async |cluster, guarantee| {
        let place = Simulated {
            name: format!("{name}-{}-{guarantee:?}", cluster.seed()),
            cluster,
            guarantee,
            stores: Arc::default(),
        };
        scenario(&place).await;
    });
}

#[test]
fn a_store_older_than_its_tombstones_is_rebuilt() {
    in_places("old", &async |place| {
        rebuilt::a_store_older_than_its_tombstones(place).await;
    });
}

#[test]
fn a_store_of_another_topic_id_is_rebuilt() {
    in_places("other", &async |place| {
        rebuilt::a_store_of_another_topic_id(place).await;
    });
}

#[test]
fn a_store_ahead_of_the_log_is_rebuilt() {
    in_places("ahead", &async |place| {
        rebuilt::a_store_ahead_of_the_log(place).await;
    });
}

#[test]
fn a_damaged_store_is_rebuilt() {
    in_places("damaged", &async |place| {
        rebuilt::a_damaged_store(place).await;
    });
}

#[test]
fn a_store_that_is_gone_is_rebuilt() {
    in_places("gone", &async |place| {
        count_on(place, 1).await;
        place.stores.destroy("counts", 0).unwrap();
        count_on(place, 2).await;
        let changelog = format!("{}-counts-changelog/0", place.name);
        said::check(&[&changelog, "the store is empty"]);
    });
}

#[test]
fn a_store_that_others_went_on_without_for_a_day_is_rebuilt() {
    in_places("away", &async |place| {
        count_on(place, 1).await;
        let elsewhere = Simulated {
            name: place.name.clone(),
            cluster: place.cluster.clone(),
            guarantee: place.guarantee,
            stores: Arc::default(),
        };
        count_on(&elsewhere, 2).await;
        plant(place, |_| ()).await;
        place.cluster.sleep(Duration::from_secs(25 * 3_600)).await;
        count_on(place, 3).await;
        let changelog = format!("{}-counts-changelog/0", place.name);
        said::check(&[&changelog, "the store was last written 1 d 1 h ago"]);
    });
}
