//! Tables: what agents do with their part, and what everybody else sees through the handle.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use faustus::{
    ErrorKind, FailurePolicy, MemoryLog, Raw, TaskState, TokioClock, TopicConfig,
    prelude::*,
    testing::{Cluster, TestWorker},
};
use faustus_core::Transport;
use faustus_log::{Call, Fault, Rule};
use faustus_store::MemoryStores;
use parking_lot::Mutex;

use crate::{
    common::{Running, flow::expect, until},
    scenario::{check_parked, for_seeds, settings},
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
fn defaults_and_entries_begin_where_the_table_says() {
    for_seeds(async |cluster, guarantee| {
        let (app, amounts) = ledger(1, |table| table.default_with(|| 100));
        let worker = cluster.worker(app, settings(guarantee));
        let add = |key: &str| Op::Add(key.to_owned(), 1);
        send(
            &cluster,
            "k",
            &[add("a"), add("a"), Op::Default("b".into())],
        )
        .await;
        let raise = |key: &str, to| Op::Raise(key.to_owned(), to);
        send(
            &cluster,
            "k",
            &[raise("a", 50), raise("b", 500), raise("c", 7)],
        )
        .await;
        cluster.settle().await;
        let all = pairs(&[("a", 102), ("b", 500), ("c", 7)]);
        assert_eq!(entries(&amounts).await, all);
        assert_eq!(said(&cluster).await, ["a+b = 202, 100", "a+b+c = 609, 100"]);
        worker.crash();
        // Another default changes nothing that is stored.
        let (app, amounts) = ledger(1, |table| table.default_with(|| 7));
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        assert_eq!(entries(&amounts).await, all);
        send(&cluster, "k", &[add("a"), add("d")]).await;
        cluster.settle().await;
        let all = pairs(&[("a", 103), ("b", 500), ("c", 7), ("d", 8)]);
        assert_eq!(entries(&amounts).await, all);
    });
}

#[test]
fn a_table_is_cleared_with_its_event_and_taken_back_with_it() {
    for_seeds(async |cluster, guarantee| {
        let (app, amounts) = ledger(1, |table| table);
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, "k", &[set("a", 1), set("b", 2)]).await;
        send(
            &cluster,
            "k",
            &[set("c", 3), Op::Clear, set("d", 4), Op::Fail],
        )
        .await;
        cluster.settle().await;
        assert_eq!(entries(&amounts).await, pairs(&[("a", 1), ("b", 2)]));
        send(&cluster, "k", &[Op::Clear, set("e", 5)]).await;
        cluster.settle().await;
        assert_eq!(entries(&amounts).await, pairs(&[("e", 5)]));
        worker.crash();
        let (app, amounts) = ledger(1, |table| table);
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        assert_eq!(entries(&amounts).await, pairs(&[("e", 5)]));
    });
}

#[test]
fn several_lanes_cannot_clear_a_table() {
    async fn clear(State(table): State<Amounts>, mut events: Stream<String>) -> faustus::Result {
        let table = events.bind(&table);
        while events.next().await?.is_some() {
            table.clear()?;
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("wrong");
        let events = app.topic::<String>("events").partitions(1);
        let table = app.table("t");
        let app = app.with_state(table.clone()).agent("clear", &events, |a| {
            a.concurrency(4).table(&table).run(clear)
        });
        let worker = cluster.worker(app, settings(guarantee));
        cluster.send("events", "a", &"event".to_owned()).await;
        cluster.settle().await;
        check_parked(&worker, "only concurrency(1) can clear a table").await;
    });
}

/// robinhood/faust: a falsy value that was set again after a delete was lost by a batch of the recovery.
#[test]
fn a_falsy_value_set_again_after_a_delete_is_recovered() {
    for_seeds(async |cluster, guarantee| {
        let (app, _) = ledger(1, |table| table);
        let worker = cluster.worker(app, settings(guarantee));
        let again = [set("a", 1), Op::Remove("a".into()), set("a", 0)];
        send(&cluster, "k", &again).await;
        for op in again {
            send(&cluster, "k", &[op]).await;
        }
        cluster.settle().await;
        worker.crash();
        let (app, amounts) = ledger(1, |table| table);
        let _worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        assert_eq!(entries(&amounts).await, pairs(&[("a", 0)]));
    });
}

/// Quix #769: a changelog of exactly one record was not recovered; nor may an empty one hang (FS#597).
#[test]
fn changelogs_of_no_and_of_exactly_one_record_are_recovered() {
    for_seeds(async |cluster, guarantee| {
        for round in 0_u64..3 {
            let (app, amounts) = ledger(1, |table| table);
            let worker = cluster.worker(app, settings(guarantee));
            if round == 1 {
                send(&cluster, "k", &[set("a", 1)]).await;
            } else {
                cluster
                    .create_topic(&format!("unrelated-{round}"), 1, TopicConfig::default())
                    .await;
            }
            cluster.settle().await;
            let expected = if round == 0 {
                vec![]
            } else {
                pairs(&[("a", 1)])
            };
            assert_eq!(entries(&amounts).await, expected);
            worker.crash();
        }
    });
}

#[derive(Clone)]
struct Typed {
    by_number: Table<u64, Vec<u8>>,
}

/// The keys and values that were told of.
type Told = Arc<Mutex<Vec<(u64, Option<Vec<u8>>)>>>;

async fn store(
    State(typed): State<Typed>,
    mut events: Stream<(u64, Option<u8>)>,
) -> faustus::Result {
    let table = events.bind(&typed.by_number);
    while let Some(event) = events.next().await? {
        let &(key, value) = event.value();
        match value {
            Some(value) => table.set(&key, vec![value, 0xff])?,
            None => drop(table.remove(&key)?),
        }
    }
    Ok(())
}

fn typed(told: &Told) -> App<Typed> {
    let app = App::new("typed");
    let events = app.topic::<(u64, Option<u8>)>("numbers").partitions(1);
    let hear = Arc::clone(told);
    let by_number = app.table("by-number").codec(Raw).on_changelog_event(
        move |event: &faustus::ChangelogEvent<'_, u64, Vec<u8>>| {
            hear.lock().push((*event.key, event.value.cloned()));
            assert!(*event.key != 3, "told to panic in on_changelog_event");
        },
    );
    app.with_state(Typed {
        by_number: by_number.clone(),
    })
    .agent("store", &events, |a| a.table(&by_number).run(store))
}

/// Faust never ended the recovery of tables with integer keys or bytes, and did not always use the
/// table's codec for it (RH#148, RH#538).
#[test]
fn every_record_that_a_recovery_reads_is_told_with_the_tables_types_and_codec() {
    for_seeds(async |cluster, guarantee| {
        let told = Told::default();
        let worker = cluster.worker(typed(&told), settings(guarantee));
        for event in [(1, Some(1)), (2, Some(2)), (3, Some(3)), (2, None)] {
            cluster.send("numbers", "k", &event).await;
            cluster.settle().await;
        }
        worker.crash();
        assert!(told.lock().is_empty(), "an empty changelog tells nothing");
        let app = typed(&told);
        let worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        let bytes = |byte| Some(vec![byte, 0xff]);
        let all = [(1, bytes(1)), (2, bytes(2)), (3, bytes(3)), (2, None)];
        assert_eq!(*told.lock(), all);
        assert_eq!(worker.status().await[0].state, TaskState::Idle);
    });
}

/// A ledger of two partitions with five keys, recovered by a worker whose table is made by `with`.
async fn recovered(
    cluster: &Cluster,
    guarantee: faustus::Guarantee,
    with: impl FnOnce(Amounts) -> Amounts,
) -> (TestWorker, Amounts) {
    let (app, _) = ledger(2, |table| table);
    let worker = cluster.worker(app, settings(guarantee));
    for key in ["a", "b", "c", "d", "e"] {
        send(cluster, key, &[set(key, 1)]).await;
    }
    cluster.settle().await;
    worker.crash();
    send(cluster, "a", &[set("a", 2)]).await;
    let (app, amounts) = ledger(2, with);
    (cluster.worker(app, settings(guarantee)), amounts)
}

#[test]
fn on_recover_sees_each_partition_whole_before_its_first_event() {
    for_seeds(async |cluster, guarantee| {
        let seen = Arc::new(Mutex::new(Vec::<(u32, Vec<(String, u64)>)>::new()));
        let note = Arc::clone(&seen);
        let (_worker, amounts) = recovered(&cluster, guarantee, |table| {
            table.on_recover(move |table, partition| {
                let note = Arc::clone(&note);
                async move {
                    let entries = table.entries_in(partition).await?;
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    assert_eq!(table.entries_in(partition).await?.len(), entries.len());
                    note.lock().push((partition, entries));
                    Ok(())
                }
            })
        })
        .await;
        cluster.settle().await;
        let mut seen = seen.lock().clone();
        seen.sort();
        assert_eq!(seen.iter().map(|(p, _)| *p).collect::<Vec<_>>(), [0, 1]);
        let mut all: Vec<_> = seen.into_iter().flat_map(|(_, entries)| entries).collect();
        all.sort();
        assert_eq!(
            all,
            pairs(&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)])
        );
        assert_eq!(amounts.get("a").await.unwrap(), Some(2));
    });
}

#[test]
fn an_on_recover_that_fails_panics_or_never_ends_keeps_no_task_from_beginning() {
    for_seeds(async |cluster, guarantee| {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let (_worker, amounts) = recovered(&cluster, guarantee, |table| {
            let table = table
                .on_recover(|_, _| async { Err(std::io::Error::other("told to fail").into()) });
            let table = table.on_recover(|_, _| async { panic!("told to panic in on_recover") });
            let table = table.on_recover(|_, _| std::future::pending());
            table.on_recover(move |_, _| {
                count.fetch_add(1, Ordering::Relaxed);
                async { Ok(()) }
            })
        })
        .await;
        let whole = loop {
            cluster.sleep(Duration::from_millis(100)).await;
            if let Ok(value) = amounts.get("a").await {
                break value;
            }
        };
        assert_eq!(whole, Some(1), "no event has come yet");
        cluster.sleep(Duration::from_secs(20)).await;
        assert_eq!(amounts.get("a").await.unwrap(), Some(1));
        cluster.settle().await;
        assert_eq!(amounts.get("a").await.unwrap(), Some(2));
        assert_eq!(calls.load(Ordering::Relaxed), 2, "once a partition");
    });
}

/// On real threads, since a simulation has one.
#[tokio::test(flavor = "multi_thread")]
async fn on_recover_runs_beside_the_threads_of_agents() {
    let log: Arc<dyn Transport> = Arc::new(MemoryLog::new(Arc::new(TokioClock::real()), 1));
    let threads: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = Arc::clone(&threads);
    let (app, amounts) = ledger(2, |table| {
        table.on_recover(move |_, _| {
            let note = Arc::clone(&note);
            async move {
                let thread = std::thread::current();
                note.lock()
                    .push(thread.name().unwrap_or_default().to_owned());
                Ok(())
            }
        })
    });
    let worker = Running::start(app, &log, faustus::Settings::default()).await;
    until(async || {
        let len = amounts.entries_in(0).await.and(amounts.entries_in(1).await);
        len.map_err(|error| error.to_string())
    })
    .await;
    worker.shutdown().await;
    let threads = threads.lock();
    assert_eq!(threads.len(), 2);
    let beside = |thread: &String| !thread.starts_with("faustus-");
    assert!(threads.iter().all(beside), "{threads:?}");
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
