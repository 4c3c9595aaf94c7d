//! Tables: what everybody sees through the handle of what agents do with their part.

mod recovery;
mod writing;

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use faustus::{ErrorKind, FailurePolicy, prelude::*, testing::Cluster};
use faustus_log::{Call, Fault, Rule};
use faustus_store::MemoryStores;
use parking_lot::Mutex;

use crate::{
    common::flow::expect,
    scenario::{for_seeds, settings},
};

/// What an event has its agent do with the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Op {
    Set(String, u64),
    Add(String, u64),
    /// The greater value stays, and is inserted if there is none.
    Raise(String, u64),
    /// Inserts the default.
    Default(String),
    Remove(String),
    Clear,
    /// The event waits a second before it goes on.
    Wait,
    /// The event fails.
    Fail,
}

type Amounts = Table<String, u64>;

async fn apply(
    State(table): State<Amounts>,
    mut events: Stream<Vec<Op>, String>,
) -> faustus::Result {
    let table = events.bind(&table);
    while let Some(event) = events.next().await? {
        for op in event.iter() {
            match op {
                Op::Set(key, value) => table.set(&**key, *value)?,
                Op::Add(key, more) => drop(table.update(&**key, |value| *value += more)?),
                Op::Raise(key, to) => {
                    let most = |value: &mut u64| *value = (*value).max(*to);
                    table.entry(&**key).and_modify(most).or_insert(*to)?;
                }
                Op::Default(key) => drop(table.entry(&**key).or_default()?),
                Op::Remove(key) => drop(table.remove(&**key)?),
                Op::Clear => table.clear()?,
                Op::Wait => tokio::time::sleep(Duration::from_secs(1)).await,
                Op::Fail => return Err(std::io::Error::other("told to fail").into()),
            }
        }
        let mut keys = table.keys()?;
        keys.sort();
        let sum: u64 = table.values()?.iter().sum();
        let any = table.try_for_each(|key, _| ControlFlow::Break(key.clone()))?;
        assert_eq!(any.is_break(), !table.is_empty()?);
        assert_eq!(keys.len(), table.len()?);
        let unknown = table.get_or_default("unknown")?;
        assert!(!table.contains("unknown")?, "to read stores nothing");
        event.reply(format!("{} = {sum}, {unknown}", keys.join("+")));
    }
    Ok(())
}

/// `ops` → `amounts`, and the handle of that table.
fn ledger(partitions: u32, with: impl FnOnce(Amounts) -> Amounts) -> (App<Amounts>, Amounts) {
    ledger_of(1, partitions, with)
}

/// As [`ledger`], with so many lanes.
fn ledger_of(
    lanes: u32,
    partitions: u32,
    with: impl FnOnce(Amounts) -> Amounts,
) -> (App<Amounts>, Amounts) {
    let app = App::new("ledger");
    let ops = app.topic::<Vec<Op>>("ops").partitions(partitions);
    let said = app.topic::<String>("said").partitions(1);
    let amounts = with(app.table("amounts"));
    let app = app.with_state(amounts.clone()).agent("apply", &ops, |a| {
        a.concurrency(lanes)
            .table(&amounts)
            .sink(&said)
            .on_failure(FailurePolicy::skip())
            .run(apply)
    });
    (app, amounts)
}

async fn send(cluster: &Cluster, key: &str, ops: &[Op]) {
    cluster.send("ops", key, &ops.to_vec()).await;
}

fn set(key: &str, value: u64) -> Op {
    Op::Set(key.to_owned(), value)
}

async fn said(cluster: &Cluster) -> Vec<String> {
    let records = cluster.records("said").await;
    records.iter().map(|record| record.json()).collect()
}

/// All entries, in the order of their keys.
async fn entries(table: &Amounts) -> Vec<(String, u64)> {
    let mut entries = table.entries().await.unwrap();
    entries.sort();
    entries
}

fn pairs(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    expect(pairs).into_iter().collect()
}

#[test]
fn a_table_is_read_through_its_handle_from_anywhere_in_the_process() {
    for_seeds(async |cluster, guarantee| {
        let (app, amounts) = ledger(4, |table| table);
        let read: Arc<Mutex<Option<u64>>> = Arc::default();
        let by_task = Arc::clone(&read);
        let app = app.task("reader", move |State(amounts): State<Amounts>| {
            let by_task = Arc::clone(&by_task);
            async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    if let Ok(found @ Some(_)) = amounts.get("b").await {
                        *by_task.lock() = found;
                        return Ok(());
                    }
                }
            }
        });
        let _worker = cluster.worker(app, settings(guarantee));
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            send(&cluster, key, &[set(key, value)]).await;
        }
        cluster.settle().await;
        cluster.sleep(Duration::from_secs(1)).await;
        assert_eq!(*read.lock(), Some(2));
        assert_eq!(amounts.get("a").await.unwrap(), Some(1));
        assert_eq!(amounts.get("d").await.unwrap(), None);
        assert!(amounts.contains("c").await.unwrap());
        assert_eq!(amounts.len().await.unwrap(), 3);
        assert_eq!(amounts.partitions().unwrap(), [0, 1, 2, 3]);
        assert_eq!(
            entries(&amounts).await,
            pairs(&[("a", 1), ("b", 2), ("c", 3)])
        );
    });
}

#[test]
fn a_read_sees_what_completed_events_left_and_nothing_of_one_in_flight() {
    for_seeds(async |cluster, guarantee| {
        let (app, amounts) = ledger(1, |table| table);
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "k", &[set("a", 1), set("b", 1)]).await;
        cluster.settle().await;
        let half = [Op::Remove("b".into()), set("a", 2), set("c", 2), Op::Wait];
        send(&cluster, "k", &half).await;
        cluster.sleep(Duration::from_millis(500)).await;
        assert_eq!(entries(&amounts).await, pairs(&[("a", 1), ("b", 1)]));
        assert_eq!(amounts.get("a").await.unwrap(), Some(1));
        assert_eq!(amounts.get("b").await.unwrap(), Some(1));
        assert_eq!(amounts.get("c").await.unwrap(), None);
        assert_eq!(amounts.len().await.unwrap(), 2);
        cluster.settle().await;
        assert_eq!(entries(&amounts).await, pairs(&[("a", 2), ("c", 2)]));
    });
}

#[test]
fn a_read_sees_no_event_behind_one_that_is_still_in_flight() {
    for_seeds(async |cluster, guarantee| {
        let (app, amounts) = ledger_of(8, 1, |table| table);
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "slow", &[Op::Wait, set("slow", 1)]).await;
        let keys: Vec<String> = (0..20).map(|i| format!("k{i}")).collect();
        for key in &keys {
            send(&cluster, key, &[set(key, 1)]).await;
        }
        cluster.sleep(Duration::from_millis(500)).await;
        let current = worker.table::<String, u64>("amounts").await;
        assert!(current.len() > 5, "others went on");
        assert_eq!(amounts.len().await.unwrap(), 0);
        assert_eq!(amounts.get("k1").await.unwrap(), None);
        cluster.settle().await;
        assert_eq!(amounts.len().await.unwrap(), 21);
    });
}

#[test]
fn a_key_of_another_worker_is_an_error_that_says_so() {
    for_seeds(async |cluster, guarantee| {
        let (one, amounts) = ledger(4, |table| table);
        let (other, others) = ledger(4, |table| table);
        let _one = cluster.worker(one, settings(guarantee));
        let _other = cluster.worker(other, settings(guarantee));
        let keys: Vec<String> = (0..20).map(|i| format!("k{i}")).collect();
        for key in &keys {
            send(&cluster, key, &[set(key, 1)]).await;
        }
        cluster.settle().await;
        let mut elsewhere = 0;
        for key in &keys {
            match (amounts.get(&**key).await, others.get(&**key).await) {
                (Ok(Some(1)), Err(error)) | (Err(error), Ok(Some(1))) => {
                    assert_eq!(error.kind(), ErrorKind::Elsewhere);
                    let text = error.to_string();
                    assert!(text.contains("does not have partition"), "{text}");
                    elsewhere += 1;
                }
                neither => panic!("{key}: {neither:?}"),
            }
        }
        assert_eq!(elsewhere, keys.len());
        let all = [entries(&amounts).await, entries(&others).await].concat();
        assert_eq!(all.len(), keys.len());
    });
}

#[test]
fn a_handle_tells_why_it_cannot_be_read() {
    for_seeds(async |cluster, guarantee| {
        let (app, amounts) = ledger(1, |table| table);
        let lonely: Amounts = app.table("lonely");
        let text = async |table: &Amounts| table.get("a").await.unwrap_err().to_string();
        assert!(text(&amounts).await.contains("once the application runs"));
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "k", &[set("a", 1)]).await;
        cluster.settle().await;
        assert!(text(&lonely).await.contains("no agent writes table lonely"));
        worker.shutdown().await.unwrap();
        assert_eq!(
            amounts.get("a").await.unwrap_err().kind(),
            ErrorKind::Elsewhere
        );
    });
}

#[test]
fn a_table_that_is_being_recovered_is_not_there_yet() {
    for_seeds(async |cluster, guarantee| {
        let (app, _) = ledger(1, |table| table);
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "k", &[set("a", 1)]).await;
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        let (app, amounts) = ledger(1, |table| table);
        let worker = cluster.worker(app, settings(guarantee));
        let slow = Rule::new(Call::Read, Fault::Delay(Duration::from_secs(20)));
        let changelog = "ledger-amounts-changelog/0";
        worker
            .faults()
            .add(slow.when(move |site| site.subject == changelog));
        cluster.sleep(Duration::from_secs(10)).await;
        let error = amounts.get("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        cluster.settle().await;
        assert_eq!(amounts.get("a").await.unwrap(), Some(1));
    });
}

#[test]
fn what_only_a_store_has_is_read_too() {
    for_seeds(async |cluster, guarantee| {
        let stores = Arc::new(MemoryStores::default());
        let all = [
            set("a", 1),
            set("b", 2),
            Op::Remove("a".into()),
            set("c", 0),
        ];
        for round in 0..2 {
            let (app, amounts) = ledger(1, |table| table);
            let worker = cluster.worker_with_stores(app, settings(guarantee), Arc::clone(&stores));
            if round == 0 {
                send(&cluster, "k", &all).await;
            }
            cluster.settle().await;
            assert_eq!(entries(&amounts).await, pairs(&[("b", 2), ("c", 0)]));
            assert_eq!(amounts.len().await.unwrap(), 2);
            assert_eq!(amounts.get("b").await.unwrap(), Some(2));
            assert_eq!(amounts.get("a").await.unwrap(), None);
            if round == 1 {
                send(&cluster, "k", &[Op::Clear, set("d", 4)]).await;
                cluster.settle().await;
                assert_eq!(entries(&amounts).await, pairs(&[("d", 4)]));
            }
            worker.shutdown().await.unwrap();
        }
    });
}

#[test]
fn a_table_has_a_text_form() {
    for_seeds(async |cluster, guarantee| {
        let (app, amounts) = ledger(2, |table| table);
        let _worker = cluster.worker(app, settings(guarantee));
        for (key, value) in [("bob", 7), ("ann", 12)] {
            send(&cluster, key, &[set(key, value)]).await;
        }
        cluster.settle().await;
        let text = amounts.to_text("Scores", "Player", "Score").await.unwrap();
        let expected = "\
Scores
+--------+-------+
| Player | Score |
+================+
| ann    | 12    |
| bob    | 7     |
+--------+-------+";
        assert_eq!(text, expected);
    });
}

#[test]
fn futures_of_reads_may_move_between_threads() {
    fn check<T: Send + Sync>(_: &T) {}
    fn check_send<T: Send>(_: &T) {}
    let (_app, amounts) = ledger(1, |table| table);
    check(&amounts);
    check_send(&amounts.get("a"));
    check_send(&amounts.entries());
    check_send(&amounts.to_text("", "", ""));
}
