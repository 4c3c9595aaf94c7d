//! Topics come, are described, are cut and go.

use faustus_core::{
    NewTopic, Offset, OffsetSpec, TopicDescription, TopicId, TopicName, TopicPartition,
    TransportError,
};

use super::{
    Broker, Completion, Place, Submitted, Write,
    partition::Partition,
    topic::{Settings, Topic},
};

impl Broker {
    /// Makes topics; each succeeds or fails by itself.
    pub(crate) fn create_topics(
        &mut self,
        topics: &[NewTopic],
    ) -> (Vec<Result<(), TransportError>>, Submitted) {
        let mut made = Vec::new();
        let mut writes = Vec::new();
        let results = topics
            .iter()
            .map(|topic| {
                let write = self.create_topic(topic)?;
                made.push(topic.name.clone());
                writes.push(write);
                Ok(())
            })
            .collect();
        let done = self.submit(Completion::Created(made), |_| writes);
        (results, done)
    }

    fn create_topic(&mut self, new: &NewTopic) -> Result<Write, TransportError> {
        let NewTopic {
            name,
            partitions,
            config,
            ..
        } = new;
        if !name.is_valid() {
            return Err(TransportError::Invalid(format!(
                "a topic cannot be named {name:?}: use 1 to 249 of a-z A-Z 0-9 . _ -"
            )));
        }
        if *partitions == 0 {
            return Err(TransportError::Invalid(format!(
                "topic {name} needs a partition"
            )));
        }
        if self.topics.contains_key(name) {
            return Err(TransportError::TopicExists(name.clone()));
        }
        let settings = Settings::new(config, &self.options)?;
        let id = TopicId(self.ids.id());
        let topic = Topic {
            id,
            settings: settings.clone(),
            partitions: (0..*partitions).map(|_| Partition::default()).collect(),
        };
        self.topics.insert(name.clone(), topic);
        self.share_memory();
        Ok(Write::Topic {
            name: name.clone(),
            id,
            partitions: *partitions,
            settings,
        })
    }

    pub(crate) fn describe_topic(&self, name: &TopicName) -> Option<TopicDescription> {
        let topic = self.topics.get(name)?;
        Some(TopicDescription {
            name: name.clone(),
            id: topic.id,
            partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
            config: topic.settings.describe(),
        })
    }

    pub(crate) fn delete_topic(&mut self, name: &TopicName) -> Result<Submitted, TransportError> {
        let id = self.topic(name)?.id;
        let completion = Completion::Deleted(name.clone());
        Ok(self.submit(completion, |broker| broker.deletion(name, id)))
    }

    fn deletion(&mut self, name: &TopicName, id: TopicId) -> Vec<Write> {
        let mut writes = vec![Write::RemoveTopic { id }];
        for (group, state) in &self.groups {
            let gone = state.offsets.of_topic(name);
            writes.extend(gone.into_iter().map(|partition| Write::RemoveOffset {
                group: group.clone(),
                partition,
            }));
        }
        writes
    }

    pub(super) fn forget_topic(&mut self, name: &TopicName) {
        if let Some(mut topic) = self.topics.remove(name) {
            for partition in &mut topic.partitions {
                partition.wake(&mut self.wake);
            }
        }
        for state in self.groups.values_mut() {
            state.offsets.forget(name);
        }
        self.share_memory();
    }

    /// Deletes the records below offsets.
    pub(crate) fn delete_records(
        &mut self,
        before: &[(TopicPartition, Offset)],
    ) -> Result<Submitted, TransportError> {
        let mut starts = Vec::with_capacity(before.len());
        for (name, offset) in before {
            let (topic, partition) = self.partition(name)?;
            let end = partition.high_watermark();
            if *offset > end || *offset < Offset::ZERO {
                return Err(TransportError::OffsetOutOfRange {
                    partition: name.clone(),
                    offset: *offset,
                    earliest: partition.start,
                    end,
                });
            }
            if *offset > partition.start {
                starts.push(Place {
                    topic,
                    partition: name.clone(),
                    base: *offset,
                });
            }
        }
        let writes = starts.iter().map(start_write).collect();
        Ok(self.submit(Completion::Truncated(starts), |_| writes))
    }

    /// One end of each of `partitions`.
    pub(crate) fn ends(
        &mut self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<Vec<Offset>, TransportError> {
        let mut ends = Vec::with_capacity(partitions.len());
        for name in partitions {
            let (_, partition) = self.partition(name)?;
            ends.push(match spec {
                OffsetSpec::Earliest => partition.start,
                OffsetSpec::HighWatermark => partition.high_watermark(),
                OffsetSpec::LastStable => partition.last_stable(),
            });
        }
        Ok(ends)
    }
}

/// What must be stored so that a partition begins at `place`.
pub(super) fn start_write(place: &Place) -> Write {
    Write::Start {
        topic: place.topic,
        partition: place.partition.partition,
        start: place.base,
    }
}
