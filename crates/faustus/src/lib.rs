//! Stream processing: agents, tables, windows, exactly once, on an embedded log or on Kafka.

mod app;
#[cfg(feature = "cli")]
mod cli;
mod client;
mod clock;
mod codec;
mod error;
mod handler;
mod key;
pub mod membership;
mod open;
mod policy;
mod record;
mod runtime;
mod settings;
mod shard;
mod stream;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod topic;
mod worker;

pub use app::{Agent, AgentBuilder, App};
pub use clock::TokioClock;
pub use codec::{Json, Raw};
pub use error::{Error, ErrorKind, Result};
pub use faustus_core::{
    CleanupPolicy, Codec, CodecError, Offset, Timestamp, TopicConfig, TopicPartition, Transport,
};
pub use faustus_log::MemoryLog;
pub use faustus_macros::Record;
pub use handler::{AgentFn, State, TaskFn};
pub use key::{Key, MaybeKey};
pub use open::open_log;
pub use policy::FailurePolicy;
pub use record::{Field, Record};
pub use runtime::{Ended, TaskState, TaskStatus};
pub use settings::{Guarantee, Settings};
pub use shard::Shard;
pub use stream::{Event, Stream};
pub use table::Table;
pub use topic::{Source, Topic};
pub use worker::{Worker, WorkerHandle};

/// What a program of agents usually imports.
pub mod prelude {
    pub use crate::{App, Event, FailurePolicy, Key, Record, Shard, State, Stream, Table, Topic};
    pub use serde::{Deserialize, Serialize};
}
