//! Making the broker of what a directory holds.

use faustus_core::{Offset, TransportError};

use super::{chunk, disk::Disk, format};
use crate::broker::{Broker, partition::Partition};

/// Fills `broker` with the topics and offsets of `disk`, after a look at whether all is there.
pub(super) fn recover(
    disk: &Disk,
    broker: &mut Broker,
    fsync: bool,
    accept_loss: bool,
) -> Result<(), TransportError> {
    check_counts(disk, fsync, accept_loss)?;
    for entry in disk.scan(&[format::TOPIC]) {
        let (key, value) = entry?;
        let id = format::topic_of(&key).ok_or_else(|| disk.damaged(&key))?;
        let (name, count, settings) = format::read_topic(&value, &broker.options)?;
        let mut partitions = Vec::new();
        for number in 0..count {
            let start = match disk.get(&format::start_key(id, number))? {
                None => Offset::ZERO,
                Some(bytes) => {
                    let bytes = bytes.as_ref().try_into();
                    Offset(i64::from_le_bytes(bytes.map_err(|_| disk.damaged(&key))?))
                }
            };
            let end = match disk.last_chunk(id, number)? {
                None => start,
                Some((base, bytes)) => {
                    let damaged = || disk.damaged(&format::chunk_key(id, number, base));
                    chunk::decode_head(base, &bytes).ok_or_else(damaged)?.next
                }
            };
            partitions.push(Partition::stored(start, end.max(start)));
        }
        broker.restore_topic(name, id, settings, partitions);
    }
    for entry in disk.scan(&[format::COMMIT]) {
        let (key, value) = entry?;
        let (group, commit) =
            format::read_commit(&key, &value).ok_or_else(|| disk.damaged(&key))?;
        broker.restore_offset(&group, commit);
    }
    Ok(())
}

/// Whether operations are missing that had been acknowledged. Without `fsync` a power loss may have
/// taken the last of them; nothing else may.
fn check_counts(disk: &Disk, fsync: bool, accept_loss: bool) -> Result<(), TransportError> {
    let (found, noted, same_run) = disk.counts();
    if let Some(bytes) = disk.torn {
        tracing::warn!(
            bytes,
            "a write at the end of the log was not complete: it is dropped"
        );
    }
    let Some(lost) = noted.checked_sub(found).filter(|lost| *lost > 0) else {
        return Ok(());
    };
    if accept_loss || (!same_run && !fsync) {
        tracing::warn!(
            lost,
            "the last operations of the log are lost: it goes on without them"
        );
        return disk.accept_loss();
    }
    Err(TransportError::Corrupt(format!(
        "{lost} operations at the end of the log had been acknowledged and are missing, so its \
         journal is damaged: restore the directory from a copy, or open it with `accept_loss` to go \
         on without them"
    )))
}
