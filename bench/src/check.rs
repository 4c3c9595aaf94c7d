//! Whether what a case computed is right.

use std::{collections::HashMap, future::poll_fn};

use anyhow::{Result, ensure};
use faustus_core::{
    Offset, OffsetSpec, ReadOptions, RecordRef, StoreProvider, TopicPartition, Transport,
};
use faustus_store::FjallStores;
use serde_json::from_slice;

use crate::{
    cases::Shape,
    input::{Deposit, deposit},
    program::{TABLE, Total},
};

/// The sums by account of the first `events` deposits.
pub(crate) fn sums(shape: Shape, events: u64) -> HashMap<String, i64> {
    let mut sums = HashMap::new();
    for (account, amount) in (0..events).map(|i| deposit(i, shape.accounts)) {
        *sums.entry(account).or_default() += amount;
    }
    sums
}

/// The sum of all of the first `events` deposits.
pub(crate) fn sum(shape: Shape, events: u64) -> i64 {
    let amounts = (0..events).map(|i| deposit(i, shape.accounts).1);
    amounts.sum()
}

/// Deposits that were found somewhere, added up by account.
#[derive(Default)]
pub(crate) struct Found {
    count: u64,
    sums: HashMap<String, i64>,
}

impl Found {
    pub(crate) fn add(&mut self, value: &[u8]) -> Result<()> {
        let deposit: Deposit = from_slice(value)?;
        *self.sums.entry(deposit.account_id).or_default() += deposit.amount;
        self.count += 1;
        Ok(())
    }

    /// Whether they are the first `events` deposits.
    pub(crate) fn ensure_all(&self, shape: Shape, events: u64) -> Result<()> {
        let count = self.count;
        ensure!(count == events, "{count} records of {events} events");
        ensure!(
            self.sums == sums(shape, events),
            "the records are not the {events} events"
        );
        Ok(())
    }
}

/// Whether a topic holds each of the first `events` deposits.
pub(crate) async fn deposits(
    log: &dyn Transport,
    topic: &str,
    shape: Shape,
    events: u64,
) -> Result<()> {
    let mut found = Found::default();
    let add = |record: RecordRef<'_>| found.add(record.value().unwrap_or_default());
    read_all(log, topic, shape.partitions, add).await?;
    found.ensure_all(shape, events)
}

/// Whether the last record of each key of a changelog is the account's sum.
pub(crate) async fn changelog(
    log: &dyn Transport,
    topic: &str,
    shape: Shape,
    events: u64,
) -> Result<()> {
    let found = entries(log, topic, shape).await?;
    ensure!(
        found == sums(shape, events),
        "the changelog does not hold the sums of {events} events"
    );
    Ok(())
}

/// The last record of each key of a changelog.
pub(crate) async fn entries(
    log: &dyn Transport,
    topic: &str,
    shape: Shape,
) -> Result<HashMap<String, i64>> {
    let mut found = HashMap::new();
    read_all(log, topic, shape.partitions, |record| {
        let (key, value) = (
            record.key().unwrap_or_default(),
            record.value().unwrap_or_default(),
        );
        found.insert(from_slice(key)?, from_slice(value)?);
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Whether the table's stores in `directory` hold the sums.
pub(crate) fn stores(directory: &str, shape: Shape, events: u64) -> Result<()> {
    let stores = FjallStores::open(directory)?;
    let mut found: HashMap<String, i64> = HashMap::new();
    for partition in 0..shape.partitions {
        let store = stores.open(TABLE, partition)?;
        let mut entries = Vec::new();
        store.scan(&mut |key, value| {
            entries.push((from_slice(key), from_slice(value)));
            true
        })?;
        for (account, total) in entries {
            found.insert(account?, total?);
        }
    }
    ensure!(
        found == sums(shape, events),
        "the stores do not hold the sums of {events} events"
    );
    Ok(())
}

/// Whether there is a reply for each event, the greatest of each account its sum.
pub(crate) async fn replies(
    log: &dyn Transport,
    topic: &str,
    shape: Shape,
    events: u64,
) -> Result<()> {
    let (mut found, mut count) = (HashMap::new(), 0);
    read_all(log, topic, shape.partitions, |record| {
        let account = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
        let Total { total, .. } = from_slice(record.value().unwrap_or_default())?;
        let greatest: &mut i64 = found.entry(account).or_default();
        *greatest = total.max(*greatest);
        count += 1;
        Ok(())
    })
    .await?;
    ensure!(count == events, "{count} replies to {events} events");
    ensure!(
        found == sums(shape, events),
        "the replies are not the sums of {events} events"
    );
    Ok(())
}

async fn read_all(
    log: &dyn Transport,
    topic: &str,
    partitions: u32,
    mut visit: impl FnMut(RecordRef<'_>) -> Result<()>,
) -> Result<()> {
    let partitions: Vec<_> = (0..partitions)
        .map(|p| TopicPartition::new(topic, p))
        .collect();
    let admin = log.admin();
    let starts = admin.offsets(&partitions, OffsetSpec::Earliest).await?;
    // Kafka may still be writing the markers of transactions that it has said to be committed; a
    // reader waits for them.
    let ends: Vec<Offset> = admin
        .offsets(&partitions, OffsetSpec::HighWatermark)
        .await?;
    for (partition, (start, end)) in partitions.iter().zip(starts.into_iter().zip(ends)) {
        let mut reader = log
            .log()
            .read(partition, start, ReadOptions::default())
            .await?;
        while reader.position() < end {
            let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await?;
            fetched.batch.iter().try_for_each(&mut visit)?;
        }
    }
    Ok(())
}
