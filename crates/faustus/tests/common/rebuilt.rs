//! A worker finds a store that it must not use: it rebuilds the table from its changelog, and says why.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use faustus::{App, Settings};
use faustus_core::{Change, Checkpoint, StoreProvider, TopicId, Transport};
use faustus_store::FjallStores;

use super::{
    Outside, Running,
    flow::{self, Controls, Flow},
    said, until,
};

const KEYS: [&str; 4] = ["a", "b", "a", "c"];
const HOUR: i64 = 3_600_000;

/// Where the flow runs that has its table in a store, which outlives the flow's workers.
pub(crate) trait Place {
    /// The name of the flow, which no other test of the binary has.
    fn name(&self) -> &str;

    /// Runs a worker until it has counted an event for each key, and ends it in good order. Gives
    /// what then is in its table and in the changelog.
    async fn count(&self, keys: &[&str]) -> [BTreeMap<String, u64>; 2];

    /// The store, while no worker runs; whoever asked for it drops it before the next one does.
    async fn stores(&self) -> Arc<dyn StoreProvider>;

    /// Damages the store while no worker runs. Gives parts of what the next worker says about it.
    fn damage(&self) -> [String; 2];
}

/// The flow of a [`Place`].
pub(crate) fn app(name: &str) -> App<Flow> {
    flow::app(name, &Controls::default(), 1, 1)
}

/// Runs a worker on whatever store is there: it must go on as after `rounds - 1` calls of this.
pub(crate) async fn count_on(place: &impl Place, rounds: u64) {
    said::listen();
    let expected = [("a", 2), ("b", 1), ("c", 1)].map(|(key, count)| (key, count * rounds));
    let expected = flow::expect(&expected);
    let counts = place.count(&KEYS).await;
    let [table, changelog] = &counts;
    assert_eq!(table, &expected, "{}", place.name());
    assert_eq!(changelog, &expected, "{}", place.name());
}

pub(crate) async fn a_store_older_than_its_tombstones(place: &impl Place) {
    rebuilds(place, "the store was last written 1 d 1 h ago", |found| {
        // As long as it misses nothing it may be of any age.
        found.offset.0 -= 1;
        found.written.0 -= 25 * HOUR;
    })
    .await;
}

pub(crate) async fn a_store_of_another_topic_id(place: &impl Place) {
    rebuilds(place, "the store is of topic id", |found| {
        found.changelog = TopicId(1);
    })
    .await;
}

pub(crate) async fn a_store_ahead_of_the_log(place: &impl Place) {
    rebuilds(place, "the store is at offset 10000, past", |found| {
        found.offset.0 = 10_000;
    })
    .await;
}

pub(crate) async fn a_damaged_store(place: &impl Place) {
    count_on(place, 1).await;
    let [about, reason] = place.damage();
    count_on(place, 2).await;
    said::check(&[&about, &reason]);
}

/// A store whose checkpoint was changed so is not used, for this reason.
async fn rebuilds(place: &impl Place, reason: &str, change: impl FnOnce(&mut Checkpoint)) {
    count_on(place, 1).await;
    plant(place, change).await;
    count_on(place, 2).await;
    said::check(&[&format!("{}-counts-changelog/0", place.name()), reason]);
}

/// Changes the checkpoint, and puts entries into the store that show if it is used.
pub(crate) async fn plant(place: &impl Place, change: impl FnOnce(&mut Checkpoint)) {
    let store = place.stores().await.open("counts", 0).unwrap();
    let mut checkpoint = store.checkpoint().unwrap().unwrap();
    change(&mut checkpoint);
    let wrong = [r#""a""#, r#""nobody""#].map(|key| Change {
        key: key.into(),
        value: Some("99".into()),
    });
    store.apply(&wrong, &checkpoint).unwrap();
}

/// A log in real time, and a directory of stores.
pub(crate) struct OnDisk {
    name: String,
    log: Arc<dyn Transport>,
    settings: Settings,
    stores: PathBuf,
}

impl OnDisk {
    /// The flow `name` on this log, with its stores in a directory that is not there yet.
    pub(crate) fn new(
        name: &str,
        log: Arc<dyn Transport>,
        settings: Settings,
        stores: PathBuf,
    ) -> Self {
        let settings = Settings {
            stores: Some(stores.clone()),
            ..settings
        };
        Self {
            name: name.to_owned(),
            log,
            settings,
            stores,
        }
    }

    /// As [`Running::try_start`].
    pub(crate) async fn try_start(&self) -> faustus::Result<Running> {
        Running::try_start(app(&self.name), &self.log, self.settings.clone()).await
    }

    /// The files of the stores.
    pub(crate) fn database(&self) -> PathBuf {
        self.stores.join("db")
    }

    /// What says which stores are meant.
    pub(crate) fn path(&self) -> String {
        self.stores.display().to_string()
    }
}

impl Place for OnDisk {
    fn name(&self) -> &str {
        &self.name
    }

    async fn count(&self, keys: &[&str]) -> [BTreeMap<String, u64>; 2] {
        let outside = Outside::new(&self.log);
        let worker = until(async || self.try_start().await).await;
        flow::send(&outside, &self.name, keys).await;
        outside.settle(&[&worker]).await;
        let table = worker.handle.table("counts").await.unwrap();
        let changelog = flow::counts(&outside, &self.name).await;
        worker.shutdown().await;
        // Closed: another one may have them.
        drop(self.stores().await);
        [table, changelog]
    }

    async fn stores(&self) -> Arc<dyn StoreProvider> {
        Arc::new(until(async || FjallStores::open(&self.stores)).await)
    }

    fn damage(&self) -> [String; 2] {
        let manifests = fs::read_dir(self.database().join("keyspaces/1")).unwrap();
        let manifests = manifests.map(|file| file.unwrap().path());
        for manifest in manifests.filter(|path| is_manifest(path)) {
            let mut bytes = fs::read(&manifest).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(manifest, bytes).unwrap();
        }
        [self.path(), "fails its checksum".to_owned()]
    }
}

fn is_manifest(path: &std::path::Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.strip_prefix('v')
        .is_some_and(|number| number.parse::<u64>().is_ok())
}
