//! A broker made of what was stored.

use faustus_core::{OffsetCommit, TopicId, TopicName};

use super::{
    Broker,
    partition::Partition,
    topic::{Settings, Topic},
};

impl Broker {
    /// Brings back a topic.
    pub(crate) fn restore_topic(
        &mut self,
        name: TopicName,
        id: TopicId,
        settings: Settings,
        partitions: Vec<Partition>,
    ) {
        let topic = Topic {
            id,
            settings,
            partitions,
        };
        self.topics.insert(name, topic);
        self.share_memory();
    }

    /// Brings back a committed offset.
    pub(crate) fn restore_offset(&mut self, group: &str, commit: OffsetCommit) {
        let known = self.existing(vec![commit]);
        self.offsets(group).store(known);
    }
}
