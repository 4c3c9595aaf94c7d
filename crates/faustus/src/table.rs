//! Tables as the application names them.

use std::{
    fmt,
    hash::Hash,
    marker::PhantomData,
    rc::Rc,
    sync::{Arc, OnceLock},
};

use faustus_core::Codec;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Json, Key,
    runtime::{AnyShard, Stored, TypedShard},
};

/// The place of a table in the application's list of tables.
pub(crate) type TableIndex = usize;

/// Makes the shard of one partition of a table, over its store if it has one.
type MakeShard = dyn Fn(Option<Stored>) -> Rc<dyn AnyShard> + Send + Sync;

/// What the application knows of a table besides its types.
pub(crate) struct TableDef {
    pub(crate) name: Arc<str>,
    /// Makes the shard of one partition.
    pub(crate) shard: Box<MakeShard>,
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
/// and in [`Stream::bind`](crate::Stream::bind), which gives the writable part. It is cheap to clone.
pub struct Table<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) index: TableIndex,
    values: Values<V>,
    keys: PhantomData<fn() -> K>,
}

/// The codec of values, settled when it is chosen or the first shard is made.
type Values<V> = Arc<OnceLock<Arc<dyn Codec<V>>>>;

impl<K, V> Table<K, V>
where
    K: Key + Clone + Hash + Eq + Serialize + DeserializeOwned + 'static,
    V: Clone + Serialize + DeserializeOwned + 'static,
{
    pub(crate) fn define(name: &str, index: TableIndex) -> (Self, TableDef) {
        let name: Arc<str> = name.into();
        let table = Arc::clone(&name);
        let keys: Arc<dyn Codec<K>> = Arc::new(Json);
        let values = Values::default();
        let codec = Arc::clone(&values);
        let shard = move |stored| -> Rc<dyn AnyShard> {
            Rc::new(TypedShard::new(
                Arc::clone(&table),
                Arc::clone(&keys),
                Arc::clone(codec.get_or_init(|| Arc::new(Json))),
                stored,
            ))
        };
        let def = TableDef {
            name: Arc::clone(&name),
            shard: Box::new(shard),
        };
        (
            Self {
                name,
                index,
                values,
                keys: PhantomData,
            },
            def,
        )
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
        self.values.get_or_init(|| Arc::new(codec));
        self
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            index: self.index,
            values: Arc::clone(&self.values),
            keys: PhantomData,
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
