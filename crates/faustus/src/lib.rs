//! Stream processing: agents, tables and exactly-once processing, on an embedded log or on Kafka.
//!
//! An *agent* is an async function over an endless stream of events. It keeps state in *tables*,
//! which are split into partitions like the topics it reads and survive crashes in changelogs. An
//! application of agents runs in a *worker*: one process on the embedded log, which needs no server,
//! or as many as you like on Kafka. Both run the same program.
//!
//! ```
//! use faustus::{Guarantee, Settings, prelude::*, testing::simulate};
//!
//! #[derive(Record, Serialize, Deserialize)]
//! struct Order { account: String, amount: u64 }
//!
//! async fn total(State(totals): State<Table<String, u64>>, mut orders: Stream<Order, u64>) -> faustus::Result {
//!     let totals = orders.bind(&totals);
//!     while let Some(order) = orders.next().await? {   // completes the order before
//!         let total = totals.update(&*order.account, |total| *total += order.amount)?;
//!         order.reply(total);                          // stored together with the table and the offset
//!     }
//!     Ok(())
//! }
//!
//! fn app() -> App<Table<String, u64>> {
//!     let app = App::new("bank");
//!     let (orders, audit, totals) = (app.topic::<Order>("orders"), app.topic("audit"), app.table("totals"));
//!     app.with_state(totals.clone())
//!         .agent("total", orders.group_by(Order::ACCOUNT), |a| a.table(&totals).sink(&audit).run(total))
//! }
//!
//! // `fn main() -> ExitCode { app().main() }` runs it; here it runs in a test.
//! simulate(1, async |cluster| {
//!     let settings = Settings { guarantee: Guarantee::ExactlyOnce, ..Settings::default() };
//!     let worker = cluster.worker(app(), settings);
//!     cluster.send("orders", "", &Order { account: "ann".into(), amount: 7 }).await;
//!     cluster.settle().await;
//!     assert_eq!(worker.table::<String, u64>("totals").await["ann"], 7);
//! });
//! ```
//!
//! Where to read on: [`App`] describes an application, [`Stream`] and [`Event`] are what an agent
//! works with, [`Shard`] is its part of a table, [`Settings`] what a worker can be told, and
//! `testing` runs it all on virtual time.
//!
//! # Features
//!
//! - `cli` (default): [`App::main`], the command line of an application.
//! - `kafka`: Kafka as a log; needs a C compiler.
//! - `opentelemetry`: figures to an OpenTelemetry meter, in the module `opentelemetry`.
//! - `prometheus`: figures as text for Prometheus, `Monitor::prometheus`.
//! - `testing`: the module `testing`.
//! - `validate`: `#[record(validate)]`.
//! - `msgpack`, `yaml`, `gzip`, `lz4`, `snappy`, `zstd`: [`Codecs`] of these names; `zstd` needs a C
//!   compiler.

mod agent;
mod app;
mod ask;
#[cfg(all(doctest, feature = "testing"))]
mod book;
mod channel;
#[cfg(feature = "cli")]
mod cli;
mod client;
mod clock;
mod codec;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "cli")]
mod control;
mod error;
mod failure;
#[cfg_attr(
    not(feature = "cli"),
    expect(dead_code, reason = "the command line alone works without types")
)]
mod form;
mod handler;
mod key;
mod leader;
pub mod membership;
mod monitor;
mod near;
mod offload;
mod open;
mod outside;
mod own_worker;
mod pattern;
mod policy;
mod record;
mod runtime;
mod send;
mod sensitive;
mod sensor;
mod service;
mod settings;
mod shard;
mod sink;
mod source;
mod stream;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod topic;
pub mod with;
mod worker;

pub use agent::{AgentBuilder, AgentSpec};
pub use app::App;
pub use ask::{Agent, Answers, Pending};
pub use channel::Channel;
pub use clock::TokioClock;
#[cfg(feature = "gzip")]
pub use codec::Gzip;
#[cfg(feature = "lz4")]
pub use codec::Lz4;
#[cfg(feature = "msgpack")]
pub use codec::MsgPack;
#[cfg(feature = "snappy")]
pub use codec::Snappy;
#[cfg(feature = "yaml")]
pub use codec::Yaml;
#[cfg(feature = "zstd")]
pub use codec::Zstd;
pub use codec::{Binary, Chain, Codecs, Json, JsonRecord, Nullable, Raw, Text};
#[cfg(feature = "cli")]
pub use command::{Arguments, CommandFn};
pub use error::{Error, ErrorKind, Result};
pub use failure::{FailedRecord, Failure};
pub use faustus_core::{
    CleanupPolicy, Codec, CodecError, Headers, Offset, RecordRef, Timestamp, TopicConfig,
    TopicPartition, Transport,
};
pub use faustus_log::MemoryLog;
pub use faustus_macros::Record;
pub use handler::{AgentFn, EachFn, Everywhere, PartitionsFn, State, TaskFn};
pub use key::{JsonKey, Key, MaybeKey};
pub use leader::Leader;
#[cfg(feature = "opentelemetry")]
pub use monitor::opentelemetry;
pub use monitor::{
    AgentFigures, AskFigures, EpochFigures, Histogram, Monitor, PartitionFigures, RebalanceFigures,
    RestoreFigures, SendFigures, TableFigures, TaskActivity, TaskFigures, TopicFigures, Traffic,
};
pub use offload::{blocking, io};
pub use open::{open_log, open_log_for};
pub use outside::AppStream;
pub use own_worker::OwnWorker;
pub use pattern::TopicPattern;
pub use policy::{FailurePolicy, Verdict};
pub use record::{Field, Record};
pub use runtime::{Ended, LaneState, LaneStatus, TaskState, TaskStatus};
pub use send::SendOptions;
pub use sensitive::Sensitive;
pub use sensor::{
    CommitCompleted, CommitInitiated, EventEnd, EventIn, EventOut, MessagesIn, MessagesOut,
    SendCompleted, SendFailed, SendInitiated, Sensor, TableUse,
};
pub use service::{Restart, Service, ServiceBuilder, ServiceSpec};
pub use settings::{Compression, Guarantee, LogAddress, LogFormat, Settings};
pub use shard::{Entry, Shard};
pub use sink::Sink;
pub use source::{Operators, RecordKey, Source};
pub use stream::{Enumerate, Event, ManualEvent, ManualStream, Stream};
pub use table::{ChangelogEvent, Table};
pub use time::{Every, OnLeader, every, hours, millis, minutes, on_leader, secs};
pub use topic::Topic;
pub use worker::{Worker, WorkerHandle};

/// What the code refers to that `#[derive(Record)]` makes.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "validate")]
    pub use crate::record::validated;
    pub use crate::record::{
        polymorphic,
        shape::{FieldShape, Probe, RecordShape, Shape, Shaped, Unshaped},
    };
    pub use ::serde;
}

/// What reads the bytes of others and is no part of the interface, for the fuzzer.
#[doc(hidden)]
pub mod __fuzzed {
    pub use crate::ask::fuzzed::*;
}

/// What the command `faustus` is made of besides its own, and is no part of the interface.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod __command {
    pub use crate::cli::{AppArgs, Stopped, app, bytes, code, output};
}

/// What a program of agents usually imports.
pub mod prelude {
    pub use crate::{
        Agent, App, Channel, Event, FailurePolicy, Key, Operators, Record, Shard, State, Stream,
        Table, Topic,
    };
    pub use crate::{every, hours, millis, minutes, on_leader, secs};
    pub use serde::{Deserialize, Serialize};
}

/// The README's program compiles.
#[cfg(all(doctest, feature = "cli"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
