//! What a thread counts, and tells sensors of, when it cuts an epoch.

use std::time::Duration;

use super::WorkerThread;
use crate::runtime::sensors::Told;

impl WorkerThread {
    /// Counts and tells what belongs to each cut.
    pub(super) fn measure_cut(&mut self, now: Duration) {
        let recovery = &self.context.recovery;
        let meters = &recovery.meters;
        if let Some(since) = self.dirty_since {
            meters.epochs.gathering.record(now.saturating_sub(since));
        }
        if meters.sensors.is_empty() {
            return;
        }
        let tables = meters.tables().iter().zip(&recovery.counts.tables);
        self.told.resize_with(meters.tables().len(), Told::default);
        for ((table, counts), told) in tables.zip(&mut self.told) {
            told.tell(table, counts, &meters.sensors);
        }
    }
}
