//! Retention and compaction of partitions that lie wholly in memory.

use std::{collections::VecDeque, time::Duration};

use faustus_core::Timestamp;

use super::{
    Broker,
    compact::{After, Compactor, LastOffsets},
    partition::{Chunk, Partition},
    topic::Settings,
};

/// Partitions are looked at so often: Kafka's `log.retention.check.interval.ms`.
pub(super) const INTERVAL: Duration = Duration::from_secs(300);

impl Broker {
    /// Cleans all partitions; those with little new in them are compacted only if `all`.
    pub(crate) fn clean(&mut self, now: Timestamp, all: bool) {
        for topic in self.topics.values_mut() {
            let settings = &topic.settings;
            for partition in &mut topic.partitions {
                if settings.cleanup.deletes()
                    && let Some(retention) = settings.retention
                {
                    partition.expire(now, retention);
                }
                if settings.cleanup.compacts() && (all || partition.is_dirty()) {
                    partition.compact(settings, now);
                }
            }
        }
    }

    /// Cleans at the next call.
    pub(super) fn clean_soon(&mut self) {
        self.next_cleaning = Duration::ZERO;
    }
}

impl Settings {
    /// Whether the chunk is too young to be compacted.
    pub(crate) fn spares(&self, chunk: &Chunk, now: Timestamp) -> bool {
        let lag = self.min_compaction_lag;
        !lag.is_zero() && chunk.latest.after(lag) > now
    }
}

impl Partition {
    /// Deletes the oldest chunks whose records are all older than `retention`.
    fn expire(&mut self, now: Timestamp, retention: Duration) {
        while let Some(chunk) = self.chunks.front()
            && chunk.latest.after(retention) < now
            && chunk.next <= self.last_stable()
        {
            self.truncate(chunk.next);
        }
    }

    fn compact(&mut self, settings: &Settings, now: Timestamp) {
        let young = self.chunks.iter().find(|chunk| settings.spares(chunk, now));
        let end = young
            .map_or(self.end, |chunk| chunk.base)
            .min(self.last_stable());
        let mut last = LastOffsets::default();
        for chunk in &self.chunks {
            if chunk.base >= self.cleaned && chunk.base < end {
                last.add(&chunk.batch);
            }
        }
        let mut compactor = Compactor::new(&last, now, settings.delete_retention);
        let mut cleaned = VecDeque::new();
        while let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.base < end) {
            cleaned.extend(compactor.add(&chunk));
        }
        cleaned.extend(compactor.finish());
        cleaned.append(&mut self.chunks);
        self.chunks = cleaned;
        self.held = self.chunks.iter().map(|chunk| chunk.batch.bytes()).sum();
        self.cleaned = end;
        self.clean_bytes = self.held;
        self.dirty = 0;
    }
}
