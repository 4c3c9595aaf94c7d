//! The application of the simulations on a real Kafka, in one process and with several workers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use faustus::{Ended, Guarantee, Settings, TokioClock, Worker, WorkerHandle, open_log, prelude::*};
use faustus_core::{
    BatchBuilder, Offset, OffsetSpec, Outgoing, ReadOptions, Timestamp, TopicPartition, Transport,
    partition_for_key,
};
use tokio::task::JoinHandle;

#[derive(Record, Serialize, Deserialize)]
struct Order {
    account: String,
    amount: u64,
}

#[derive(Record, Serialize, Deserialize)]
struct Total {
    account: String,
    total: u64,
}

#[derive(Clone)]
struct Bank {
    totals: Table<String, u64>,
}

async fn on_order(State(bank): State<Bank>, mut orders: Stream<Order, Total>) -> faustus::Result {
    let totals = orders.bind(&bank.totals);
    while let Some(order) = orders.next().await? {
        tokio::time::sleep(Duration::from_micros(order.amount % 3 * 300)).await;
        let total = totals.update(&*order.account, |total| *total += order.amount)?;
        order.reply(Total {
            account: order.account.clone(),
            total,
        });
    }
    Ok(())
}

async fn on_refund(State(bank): State<Bank>, mut orders: Stream<Order, Total>) -> faustus::Result {
    let totals = orders.bind(&bank.totals);
    while let Some(order) = orders.next().await? {
        let total = totals.update(&*order.account, |total| *total += order.amount)?;
        order.reply(Total {
            account: order.account.clone(),
            total,
        });
    }
    Ok(())
}

const PARTITIONS: u32 = 4;

fn app(name: &str) -> App<Bank> {
    let app = App::new(name);
    let topic = |topic: &str| format!("{name}-{topic}");
    let orders = app.topic::<Order>(&topic("orders")).partitions(PARTITIONS);
    let refunds = app.topic::<Order>(&topic("refunds")).partitions(PARTITIONS);
    let audit = app
        .topic::<Total>(&topic("order-totals"))
        .partitions(PARTITIONS);
    let totals = app.table("totals");
    app.with_state(Bank {
        totals: totals.clone(),
    })
    .agent(&topic("on-order"), orders.group_by(Order::ACCOUNT), |a| {
        a.concurrency(4).table(&totals).sink(&audit).run(on_order)
    })
    .agent(&topic("on-refund"), &refunds, |a| {
        a.concurrency(4).table(&totals).sink(&audit).run(on_refund)
    })
}

fn settings(guarantee: Guarantee) -> Settings {
    Settings {
        guarantee,
        threads: 2,
        session_timeout: Duration::from_secs(6),
        drain_timeout: Duration::from_secs(3),
        ..Settings::default()
    }
}

async fn log() -> Arc<dyn Transport> {
    let address = format!("kafka://{}", kafka_testbed::shared().bootstrap());
    open_log(&address, Arc::new(TokioClock::real()))
        .await
        .unwrap()
}

struct Running {
    handle: WorkerHandle,
    ended: JoinHandle<faustus::Result<Ended>>,
}

async fn start(name: &str, guarantee: Guarantee) -> Running {
    let (worker, handle) = Worker::new(app(name), log().await);
    let ended = tokio::spawn(worker.settings(settings(guarantee)).run());
    handle.started().await.unwrap();
    Running { handle, ended }
}

async fn send(log: &dyn Transport, name: &str, first: u64, count: u64) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    let mut batches: BTreeMap<TopicPartition, BatchBuilder> = BTreeMap::new();
    for i in first..first + count {
        let account = format!("a{:02}", i * 7 % 23);
        *sums.entry(account.clone()).or_default() += 2 * i;
        let value = format!(r#"{{"account":"{account}","amount":{i}}}"#);
        for (topic, key) in [("orders", i.to_string()), ("refunds", account)] {
            let partition = partition_for_key(key.as_bytes(), PARTITIONS);
            let to = TopicPartition::new(format!("{name}-{topic}"), partition);
            let now = Timestamp(1_700_000_000_000);
            batches
                .entry(to)
                .or_default()
                .push(now, Some(key.as_bytes()), Some(value.as_bytes()));
        }
    }
    let outgoing = batches.into_iter().map(|(partition, records)| Outgoing {
        partition,
        batch: records.build(),
    });
    log.producer()
        .await
        .unwrap()
        .publish(outgoing.collect())
        .await
        .unwrap();
    sums
}

/// The values of all committed records of a topic, with their keys.
async fn records(log: &dyn Transport, topic: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    for partition in (0..PARTITIONS).map(|p| TopicPartition::new(topic, p)) {
        let ends = log
            .admin()
            .offsets(std::slice::from_ref(&partition), OffsetSpec::LastStable)
            .await
            .unwrap();
        let reader = log
            .log()
            .read(&partition, Offset::ZERO, ReadOptions::default())
            .await;
        let mut reader = reader.unwrap();
        let mut position = Offset::ZERO;
        while position < ends[0] {
            let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await.unwrap();
            position = fetched.position;
            found.extend(fetched.batch.iter().map(|record| {
                (
                    record.key().unwrap_or_default().to_vec(),
                    record.value().unwrap_or_default().to_vec(),
                )
            }));
        }
    }
    found
}

async fn changelog(log: &dyn Transport, name: &str) -> BTreeMap<String, u64> {
    let records = records(log, &format!("{name}-totals-changelog")).await;
    let parse = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let entry = |(key, value): (Vec<u8>, Vec<u8>)| {
        (
            parse(&key).trim_matches('"').to_owned(),
            parse(&value).parse().unwrap(),
        )
    };
    records.into_iter().map(entry).collect()
}

/// Waits until the changelog says `sums`, or at least as much.
async fn settle(
    log: &dyn Transport,
    name: &str,
    sums: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = changelog(log, name).await;
        let reached = sums
            .iter()
            .all(|(account, sum)| seen.get(account).is_some_and(|s| s >= sum));
        assert!(
            reached || Instant::now() < deadline,
            "{name}: {seen:?} does not become {sums:?}"
        );
        if reached {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn add(sums: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (account, sum) in more {
        *sums.entry(account).or_default() += sum;
    }
}

async fn sums_are_exact(name: &str, guarantee: Guarantee) {
    let log = log().await;
    let worker = start(name, guarantee).await;
    let sums = send(&*log, name, 1, 200).await;
    assert_eq!(settle(&*log, name, &sums).await, sums);
    worker.handle.shutdown();
    assert_eq!(worker.ended.await.unwrap().unwrap(), Ended::Drained);
    assert_eq!(
        records(&*log, &format!("{name}-order-totals")).await.len(),
        400
    );
    // A second worker goes on where the first one was.
    let worker = start(name, guarantee).await;
    let mut sums = sums;
    add(&mut sums, send(&*log, name, 201, 100).await);
    assert_eq!(settle(&*log, name, &sums).await, sums);
    worker.handle.shutdown();
    worker.ended.await.unwrap().unwrap();
    assert_eq!(
        records(&*log, &format!("{name}-order-totals")).await.len(),
        600
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_exact_at_least_once() {
    sums_are_exact("alo", Guarantee::AtLeastOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_exact_exactly_once() {
    sums_are_exact("eos", Guarantee::ExactlyOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_move_between_workers_that_come_and_go() {
    let log = log().await;
    let name = "movers";
    let first = start(name, Guarantee::ExactlyOnce).await;
    let mut sums = send(&*log, name, 1, 100).await;
    let second = start(name, Guarantee::ExactlyOnce).await;
    add(&mut sums, send(&*log, name, 101, 100).await);
    settle(&*log, name, &sums).await;
    first.handle.shutdown();
    add(&mut sums, send(&*log, name, 201, 100).await);
    first.ended.await.unwrap().unwrap();
    // This one vanishes without a word.
    second.ended.abort();
    drop(second.handle);
    let third = start(name, Guarantee::ExactlyOnce).await;
    add(&mut sums, send(&*log, name, 301, 100).await);
    assert_eq!(settle(&*log, name, &sums).await, sums);
    third.handle.shutdown();
    third.ended.await.unwrap().unwrap();
    assert_eq!(
        records(&*log, &format!("{name}-order-totals")).await.len(),
        800
    );
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("kafka://127.0.0.1:{port}");
    let error = open_log(&address, Arc::new(TokioClock::real()))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), faustus::ErrorKind::Unavailable);
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
}
