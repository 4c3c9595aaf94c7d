//! The thread that writes: it takes all operations that wait and writes them in one step, so that
//! many callers share one write, and one `fsync` where that is asked for.

use std::task::Waker;

use faustus_core::TransportError;

use super::disk::Disk;
use crate::{
    broker::{Op, Write},
    shell::Core,
};

/// Writes until the log is closed.
pub(super) fn run(core: &Core, disk: &Disk) {
    while let Some(ops) = core.next_ops() {
        let mut all = Vec::new();
        let mut parts = Vec::with_capacity(ops.len());
        for op in ops {
            let Op {
                writes,
                completion,
                reply,
            } = op;
            all.extend(writes);
            parts.push((completion, reply));
        }
        let result = write(disk, &all);
        if let Err(error) = &result {
            tracing::error!(%error, "the log could not be written");
        }
        let written = result.is_ok();
        let closed = result.clone().err().filter(is_final);
        let (completions, replies): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let wake = core.locked(|broker| {
            if let (Some(error), Some(queue)) = (closed, &mut broker.queue) {
                queue.closed = Some(error);
            }
            for completion in completions {
                broker.complete(completion, written);
            }
        });
        for reply in replies.into_iter().flatten() {
            // Whoever waited may be gone; the write stands.
            let _ = reply.send(result.clone());
        }
        wake.into_iter().for_each(Waker::wake);
    }
}

fn write(disk: &Disk, writes: &[Write]) -> Result<(), TransportError> {
    if writes.is_empty() {
        return Ok(());
    }
    disk.write(writes)
}

/// Whether nothing can be written after this error: fjall takes no more after a failed write, but a
/// write that was not tried for lack of room may be tried again.
fn is_final(error: &TransportError) -> bool {
    !matches!(error, TransportError::Full(_))
}
