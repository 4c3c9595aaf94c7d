//! What comes back when a table is recovered, and who is told of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use faustus::{
    MemoryLog, Raw, TaskState, TokioClock, TopicConfig,
    prelude::*,
    testing::{Cluster, TestWorker},
};
use faustus_core::Transport;
use parking_lot::Mutex;

use super::{Amounts, Op, entries, ledger, pairs, send, set};
use crate::{
    common::{Running, until},
    scenario::{for_seeds, settings},
};

/// Faust's recovery lost a falsy value that was set again after a delete.
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

/// Others did not recover a changelog of exactly one record, and waited for ever on an empty one.
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

/// Faust never ended the recovery of some tables with integer keys or bytes, and did not always use
/// the table's codec for it.
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
