//! Looks after the topics that are read: a topic that was deleted, or deleted and made anew, ends
//! its readers, which librdkafka alone would leave waiting or reading the wrong records.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use faustus_core::{TopicName, TransportError};
use kafka_protocol::error::ResponseError;
use tokio::time::sleep;

use super::Fetcher;
use crate::net::Target;

/// A broker may be late with its news: so many looks in a row must agree.
const AGREEING_LOOKS: u32 = 2;

/// Looks every `interval` until the fetcher is gone.
pub(super) async fn watch(fetcher: Weak<Fetcher>, interval: Duration) {
    loop {
        sleep(interval).await;
        let (cluster, signals) = match fetcher.upgrade() {
            None => return,
            Some(fetcher) => (Arc::clone(&fetcher.cluster), fetcher.signals()),
        };
        let topics: BTreeSet<&TopicName> = signals.iter().map(|s| &s.partition.topic).collect();
        let topics: Vec<TopicName> = topics.into_iter().cloned().collect();
        if topics.is_empty() {
            continue;
        }
        let limit = cluster.request_timeout();
        let Ok(found) = cluster
            .metadata_from(&Target::Any, Some(&topics), limit)
            .await
        else {
            continue;
        };
        for signal in signals {
            let topic = &signal.partition.topic;
            let gone = match found.get(topic) {
                Some(Ok(metadata)) => metadata.id != signal.topic_id,
                Some(Err(code)) => *code == ResponseError::UnknownTopicOrPartition,
                None => false,
            };
            if !gone {
                signal.misses.store(0, Ordering::Relaxed);
            } else if signal.misses.fetch_add(1, Ordering::Relaxed) + 1 >= AGREEING_LOOKS {
                signal.trouble(TransportError::UnknownTopic(topic.clone()));
            }
        }
    }
}
