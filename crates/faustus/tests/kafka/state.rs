//! Tables restored from changelogs, and records that must outlive the broker's retention.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use faustus::{ErrorKind, TopicConfig, prelude::*};
use faustus_core::{BatchBuilder, OffsetSpec, Outgoing, Timestamp, TopicPartition};
use tokio::sync::Semaphore;

use crate::{
    broker::{connect, connect_to, create, settings},
    common::{
        Outside, Running,
        bank::Order,
        both, check,
        flow::{self, Controls, expect},
        until,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_recovered_table_holds_what_lies_above_a_dead_workers_open_transaction() {
    both("dangling", async |name, guarantee| {
        let log = connect().await;
        let outside = Outside::new(&connect().await);
        let app = || flow::app(name, &Controls::default(), 1, 1);
        let worker = Running::start(app(), &log, settings(guarantee)).await;
        flow::send(&outside, name, &["a", "b", "a", "c"]).await;
        outside.settle(&[&worker]).await;
        worker.shutdown().await;
        // A dead worker's transaction in the changelog, and above it what another one committed.
        let changelog = TopicPartition::new(format!("{name}-counts-changelog"), 0);
        let record = |key: &str, value: &str| {
            let (mut records, key) = (BatchBuilder::new(), format!("{key:?}"));
            records.push(Timestamp(1), Some(key.as_bytes()), Some(value.as_bytes()));
            vec![Outgoing {
                partition: changelog.clone(),
                batch: records.build(),
            }]
        };
        let (dead, alive) = (format!("{name}-dead"), format!("{name}-alive"));
        let timeout = Duration::from_secs(5);
        let mut dead = log.transactional_producer(&dead, timeout).await.unwrap();
        dead.begin().await.unwrap();
        dead.publish(record("a", "99")).await.unwrap();
        drop(dead);
        let mut alive = log.transactional_producer(&alive, timeout).await.unwrap();
        alive.begin().await.unwrap();
        alive.publish(record("later", "7")).await.unwrap();
        let nobody = faustus_core::GroupIdentity::none(format!("{name}-alive"));
        alive.commit(&nobody, Vec::new()).await.unwrap();
        let topic = changelog.topic.as_str();
        let stable = outside.ends(topic, OffsetSpec::LastStable).await;
        let high = outside.ends(topic, OffsetSpec::HighWatermark).await;
        assert!(stable < high, "the open transaction holds readers back");
        let worker = Running::start(app(), &log, settings(guarantee)).await;
        outside.settle(&[&worker]).await;
        let table: BTreeMap<String, u64> = worker.handle.table("counts").await.unwrap();
        let expected = expect(&[("a", 2), ("b", 1), ("c", 1), ("later", 7)]);
        assert_eq!(table, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_another_number_of_partitions_than_its_table_is_refused() {
    both("recounted", async |name, guarantee| {
        let log = connect().await;
        let changelog = format!("{name}-counts-changelog");
        create(&*log, &changelog, 3, TopicConfig::default()).await;
        let app = flow::app(name, &Controls::default(), 2, 1);
        let started = Running::try_start(app, &log, settings(guarantee)).await;
        let error = started.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        for part in ["table counts", &changelog, "of 3 partitions", "topics of 2"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    })
    .await;
}

#[derive(Clone)]
struct Late {
    totals: Table<String, u64>,
    gate: Arc<Semaphore>,
}

async fn add(State(late): State<Late>, mut orders: Stream<Order, u64>) -> faustus::Result {
    let totals = orders.bind(&late.totals);
    while let Some(order) = orders.next().await? {
        // It waits until the gate is closed for good.
        let _ = late.gate.acquire().await;
        order.reply(totals.update(&*order.account, |total| *total += order.amount)?);
    }
    Ok(())
}

/// Orders are grouped at once, and added up behind a gate.
fn late(name: &str, gate: &Arc<Semaphore>) -> App<Late> {
    let app = App::new(name);
    let orders = app.topic::<Order>(&format!("{name}-orders"));
    let said = app.topic(&format!("{name}-said"));
    let totals = app.table("totals");
    let gate = Arc::clone(gate);
    app.with_state(Late {
        totals: totals.clone(),
        gate,
    })
    .agent(
        &format!("{name}-add"),
        orders.group_by(Order::ACCOUNT),
        |a| a.table(&totals).sink(&said).run(add),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_year_2001_survive_the_way_through_group_by() {
    let cluster = kafka_testbed::Cluster::builder()
        .property("log.retention.check.interval.ms", "500")
        .property("log.initial.task.delay.ms", "500")
        .start()
        .unwrap();
    let bootstrap = cluster.bootstrap();
    let year_2001 = Timestamp(1_000_000_000_000);
    let forever = || TopicConfig {
        retention: Some(None),
        ..TopicConfig::default()
    };
    both("old", async |name, guarantee| {
        let log = connect_to(&bootstrap).await;
        let outside = Outside::new(&log);
        let [orders, said, control] =
            ["orders", "said", "control"].map(|topic| format!("{name}-{topic}"));
        create(&*log, &orders, 4, forever()).await;
        create(&*log, &said, 4, forever()).await;
        create(&*log, &control, 1, TopicConfig::default()).await;
        let order = |i: u32| format!(r#"{{"account":"a{}","amount":{i}}}"#, i % 5);
        let sent = (0..50).map(|i| (i % 4, i.to_string(), order(i)));
        outside.send_to(&orders, year_2001, sent).await;
        let gate = Arc::new(Semaphore::new(0));
        let app = late(name, &gate);
        let worker = Running::start(app, &log, settings(guarantee)).await;
        let topics = log.admin().list_topics().await.unwrap();
        let is_between = |t: &str| t.starts_with(name) && t.ends_with("-repartition");
        let between = topics.iter().find(|topic| is_between(topic.as_str()));
        let between = between.unwrap().as_str();
        until(async || {
            let found = outside.records(between).await.len();
            check(found == 50, found)
        })
        .await;
        // The broker's retention takes records as old from a topic of its default settings.
        outside.send_to(&control, year_2001, [(0, "k", "v")]).await;
        until(async || {
            let earliest = outside.ends(&control, OffsetSpec::Earliest).await[0];
            check(earliest.0 == 1, "retention did nothing yet")
        })
        .await;
        gate.close();
        outside.settle(&[&worker]).await;
        let totals = outside.changelog(name, "totals").await;
        assert_eq!(
            totals.values().sum::<u64>(),
            (0..50_u64).sum::<u64>(),
            "{name}"
        );
        let replies = outside.records(&said).await;
        assert_eq!(replies.len(), 50, "{name}");
        let old = replies.iter().all(|reply| reply.timestamp == year_2001);
        assert!(old, "outputs have the event's time");
    })
    .await;
}
