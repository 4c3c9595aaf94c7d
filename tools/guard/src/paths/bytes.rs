//! What is done to the bytes of records, without a log.

use std::hint::black_box;

use anyhow::{Result, ensure};
use faustus::{Codec, Json};
use faustus_core::{Batch, BatchBuilder, partition_for_key};

use crate::{
    input::{Deposit, TIME, sum},
    mark,
};

const EVENTS: u64 = 10_000;

/// How many records a batch has.
const BATCH: usize = 500;

pub(super) fn encode() -> Result<u64> {
    let deposits = deposits();
    let mut bytes = Vec::new();
    mark::begin();
    for deposit in &deposits {
        bytes.clear();
        Json.encode(deposit, &mut bytes)?;
        black_box(&bytes);
    }
    mark::end();
    Ok(EVENTS)
}

pub(super) fn decode() -> Result<u64> {
    let values: Vec<_> = deposits().iter().map(Deposit::json).collect();
    let mut found = 0;
    mark::begin();
    for value in &values {
        let deposit: Deposit = Json.decode(value)?;
        found += deposit.amount;
    }
    mark::end();
    ensure!(found == sum(EVENTS), "decoded {found} in all");
    Ok(EVENTS)
}

pub(super) fn build() -> Result<u64> {
    let records = records();
    mark::begin();
    let batches = batches(&records);
    mark::end();
    let len: usize = batches.iter().map(Batch::len).sum();
    ensure!(len == records.len(), "{len} records in batches");
    Ok(EVENTS)
}

pub(super) fn read() -> Result<u64> {
    let batches = batches(&records());
    let mut count = 0;
    mark::begin();
    for record in batches.iter().flat_map(Batch::iter) {
        black_box((
            record.offset(),
            record.timestamp(),
            record.key(),
            record.value(),
        ));
        count += 1;
    }
    mark::end();
    Ok(count)
}

pub(super) fn partition() -> Result<u64> {
    let deposits = deposits();
    mark::begin();
    for deposit in &deposits {
        black_box(partition_for_key(deposit.account_id.as_bytes(), 8));
    }
    mark::end();
    Ok(EVENTS)
}

fn deposits() -> Vec<Deposit> {
    (0..EVENTS).map(|i| Deposit::number(i, 1024)).collect()
}

fn records() -> Vec<(String, Vec<u8>)> {
    let deposits = deposits().into_iter();
    deposits
        .map(|deposit| (deposit.account_id.clone(), deposit.json()))
        .collect()
}

fn batches(records: &[(String, Vec<u8>)]) -> Vec<Batch> {
    let batches = records.chunks(BATCH).map(|records| {
        let mut builder = BatchBuilder::new();
        for (key, value) in records {
            builder.push(TIME, Some(key.as_bytes()), Some(value));
        }
        builder.build()
    });
    batches.collect()
}
