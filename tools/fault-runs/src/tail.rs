//! Follows the outputs as they are committed, and what a run knows from that.
//!
//! A *path* is a partition of the orders or of the outputs: each belongs to one task, and has moved
//! on after a fault once an input that was fed after the fault has come out of it.

use std::{collections::HashMap, future::poll_fn, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use faustus_core::{Offset, ReadOptions, Transport, TransportError};
use futures_util::future::try_join_all;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    log::{self, AGAIN},
    model::{Input, Kind, PARTITIONS, Total},
};

/// An output that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) partition: u32,
    pub(crate) number: u64,
    /// Which worker process made it.
    pub(crate) by: String,
}

/// Follows `topic` from `from` on for ever, and gives every output to `see`.
pub(crate) async fn follow(
    log: &Arc<dyn Transport>,
    topic: &str,
    from: Vec<Offset>,
    see: impl Fn(Sighting),
) -> Result<()> {
    let partitions = log::partitions(topic);
    let followed = partitions.iter().zip(from).map(|(partition, from)| {
        let see = &see;
        async move {
            let reads = log.log();
            let options = ReadOptions::default();
            let mut reader = reads.read(partition, from, options).await?;
            loop {
                match poll_fn(|cx| reader.poll_fetch(cx)).await {
                    Ok(fetched) => {
                        for record in fetched.batch.iter() {
                            let value = record.value().unwrap_or_default();
                            let total: Total = serde_json::from_slice(value)?;
                            see(Sighting {
                                partition: partition.partition,
                                number: total.number,
                                by: total.by,
                            });
                        }
                    }
                    Err(TransportError::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
                    Err(error) => {
                        return Err(error).with_context(|| format!("follow {partition}"));
                    }
                }
            }
        }
    });
    let endless: Vec<()> = try_join_all(followed).await?;
    bail!("{} partitions ended", endless.len())
}

/// What is known of the way from inputs to outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The highest input that was fed.
    pub(crate) fed: u64,
    /// By partition of the orders, the highest number of an order that came out.
    orders: [u64; PARTITIONS as usize],
    /// By partition of the outputs, the highest number that came out.
    totals: [u64; PARTITIONS as usize],
    /// By worker process, the highest number that came out.
    workers: HashMap<String, u64>,
    /// The application said itself that it is at rest.
    pub(crate) rests: bool,
}

impl Progress {
    pub(crate) fn see(&mut self, sighting: Sighting) {
        let Sighting {
            partition,
            number,
            by,
        } = sighting;
        let input = Input::of(number);
        if input.kind != Kind::Refund {
            raise(&mut self.orders, input.partition(), number);
        }
        raise(&mut self.totals, partition, number);
        let seen = self.workers.entry(by).or_default();
        *seen = number.max(*seen);
        self.fed = self.fed.max(number);
    }

    /// Whether every path gave an input with a number above `number`.
    pub(crate) fn is_beyond(&self, number: u64) -> bool {
        self.orders.iter().chain(&self.totals).all(|&n| n > number)
    }

    /// Whether each of `workers` made an output of an input above `number`.
    pub(crate) fn have_worked(&self, workers: &[String], number: u64) -> bool {
        workers
            .iter()
            .all(|worker| self.workers.get(worker).is_some_and(|&n| n > number))
    }

    /// For people: the paths that gave nothing above `number`.
    pub(crate) fn stuck(&self, number: u64) -> String {
        let stuck = |paths: &[u64]| -> Vec<usize> {
            (0..paths.len()).filter(|&p| paths[p] <= number).collect()
        };
        let workers: Vec<_> = self.workers.iter().filter(|(_, n)| **n > number).collect();
        format!(
            "nothing fed after {number} came out of orders {:?} and order-totals {:?}; fed {}; at work {workers:?}",
            stuck(&self.orders),
            stuck(&self.totals),
            self.fed
        )
    }
}

fn raise(paths: &mut [u64], partition: u32, number: u64) {
    if let Some(path) = paths.get_mut(partition as usize) {
        *path = number.max(*path);
    }
}

/// Waits until `condition` holds, and gives how long that took; `None` after `patience`.
pub(crate) async fn wait_for(
    progress: &watch::Sender<Progress>,
    patience: Duration,
    condition: impl FnMut(&Progress) -> bool,
) -> Option<Duration> {
    let began = Instant::now();
    let mut seen = progress.subscribe();
    let waited = timeout_at(began + patience, seen.wait_for(condition)).await;
    matches!(waited, Ok(Ok(_))).then(|| began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: std::ops::Range<u64>) -> Progress {
        let mut progress = Progress::default();
        for number in numbers {
            let input = Input::of(number);
            let partition = faustus_core::partition_for_key(input.account.as_bytes(), PARTITIONS);
            progress.see(Sighting {
                partition,
                number,
                by: format!("w{}", number % 2),
            });
        }
        progress
    }

    #[test]
    fn every_path_must_have_moved_on() {
        let mut progress = after(1..400);
        assert!(progress.is_beyond(10));
        progress.totals[3] = 10;
        assert!(!progress.is_beyond(10));
        assert!(progress.stuck(10).contains("order-totals [3]"));
    }

    #[test]
    fn a_worker_that_made_nothing_since_has_not_worked() {
        let progress = after(1..400);
        let workers = ["w0".to_owned(), "w1".to_owned()];
        assert!(progress.have_worked(&workers, 300));
        assert!(!progress.have_worked(&workers, 398));
        assert!(!progress.have_worked(&["w2".to_owned()], 0));
    }
}
