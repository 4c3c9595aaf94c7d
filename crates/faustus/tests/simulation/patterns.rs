//! Sources of several topics: lists of names, and patterns whose topics come and go.

mod joining;

use std::{collections::BTreeMap, sync::Arc};

use faustus::{Settings, TopicConfig, Transport, prelude::*, testing::Cluster};
use parking_lot::Mutex;

use crate::scenario::{for_seeds, settings};

/// What an agent saw, as text.
type Seen = Arc<Mutex<Vec<String>>>;

async fn see(State(seen): State<Seen>, mut values: Stream<u64>) -> faustus::Result {
    while let Some(value) = values.next().await? {
        seen.lock().push(format!("{} {}", value.topic(), *value));
    }
    Ok(())
}

fn sorted(seen: &Seen) -> Vec<String> {
    let mut seen = seen.lock().clone();
    seen.sort();
    seen
}

/// Sums by topic.
async fn add(
    State(sums): State<Table<String, u64>>,
    mut values: Stream<u64, u64>,
) -> faustus::Result {
    let sums = values.bind(&sums);
    while let Some(value) = values.next().await? {
        let key = String::from_utf8_lossy(value.key().unwrap_or_default()).into_owned();
        let sum = sums.update(&*key, |sum| *sum += *value)?;
        value.reply(sum);
    }
    Ok(())
}

/// Sums of what is in topics `in-…`, by key.
fn sums() -> App<Table<String, u64>> {
    let app = App::new("sums");
    let said = app.topic("said").partitions(1);
    let (topics, sums) = (app.topic_pattern("ins", "in-.*"), app.table("sums"));
    app.with_state(sums.clone())
        .agent("add", &topics, |a| a.table(&sums).sink(&said).run(add))
}

async fn create(cluster: &Cluster, topic: &str, partitions: u32) {
    let config = TopicConfig::default();
    cluster.create_topic(topic, partitions, config).await;
}

/// Long enough for all workers to have looked for topics.
async fn look(cluster: &Cluster) {
    cluster.sleep(Settings::default().topic_refresh * 2).await;
    cluster.settle().await;
}

#[test]
fn an_agent_reads_all_topics_of_a_list_and_is_told_which_one_each_event_is_of() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("several");
        let topics = app.topics(["a", "b"]).filter(|value| *value > 0);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", topics, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        for (topic, value) in [("a", 0), ("a", 1), ("b", 2)] {
            cluster.send(topic, "k", &value).await;
        }
        cluster.settle().await;
        assert_eq!(sorted(&seen), ["a 1", "b 2"]);
    });
}

#[test]
fn a_pattern_takes_topics_whose_whole_names_match_and_none_that_applications_make_for_themselves() {
    for_seeds(async |cluster, guarantee| {
        let topics = [
            "in-1",
            "in-2",
            "win-3",
            "in-x-changelog",
            "in-x-repartition",
        ];
        for topic in topics {
            create(&cluster, topic, 2).await;
            cluster.send(topic, "k", &1_u64).await;
        }
        let seen = Seen::default();
        let app = App::new("several");
        let topics = app.topic_pattern("ins", "in-.*");
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", &topics, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        assert_eq!(sorted(&seen), ["in-1 1", "in-2 1"]);
    });
}

#[test]
fn a_manual_event_tells_its_topic_too() {
    for_seeds(async |cluster, guarantee| {
        create(&cluster, "in-1", 1).await;
        cluster.send("in-1", "k", &1_u64).await;
        let app = App::new("tail");
        let mut stream = app.stream("tail", app.topic_pattern::<u64>("ins", "in-.*"));
        let _worker = cluster.worker(app, settings(guarantee));
        assert_eq!(stream.next().await.unwrap().topic(), "in-1");
    });
}

#[test]
fn agents_whose_patterns_overlap_both_read_the_topics_in_common() {
    for_seeds(async |cluster, guarantee| {
        for topic in ["in-a-1", "in-b-1"] {
            create(&cluster, topic, 2).await;
            cluster.send(topic, "k", &1_u64).await;
        }
        let (all, some) = (Seen::default(), Seen::default());
        let app = App::new("several");
        let wide = app.topic_pattern("wide", "in-.*");
        let narrow = app.topic_pattern("narrow", "in-a-.*");
        let app = app
            .with_state(Arc::clone(&all))
            .agent("all", &wide, |a| a.run(see))
            .with_state(Arc::clone(&some))
            .agent("some", &narrow, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        assert_eq!(sorted(&all), ["in-a-1 1", "in-b-1 1"]);
        assert_eq!(sorted(&some), ["in-a-1 1"]);
    });
}

#[test]
fn a_topic_that_one_agent_names_and_the_pattern_of_another_takes_is_read_by_both() {
    for_seeds(async |cluster, guarantee| {
        let (all, one) = (Seen::default(), Seen::default());
        let app = App::new("several");
        let named = app.topic("in-1").partitions(2);
        let pattern = app.topic_pattern("ins", "in-.*");
        let app = app
            .with_state(Arc::clone(&all))
            .agent("all", &pattern, |a| a.run(see))
            .with_state(Arc::clone(&one))
            .agent("one", &named, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.send("in-1", "k", &1_u64).await;
        cluster.settle().await;
        assert_eq!(
            (sorted(&all), sorted(&one)),
            (vec!["in-1 1".into()], vec!["in-1 1".into()])
        );
    });
}

#[test]
fn a_topic_that_an_agent_names_beside_a_pattern_that_takes_it_is_read_once_and_as_it_is_named() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("several");
        let named = app.topic("in-1").partitions(2).map(|value: u64| value * 10);
        let source = app
            .topic_pattern("ins", "in-.*")
            .filter(|_| true)
            .combine(named);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", source, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.send("in-1", "k", &1_u64).await;
        cluster.settle().await;
        assert_eq!(sorted(&seen), ["in-1 10"]);
    });
}

#[test]
fn a_topic_with_another_number_of_partitions_than_the_tables_stays_out_and_is_not_lost() {
    for_seeds(async |cluster, guarantee| {
        create(&cluster, "in-a", 4).await;
        create(&cluster, "in-b", 3).await;
        cluster.send("in-a", "a", &1_u64).await;
        cluster.send("in-b", "b", &2_u64).await;
        let worker = cluster.worker(sums(), settings(guarantee));
        cluster.settle().await;
        assert_eq!(
            worker.table("sums").await,
            BTreeMap::from([("a".to_owned(), 1_u64)])
        );
        // It has the right number when it is made anew.
        let name = "in-b".into();
        cluster.log().admin().delete_topic(&name).await.unwrap();
        create(&cluster, "in-b", 4).await;
        cluster.send("in-b", "b", &5_u64).await;
        look(&cluster).await;
        let expected = BTreeMap::from([("a".to_owned(), 1_u64), ("b".to_owned(), 5)]);
        assert_eq!(worker.table("sums").await, expected);
    });
}

#[test]
fn without_tables_topics_of_any_number_of_partitions_are_read() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = || {
            let app = App::new("several");
            let topics = app.topic_pattern("ins", "in-.*");
            app.with_state(Arc::clone(&seen))
                .agent("see", &topics, |a| a.run(see))
        };
        let mut expected = Vec::new();
        let mut send = async |topic: &str, partitions: u32| {
            create(&cluster, topic, partitions).await;
            for value in 0..8_u64 {
                cluster.send(topic, &format!("k{value}"), &value).await;
                expected.push(format!("{topic} {value}"));
            }
        };
        send("in-2", 2).await;
        let _workers = [
            cluster.worker(app(), settings(guarantee)),
            cluster.worker(app(), settings(guarantee)),
        ];
        cluster.settle().await;
        send("in-5", 5).await;
        send("in-1", 1).await;
        look(&cluster).await;
        expected.sort();
        assert_eq!(sorted(&seen), expected);
    });
}

#[test]
fn topics_of_a_pattern_are_grouped_through_a_topic_that_has_the_name_of_the_pattern() {
    #[derive(Clone, Debug, Record, Serialize, Deserialize)]
    struct Order {
        account: String,
        amount: u64,
    }
    async fn total(
        State(totals): State<Table<String, u64>>,
        mut orders: Stream<Order>,
    ) -> faustus::Result {
        let totals = orders.bind(&totals);
        while let Some(order) = orders.next().await? {
            totals.update(&*order.account, |total| *total += order.amount)?;
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("bank");
        let totals = app.table("totals");
        let orders = app.topic_pattern::<Order>("orders", "orders-.*");
        let app =
            app.with_state(totals.clone())
                .agent("total", orders.group_by(Order::ACCOUNT), |a| {
                    a.table(&totals).run(total)
                });
        let worker = cluster.worker(app, settings(guarantee));
        // Of any number of partitions: grouping brings them together.
        for (topic, partitions) in [("orders-eu", 2), ("orders-us", 3)] {
            create(&cluster, topic, partitions).await;
            for amount in [1, 2] {
                let order = Order {
                    account: "ann".into(),
                    amount,
                };
                cluster.send(topic, &format!("{amount}"), &order).await;
            }
        }
        look(&cluster).await;
        let hop = cluster
            .records("total-orders-Order.account-repartition")
            .await;
        assert!(hop.len() <= 4);
        assert_eq!(
            worker.table("totals").await,
            BTreeMap::from([("ann".to_owned(), 6_u64)])
        );
    });
}

#[test]
fn what_is_wrong_with_patterns_is_said_at_the_start() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("several");
        let _ = app.topic::<u64>("ins");
        let (said, topics) = (app.topic("in-said"), app.topic_pattern("ins", "in-.*"));
        let wrong = app.topic_pattern::<u64>("wrong", "in-(a|b");
        let app = app
            .with_state(Seen::default())
            .agent("echo", &topics, |a| {
                a.sink(&said).run(async |_: Stream<u64, u64>| Ok(()))
            })
            .agent("see", &wrong, |a| a.run(see));
        let error = cluster
            .worker(app, settings(guarantee))
            .ended()
            .await
            .unwrap_err()
            .to_string();
        for part in [
            "both named \"ins\"",
            "agent echo sends to topic in-said, which its pattern ins takes",
            "pattern wrong: \"in-(a|b\" is no regular expression: ",
            "unclosed group",
        ] {
            assert!(error.contains(part), "{part}\n{error}");
        }
    });
}
