//! What stands between topics and agents: filters, maps, keys, several topics, hops.

use std::{sync::Arc, time::Duration};

use faustus::{
    Error, ErrorKind, FailurePolicy, Json, Settings, TaskState, TaskStatus,
    prelude::*,
    testing::{Cluster, simulate},
};
use parking_lot::Mutex;

use crate::scenario::{check_parked, for_seeds, settings};

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Order {
    account: String,
    amount: i64,
}

fn order(account: &str, amount: i64) -> Order {
    Order {
        account: account.into(),
        amount,
    }
}

/// What an agent saw, as text.
type Seen = Arc<Mutex<Vec<String>>>;

async fn see<T: std::fmt::Debug>(
    State(seen): State<Seen>,
    mut values: Stream<T>,
) -> faustus::Result {
    while let Some(value) = values.next().await? {
        let key = value.key().map(String::from_utf8_lossy).unwrap_or_default();
        seen.lock().push(format!("{key}: {:?}", *value));
    }
    Ok(())
}

fn sorted(seen: &Seen) -> Vec<String> {
    let mut seen = seen.lock().clone();
    seen.sort();
    seen
}

async fn send(cluster: &Cluster, topic: &str, amounts: &[i64]) {
    for (i, amount) in amounts.iter().enumerate() {
        let account = ["ann", "bob"][i % 2];
        cluster
            .send(topic, &format!("k{i}"), &order(account, *amount))
            .await;
    }
}

#[test]
fn operators_follow_one_another_in_the_order_in_which_they_are_written() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("orders");
        let amounts = app
            .topic::<Order>("orders")
            .filter(|order| order.amount > 1)
            .map(|order| order.amount * 10)
            .filter_map(|amount| (amount < 50).then(|| format!("{amount}!")));
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", amounts, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "orders", &[1, 2, 3, 4, 5]).await;
        cluster.settle().await;
        assert_eq!(
            sorted(&seen),
            [r#"k1: "20!""#, r#"k2: "30!""#, r#"k3: "40!""#]
        );
    });
}

#[test]
fn what_a_filter_drops_is_not_sent_through_group_by() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("orders");
        let by_account = app
            .topic::<Order>("orders")
            .filter(|order| order.amount > 1)
            .group_by(Order::ACCOUNT);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", by_account, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "orders", &[1, 2, 3]).await;
        cluster.settle().await;
        let hop = cluster
            .records("see-orders-Order.account-repartition")
            .await;
        // What has been read may be purged; what was dropped was never there.
        assert!(hop.iter().all(|record| record.offset.0 < 2), "{hop:?}");
        assert_eq!(
            sorted(&seen),
            [
                r#"ann: Order { account: "ann", amount: 3 }"#,
                r#"bob: Order { account: "bob", amount: 2 }"#
            ]
        );
    });
}

#[test]
fn a_record_that_cannot_be_grouped_is_told_with_the_agent_that_it_is_for() {
    simulate(1, async |cluster| {
        let app = App::new("orders");
        let by_account = app.topic::<Order>("orders").group_by(Order::ACCOUNT);
        let app = app
            .with_state(Seen::default())
            .agent("see", by_account, |a| a.run(see));
        let worker = cluster.worker(app, Settings::default());
        let at = faustus::Timestamp(0);
        let no_order = Some(&b"no order"[..]);
        cluster.send_bytes("orders", None, no_order, at).await;
        cluster.settle().await;
        let tasks = worker.status().await;
        let told =
            "agent see-orders-Order.account-repartition, which brings records to agent see, failed";
        let is_told =
            |task: &TaskStatus| matches!(&task.state, TaskState::Parked(why) if why.contains(told));
        assert!(tasks.iter().any(is_told), "{tasks:?}");
    });
}

#[test]
fn what_map_makes_goes_through_group_by_in_the_codec_that_was_said() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("orders");
        let by_size = app
            .topic::<Order>("orders")
            .map(|order| (order.amount, order.account))
            .codec(Json)
            .group_by_key("size", |(amount, _)| amount / 10);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", by_size, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "orders", &[10, 25]).await;
        cluster.settle().await;
        assert_eq!(sorted(&seen), [r#"1: (10, "ann")"#, r#"2: (25, "bob")"#]);
    });
}

#[test]
fn values_that_nothing_says_how_to_store_are_refused_at_the_start() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("orders");
        let source = app
            .topic::<Order>("orders")
            .map(|order| order.amount)
            .group_by_key("amount", |amount| *amount);
        let app = app
            .with_state(Seen::default())
            .agent("see", source, |a| a.run(see));
        let worker = cluster.worker(app, settings(guarantee));
        let error = worker.ended().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(".codec(Json)"), "{error}");
    });
}

#[test]
fn an_agent_reads_all_of_its_combined_topics_each_in_its_own_type() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("orders");
        let refunds = app.topic::<u32>("refunds").map(|amount| -i64::from(amount));
        let both = app
            .topic::<Order>("orders")
            .map(|order| order.amount)
            .combine(refunds);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", both, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "orders", &[1, 2]).await;
        cluster.send("refunds", "r", &7_u32).await;
        cluster.settle().await;
        assert_eq!(sorted(&seen), ["k0: 1", "k1: 2", "r: -7"]);
    });
}

#[test]
fn combined_topics_are_grouped_each_on_its_own_and_meet_by_key() {
    #[derive(Clone, Debug, Record, Serialize, Deserialize)]
    struct Refund {
        account: String,
        back: i64,
    }
    async fn total(
        State(totals): State<Table<String, i64>>,
        mut events: Stream<(String, i64)>,
    ) -> faustus::Result {
        let totals = events.bind(&totals);
        while let Some(event) = events.next().await? {
            totals.update(&*event.0, |total| *total += event.1)?;
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("orders");
        let totals = app.table::<String, i64>("totals");
        let orders = app
            .topic::<Order>("orders")
            .group_by(Order::ACCOUNT)
            .map(|order| (order.account, order.amount));
        let refunds = app
            .topic::<Refund>("refunds")
            .group_by(Refund::ACCOUNT)
            .map(|refund| (refund.account, -refund.back));
        let app = app
            .with_state(totals.clone())
            .agent("total", orders.combine(refunds), |a| {
                a.table(&totals).concurrency(3).run(total)
            });
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "orders", &[5, 6, 7]).await;
        let back = Refund {
            account: "ann".into(),
            back: 2,
        };
        cluster.send("refunds", "x", &back).await;
        cluster.settle().await;
        let totals = worker.table::<String, i64>("totals").await;
        assert_eq!(totals, [("ann".into(), 10), ("bob".into(), 6)].into());
    });
}

#[test]
fn a_topic_combined_with_itself_is_refused_at_the_start() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("orders");
        let orders = app.topic::<Order>("orders");
        let app = app
            .with_state(Seen::default())
            .agent("see", orders.combine(&orders), |a| a.run(see));
        let error = cluster
            .worker(app, settings(guarantee))
            .ended()
            .await
            .unwrap_err();
        assert!(error.to_string().contains("with itself"), "{error}");
    });
}

#[test]
fn a_key_that_takes_waiting_is_found_and_an_error_there_fails_the_event() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("orders");
        let by_region =
            app.topic::<Order>("orders")
                .group_by_async("region", async |order: &Order| {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    match order.amount {
                        0 => Err(Error::new(ErrorKind::Application, "no region")),
                        amount => Ok(amount / 10),
                    }
                });
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", by_region, |a| {
                a.concurrency(4).on_failure(FailurePolicy::skip()).run(see)
            });
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "orders", &[10, 0, 30]).await;
        cluster.settle().await;
        assert_eq!(
            sorted(&seen),
            [
                r#"1: Order { account: "ann", amount: 10 }"#,
                r#"3: Order { account: "ann", amount: 30 }"#
            ]
        );
    });
}

#[test]
fn records_go_through_another_topic_under_their_keys() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("orders");
        let wide = app.topic::<Order>("wide").partitions(16);
        let source = app.topic::<Order>("orders").partitions(2).through(&wide);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", source, |a| a.run(see));
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "orders", &[1, 2]).await;
        cluster.settle().await;
        assert_eq!(cluster.records("wide").await.len(), 2);
        assert_eq!(
            sorted(&seen),
            [
                r#"k0: Order { account: "ann", amount: 1 }"#,
                r#"k1: Order { account: "bob", amount: 2 }"#
            ]
        );
    });
}

#[test]
fn a_key_that_cannot_be_read_fails_the_event_before_the_agent_sees_it() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("numbers");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", numbers.keyed::<String>(), |a| {
                a.on_failure(FailurePolicy::skip()).run(see)
            });
        let _worker = cluster.worker(app, settings(guarantee));
        let now = faustus::Timestamp(0);
        for key in [Some(&b"a"[..]), Some(b"\xff"), None, Some(b"b")] {
            cluster.send_bytes("numbers", key, Some(b"1"), now).await;
        }
        cluster.settle().await;
        assert_eq!(sorted(&seen), [r#"a: ("a", 1)"#, r#"b: ("b", 1)"#]);
    });
}

#[test]
fn a_record_whose_key_cannot_be_read_parks_its_task_until_it_is_skipped() {
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("numbers");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", numbers.keyed::<String>(), |a| a.run(see));
        let worker = cluster.worker(app, settings(guarantee));
        let now = faustus::Timestamp(0);
        for key in [&b"a"[..], b"\xff", b"b"] {
            cluster
                .send_bytes("numbers", Some(key), Some(b"1"), now)
                .await;
        }
        cluster.settle().await;
        check_parked(&worker, "key").await;
        assert_eq!(sorted(&seen), [r#"a: ("a", 1)"#]);
        let bad = cluster.records("numbers").await[1].offset;
        let partition = faustus::TopicPartition::new("numbers", 0);
        worker.handle().skip(&partition, bad);
        cluster.settle().await;
        assert_eq!(sorted(&seen), [r#"a: ("a", 1)"#, r#"b: ("b", 1)"#]);
    });
}

#[test]
fn a_loop_over_items_has_keys_where_there_are_some() {
    async fn items(State(seen): State<Seen>, values: Stream<u64>) -> faustus::Result {
        let mut values = values.items::<Option<String>>().enumerate();
        while let Some((i, item)) = values.next().await? {
            seen.lock().push(format!("{i} {:?}", *item));
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let seen = Seen::default();
        let app = App::new("numbers");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let app = app
            .with_state(Arc::clone(&seen))
            .agent("see", &numbers, |a| a.run(items));
        let _worker = cluster.worker(app, settings(guarantee));
        cluster
            .send_bytes("numbers", None, Some(b"1"), faustus::Timestamp(0))
            .await;
        cluster.send("numbers", "k", &2_u64).await;
        cluster.settle().await;
        assert_eq!(sorted(&seen), [r#"0 (None, 1)"#, r#"1 (Some("k"), 2)"#]);
    });
}

#[test]
fn echoes_have_key_and_value_of_what_was_taken() {
    async fn echo(State(copies): State<Topic<u64>>, numbers: Stream<u64>) -> faustus::Result {
        let mut numbers = numbers.echo(&copies);
        while let Some(number) = numbers.next().await? {
            if *number == 2 {
                return Err(std::io::Error::other("two").into());
            }
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("numbers");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let copies = app.topic::<u64>("copies").partitions(1);
        let app = app.with_state(copies.clone()).agent("echo", &numbers, |a| {
            a.on_failure(FailurePolicy::skip()).run(echo)
        });
        let _worker = cluster.worker(app, settings(guarantee));
        for number in 1..4_u64 {
            cluster
                .send("numbers", &format!("k{number}"), &number)
                .await;
        }
        cluster.settle().await;
        let copies = cluster.records("copies").await;
        let keys: Vec<_> = copies
            .iter()
            .map(|copy| copy.key.clone().unwrap())
            .collect();
        assert_eq!(keys, ["k1", "k3"], "an event that failed leaves no copy");
    });
}

#[test]
fn a_stream_outside_of_agents_acknowledges_what_it_was_asked_beyond() {
    for_seeds(async |cluster, guarantee| {
        let make = || {
            let app = App::new("tail");
            let numbers = app.topic::<u64>("numbers").partitions(1);
            let stream = app.stream("tail", &numbers);
            (app, stream)
        };
        let (app, mut stream) = make();
        let worker = cluster.worker(app, settings(guarantee));
        for number in 0..4_u64 {
            cluster.send("numbers", "", &number).await;
        }
        for number in 0..3_u64 {
            assert_eq!(stream.next().await.map(|event| **event), Some(number));
        }
        cluster.sleep(Duration::from_secs(5)).await;
        worker.crash();
        let (app, mut stream) = make();
        let _worker = cluster.worker(app, settings(guarantee));
        // What was in hand was not acknowledged.
        assert_eq!(stream.next().await.map(|event| **event), Some(2));
        assert_eq!(stream.next().await.map(|event| **event), Some(3));
    });
}

#[test]
fn a_record_without_a_value_is_none_and_is_sent_as_one() {
    async fn copy(
        State(copies): State<Topic<Option<u64>>>,
        mut numbers: Stream<Option<u64>, Option<u64>>,
    ) -> faustus::Result {
        while let Some(number) = numbers.next().await? {
            number.send(&copies, number.key().unwrap(), &*number)?;
            number.reply(*number);
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("numbers");
        let numbers = app.topic::<u64>("numbers").partitions(1).nullable();
        let copies = app.topic::<u64>("copies").partitions(1).nullable();
        let told = app.topic::<u64>("told").partitions(1).nullable();
        let app = app
            .with_state(copies.clone())
            .agent("copy", &numbers, |a| a.sink(&told).run(copy));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        numbers.send("a", &Some(1)).await.unwrap();
        numbers.send("a", &None).await.unwrap();
        cluster.settle().await;
        for topic in ["numbers", "copies", "told"] {
            let records = cluster.records(topic).await;
            let values: Vec<_> = records.iter().map(|r| r.value.as_deref()).collect();
            assert_eq!(values, [Some(&b"1"[..]), None], "{topic}");
        }
    });
}
