//! Tables as the application names them.

use std::{fmt, hash::Hash, marker::PhantomData, rc::Rc, sync::Arc};

use faustus_core::{Codec, Store};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Json, Key,
    runtime::{AnyShard, TypedShard},
};

/// The place of a table in the application's list of tables.
pub(crate) type TableIndex = usize;

/// Makes the shard of one partition of a table, over its store if it has one.
type MakeShard = dyn Fn(Option<Arc<dyn Store>>) -> Rc<dyn AnyShard> + Send + Sync;

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
/// The handle names the table at registration ([`AgentBuilder::table`](crate::AgentBuilder::table))
/// and in [`Stream::bind`](crate::Stream::bind), which gives the writable part. It is cheap to clone.
pub struct Table<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) index: TableIndex,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Table<K, V>
where
    K: Key + Clone + Hash + Eq + Serialize + DeserializeOwned + 'static,
    V: Clone + Serialize + DeserializeOwned + 'static,
{
    pub(crate) fn define(name: &str, index: TableIndex) -> (Self, TableDef) {
        let name: Arc<str> = name.into();
        let table = Arc::clone(&name);
        let keys: Arc<dyn Codec<K>> = Arc::new(Json);
        let values: Arc<dyn Codec<V>> = Arc::new(Json);
        let shard = move |store| -> Rc<dyn AnyShard> {
            Rc::new(TypedShard::new(
                Arc::clone(&table),
                Arc::clone(&keys),
                Arc::clone(&values),
                store,
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
                types: PhantomData,
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
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            index: self.index,
            types: PhantomData,
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
