//! librdkafka behind safe types: the only place of this crate with `unsafe` code.
//!
//! # Why it exists
//!
//! The `rdkafka` crate's own wrappers cost an allocation per fetched message, lose the offset of
//! "end of partition", look the topic up for every produced record, and cannot carry a group
//! identity that librdkafka's consumer did not make. This module calls the C functions for these
//! and takes the crate for everything else: building the library, configurations, lists of offsets,
//! error codes.
//!
//! # What keeps it sound
//!
//! - A [`Client`] owns one `rd_kafka_t`, which librdkafka documents as thread-safe. Whatever points
//!   into it ([`Topic`], [`Queue`], [`Messages`]) holds an `Arc` of it, so that it is destroyed last.
//! - Callbacks get a pointer to a boxed value that lives as long as the client or queue it was set
//!   on, and are switched off before that value is dropped.
//! - Bytes that the library gives are copied or borrowed for less than the life of their message.
#![expect(
    unsafe_code,
    reason = "calls librdkafka; audited as a whole, see the module's text"
)]

mod client;
mod consume;
mod produce;
mod transaction;

pub(crate) use client::{Client, Delivery, Events, Kind, NativeError, Undelivered};
pub(crate) use consume::{Messages, Queue};
pub(crate) use produce::Topic;
pub(crate) use transaction::TransactionError;
