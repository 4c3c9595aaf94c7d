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

/// Bytes for people: text if they are text, else hexadecimal.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') => {
            text.to_owned()
        }
        _ => {
            use std::fmt::Write;
            let mut hex = "0x".to_owned();
            for byte in bytes {
                let _ = write!(hex, "{byte:02x}");
            }
            hex
        }
    }
}

/// Bytes as JSON: what they are if they are JSON, else a text.
pub(super) fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| text(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_in_hexadecimal() {
        assert_eq!(text("é\n".as_bytes()), "é\n");
        assert_eq!(text(b"\x00\xff"), "0x00ff");
        assert_eq!(
            text(b"\x1b[31m"),
            "0x1b5b33316d",
            "no terminal is told what to do"
        );
        assert_eq!(json(b"[1]"), serde_json::json!([1]));
        assert_eq!(json(b"tea"), "tea");
    }
}
