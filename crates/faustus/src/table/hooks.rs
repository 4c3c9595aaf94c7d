//! What the application wants to have called when a table is recovered.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use faustus_core::{BoxFuture, Codec, CodecError, Offset, RecordRef, Timestamp, TopicPartition};
use parking_lot::Mutex;

use super::Table;
use crate::Result;

/// Calls that begin when they are polled.
pub(crate) type Calls = Vec<BoxFuture<'static, Result>>;

/// Tells of a changelog's record with a key.
pub(crate) type Tell = Box<dyn Fn(&TopicPartition, RecordRef<'_>) -> Result<(), CodecError>>;

type OnRecover<K, V> = Arc<dyn Fn(Table<K, V>, u32) -> BoxFuture<'static, Result> + Send + Sync>;
type OnChangelogEvent<K, V> = Arc<dyn Fn(&ChangelogEvent<'_, K, V>) + Send + Sync>;

/// A record of a table's changelog, as a recovery reads it.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChangelogEvent<'a, K, V> {
    /// The partition of the changelog.
    pub partition: &'a TopicPartition,
    /// The record's position there.
    pub offset: Offset,
    /// When it was written.
    pub timestamp: Timestamp,
    /// The table's key.
    pub key: &'a K,
    /// Its value from then on; `None` if it was removed.
    pub value: Option<&'a V>,
}

/// What is to be called.
pub(super) struct Hooks<K, V> {
    on_recover: Mutex<Vec<OnRecover<K, V>>>,
    on_changelog_event: Mutex<Vec<OnChangelogEvent<K, V>>>,
}

impl<K, V> Default for Hooks<K, V> {
    fn default() -> Self {
        Self {
            on_recover: Mutex::default(),
            on_changelog_event: Mutex::default(),
        }
    }
}

impl<K, V> Hooks<K, V> {
    pub(super) fn on_recover(
        &self,
        call: impl Fn(Table<K, V>, u32) -> BoxFuture<'static, Result> + Send + Sync + 'static,
    ) {
        self.on_recover.lock().push(Arc::new(call));
    }

    pub(super) fn on_changelog_event(
        &self,
        tell: impl Fn(&ChangelogEvent<'_, K, V>) + Send + Sync + 'static,
    ) {
        self.on_changelog_event.lock().push(Arc::new(tell));
    }
}

impl<K: 'static, V: 'static> Hooks<K, V> {
    /// The calls for a partition of `table` that is recovered.
    pub(super) fn recovered(&self, table: &Table<K, V>, partition: u32) -> Calls {
        let calls = self.on_recover.lock();
        let calls = calls.iter().map(|call| -> BoxFuture<'static, Result> {
            let (call, table) = (Arc::clone(call), table.clone());
            Box::pin(async move { call(table, partition).await })
        });
        calls.collect()
    }

    /// What tells of records, if anybody wants to hear of them.
    pub(super) fn read(&self, keys: Arc<dyn Codec<K>>, values: Arc<dyn Codec<V>>) -> Option<Tell> {
        let tells = self.on_changelog_event.lock().clone();
        if tells.is_empty() {
            return None;
        }
        Some(Box::new(move |partition, record| {
            let key = keys.decode(record.key().unwrap_or_default())?;
            let value = record
                .value()
                .map(|value| values.decode(value))
                .transpose()?;
            let event = ChangelogEvent {
                partition,
                offset: record.offset(),
                timestamp: record.timestamp(),
                key: &key,
                value: value.as_ref(),
            };
            for tell in &tells {
                if catch_unwind(AssertUnwindSafe(|| tell(&event))).is_err() {
                    let record = format_args!("{partition}@{}", record.offset());
                    tracing::error!(hook = "on_changelog_event", %record, "hook panicked; recovery goes on");
                }
            }
            Ok(())
        }))
    }
}

impl<K, V> fmt::Debug for Hooks<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
