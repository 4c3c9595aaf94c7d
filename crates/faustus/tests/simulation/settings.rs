//! What settings change in a worker; those of the guarantee, sessions and draining have tests where
//! their subjects have.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use faustus::{ErrorKind, Guarantee, Settings, prelude::*, testing::simulate};
use faustus_core::{Change, Checkpoint, Store, StoreError, StoreProvider, TopicName, Transport};
use faustus_store::MemoryStores;

async fn count(
    State(counts): State<Table<String, u64>>,
    mut words: Stream<String, u64>,
) -> faustus::Result {
    let counts = words.bind(&counts);
    while let Some(word) = words.next().await? {
        let count = counts.update(&**word, |count| *count += 1)?;
        word.reply(count);
    }
    Ok(())
}

/// Counts words and replies to the topic `counted`.
fn counter() -> App<Table<String, u64>> {
    let app = App::new("counter");
    let (words, counted) = (app.topic::<String>("words"), app.topic("counted"));
    let counts = app.table("counts");
    app.with_state(counts.clone()).agent("count", &words, |a| {
        a.table(&counts).sink(&counted).run(count)
    })
}

#[test]
fn topics_that_nothing_else_decides_get_the_partitions_of_the_settings() {
    simulate(1, async |cluster| {
        let settings = Settings {
            topic_partitions: 3,
            ..Settings::default()
        };
        let worker = cluster.worker(counter(), settings);
        worker.handle().started().await.unwrap();
        let names = ["words", "counted", "counter-counts-changelog"].map(TopicName::from);
        let found = cluster.log().admin().describe_topics(&names).await.unwrap();
        let partitions = found.into_iter().map(|topic| topic.unwrap().partitions);
        assert_eq!(partitions.collect::<Vec<_>>(), [3, 3, 3]);
    });
}

#[test]
fn without_making_topics_the_start_says_which_somebody_has_to_make() {
    simulate(1, async |cluster| {
        let settings = Settings {
            create_topics: false,
            topic_partitions: 3,
            ..Settings::default()
        };
        cluster.create_topic("counted", 2, Default::default()).await;
        let ended = cluster.worker(counter(), settings).ended().await;
        let missing =
            "is missing, and the settings say not to make topics: make it with 3 partitions";
        assert_eq!(
            ended.unwrap_err().to_string(),
            format!(
                "application counter cannot start:\n  - topic words {missing}\n  \
                 - topic counter-counts-changelog {missing} and cleanup.policy=compact"
            )
        );
        let topics = cluster.log().admin().list_topics().await.unwrap();
        assert_eq!(topics, [TopicName::from("counted")]);
    });
}

#[test]
fn a_worker_that_makes_no_topics_runs_on_those_that_are_there() {
    simulate(1, async |cluster| {
        for topic in ["words", "counted", "counter-counts-changelog"] {
            cluster.create_topic(topic, 2, Default::default()).await;
        }
        let settings = Settings {
            create_topics: false,
            ..Settings::default()
        };
        let worker = cluster.worker(counter(), settings);
        cluster.send("words", "a", "a").await;
        cluster.settle().await;
        assert_eq!(worker.table::<String, u64>("counts").await["a"], 1);
    });
}

#[test]
fn an_epoch_of_many_bytes_is_committed_before_its_interval_ends() {
    let seen = |epoch_bytes| {
        simulate(1, async |cluster| {
            let settings = Settings {
                guarantee: Guarantee::ExactlyOnce,
                transaction_interval: Some(Duration::from_secs(60)),
                epoch_bytes,
                ..Settings::default()
            };
            let worker = cluster.worker(counter(), settings);
            worker.handle().started().await.unwrap();
            cluster.sleep(Duration::from_secs(5)).await;
            cluster.send("words", "a", "a").await;
            cluster.sleep(Duration::from_secs(5)).await;
            cluster.records("counted").await.len()
        })
    };
    assert_eq!((seen(1 << 20), seen(1)), (0, 1));
}

#[test]
fn a_reply_is_awaited_for_as_long_as_the_settings_say_unless_the_program_says() {
    async fn ignore(mut words: Stream<String, u64>) -> faustus::Result {
        while words.next().await?.is_some() {}
        Ok(())
    }
    simulate(1, async |cluster| {
        let app = App::new("ignorant");
        let words = app.agent_topic::<String>("ignore");
        let agent = words.agent::<u64>();
        let settings = Settings {
            ask_timeout: Duration::from_secs(3),
            ..Settings::default()
        };
        let app = app.agent("ignore", &words, |a| a.run(ignore));
        let worker = cluster.worker(app, settings);
        worker.handle().started().await.unwrap();
        let waited = async |agent: &Agent<String, u64>| {
            let begun = cluster.clock().monotonic();
            let error = agent.ask("a", &"a".to_owned()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            (cluster.clock().monotonic() - begun).as_secs()
        };
        assert_eq!(waited(&agent).await, 3);
        assert_eq!(
            waited(&agent.clone().timeout(Duration::from_secs(7))).await,
            7
        );
    });
}

#[test]
fn replies_are_kept_for_as_long_as_the_settings_say() {
    simulate(1, async |cluster| {
        let app = App::new("asker");
        let words = app.agent_topic::<String>("nobody");
        let agent = words.agent::<u64>().timeout(Duration::from_secs(1));
        let settings = Settings {
            reply_retention: Duration::from_secs(90),
            ..Settings::default()
        };
        let worker = cluster.worker(app, settings);
        worker.handle().started().await.unwrap();
        agent.ask("a", &"a".to_owned()).await.unwrap_err();
        let admin = cluster.log().admin();
        let mut topics = admin.list_topics().await.unwrap();
        topics.retain(|topic| topic.as_str().starts_with("f-reply-"));
        let found = admin.describe_topics(&topics).await.unwrap();
        let config = &found[0].as_ref().unwrap().config;
        assert_eq!(config["retention.ms"], "90000");
    });
}

/// Stores that count how often they are asked for a key.
#[derive(Debug, Default)]
struct Counting {
    stores: MemoryStores,
    lookups: Arc<AtomicU32>,
}

#[derive(Debug)]
struct CountingStore {
    store: Box<dyn Store>,
    lookups: Arc<AtomicU32>,
}

impl StoreProvider for Counting {
    fn open(&self, table: &str, partition: u32) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(CountingStore {
            store: self.stores.open(table, partition)?,
            lookups: Arc::clone(&self.lookups),
        }))
    }

    fn destroy(&self, table: &str, partition: u32) -> Result<(), StoreError> {
        self.stores.destroy(table, partition)
    }
}

impl Store for CountingStore {
    fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.store.checkpoint()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.store.get(key)
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.store.scan(visit)
    }

    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), StoreError> {
        self.store.apply(changes, checkpoint)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }
}

#[test]
fn what_finds_no_room_in_memory_is_looked_up_in_stores() {
    let lookups = |store_memory| {
        simulate(1, async |cluster| {
            let settings = Settings {
                store_memory,
                ..Settings::default()
            };
            let stores = Arc::new(Counting::default());
            let lookups = Arc::clone(&stores.lookups);
            let worker = cluster.worker_with_stores(counter(), settings, stores);
            for _ in 0..5 {
                cluster.send("words", "a", "a").await;
                cluster.settle().await;
            }
            assert_eq!(worker.table::<String, u64>("counts").await["a"], 5);
            lookups.load(Ordering::Relaxed)
        })
    };
    assert_eq!(lookups(1 << 20), 0);
    assert!(lookups(0) > 0);
}
