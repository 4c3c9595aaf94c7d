//! Records and codecs in a running application: what does not decode, what is not copied.

use std::sync::Arc;

use bytes::Bytes;
use faustus::{Codec, Codecs, Json, JsonKey, JsonRecord, Raw, Timestamp, prelude::*};
use parking_lot::Mutex;

use crate::scenario::{check_parked, for_seeds, settings};

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Order {
    account: String,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Record, Serialize, Deserialize)]
struct Line {
    amount: u64,
}

async fn total(
    State(totals): State<Table<String, u64>>,
    mut orders: Stream<Order, Order>,
) -> faustus::Result {
    let totals = orders.bind(&totals);
    while let Some(order) = orders.next().await? {
        let amount: u64 = order.lines.iter().map(|line| line.amount).sum();
        totals.update(&*order.account, |total| *total += amount)?;
        order.reply(order.value().clone());
    }
    Ok(())
}

fn totals(
    policy: FailurePolicy,
    codec: impl Codec<Order> + Clone + 'static,
) -> App<Table<String, u64>> {
    let app = App::new("shop");
    let orders = app.topic("orders").partitions(1).codec(codec.clone());
    let audit = app.topic("audit").partitions(1).codec(codec);
    let totals = app.table("totals");
    app.with_state(totals.clone()).agent("total", &orders, |a| {
        a.table(&totals).sink(&audit).on_failure(policy).run(total)
    })
}

const NOW: Timestamp = Timestamp(1_767_225_600_000);

fn order(amounts: &[u64]) -> Order {
    Order {
        account: "ann".to_owned(),
        lines: amounts.iter().map(|&amount| Line { amount }).collect(),
    }
}

fn encoded<T>(codec: &impl Codec<T>, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_record_with_a_wrong_field_parks_its_task_which_says_where_the_field_is() {
    for_seeds(async |cluster, guarantee| {
        let app = totals(FailurePolicy::default(), Json);
        let worker = cluster.worker(app, settings(guarantee));
        cluster.send("orders", "ann", &order(&[7])).await;
        let wrong = br#"{"account":"ann","lines":[{"amount":1},{"amount":"x"}]}"#;
        cluster
            .send_bytes("orders", Some(b"ann"), Some(wrong), NOW)
            .await;
        cluster.send("orders", "ann", &order(&[8])).await;
        cluster.settle().await;
        check_parked(&worker, "lines[1].amount: invalid type").await;
        assert_eq!(worker.table::<String, u64>("totals").await["ann"], 7);
    });
}

#[test]
fn records_that_do_not_decode_are_skipped_and_lose_no_others() {
    for_seeds(async |cluster, guarantee| {
        let app = totals(FailurePolicy::skip(), Json);
        let worker = cluster.worker(app, settings(guarantee));
        let deep = "[".repeat(100_000);
        for wrong in [
            r#"{"account":"ann"}"#,
            r#"{"account":"ann","lines":[{}]}"#,
            r#"{"account":1,"lines":[]}"#,
            r#"{"account":"ann","lines":[{"amount":-1}]}"#,
            "",
            "\u{feff}{}",
            &deep,
        ] {
            let value = wrong.as_bytes();
            cluster
                .send_bytes("orders", Some(b"ann"), Some(value), NOW)
                .await;
            cluster.send("orders", "ann", &order(&[1])).await;
        }
        let extra = br#"{"account":"ann","lines":[],"more":1,"__faust":{"ns":"shop.Order"}}"#;
        cluster
            .send_bytes("orders", Some(b"ann"), Some(extra), NOW)
            .await;
        cluster.settle().await;
        assert_eq!(worker.table::<String, u64>("totals").await["ann"], 7);
        assert_eq!(cluster.records("audit").await.len(), 8);
    });
}

#[test]
fn records_travel_with_their_metadata_and_through_a_chain_by_name() {
    let named = Codecs::new().get::<Order>("json|binary").unwrap();
    for_seeds(async |cluster, guarantee| {
        let _worker = cluster.worker(
            totals(FailurePolicy::skip(), JsonRecord),
            settings(guarantee),
        );
        cluster.send("orders", "ann", &order(&[7])).await;
        cluster.settle().await;
        let replies = cluster.records("audit").await;
        assert_eq!(
            replies[0].value.as_deref().unwrap(),
            br#"{"account":"ann","lines":[{"amount":7,"__faust":{"ns":"Line"}}],"__faust":{"ns":"Order"}}"#
        );
    });
    for_seeds(async |cluster, guarantee| {
        let app = totals(FailurePolicy::skip(), Arc::clone(&named));
        let _worker = cluster.worker(app, settings(guarantee));
        let bytes = encoded(&named, &order(&[7]));
        cluster
            .send_bytes("orders", Some(b"ann"), Some(&bytes), NOW)
            .await;
        cluster.settle().await;
        let replies = cluster.records("audit").await;
        assert_eq!(replies[0].value.as_deref(), Some(&*bytes));
    });
}

/// In Faust (RH#214, and seen live) tables with such keys never recover.
#[test]
fn tables_recover_whose_keys_are_tuples_and_bytes() {
    type Counts<K> = Table<K, u64>;
    type Both = (Counts<JsonKey<(String, u64)>>, Counts<Vec<u8>>);

    async fn count(
        State((tuples, bytes)): State<Both>,
        mut names: Stream<String>,
    ) -> faustus::Result {
        let (tuples, bytes) = (names.bind(&tuples), names.bind(&bytes));
        while let Some(name) = names.next().await? {
            let key: JsonKey<_> = JsonKey::new((name.clone(), 1))?;
            tuples.update(&key, |count| *count += 1)?;
            bytes.update(&[name.as_bytes(), b"\xff"].concat(), |count| *count += 1)?;
        }
        Ok(())
    }

    fn app() -> App<Both> {
        let app = App::new("keys");
        let names = app.topic("names").partitions(1);
        let both: Both = (app.table("tuples"), app.table("bytes"));
        app.with_state(both.clone()).agent("count", &names, |a| {
            a.table(&both.0).table(&both.1).run(count)
        })
    }

    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(app(), settings(guarantee));
        for name in ["é", "b", "é"] {
            cluster.send("names", name, &name.to_owned()).await;
        }
        cluster.settle().await;
        worker.crash();
        let _worker = cluster.worker(app(), settings(guarantee));
        cluster.send("names", "b", &"b".to_owned()).await;
        cluster.settle().await;
        let tuples = cluster
            .changelog::<(String, u64), u64>("keys", "tuples")
            .await;
        let bytes = cluster.changelog::<Vec<u8>, u64>("keys", "bytes").await;
        for name in ["é", "b"] {
            assert_eq!(tuples[&(name.to_owned(), 1)], 2);
            assert_eq!(bytes[&[name.as_bytes(), b"\xff"].concat()], 2);
        }
    });
}

#[test]
fn bytes_of_a_topic_share_the_memory_they_came_in() {
    async fn keep(State(kept): State<Kept>, mut values: Stream<Bytes>) -> faustus::Result {
        while let Some(value) = values.next().await? {
            kept.lock().push(value.into_value());
        }
        Ok(())
    }
    type Kept = Arc<Mutex<Vec<Bytes>>>;

    for_seeds(async |cluster, guarantee| {
        let kept = Kept::default();
        let app = App::new("keep");
        let values = app.topic_with::<Bytes>("values", Raw).partitions(1);
        let app = app
            .with_state(Arc::clone(&kept))
            .agent("keep", &values, |a| a.run(keep));
        let _worker = cluster.worker(app, settings(guarantee));
        for value in ["one", "two"] {
            cluster
                .send_bytes("values", None, Some(value.as_bytes()), NOW)
                .await;
        }
        cluster.settle().await;
        assert_eq!(*kept.lock(), ["one", "two"]);
    });
}
