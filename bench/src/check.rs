//! Whether what a case computed is right.

use std::{collections::HashMap, future::poll_fn};

use anyhow::{Result, ensure};
use faustus_core::{Offset, OffsetSpec, ReadOptions, RecordRef, TopicPartition, Transport};
use serde_json::from_slice;

use crate::{
    input::{PARTITIONS, deposit},
    program::Total,
};

/// The sums by account of the first `events` deposits.
pub(crate) fn sums(events: u64) -> HashMap<String, i64> {
    let mut sums = HashMap::new();
    for (account, amount) in (0..events).map(deposit) {
        *sums.entry(account).or_default() += amount;
    }
    sums
}

/// Whether the last record of each key of a changelog is the account's sum.
pub(crate) async fn changelog(log: &dyn Transport, topic: &str, events: u64) -> Result<()> {
    let mut found: HashMap<String, i64> = HashMap::new();
    read_all(log, topic, |record| {
        let (key, value) = (
            record.key().unwrap_or_default(),
            record.value().unwrap_or_default(),
        );
        found.insert(from_slice(key)?, from_slice(value)?);
        Ok(())
    })
    .await?;
    ensure!(
        found == sums(events),
        "the changelog does not hold the sums of {events} events"
    );
    Ok(())
}

/// Whether there is a reply for each event, the greatest of each account its sum.
pub(crate) async fn replies(log: &dyn Transport, topic: &str, events: u64) -> Result<()> {
    let (mut found, mut count) = (HashMap::new(), 0);
    read_all(log, topic, |record| {
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
        found == sums(events),
        "the replies are not the sums of {events} events"
    );
    Ok(())
}

async fn read_all(
    log: &dyn Transport,
    topic: &str,
    mut visit: impl FnMut(RecordRef<'_>) -> Result<()>,
) -> Result<()> {
    let partitions: Vec<_> = (0..PARTITIONS)
        .map(|p| TopicPartition::new(topic, p))
        .collect();
    let admin = log.admin();
    let starts = admin.offsets(&partitions, OffsetSpec::Earliest).await?;
    let ends: Vec<Offset> = admin.offsets(&partitions, OffsetSpec::LastStable).await?;
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
