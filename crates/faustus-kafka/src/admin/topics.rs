//! Making, describing and removing topics.

use std::collections::{BTreeMap, BTreeSet};

use faustus_core::{NewTopic, TopicConfig, TopicDescription, TopicName, TransportError};
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{
        CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        describe_configs_request::DescribeConfigsResource,
    },
    protocol::StrBytes,
};

use crate::{
    error::{CallError, is_transient, topic_error},
    net::{Cluster, Retry, Target, TopicMetadata, name},
};

/// The number that the protocol has for topics among resources.
const TOPIC_RESOURCE: i8 = 2;

/// A topic's settings by name.
type Settings = BTreeMap<String, String>;

impl Cluster {
    pub(super) async fn create_topics(
        &self,
        topics: &[NewTopic],
    ) -> Result<Vec<Result<(), TransportError>>, TransportError> {
        let mut results = BTreeMap::<TopicName, Result<(), TransportError>>::new();
        let mut retry = Retry::within(self.request_timeout());
        loop {
            let open: Vec<&NewTopic> = topics
                .iter()
                .filter(
                    |topic| !matches!(results.get(&topic.name), Some(result) if !passes(result)),
                )
                .collect();
            if open.is_empty() {
                break;
            }
            let last = self.create_once(&open, &mut results, &retry).await;
            let again = match &last {
                Ok(()) => results.values().any(passes),
                Err(error) => error.is_transient(),
            };
            if !again || !retry.again().await {
                last?;
                break;
            }
            // The controller may have moved.
            let _ = self
                .metadata_from(&Target::Any, Some(&[]), retry.left())
                .await;
        }
        let made: Vec<TopicName> = results
            .iter()
            // One that somebody else just made may not be known everywhere either.
            .filter(|(_, result)| matches!(result, Ok(()) | Err(TransportError::TopicExists(_))))
            .map(|(topic, _)| topic.clone())
            .collect();
        self.settle(&made, |_, metadata| {
            metadata.is_ok_and(|topic| topic.leaders.iter().all(Option::is_some))
        })
        .await?;
        let unanswered = |topic: &NewTopic| {
            let text = format!("the broker did not answer for topic {}", topic.name);
            Err(TransportError::OutcomeUnknown(text))
        };
        Ok(topics
            .iter()
            .map(|topic| {
                let result = results.get(&topic.name).cloned();
                result.unwrap_or_else(|| unanswered(topic))
            })
            .collect())
    }

    /// Asks the controller for `topics` once and keeps what it answered.
    async fn create_once(
        &self,
        topics: &[&NewTopic],
        results: &mut BTreeMap<TopicName, Result<(), TransportError>>,
        retry: &Retry,
    ) -> Result<(), CallError> {
        let wire = topics.iter().map(|topic| {
            let configs = settings(&topic.config).into_iter().map(|(key, value)| {
                CreatableTopicConfig::default()
                    .with_name(StrBytes::from_string(key))
                    .with_value(Some(StrBytes::from_string(value)))
            });
            let replicas = topic
                .replicas
                .map_or(-1, |replicas| i16::try_from(replicas).unwrap_or(i16::MAX));
            CreatableTopic::default()
                .with_name(name(&topic.name))
                .with_num_partitions(i32::try_from(topic.partitions).unwrap_or(i32::MAX))
                .with_replication_factor(replicas)
                .with_configs(configs.collect())
        });
        let request = CreateTopicsRequest::default()
            .with_topics(wire.collect())
            .with_timeout_ms(millis(retry));
        let answer = self
            .call(&Target::Controller, &request, 7, retry.left())
            .await?;
        for topic in answer.topics {
            let topic_name = TopicName::from(topic.name.0.as_str());
            let text = topic
                .error_message
                .as_ref()
                .map_or("", |text| text.as_str());
            let result = match topic.error_code.err() {
                None => Ok(()),
                Some(code) => Err(topic_error(code, &topic_name, text)),
            };
            results.insert(topic_name, result);
        }
        Ok(())
    }

    pub(super) async fn describe_topics(
        &self,
        topics: &[TopicName],
    ) -> Result<Vec<Option<TopicDescription>>, TransportError> {
        let found = self.metadata(Some(topics)).await?;
        let mut existing = BTreeMap::<&TopicName, &TopicMetadata>::new();
        for (topic, entry) in &found {
            match entry {
                Ok(metadata) => {
                    existing.insert(topic, metadata);
                }
                Err(
                    ResponseError::UnknownTopicOrPartition | ResponseError::InvalidTopicException,
                ) => {}
                Err(code) => return Err(topic_error(*code, topic, "")),
            }
        }
        let names: Vec<&TopicName> = existing.keys().copied().collect();
        let mut configs = self.topic_configs(&names, None).await?;
        let describe = |topic: &TopicName| {
            let metadata = existing.get(topic)?;
            // Deleted between the two requests: as good as deleted before.
            let config = configs.remove(topic)?;
            Some(config.map(|config| TopicDescription {
                name: metadata.name.clone(),
                id: metadata.id,
                partitions: u32::try_from(metadata.leaders.len()).unwrap_or(u32::MAX),
                config,
            }))
        };
        let described = topics.iter().map(describe);
        described.map(Option::transpose).collect()
    }

    /// The effective settings of `topics`, all or those named `keys`, or that this client may not
    /// know them; no entry for a topic that does not exist.
    pub(crate) async fn topic_configs(
        &self,
        topics: &[&TopicName],
        keys: Option<&[&str]>,
    ) -> Result<BTreeMap<TopicName, Result<Settings, TransportError>>, TransportError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let keys = keys.map(|keys| {
            let key = |key: &&str| StrBytes::from_string((*key).to_owned());
            keys.iter().map(key).collect::<Vec<_>>()
        });
        let resources = topics.iter().map(|topic| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC_RESOURCE)
                .with_resource_name(StrBytes::from_string(topic.to_string()))
                .with_configuration_keys(keys.clone())
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        let mut retry = Retry::within(self.request_timeout());
        let answer = loop {
            match self.call(&Target::Any, &request, 4, retry.left()).await {
                Err(error) if error.is_transient() && retry.again().await => {}
                Err(CallError::Lost(text)) => return Err(TransportError::Unavailable(text)),
                answer => break answer?,
            }
        };
        let mut found = BTreeMap::new();
        for result in answer.results {
            let topic = TopicName::from(result.resource_name.as_str());
            match result.error_code.err() {
                None => {
                    let configs = result.configs.into_iter().filter_map(|config| {
                        Some((config.name.to_string(), config.value?.to_string()))
                    });
                    found.insert(topic, Ok(configs.collect()));
                }
                Some(ResponseError::UnknownTopicOrPartition) => {}
                Some(code) => {
                    let text = result
                        .error_message
                        .as_ref()
                        .map_or("", |text| text.as_str());
                    match topic_error(code, &topic, text) {
                        forbidden @ TransportError::Unauthorized(_) => {
                            found.insert(topic, Err(forbidden));
                        }
                        error => return Err(error),
                    }
                }
            }
        }
        Ok(found)
    }

    pub(super) async fn delete_topic(&self, topic: &TopicName) -> Result<(), TransportError> {
        let mut retry = Retry::within(self.request_timeout());
        let before = self.metadata(Some(std::slice::from_ref(topic))).await?;
        let id = crate::net::known_topic(&before, topic)?.id;
        let mut lost = false;
        loop {
            let request = DeleteTopicsRequest::default()
                .with_topic_names(vec![name(topic)])
                .with_timeout_ms(millis(&retry));
            let result = self
                .call(&Target::Controller, &request, 5, retry.left())
                .await
                .and_then(|answer| {
                    let code = answer
                        .responses
                        .first()
                        .map_or(0, |result| result.error_code);
                    match code.err() {
                        None => Ok(()),
                        Some(code) => Err(CallError::refused(code, format!("topic {topic}"))),
                    }
                });
            match result {
                Ok(()) => break,
                // An earlier request, whose answer was lost, deleted it.
                Err(CallError::Refused {
                    code: ResponseError::UnknownTopicOrPartition,
                    ..
                }) if lost => break,
                Err(CallError::Refused { code, .. })
                    if !is_transient(code) || code == ResponseError::UnknownTopicOrPartition =>
                {
                    return Err(topic_error(code, topic, ""));
                }
                Err(error) => {
                    lost |= matches!(error, CallError::Lost(_));
                    if !error.is_transient() || !retry.again().await {
                        return Err(error.into());
                    }
                    let _ = self
                        .metadata_from(&Target::Any, Some(&[]), retry.left())
                        .await;
                }
            }
        }
        self.settle(std::slice::from_ref(topic), |_, metadata| match metadata {
            Ok(metadata) => metadata.id != id,
            Err(code) => code == ResponseError::UnknownTopicOrPartition,
        })
        .await
    }

    /// Waits until every broker that answers shows each of `topics` as `settled` wants it.
    async fn settle(
        &self,
        topics: &[TopicName],
        settled: impl Fn(&TopicName, Result<&TopicMetadata, ResponseError>) -> bool,
    ) -> Result<(), TransportError> {
        if topics.is_empty() {
            return Ok(());
        }
        let mut retry = Retry::within(self.request_timeout());
        let mut waiting: BTreeSet<Target> = BTreeSet::new();
        let mut ids = self.broker_ids();
        if ids.is_empty() {
            self.metadata_from(&Target::Any, Some(&[]), retry.left())
                .await?;
            ids = self.broker_ids();
        }
        waiting.extend(ids.into_iter().map(Target::Broker));
        loop {
            let mut late = BTreeSet::new();
            for target in waiting {
                // A broker that is down learns of the topic before it serves anybody.
                if let Ok(seen) = self
                    .metadata_from(&target, Some(topics), retry.left())
                    .await
                {
                    let unknown = ResponseError::UnknownTopicOrPartition;
                    let done = topics.iter().all(|topic| {
                        let entry = seen
                            .get(topic)
                            .map_or(Err(unknown), |entry| entry.as_ref().map_err(|code| *code));
                        settled(topic, entry)
                    });
                    if !done {
                        late.insert(target);
                    }
                }
            }
            if late.is_empty() {
                return Ok(());
            }
            if !retry.again().await {
                return Err(TransportError::OutcomeUnknown(format!(
                    "{} broker(s) do not show the change of {} topic(s) yet; look again later",
                    late.len(),
                    topics.len()
                )));
            }
            waiting = late;
        }
    }
}

/// Kafka's names and values for `config`.
fn settings(config: &TopicConfig) -> BTreeMap<String, String> {
    let mut settings = config.other.clone();
    if let Some(cleanup) = config.cleanup {
        settings.insert("cleanup.policy".to_owned(), cleanup.as_str().to_owned());
    }
    if let Some(retention) = config.retention {
        let value = retention.map_or_else(|| "-1".to_owned(), |kept| kept.as_millis().to_string());
        settings.insert("retention.ms".to_owned(), value);
    }
    settings
}

/// Whether a topic's creation should be tried again.
fn passes(result: &Result<(), TransportError>) -> bool {
    matches!(result, Err(error) if error.is_transient())
}

fn millis(retry: &Retry) -> i32 {
    i32::try_from(retry.left().as_millis()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use faustus_core::CleanupPolicy;

    use super::*;

    #[test]
    fn a_topic_config_becomes_kafka_settings() {
        let config = TopicConfig {
            cleanup: Some(CleanupPolicy::CompactAndDelete),
            retention: Some(Some(Duration::from_secs(2))),
            other: BTreeMap::from([("segment.ms".to_owned(), "7".to_owned())]),
        };
        let expected = [
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", "2000"),
            ("segment.ms", "7"),
        ];
        let found = settings(&config);
        assert!(
            found
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .eq(expected)
        );
    }

    #[test]
    fn for_ever_is_a_retention_of_minus_one_and_no_wish_is_no_setting() {
        let mut config = TopicConfig {
            retention: Some(None),
            ..TopicConfig::default()
        };
        assert_eq!(settings(&config)["retention.ms"], "-1");
        config.retention = None;
        assert!(settings(&config).is_empty());
    }
}
