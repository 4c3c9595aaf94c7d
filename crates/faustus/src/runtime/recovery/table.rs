//! The recovery of one table's partition: from its store, if that can be trusted, and its changelog.

use std::{future::poll_fn, ops::Range, rc::Rc, sync::Arc};

use faustus_core::{
    Change, Checkpoint, CodecError, Fetched, Offset, OffsetSpec, ReadOptions, RecordRef, Store,
    StoreError, StoreProvider, Timestamp, TopicPartition, TransportError,
};
use faustus_store::validity;

use super::{AGAIN, RecoveryContext, may_pass};
use crate::{
    Error, Result,
    membership::TaskId,
    runtime::{
        meters::{Restoring, TaskGauge},
        plan::Changelog,
        shard::AnyShard,
        stored::Stored,
    },
};

/// The recovery of one table's partition.
pub(super) struct TableRecovery<'a> {
    pub(super) context: &'a RecoveryContext,
    pub(super) id: &'a TaskId,
    pub(super) changelog: &'a Changelog,
    pub(super) partition: TopicPartition,
    pub(super) gauge: &'a TaskGauge,
}

impl TableRecovery<'_> {
    /// Restores the table from its store and changelog; adds to `restored` if there was anything.
    pub(super) async fn run(
        self,
        mut range: Range<Offset>,
        restored: &mut usize,
    ) -> Result<Rc<dyn AnyShard>> {
        loop {
            if let Some(shard) = self.restore(&range, restored).await? {
                return Ok(shard);
            }
            let start = self.context.offset(&self.partition, OffsetSpec::Earliest);
            range.start = start.await?;
            tracing::warn!(
                changelog = %self.partition, offset = %range.start,
                "the table is recovered anew, for records were deleted meanwhile that were still to be read"
            );
        }
    }

    /// Restores the table; `None` if records were deleted that were still to be read.
    async fn restore(
        &self,
        range: &Range<Offset>,
        restored: &mut usize,
    ) -> Result<Option<Rc<dyn AnyShard>>> {
        let table = &self.context.def.tables[self.changelog.table];
        let (store, from) = match &self.context.stores {
            Some(stores) => {
                let (store, from) = self.open_when_free(stores, range).await?;
                (Some(store), from)
            }
            None => (None, range.start),
        };
        let stored = store
            .clone()
            .map(|store| Stored::new(store, &self.context.room));
        let counts = &self.context.counts.tables[self.changelog.table];
        let shard = (table.shard)(stored, Arc::clone(counts));
        let reading = self.gauge.restore(&table.name, from, range.end);
        let mut position = from;
        let mut records = 0;
        while position < range.end {
            let reached = self.read(position, &reading, &shard, store.as_ref(), &mut records);
            match reached.await? {
                Some(reached) => position = reached,
                None => return Ok(None),
            }
        }
        tracing::debug!(table = %table.name, task = %self.id, records, "table restored");
        self.context.meters.rebalances.restored(records);
        *restored += records + usize::from(from > range.start);
        Ok(Some(shard))
    }

    /// Opens the store; if an epoch of an earlier assignment is still on its way and holds it, waits.
    async fn open_when_free(
        &self,
        stores: &Arc<dyn StoreProvider>,
        range: &Range<Offset>,
    ) -> Result<(Arc<dyn Store>, Offset)> {
        loop {
            match self.open(stores, range)? {
                Some(opened) => return Ok(opened),
                None => self.context.clock.sleep(AGAIN).await,
            }
        }
    }

    /// Opens the store, anew if it cannot be trusted, and tells where its changelog goes on; `None`
    /// while somebody still has it open.
    fn open(
        &self,
        stores: &Arc<dyn StoreProvider>,
        range: &Range<Offset>,
    ) -> Result<Option<(Arc<dyn Store>, Offset)>> {
        let table = &self.context.def.tables[self.changelog.table];
        let partition = self.id.partition;
        let reason = match stores.open(&table.name, partition) {
            Ok(store) => match store.checkpoint() {
                Ok(checkpoint) => {
                    let valid = validity(
                        checkpoint.as_ref(),
                        self.changelog.id,
                        range.start,
                        range.end,
                        self.changelog.delete_retention,
                        self.context.clock.now(),
                    );
                    match valid {
                        Ok(from) => return Ok(Some((store.into(), from))),
                        Err(_) if checkpoint.is_none() && range.is_empty() => {
                            return Ok(Some((store.into(), range.start)));
                        }
                        Err(reason) => reason.to_string(),
                    }
                }
                Err(error @ StoreError::Corrupt(_)) => error.to_string(),
                Err(error) => {
                    return Err(Error::from(error).context(format!("table {}", table.name)));
                }
            },
            Err(StoreError::Locked(_)) => return Ok(None),
            Err(error @ StoreError::Corrupt(_)) => error.to_string(),
            Err(error) => return Err(Error::from(error).context(format!("table {}", table.name))),
        };
        tracing::warn!(changelog = %self.partition, %reason, "the table's store is rebuilt from its changelog");
        stores.destroy(&table.name, partition)?;
        let store = stores.open(&table.name, partition)?;
        Ok(Some((store.into(), range.start)))
    }

    /// Reads from `from` until the position is at `end` or the reader fails in a way that may pass;
    /// `None` if what comes next was deleted.
    async fn read(
        &self,
        from: Offset,
        reading: &Restoring,
        shard: &Rc<dyn AnyShard>,
        store: Option<&Arc<dyn Store>>,
        restored: &mut usize,
    ) -> Result<Option<Offset>> {
        let mut position = from;
        let log = self.context.transport.log();
        let tell = (self.context.def.tables[self.changelog.table].read)();
        let mut reader = match log
            .read(&self.partition, from, ReadOptions::default())
            .await
        {
            Ok(reader) => reader,
            Err(error) => return self.again(position, error).await,
        };
        let counts = &self.context.counts.tables[self.changelog.table];
        while position < reading.end {
            let fetched = match poll_fn(|cx| reader.poll_fetch(cx)).await {
                Ok(fetched) => fetched,
                Err(error) => return self.again(position, error).await,
            };
            *restored += fetched.batch.len();
            counts.restored.add(fetched.batch.len() as u64);
            if let Some(store) = store {
                self.apply(&**store, &fetched)?;
            }
            if store.is_none() {
                self.each(&fetched, |key, record| shard.load(key, record.value()))?;
            }
            if let Some(tell) = &tell {
                self.each(&fetched, |_, record| tell(&self.partition, record))?;
            }
            position = fetched.position;
            reading.reach(position);
        }
        Ok(Some(position))
    }

    fn apply(&self, store: &dyn Store, fetched: &Fetched) -> Result<()> {
        let batch = &fetched.batch;
        let changes = (0..batch.len()).filter_map(|index| {
            Some(Change {
                key: batch.key_bytes(index)?,
                value: batch.value_bytes(index),
            })
        });
        let checkpoint = Checkpoint {
            changelog: self.changelog.id,
            offset: fetched.position,
            written: self.context.clock.now(),
            stream_time: Timestamp(i64::MIN),
        };
        Ok(store.apply(&changes.collect::<Vec<_>>(), &checkpoint)?)
    }

    /// Hands each record with a key to `take`, which decodes it.
    fn each(
        &self,
        fetched: &Fetched,
        mut take: impl FnMut(&[u8], RecordRef<'_>) -> Result<(), CodecError>,
    ) -> Result<()> {
        for record in fetched.batch.iter() {
            let Some(key) = record.key() else { continue };
            take(key, record).map_err(|error| {
                Error::config(format!(
                    "changelog {} holds a record that does not decode, at offset {}: {error}; \
                     was the table's type changed?",
                    self.partition,
                    record.offset()
                ))
            })?;
        }
        Ok(())
    }

    async fn again(&self, position: Offset, error: TransportError) -> Result<Option<Offset>> {
        if matches!(error, TransportError::OffsetOutOfRange { earliest, .. } if position < earliest)
        {
            return Ok(None);
        }
        if !may_pass(&error) {
            return Err(Error::from(error).context(format!("changelog {}", self.partition)));
        }
        tracing::warn!(changelog = %self.partition, %error, "recovery goes on when the log is back");
        self.context.clock.sleep(AGAIN).await;
        Ok(Some(position))
    }
}
