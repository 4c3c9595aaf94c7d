//! Tests of batches and their builder.

use super::*;

#[test]
fn absent_and_empty_keys_and_values_stay_apart() {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1), None, Some(b""));
    builder.push(Timestamp(2), Some(b""), None);
    let batch = builder.build();
    assert_eq!(
        (batch.get(0).key(), batch.get(0).value()),
        (None, Some(&b""[..]))
    );
    assert_eq!(
        (batch.get(1).key(), batch.get(1).value()),
        (Some(&b""[..]), None)
    );
}

#[test]
fn an_unfinished_record_is_taken_back() {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1), Some(b"a"), Some(b"1"));
    drop(builder.record(Timestamp(2)).key(b"bbbb"));
    assert!(
        builder
            .record(Timestamp(3))
            .key(b"c")
            .value_with(|_| Err("no"))
            .is_err()
    );
    builder.push(Timestamp(4), Some(b"d"), Some(b"4"));
    let batch = builder.build();
    assert_eq!(batch.bytes(), 4);
    assert_eq!(batch.get(1).key(), Some(&b"d"[..]));
}

#[test]
fn truncate_removes_the_tail_with_its_bytes() {
    let mut builder = BatchBuilder::new();
    for key in [b"a", b"b", b"c"] {
        builder.push(Timestamp(1), Some(key), None);
    }
    builder.truncate(1);
    builder.push(Timestamp(2), Some(b"z"), None);
    let keys: Vec<_> = builder
        .build()
        .iter()
        .map(|r| r.key().unwrap().to_vec())
        .collect();
    assert_eq!(keys, [b"a".to_vec(), b"z".to_vec()]);
}

#[test]
fn a_copied_record_keeps_everything() {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1), Some(b"first"), Some(b"pad"));
    let record = builder
        .record(Timestamp(7))
        .offset(Offset(42))
        .key(b"k")
        .value(b"v");
    record.header("h", None).header("h", Some(b"2")).finish();
    let batch = builder.build();
    let mut copy = BatchBuilder::new();
    copy.push_record(batch.get(1));
    let copy = copy.build();
    assert_eq!(format!("{:?}", copy.get(0)), format!("{:?}", batch.get(1)));
    assert_eq!(
        copy.get(0).headers().collect::<Vec<_>>(),
        [("h", None), ("h", Some(&b"2"[..]))]
    );
}

#[test]
fn slices_and_moved_batches_share_records_and_keep_their_offsets() {
    let mut builder = BatchBuilder::new();
    for key in [b"a", b"b", b"c", b"d"] {
        builder.push(Timestamp(1), Some(key), Some(b"12"));
    }
    let stored = builder.build().at(Offset(10));
    let middle = stored.slice(1..3);
    let of = |batch: &Batch| -> Vec<_> {
        batch
            .iter()
            .map(|r| (r.offset().0, r.key().unwrap()[0]))
            .collect()
    };
    assert_eq!(
        of(&stored),
        [(10, b'a'), (11, b'b'), (12, b'c'), (13, b'd')]
    );
    assert_eq!(of(&middle), [(11, b'b'), (12, b'c')]);
    assert_eq!(of(&middle.clone().at(Offset(5))), [(5, b'b'), (6, b'c')]);
    assert_eq!((middle.len(), middle.bytes(), stored.bytes()), (2, 6, 12));
    assert_eq!(
        (stored.slice(2..2).bytes(), stored.slice(2..2).len()),
        (0, 0)
    );
    let mut copy = BatchBuilder::new();
    middle.iter().for_each(|record| copy.push_record(record));
    assert_eq!(of(&copy.build()), [(11, b'b'), (12, b'c')]);
}
