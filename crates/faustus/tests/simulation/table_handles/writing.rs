//! What agents do with their part of a table: defaults, entries, clearing.

use faustus::prelude::*;

use super::{Amounts, Op, entries, ledger, pairs, said, send, set};
use crate::scenario::{check_parked, for_seeds, settings};

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
