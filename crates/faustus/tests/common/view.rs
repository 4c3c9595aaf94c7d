//! What a program beside an application can do, on a simulated log as on a real one.

use std::collections::BTreeMap;

use faustus::testing::Cluster;
use serde::{Serialize, de::DeserializeOwned};

use super::Outside;

/// A log as another program sees it: it sends, and reads what is committed. Values are JSON.
pub(crate) trait View {
    /// Sends values under their keys, as soon as the topic is there.
    async fn tell<T: Serialize>(&self, topic: &str, records: Vec<(String, T)>);

    /// The values of a topic's records, partition by partition.
    async fn told<T: Serialize + DeserializeOwned>(&self, topic: &str) -> Vec<T>;

    /// What the changelog of a table of numbers by text says.
    async fn numbers(&self, app: &str, table: &str) -> BTreeMap<String, u64>;
}

impl View for Cluster {
    async fn tell<T: Serialize>(&self, topic: &str, records: Vec<(String, T)>) {
        for (key, value) in records {
            let value = serde_json::to_vec(&value).unwrap();
            let now = self.clock().now();
            self.send_bytes(topic, Some(key.as_bytes()), Some(&value), now)
                .await;
        }
    }

    async fn told<T: Serialize + DeserializeOwned>(&self, topic: &str) -> Vec<T> {
        let records = self.records(topic).await;
        records.iter().map(|record| record.json()).collect()
    }

    async fn numbers(&self, app: &str, table: &str) -> BTreeMap<String, u64> {
        self.changelog(app, table).await
    }
}

impl View for Outside {
    async fn tell<T: Serialize>(&self, topic: &str, records: Vec<(String, T)>) {
        let json = |(key, value)| (key, serde_json::to_string(&value).unwrap());
        self.send(topic, records.into_iter().map(json)).await;
    }

    async fn told<T: Serialize + DeserializeOwned>(&self, topic: &str) -> Vec<T> {
        let records = self.records(topic).await;
        records.iter().map(|record| record.json()).collect()
    }

    async fn numbers(&self, app: &str, table: &str) -> BTreeMap<String, u64> {
        self.changelog(app, table).await
    }
}
