//! Committed records of partitions, from one offset to another.

use std::{future::poll_fn, time::Duration};

use faustus_core::{
    Offset, OffsetSpec, ReadOptions, RecordRef, TopicPartition, Transport, TransportError,
};

use crate::{Result, control::in_time};

/// How long a partition may give nothing at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first offset and the end of what can be read, of each partition.
///
/// # Errors
///
/// Those of the log.
pub(super) async fn bounds(
    log: &dyn Transport,
    partitions: &[TopicPartition],
) -> Result<Vec<(Offset, Offset)>> {
    let admin = log.admin();
    let earliest = admin.offsets(partitions, OffsetSpec::Earliest).await?;
    let ends = admin.offsets(partitions, OffsetSpec::LastStable).await?;
    Ok(earliest.into_iter().zip(ends).collect())
}

/// Gives the committed records of a partition to `see`, from `from` on and below `end`, until it has
/// seen enough.
///
/// # Errors
///
/// Those of the log and of `see`.
pub(super) async fn read(
    log: &dyn Transport,
    partition: &TopicPartition,
    from: Offset,
    end: Offset,
    mut see: impl FnMut(RecordRef<'_>) -> Result<Go>,
) -> Result {
    if from >= end {
        return Ok(());
    }
    let reading = log.log();
    let mut reader = reading
        .read(partition, from, ReadOptions::default())
        .await?;
    while reader.position() < end {
        let fetch = poll_fn(|cx| reader.poll_fetch(cx));
        let fetched = in_time(PATIENCE, fetch).await.ok_or_else(|| {
            TransportError::Unavailable(format!("{partition} gives no records for {PATIENCE:?}"))
        })??;
        for record in fetched.batch.iter() {
            if record.offset() >= end || see(record)? == Go::Stop {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether more is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    On,
    Stop,
}
