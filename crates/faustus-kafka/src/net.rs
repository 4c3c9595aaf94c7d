//! The wire protocol: connections that carry one request at a time, and the cluster behind them.

mod cluster;
mod connection;
mod metadata;
mod retry;

pub(crate) use cluster::{Cluster, Target};
pub(crate) use metadata::{TopicMetadata, known_topic, name};
pub(crate) use retry::Retry;
