//! Tables as the application names them.

mod hooks;
mod reading;
mod text;

pub use hooks::ChangelogEvent;
pub(crate) use hooks::{Calls, Tell};
pub(crate) use reading::{Home, TableReader};

use std::{
    fmt,
    future::Future,
    hash::Hash,
    rc::Rc,
    sync::{Arc, OnceLock},
};

use faustus_core::{BoxFuture, Codec};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Json, Key, Result,
    form::{Form, JsonForm, Typed},
    runtime::{AnyShard, MakeDefault, Stored, TableCounts, TypedShard},
};

use hooks::Hooks;

/// The place of a table in the application's list of tables.
pub(crate) type TableIndex = usize;

/// Makes the shard of one partition of a table, over its store if it has one; how it is used goes to
/// the counts.
type MakeShard = dyn Fn(Option<Stored>, Arc<TableCounts>) -> Rc<dyn AnyShard> + Send + Sync;

/// What the application knows of a table besides its types.
pub(crate) struct TableDef {
    pub(crate) name: Arc<str>,
    /// Makes the shard of one partition.
    pub(crate) shard: Box<MakeShard>,
    /// What handles are read through, once the application runs.
    pub(crate) reader: Arc<OnceLock<TableReader>>,
    /// What is to be called when a partition is recovered.
    pub(crate) recovered: Box<dyn Fn(u32) -> Calls + Send + Sync>,
    /// Its keys and values without their types.
    #[cfg_attr(
        not(feature = "cli"),
        expect(dead_code, reason = "the command line alone works without types")
    )]
    pub(crate) forms: Box<dyn Fn() -> [Box<dyn Form>; 2] + Send + Sync>,
    /// The bytes that decide a key's partition, of those in the changelog.
    #[cfg_attr(
        not(feature = "cli"),
        expect(dead_code, reason = "the command line alone works without types")
    )]
    pub(crate) raw_key: fn(&[u8]) -> Result<Vec<u8>>,
    /// What is to be told of the changelog's records that a recovery reads, if anything is.
    pub(crate) read: Box<dyn Fn() -> Option<Tell> + Send + Sync>,
}

impl fmt::Debug for TableDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableDef")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A table: state by key, split into partitions like the topics of the agents that write it, and
/// kept in a changelog topic so that it survives its workers.
///
/// Keys are JSON in the changelog, and so are values unless [`codec`](Self::codec) says otherwise.
///
/// The handle names the table at registration ([`AgentBuilder::table`](crate::AgentBuilder::table))
/// and in [`Stream::bind`](crate::Stream::bind), which gives the writable part. From everywhere else
/// in the process, be it a task, a page or another agent, it [reads](Self::get) the table and cannot
/// write it. It is cheap to clone.
///
/// # Examples
///
/// ```compile_fail
/// # use faustus::prelude::*;
/// async fn reset(totals: Table<String, u64>) -> faustus::Result {
///     totals.set("ann", 0).await?;          // there is no such method: agents write tables
///     Ok(())
/// }
/// ```
pub struct Table<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) index: TableIndex,
    shared: Arc<Shared<K, V>>,
}

/// What all handles of one table share.
struct Shared<K, V> {
    /// The codec of values, settled when it is chosen or the first shard is made.
    values: OnceLock<Arc<dyn Codec<V>>>,
    default: OnceLock<MakeDefault<V>>,
    hooks: Hooks<K, V>,
    reader: Arc<OnceLock<TableReader>>,
}

impl<K, V> Table<K, V>
where
    K: Key + Clone + Hash + Eq + Serialize + DeserializeOwned + 'static,
    V: Clone + Serialize + DeserializeOwned + 'static,
{
    pub(crate) fn define(name: &str, index: TableIndex) -> (Self, TableDef) {
        let table = Self {
            name: name.into(),
            index,
            shared: Arc::new(Shared {
                values: OnceLock::new(),
                default: OnceLock::new(),
                hooks: Hooks::default(),
                reader: Arc::default(),
            }),
        };
        let of = table.clone();
        let shard = move |stored, counts| -> Rc<dyn AnyShard> {
            Rc::new(TypedShard::<K, V>::new(
                Arc::clone(&of.name),
                Arc::new(Json),
                of.values(),
                of.shared.default.get().map(Arc::clone),
                stored,
                counts,
            ))
        };
        let of = table.clone();
        let recovered = move |partition| of.shared.hooks.recovered(&of, partition);
        let of = table.clone();
        let forms = move || -> [Box<dyn Form>; 2] {
            [
                Box::new(Typed::<K> {
                    codec: Arc::new(Json),
                    json: Some(JsonForm::new()),
                }),
                Box::new(Typed::<V> {
                    codec: of.values(),
                    json: Some(JsonForm::new()),
                }),
            ]
        };
        let of = table.clone();
        let read = move || of.shared.hooks.read(Arc::new(Json), of.values());
        let def = TableDef {
            name: Arc::clone(&table.name),
            shard: Box::new(shard),
            reader: Arc::clone(&table.shared.reader),
            recovered: Box::new(recovered),
            forms: Box::new(forms),
            raw_key: |stored| {
                let key: K = Json.decode(stored)?;
                Ok(key.raw().into_owned())
            },
            read: Box::new(read),
        };
        (table, def)
    }

    fn values(&self) -> Arc<dyn Codec<V>> {
        Arc::clone(self.shared.values.get_or_init(|| Arc::new(Json)))
    }
}

impl<K, V> Table<K, V> {
    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same table with values encoded by `codec`, in its changelog and its stores; the first
    /// call decides.
    ///
    /// What a table was written with must read it: another codec needs a table of another name.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{Raw, prelude::*};
    ///
    /// let app = App::new("thumbnails");
    /// let images: Table<String, Vec<u8>> = app.table("images").codec(Raw);
    /// ```
    #[must_use]
    pub fn codec(self, codec: impl Codec<V> + 'static) -> Self {
        self.shared.values.get_or_init(|| Arc::new(codec));
        self
    }

    /// The same table with the value that `make` makes where a key has none, instead of the type's
    /// own [`Default`]; the first call decides.
    ///
    /// [`update`](crate::Shard::update), [`or_default`](crate::Entry::or_default) and
    /// [`get_or_default`](crate::Shard::get_or_default) begin with it. To read it stores nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// let app = App::new("game");
    /// let lives: Table<String, u32> = app.table("lives").default_with(|| 3);
    /// ```
    #[must_use]
    pub fn default_with(self, make: impl Fn() -> V + Send + Sync + 'static) -> Self
    where
        V: Default,
    {
        self.shared.default.get_or_init(|| Arc::new(make));
        self
    }

    /// Has `call` called when a partition of the table was recovered, before any agent gets an event
    /// of that partition; it is given the table and the partition.
    ///
    /// At that moment the partition can be read, by [`entries_in`](Self::entries_in) for instance. The
    /// call runs beside the agents' threads, and its task waits for it, thirty seconds at most: then it
    /// is dropped and the task begins without it, as it does if the call fails. That is logged. If this
    /// is asked for several times, all of them are called.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// let app = App::new("game");
    /// let lives: Table<String, u32> = app.table("lives").on_recover(|lives, partition| async move {
    ///     println!("{partition}: {} players", lives.entries_in(partition).await?.len());
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn on_recover<C, Fut>(self, call: C) -> Self
    where
        C: Fn(Self, u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result> + Send + 'static,
    {
        let call = move |table, partition| -> BoxFuture<'static, Result> {
            Box::pin(call(table, partition))
        };
        self.shared.hooks.on_recover(call);
        self
    }

    /// Has `tell` called with every record of the changelog that a recovery reads, in order.
    ///
    /// Where the table has a store, a recovery reads what the store lacks. `tell` runs on the thread of
    /// the partition's agents, so it should be quick; if it panics, that is logged and nothing else. If
    /// this is asked for several times, all of them are called.
    #[must_use]
    pub fn on_changelog_event(
        self,
        tell: impl Fn(&ChangelogEvent<'_, K, V>) + Send + Sync + 'static,
    ) -> Self {
        self.shared.hooks.on_changelog_event(tell);
        self
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            index: self.index,
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
