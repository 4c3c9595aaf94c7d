//! Reading a table from anywhere in the process: the thread that has the key's partition is asked.
//!
//! No lock is taken where the table is written: a look at a partition is a command to its thread,
//! which it takes between two polls. What is seen is what the *retired* events left, those that are
//! complete with all before them: never the half-done work of an event in flight, though perhaps
//! something that is not stored yet and that is done again if storing it fails.

use std::{
    borrow::Borrow,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use faustus_core::partition_for_key;
use tokio::sync::oneshot;

use super::Table;
use crate::{
    Error, ErrorKind, Key, Result,
    membership::TaskId,
    runtime::{Look, Routes, TypedShard},
};

/// Where a table's partitions are to be found.
#[derive(Debug)]
pub(crate) struct TableReader {
    pub(crate) routes: Arc<Routes>,
    /// The sub-topology whose agents write it.
    pub(crate) home: Option<Home>,
}

/// The sub-topology of a table.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) subtopology: Arc<str>,
    /// How many partitions it has; 0 before a pattern has found the first topic.
    pub(crate) partitions: AtomicU32,
}

/// Reading. Each call asks the threads of this worker that have the partitions, and sees of each
/// partition what its completed events left: nothing of an event in flight, though perhaps something
/// that is not stored yet. Several partitions are not seen at the same moment.
///
/// A thread answers between two events; while an agent blocks it, there is no answer.
impl<K, V> Table<K, V>
where
    K: Key + Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    /// A copy of the value of `key`.
    ///
    /// # Errors
    ///
    /// Of kind [`Elsewhere`](ErrorKind::Elsewhere) when the key's partition is not this worker's, with
    /// the address of the worker that has it, if that is known; of kind
    /// [`Unavailable`](ErrorKind::Unavailable) while the partition is being recovered; when the worker
    /// does not run, or the table's store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    ///
    /// # Examples
    ///
    /// ```
    /// # use faustus::{prelude::*, Settings, testing::simulate};
    /// # async fn count(State(t): State<Table<String, u64>>, mut words: Stream<String>) -> faustus::Result {
    /// #     let counts = words.bind(&t);
    /// #     while let Some(word) = words.next().await? { counts.update(&**word, |n| *n += 1)?; }
    /// #     Ok(())
    /// # }
    /// # simulate(1, async |cluster| {
    /// # let app = App::new("app");
    /// # let (words, counts) = (app.topic::<String>("words"), app.table("counts"));
    /// # let app = app.with_state(counts.clone()).agent("count", &words, |a| a.table(&counts).run(count));
    /// # let _worker = cluster.worker(app, Settings::default());
    /// # cluster.send("words", "tea", &"tea".to_owned()).await;
    /// # cluster.settle().await;
    /// assert_eq!(counts.get("tea").await.unwrap(), Some(1));
    /// # });
    /// ```
    pub async fn get<Q>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
    {
        let partitions = self.home()?.partitions.load(Ordering::Relaxed);
        if partitions == 0 {
            let what = format!(
                "table {} has no partitions before its pattern finds a topic",
                self.name
            );
            return Err(Error::new(ErrorKind::Unavailable, what));
        }
        let partition = partition_for_key(&key.raw(), partitions);
        let key = key.to_owned();
        self.look(partition, move |shard| shard.retired(&key)).await
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn contains<Q>(&self, key: &Q) -> Result<bool>
    where
        K: Borrow<Q>,
        Q: Key + ToOwned<Owned = K> + ?Sized,
    {
        self.get(key).await.map(|value| value.is_some())
    }

    /// Copies of all entries in the partitions that this worker has, in no order.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); also when a partition leaves this worker meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn entries(&self) -> Result<Vec<(K, V)>> {
        let mut entries = Vec::new();
        for partition in self.partitions()? {
            entries.extend(self.entries_in(partition).await?);
        }
        Ok(entries)
    }

    /// Copies of all entries in one partition, in no order.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn entries_in(&self, partition: u32) -> Result<Vec<(K, V)>> {
        let copy = |shard: &TypedShard<K, V>| {
            let mut entries = Vec::new();
            let _ = shard.try_for_each_retired(|key, value| {
                entries.push((key.clone(), value.clone()));
                ControlFlow::<()>::Continue(())
            })?;
            Ok(entries)
        };
        self.look(partition, copy).await
    }

    /// How many entries there are in the partitions that this worker has. O(n).
    ///
    /// # Errors
    ///
    /// As [`entries`](Self::entries).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn len(&self) -> Result<usize> {
        let mut len = 0;
        let count = |shard: &TypedShard<K, V>| {
            let mut count = 0;
            let _ = shard.try_for_each_retired(|_, _| {
                count += 1;
                ControlFlow::<()>::Continue(())
            })?;
            Ok(count)
        };
        for partition in self.partitions()? {
            len += self.look::<usize>(partition, count).await?;
        }
        Ok(len)
    }

    /// The partitions of this table that this worker has, in order.
    ///
    /// # Errors
    ///
    /// When the worker does not run, or no agent writes the table.
    pub fn partitions(&self) -> Result<Vec<u32>> {
        let subtopology = &self.home()?.subtopology;
        Ok(self.reader()?.routes.partitions(subtopology))
    }

    /// Has `see` called with the partition on its thread.
    async fn look<R: Send + 'static>(
        &self,
        partition: u32,
        see: impl FnOnce(&TypedShard<K, V>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let subtopology = &self.home()?.subtopology;
        let task = TaskId::new(Arc::clone(subtopology), partition);
        let (to, answer) = oneshot::channel();
        let table = Arc::clone(&self.name);
        let look = Look::new(&self.name, move |shard| {
            let seen = shard.and_then(|shard| {
                let typed = shard.into_any().downcast::<TypedShard<K, V>>();
                let typed =
                    typed.map_err(|_| Error::config(format!("table {table} is of other types")))?;
                // Code of the application's types runs here, which must not end the thread.
                catch_unwind(AssertUnwindSafe(|| see(&typed))).unwrap_or_else(|_| {
                    let what = format!("a key or value of table {table} panicked as it was read");
                    Err(Error::new(ErrorKind::Application, what))
                })
            });
            // Who asked may have gone.
            let _ = to.send(seen);
        });
        self.reader()?.routes.look(&task, look)?;
        answer
            .await
            .map_err(|_| Error::new(ErrorKind::Lost, "the worker has ended"))?
    }

    fn reader(&self) -> Result<&TableReader> {
        self.shared.reader.get().ok_or_else(|| {
            Error::config(format!(
                "table {} can be read once the application runs",
                self.name
            ))
        })
    }

    fn home(&self) -> Result<&Home> {
        self.reader()?.home.as_ref().ok_or_else(|| {
            Error::config(format!(
                "no agent writes table {0}: add .table(&{0}) to one",
                self.name
            ))
        })
    }
}
