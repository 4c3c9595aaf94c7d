//! Tests that look behind the contract: stored bytes, the lock, memory.

use bytes::Bytes;
use faustus_core::{Change, Checkpoint, Offset, Timestamp, TopicId};

use super::*;

const CHECKPOINT: Checkpoint = Checkpoint {
    changelog: TopicId(1),
    offset: Offset(1),
    written: Timestamp(0),
    stream_time: Timestamp(0),
};

/// A store `t/0` with one entry, and `bytes` for its checkpoint.
fn stores_with_checkpoint(dir: &Path, bytes: Option<&[u8]>) -> FjallStores {
    let stores = FjallStores::open(dir).unwrap();
    drop(stores.open("t", 0).unwrap());
    let keyspace = stores
        .shared
        .db
        .keyspace("t/0", KeyspaceCreateOptions::default)
        .unwrap();
    keyspace.insert([1, b'a'], "1").unwrap();
    if let Some(bytes) = bytes {
        keyspace.insert([0], bytes).unwrap();
    }
    stores
}

fn is_corrupt_until_destroyed(bytes: Option<&[u8]>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let stores = stores_with_checkpoint(dir.path(), bytes);
    let Err(StoreError::Corrupt(text)) = stores.open("t", 0) else {
        panic!("opened");
    };
    stores.destroy("t", 0).unwrap();
    assert_eq!(stores.open("t", 0).unwrap().checkpoint().unwrap(), None);
    text
}

#[test]
fn an_unreadable_checkpoint_is_corrupt() {
    let text = is_corrupt_until_destroyed(Some(b"\x01nonsense"));
    assert!(text.starts_with("t/0: its checkpoint has"), "{text}");
    assert!(text.contains("destroy the store"), "{text}");
}

#[test]
fn a_checkpoint_of_a_later_version_is_corrupt() {
    let text = is_corrupt_until_destroyed(Some(&[2; 49]));
    assert!(text.contains("version 2"), "{text}");
}

#[test]
fn entries_without_a_checkpoint_are_corrupt() {
    let text = is_corrupt_until_destroyed(None);
    assert!(text.contains("no checkpoint"), "{text}");
}

#[test]
fn a_second_opener_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let stores = FjallStores::open(dir.path()).unwrap();
    for attempt in [
        FjallStores::open(dir.path()).map(drop),
        FjallStores::remove(dir.path()),
    ] {
        let Err(StoreError::Locked(text)) = attempt else {
            panic!("{attempt:?}");
        };
        assert!(text.contains("held by this process"), "{text}");
        assert!(text.contains(&*dir.path().to_string_lossy()), "{text}");
    }
    drop(stores);
    FjallStores::open(dir.path()).unwrap();
}

#[test]
fn a_store_holds_the_directory_after_its_provider_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let stores = FjallStores::open(dir.path()).unwrap();
    let store = stores.open("t", 0).unwrap();
    drop(stores);
    assert!(matches!(
        FjallStores::open(dir.path()),
        Err(StoreError::Locked(_))
    ));
    store.apply(&[], &CHECKPOINT).unwrap();
    drop(store);
    FjallStores::open(dir.path()).unwrap();
}

#[test]
fn the_directory_is_free_at_once_even_while_tables_are_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let options = FjallOptions::default().write_buffer(0);
    let value = Some(Bytes::from(vec![7; 4_000]));
    for round in 0..10 {
        let stores = FjallStores::open_with(dir.path(), options).unwrap();
        let store = stores.open("t", 0).unwrap();
        for n in 0..30 {
            let key = Bytes::from(format!("{round} {n}"));
            let value = value.clone();
            store.apply(&[Change { key, value }], &CHECKPOINT).unwrap();
        }
    }
}

#[test]
fn removing_a_directory_that_is_not_there_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    FjallStores::remove(dir.path().join("absent")).unwrap();
}

#[test]
fn a_directory_whose_making_was_cut_short_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    std::fs::create_dir_all(db.join("keyspaces")).unwrap();
    for file in ["lock", "0.jnl", "version"] {
        std::fs::write(db.join(file), "").unwrap();
        FjallStores::open(dir.path()).unwrap().open("t", 0).unwrap();
        std::fs::remove_dir_all(&db).unwrap();
        std::fs::create_dir_all(db.join("keyspaces")).unwrap();
    }
}

#[test]
fn a_key_that_is_too_long_is_refused_with_its_length() {
    let dir = tempfile::tempdir().unwrap();
    let stores = FjallStores::open(dir.path()).unwrap();
    let store = stores.open("t", 0).unwrap();
    let key = Bytes::from(vec![b'k'; 65_535]);
    let change = Change {
        key: key.clone(),
        value: Some("1".into()),
    };
    let refused = store.apply(&[change], &CHECKPOINT).unwrap_err();
    assert!(refused.to_string().contains("65535 bytes"), "{refused}");
    assert_eq!(store.get(&key).unwrap(), None);
    // Nothing is broken by it.
    store.apply(&[], &CHECKPOINT).unwrap();
}

#[test]
fn a_table_name_that_is_too_long_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let stores = FjallStores::open(dir.path()).unwrap();
    assert!(stores.open(&"t".repeat(253), 0).is_ok());
    let refused = stores.open(&"t".repeat(254), 0).unwrap_err();
    assert!(refused.to_string().contains("shorter name"), "{refused}");
}

#[test]
fn the_write_buffer_stays_within_its_budget() {
    const BUDGET: u64 = 4 * MIB;
    const PARTITIONS: u32 = 16;
    let dir = tempfile::tempdir().unwrap();
    let options = FjallOptions::default()
        .write_buffer(BUDGET)
        .partitions(PARTITIONS);
    let stores = FjallStores::open_with(dir.path(), options).unwrap();
    let open: Vec<_> = (0..PARTITIONS)
        .map(|p| stores.open("t", p).unwrap())
        .collect();
    let value = Some(Bytes::from(vec![7; 1_000]));
    let mut most = 0;
    for n in 0..4_000_u32 {
        let key = Bytes::from(n.to_be_bytes().to_vec());
        let value = value.clone();
        for store in &open[..if n < 1_000 { open.len() } else { 2 }] {
            let change = Change {
                key: key.clone(),
                value: value.clone(),
            };
            store.apply(&[change], &CHECKPOINT).unwrap();
        }
        // Not public in fjall: if it goes, this test goes.
        most = most.max(stores.shared.db.write_buffer_size());
    }
    assert!(
        most > BUDGET / 2,
        "{most} bytes at most: the test writes too little"
    );
    assert!(most < 2 * BUDGET, "{most} bytes of {BUDGET}");
}
