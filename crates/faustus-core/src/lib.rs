//! The vocabulary of Faustus and the contracts that others implement.
//!
//! This crate holds plain data (topics, offsets, batches of records) and traits: [`Transport`] with
//! its four parts ([`Log`], [`Producer`], [`Coordinator`], [`Admin`]), [`Store`], [`Codec`] and
//! [`Clock`]. It does no I/O, starts no thread, reads no clock and knows no async runtime, so that
//! every implementation of a contract depends on the contract alone.

mod admin;
mod batch;
mod clock;
mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod coordinator;
mod error;
mod log;
mod names;
mod partitioner;
mod producer;
mod store;
mod transport;

pub use admin::{Admin, CleanupPolicy, NewTopic, OffsetSpec, TopicConfig, TopicDescription};
pub use batch::{Batch, BatchBuilder, Headers, RecordRef, RecordWriter};
pub use clock::Clock;
pub use codec::{Codec, CodecError};
pub use coordinator::{
    CommittedOffset, Coordinator, GroupError, GroupIdentity, JoinRequest, Joined, JoinedMember,
    OffsetCommit, SyncRequest,
};
pub use error::{Refusal, TransportError};
pub use log::{Fetched, Log, PartitionReader, ReadOptions};
pub use names::{Offset, Timestamp, TopicId, TopicName, TopicPartition};
pub use partitioner::{murmur2, partition_for_key};
pub use producer::{Outgoing, Producer, PublishError, Published, TransactionalProducer};
pub use store::{Change, Checkpoint, Store, StoreError, StoreProvider};
pub use transport::{Transport, TransportTraits};

use std::{future::Future, pin::Pin};

/// A boxed future that may move between threads, the return type of every async call of a contract.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
