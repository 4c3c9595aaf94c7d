//! Whether an application has done all there is to do, as the log shows it.

use std::time::Duration;

use anyhow::Result;
use faustus_core::{GroupError, Offset, OffsetSpec, Transport};
use tokio::time::{Instant, sleep};

use crate::{
    log::{self, AGAIN},
    model::Names,
};

/// What keeps the application `names` from being at rest, in words; nothing if it is.
///
/// At rest every record of every source is committed, and no transaction is open anywhere.
pub(crate) async fn unrest(log: &dyn Transport, names: &Names) -> Result<Vec<String>> {
    let mut unrest = Vec::new();
    for topic in names.sources().into_iter().chain(names.outputs()) {
        let stable = log::ends(log, topic, OffsetSpec::LastStable).await?;
        let high = log::ends(log, topic, OffsetSpec::HighWatermark).await?;
        for ((partition, stable), high) in log::partitions(topic).iter().zip(stable).zip(&high) {
            if stable < *high {
                unrest.push(format!("{partition} has a transaction open at {stable}"));
            }
        }
        if !names.sources().contains(&topic) || !unrest.is_empty() {
            continue;
        }
        let partitions = log::partitions(topic);
        let coordinator = log.coordinator(&names.app);
        let committed = match coordinator.fetch_offsets(&partitions, true).await {
            Ok(committed) => committed,
            Err(
                error @ (GroupError::UnstableOffsets
                | GroupError::Transport(faustus_core::TransportError::Unavailable(_))),
            ) => {
                unrest.push(format!("offsets of {topic}: {error}"));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let starts = log::ends(log, topic, OffsetSpec::Earliest).await?;
        let each = partitions.iter().zip(committed).zip(starts).zip(high);
        for (((partition, committed), start), end) in each {
            let committed = committed.map_or(Offset::ZERO, |committed| committed.offset);
            let mut left = 0;
            // The end of a transaction takes an offset that nobody can commit for.
            log::read(log, partition, committed.max(start), end, |_| {
                left += 1;
                Ok(())
            })
            .await?;
            if left > 0 {
                unrest.push(format!(
                    "{partition} is committed up to {committed} of {end}: {left} records are left"
                ));
            }
        }
    }
    Ok(unrest)
}

/// Waits until the application is at rest, and gives what is left to do after `patience`.
pub(crate) async fn rest(
    log: &dyn Transport,
    names: &Names,
    patience: Duration,
) -> Result<Vec<String>> {
    let deadline = Instant::now() + patience;
    loop {
        let unrest = unrest(log, names).await?;
        if unrest.is_empty() || Instant::now() >= deadline {
            return Ok(unrest);
        }
        sleep(AGAIN * 4).await;
    }
}
