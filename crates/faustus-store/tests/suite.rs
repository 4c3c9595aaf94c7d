//! What every store does, checked on every provider. One behaviour a test.
#![cfg(feature = "fjall")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use bytes::Bytes;
use faustus_core::{
    Change, Checkpoint, Offset, Store, StoreError, StoreProvider, Timestamp, TopicId,
};
use faustus_store::{FjallOptions, FjallStores, MemoryStores};
use proptest::prelude::*;

/// A provider that can be closed and opened again with what it kept.
trait Subject: Sized {
    fn new() -> Self;
    fn stores(&self) -> &dyn StoreProvider;
    fn reopen(&mut self);
}

struct Memory(MemoryStores);

impl Subject for Memory {
    fn new() -> Self {
        Self(MemoryStores::new())
    }
    fn stores(&self) -> &dyn StoreProvider {
        &self.0
    }
    fn reopen(&mut self) {
        self.0 = self.0.after_crash();
    }
}

struct Fjall {
    stores: Option<FjallStores>,
    dir: tempfile::TempDir,
}

impl Subject for Fjall {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut subject = Self { stores: None, dir };
        subject.reopen();
        subject
    }
    fn stores(&self) -> &dyn StoreProvider {
        self.stores.as_ref().unwrap()
    }
    fn reopen(&mut self) {
        self.stores = None;
        // Small enough that the larger tests reach the table files.
        let options = FjallOptions::default().write_buffer(1 << 20);
        self.stores = Some(FjallStores::open_with(self.dir.path(), options).unwrap());
    }
}

fn put(key: &str, value: &str) -> Change {
    Change {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    }
}

fn remove(key: &str) -> Change {
    Change {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: None,
    }
}

fn checkpoint(offset: i64) -> Checkpoint {
    Checkpoint {
        changelog: TopicId(9 << 100),
        offset: Offset(offset),
        written: Timestamp(1_700_000_000_000 + offset),
        stream_time: Timestamp(-offset),
    }
}

fn entries(store: &dyn Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    store
        .scan(&mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
    entries
}

fn text(entries: &[(Vec<u8>, Vec<u8>)]) -> String {
    let entry = |(key, value): &(Vec<u8>, Vec<u8>)| {
        let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        format!("{key}={value}")
    };
    entries.iter().map(entry).collect::<Vec<_>>().join(" ")
}

fn a_new_store_has_no_checkpoint_and_no_entries(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    assert_eq!(store.checkpoint().unwrap(), None);
    assert_eq!(store.get(b"a").unwrap(), None);
    assert!(entries(&*store).is_empty());
}

fn a_batch_shows_at_once_with_its_checkpoint(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store
        .apply(&[put("a", "1"), put("b", "2")], &checkpoint(2))
        .unwrap();
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(store.checkpoint().unwrap(), Some(checkpoint(2)));
}

fn a_later_batch_overwrites_and_removes(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store
        .apply(&[put("a", "1"), put("b", "2")], &checkpoint(2))
        .unwrap();
    store
        .apply(&[put("a", "3"), remove("b")], &checkpoint(4))
        .unwrap();
    assert_eq!(text(&entries(&*store)), "a=3");
    assert_eq!(store.checkpoint().unwrap(), Some(checkpoint(4)));
}

fn the_last_change_of_a_key_in_a_batch_wins(subject: &mut impl Subject) {
    let changes = [
        [put("put-put", "1"), put("put-put", "2")],
        [put("put-remove", "1"), remove("put-remove")],
        [remove("remove-put"), put("remove-put", "2")],
    ];
    let store = subject.stores().open("t", 0).unwrap();
    store.apply(&changes.concat(), &checkpoint(6)).unwrap();
    let expected = "put-put=2 remove-put=2";
    assert_eq!(text(&entries(&*store)), expected);
    drop(store);
    subject.reopen();
    let store = subject.stores().open("t", 0).unwrap();
    assert_eq!(text(&entries(&*store)), expected);
}

fn a_batch_without_changes_moves_the_checkpoint(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store.apply(&[], &checkpoint(5)).unwrap();
    drop(store);
    subject.reopen();
    let store = subject.stores().open("t", 0).unwrap();
    assert_eq!(store.checkpoint().unwrap(), Some(checkpoint(5)));
    assert!(entries(&*store).is_empty());
}

fn extreme_checkpoints_are_kept(subject: &mut impl Subject) {
    let extreme = Checkpoint {
        changelog: TopicId(u128::MAX),
        offset: Offset(i64::MAX),
        written: Timestamp(i64::MIN),
        stream_time: Timestamp(i64::MIN),
    };
    subject
        .stores()
        .open("t", 0)
        .unwrap()
        .apply(&[], &extreme)
        .unwrap();
    subject.reopen();
    let store = subject.stores().open("t", 0).unwrap();
    assert_eq!(store.checkpoint().unwrap(), Some(extreme));
}

fn an_empty_value_is_a_value(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store.apply(&[put("a", "")], &checkpoint(1)).unwrap();
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b""[..]));
}

fn an_empty_key_is_a_key(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store.apply(&[put("", "1")], &checkpoint(1)).unwrap();
    assert_eq!(store.get(b"").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(text(&entries(&*store)), "=1");
    store.apply(&[remove("")], &checkpoint(2)).unwrap();
    assert_eq!(store.get(b"").unwrap(), None);
}

fn no_key_meets_the_checkpoint(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    let keys: Vec<Vec<u8>> = (0..=255)
        .flat_map(|byte| [vec![byte], vec![byte, 0], vec![0, byte]])
        .collect();
    let changes: Vec<_> = keys
        .iter()
        .map(|key| Change {
            key: Bytes::copy_from_slice(key),
            value: Some("v".into()),
        })
        .collect();
    store.apply(&changes, &checkpoint(1)).unwrap();
    let removals: Vec<_> = changes
        .into_iter()
        .map(|c| Change { value: None, ..c })
        .collect();
    store.apply(&removals, &checkpoint(2)).unwrap();
    assert!(entries(&*store).is_empty());
    assert_eq!(store.checkpoint().unwrap(), Some(checkpoint(2)));
}

fn keys_as_long_as_kafka_clients_send_are_kept(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    for len in [126, 127, 128, 129, 4_000, 65_534] {
        let key = "k".repeat(len);
        store.apply(&[put(&key, "1")], &checkpoint(1)).unwrap();
        assert_eq!(
            store.get(key.as_bytes()).unwrap().as_deref(),
            Some(&b"1"[..]),
            "{len}"
        );
    }
}

fn a_scan_goes_in_key_order(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    let unordered = ["b", "\u{10ffff}", "a", "", "ab", "\u{0}", "B"];
    let changes: Vec<_> = unordered.iter().map(|key| put(key, "v")).collect();
    store.apply(&changes, &checkpoint(1)).unwrap();
    let keys: Vec<_> = entries(&*store).into_iter().map(|(key, _)| key).collect();
    assert!(keys.is_sorted());
    assert_eq!(keys.len(), unordered.len());
}

fn a_scan_ends_when_the_visitor_has_enough(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store
        .apply(&["a", "b", "c"].map(|key| put(key, "v")), &checkpoint(1))
        .unwrap();
    let mut seen = 0;
    store
        .scan(&mut |_, _| {
            seen += 1;
            seen < 2
        })
        .unwrap();
    assert_eq!(seen, 2);
}

fn a_scans_visitor_may_read_the_store(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store.apply(&[put("a", "1")], &checkpoint(1)).unwrap();
    store
        .scan(&mut |key, value| {
            assert_eq!(store.get(key).unwrap().as_deref(), Some(value));
            true
        })
        .unwrap();
}

fn tables_and_partitions_are_apart(subject: &mut impl Subject) {
    let names = [
        ("t", 0),
        ("t", 1),
        ("t", 10),
        ("t/1", 0),
        ("u", 0),
        ("tables über alles", 0),
    ];
    let stores = names.map(|(table, partition)| subject.stores().open(table, partition).unwrap());
    for (offset, store) in (0..).zip(&stores) {
        store
            .apply(&[put("k", &offset.to_string())], &checkpoint(offset))
            .unwrap();
    }
    for (offset, store) in (0..).zip(&stores) {
        assert_eq!(text(&entries(&**store)), format!("k={offset}"));
        assert_eq!(store.checkpoint().unwrap(), Some(checkpoint(offset)));
    }
}

fn what_was_applied_is_there_after_reopening(subject: &mut impl Subject) {
    for round in 0..3 {
        let store = subject.stores().open("t", 0).unwrap();
        store
            .apply(&[put(&format!("k{round}"), "v")], &checkpoint(round))
            .unwrap();
        drop(store);
        subject.reopen();
        let store = subject.stores().open("t", 0).unwrap();
        assert_eq!(store.checkpoint().unwrap(), Some(checkpoint(round)));
    }
    let store = subject.stores().open("t", 0).unwrap();
    assert_eq!(text(&entries(&*store)), "k0=v k1=v k2=v");
}

fn flushing_changes_nothing_that_is_read(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store.flush().unwrap();
    store
        .apply(&[put("a", "1"), remove("b")], &checkpoint(2))
        .unwrap();
    store.flush().unwrap();
    assert_eq!(text(&entries(&*store)), "a=1");
    drop(store);
    subject.reopen();
    let store = subject.stores().open("t", 0).unwrap();
    assert_eq!(text(&entries(&*store)), "a=1");
}

fn a_store_is_open_once(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    assert!(matches!(
        subject.stores().open("t", 0),
        Err(StoreError::Locked(_))
    ));
    drop(store);
    assert!(subject.stores().open("t", 0).is_ok());
}

fn a_destroyed_store_is_new(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store.apply(&[put("a", "1")], &checkpoint(1)).unwrap();
    drop(store);
    subject.stores().destroy("t", 0).unwrap();
    let store = subject.stores().open("t", 0).unwrap();
    assert_eq!(store.checkpoint().unwrap(), None);
    store.apply(&[put("b", "2")], &checkpoint(1)).unwrap();
    drop(store);
    subject.reopen();
    let store = subject.stores().open("t", 0).unwrap();
    assert_eq!(text(&entries(&*store)), "b=2");
}

fn destroying_one_store_leaves_the_others(subject: &mut impl Subject) {
    for partition in 0..2 {
        let store = subject.stores().open("t", partition).unwrap();
        store.apply(&[put("a", "1")], &checkpoint(1)).unwrap();
    }
    subject.stores().destroy("t", 0).unwrap();
    let store = subject.stores().open("t", 1).unwrap();
    assert_eq!(text(&entries(&*store)), "a=1");
}

fn destroying_what_never_was_does_nothing(subject: &mut impl Subject) {
    subject.stores().destroy("t", 0).unwrap();
}

fn an_open_store_cannot_be_destroyed(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    store.apply(&[put("a", "1")], &checkpoint(1)).unwrap();
    assert!(matches!(
        subject.stores().destroy("t", 0),
        Err(StoreError::Locked(_))
    ));
    assert_eq!(text(&entries(&*store)), "a=1");
}

fn one_thread_reads_while_another_writes(subject: &mut impl Subject) {
    let store = subject.stores().open("t", 0).unwrap();
    let batches = 300;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=batches {
                let value = n.to_string();
                store
                    .apply(&[put("a", &value), put("b", &value)], &checkpoint(n))
                    .unwrap();
            }
        });
        let mut last = 0;
        while last < batches {
            // A scan sees whole batches, the checkpoint never runs ahead of the data.
            let reached = store.checkpoint().unwrap().map_or(0, |c| c.offset.0);
            let seen = entries(&*store);
            if let [(_, a), (_, b)] = &seen[..] {
                assert_eq!(a, b);
                let value: i64 = String::from_utf8_lossy(a).parse().unwrap();
                assert!(value >= reached, "{value} behind the checkpoint {reached}");
            } else {
                assert!(seen.is_empty() && reached == 0);
            }
            assert!(reached >= last);
            last = reached;
        }
    });
}

/// Random batches over few keys, a reopening now and then: the store is a map.
fn a_store_is_a_map_that_lasts(subject: &mut impl Subject) {
    let key = proptest::collection::vec(0..3u8, 0..3);
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
    let batch = proptest::collection::vec((key, value), 0..40);
    let steps = proptest::collection::vec((batch, proptest::bool::weighted(0.05)), 0..60);
    let config = ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let subject = std::cell::RefCell::new(subject);
    let table = std::cell::Cell::new(0);
    proptest!(config, |(steps in steps)| {
        let mut subject = subject.borrow_mut();
        table.set(table.get() + 1);
        let table = format!("t{}", table.get());
        let mut model = BTreeMap::new();
        let mut store = subject.stores().open(&table, 0).unwrap();
        for (offset, (batch, reopen)) in (1..).zip(steps) {
            let mut changes = Vec::new();
            for (key, value) in batch {
                changes.push(Change { key: key.clone().into(), value: value.clone().map(Bytes::from) });
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            store.apply(&changes, &checkpoint(offset)).unwrap();
            if reopen {
                drop(store);
                subject.reopen();
                store = subject.stores().open(&table, 0).unwrap();
            }
            prop_assert_eq!(store.checkpoint().unwrap(), Some(checkpoint(offset)));
            let expected: Vec<_> = model.clone().into_iter().collect();
            prop_assert_eq!(entries(&*store), expected);
        }
    });
}

macro_rules! suite {
    ($($behaviour:ident)*) => {
        mod memory {
            $(#[test] fn $behaviour() { super::$behaviour(&mut <super::Memory as super::Subject>::new()); })*
        }
        mod fjall {
            $(#[test] fn $behaviour() { super::$behaviour(&mut <super::Fjall as super::Subject>::new()); })*
        }
    };
}

suite! {
    a_new_store_has_no_checkpoint_and_no_entries
    a_batch_shows_at_once_with_its_checkpoint
    a_later_batch_overwrites_and_removes
    the_last_change_of_a_key_in_a_batch_wins
    a_batch_without_changes_moves_the_checkpoint
    extreme_checkpoints_are_kept
    an_empty_value_is_a_value
    an_empty_key_is_a_key
    no_key_meets_the_checkpoint
    keys_as_long_as_kafka_clients_send_are_kept
    a_scan_goes_in_key_order
    a_scan_ends_when_the_visitor_has_enough
    a_scans_visitor_may_read_the_store
    tables_and_partitions_are_apart
    what_was_applied_is_there_after_reopening
    flushing_changes_nothing_that_is_read
    a_store_is_open_once
    a_destroyed_store_is_new
    destroying_one_store_leaves_the_others
    destroying_what_never_was_does_nothing
    an_open_store_cannot_be_destroyed
    one_thread_reads_while_another_writes
    a_store_is_a_map_that_lasts
}
