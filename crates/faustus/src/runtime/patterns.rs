//! What patterns of an application take: which agents may read the same topic, and which topics of a log
//! each sub-topology reads.
//!
//! The first follows from the description alone, so that the cut into sub-topologies is the same
//! whatever topics there are. The second is a pure function of the topics that exist: workers that
//! have seen the same log read the same, whatever they read before.

use std::collections::{BTreeMap, HashMap};

use faustus_core::{TopicDescription, TopicId, TopicName};

use super::{
    leader::leader_topic,
    outputs::TopicIndex,
    topology::{AgentDef, AppDef, SubTopologyDef},
};
use crate::pattern::Pattern;

/// A topic that the tasks of a sub-topology read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedSource {
    pub(crate) topic: TopicName,
    pub(crate) id: TopicId,
    pub(crate) partitions: u32,
    /// What its agents read it as, by places in the application: itself, and patterns that take it.
    pub(crate) read_as: Vec<TopicIndex>,
    /// It is there because a pattern found it, and may go.
    pub(crate) found: bool,
}

impl PlannedSource {
    /// Which of an agent's inputs it is, if the agent reads it.
    pub(crate) fn input_of(&self, agent: &AgentDef) -> Option<usize> {
        let mut ways = self.read_as.iter();
        ways.find_map(|way| agent.sources.iter().position(|source| source == way))
    }
}

/// What patterns found, whether it is read or not: enough to see that it has changed.
pub(crate) type Matched = BTreeMap<TopicName, (TopicId, u32)>;

impl AppDef {
    pub(crate) fn pattern(&self, topic: TopicIndex) -> Option<&Pattern> {
        self.topics[topic as usize].pattern.as_ref()
    }

    /// The channels that a sub-topology reads.
    pub(super) fn channels_of(&self, sub: &SubTopologyDef) -> Vec<PlannedSource> {
        let channel = |&source: &TopicIndex| PlannedSource {
            topic: self.topics[source as usize].name.clone(),
            id: TopicId(0),
            partitions: 1,
            read_as: vec![source],
            found: false,
        };
        sub.sources.iter().map(channel).collect()
    }

    pub(crate) fn has_patterns(&self) -> bool {
        self.topics.iter().any(|topic| topic.pattern.is_some())
    }

    /// Whether two agents read the same topic, or might if it existed.
    pub(crate) fn read_alike(&self, one: &AgentDef, other: &AgentDef) -> bool {
        let mut sources = one.sources.iter();
        sources.any(|&a| other.sources.iter().any(|&b| self.may_be_one(a, b)))
    }

    fn may_be_one(&self, a: TopicIndex, b: TopicIndex) -> bool {
        let taken = |pattern: &Pattern, topic: TopicIndex| {
            let topic = &self.topics[topic as usize];
            topic.is_in_log() && self.takes(pattern, topic.name.as_str())
        };
        a == b
            || match (self.pattern(a), self.pattern(b)) {
                (None, None) => false,
                (Some(a), Some(b)) => a.overlaps(b),
                (Some(pattern), None) => taken(pattern, b),
                (None, Some(pattern)) => taken(pattern, a),
            }
    }

    /// Whether agents of the pattern read a topic of this name.
    pub(crate) fn takes(&self, pattern: &Pattern, topic: &str) -> bool {
        pattern.takes(topic) && !self.is_own(topic)
    }

    /// Whether the application makes the topic for itself.
    fn is_own(&self, topic: &str) -> bool {
        let repartition = |&own: &TopicIndex| self.topics[own as usize].name.as_str() == topic;
        self.repartitions.iter().any(repartition)
            || (0..self.tables.len()).any(|table| self.changelog(table) == topic)
            || leader_topic(&self.name) == topic
    }

    /// Those of `listed` that any pattern takes.
    pub(crate) fn matching(&self, listed: Vec<TopicName>) -> Vec<TopicName> {
        let patterns: Vec<_> = self.topics.iter().flat_map(|t| &t.pattern).collect();
        let taken = |topic: &TopicName| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| self.takes(pattern, topic.as_str()))
        };
        listed.into_iter().filter(taken).collect()
    }

    /// Those of `listed` that match a pattern and that it does not take, by the pattern's name.
    pub(crate) fn not_taken(&self, listed: &[TopicName]) -> BTreeMap<TopicName, Vec<TopicName>> {
        let mut not_taken = BTreeMap::new();
        for topic in &self.topics {
            let Some(pattern) = &topic.pattern else {
                continue;
            };
            let not = |name: &str| pattern.matches(name) && !self.takes(pattern, name);
            let left = listed.iter().filter(|name| not(name.as_str())).cloned();
            let mut left: Vec<_> = left.collect();
            left.sort_unstable();
            if !left.is_empty() {
                not_taken.insert(topic.name.clone(), left);
            }
        }
        not_taken
    }
}

/// What a sub-topology reads of the topics that exist.
pub(super) struct Reads<'a> {
    /// How many tasks it has.
    pub(super) partitions: u32,
    pub(super) sources: Vec<(&'a TopicDescription, Vec<TopicIndex>)>,
    /// Topics that its patterns take, and that have another number of partitions than its tables.
    pub(super) left_out: Vec<&'a TopicDescription>,
}

impl<'a> Reads<'a> {
    /// Of the topics `found`, where its tables' changelogs have `changelogs` partitions, if there is one.
    ///
    /// Where there are tables, all topics must have one number of partitions: that of the topics it
    /// names, else that of its changelogs, else that of the first topic by name. Where there are
    /// none, a task reads its partition of each topic that has it.
    pub(super) fn of(
        def: &AppDef,
        sub: &SubTopologyDef,
        found: &'a HashMap<TopicName, TopicDescription>,
        changelogs: Option<u32>,
    ) -> Self {
        let name = |source: TopicIndex| &def.topics[source as usize].name;
        let (patterns, named): (Vec<_>, Vec<_>) = sub
            .sources
            .iter()
            .partition(|source| def.pattern(**source).is_some());
        let taking = |topic: &TopicDescription| -> Vec<TopicIndex> {
            let takes = |pattern: &TopicIndex| {
                let pattern = def.pattern(*pattern);
                pattern.is_some_and(|pattern| def.takes(pattern, topic.name.as_str()))
            };
            patterns.iter().copied().filter(takes).collect()
        };
        let mut sources = Vec::new();
        for source in named {
            if let Some(topic) = found.get(name(source)) {
                let mut read_as = vec![source];
                read_as.extend(taking(topic));
                sources.push((topic, read_as));
            }
        }
        let fixed = sources.first().map(|(topic, _)| topic.partitions);
        let mut taken: Vec<_> = found
            .values()
            .filter(|topic| !sources.iter().any(|(named, _)| named.name == topic.name))
            .map(|topic| (topic, taking(topic)))
            .filter(|(_, read_as)| !read_as.is_empty())
            .collect();
        taken.sort_by_key(|(topic, _)| &topic.name);
        let mut left_out = Vec::new();
        let partitions = if sub.tables.is_empty() {
            let all = sources.iter().chain(&taken);
            all.map(|(topic, _)| topic.partitions).max()
        } else {
            let first = taken.first().map(|(topic, _)| topic.partitions);
            let partitions = fixed.or(changelogs).or(first);
            let wrong = |topic: &TopicDescription| Some(topic.partitions) != partitions;
            left_out.extend(taken.iter().map(|(topic, _)| *topic).filter(|t| wrong(t)));
            taken.retain(|(topic, _)| !wrong(topic));
            partitions
        };
        sources.append(&mut taken);
        Self {
            partitions: partitions.unwrap_or(0),
            sources,
            left_out,
        }
    }
}

/// How many partitions the changelogs of a sub-topology have, if there is one.
pub(super) fn stored(
    sub: &SubTopologyDef,
    changelogs: &[TopicName],
    found: &HashMap<TopicName, TopicDescription>,
) -> Option<u32> {
    let mut logs = sub
        .tables
        .iter()
        .map(|&table| found.get(&changelogs[table]));
    logs.find_map(|log| log.map(|log| log.partitions))
}

/// What of the topics `found` patterns take.
pub(super) fn matched(def: &AppDef, found: &HashMap<TopicName, TopicDescription>) -> Matched {
    let matching = def.matching(found.keys().cloned().collect()).into_iter();
    matching
        .filter_map(|name| {
            let topic = found.get(&name)?;
            Some((name, (topic.id, topic.partitions)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{App, Stream, Table};

    async fn nothing(_: Stream<u32>) -> crate::Result {
        Ok(())
    }

    /// An application whose one agent reads `in-…`, with a table or without.
    fn app(table: bool) -> AppDef {
        let app = App::new("app");
        let (sums, ins): (Table<String, u32>, _) =
            (app.table("sums"), app.topic_pattern("ins", "in-.*"));
        let described = app.agent("add", &ins, |a| match table {
            true => a.table(&sums).run(nothing),
            false => a.run(nothing),
        });
        described.into_def()
    }

    fn topics(counts: &BTreeMap<String, u32>) -> HashMap<TopicName, TopicDescription> {
        let each = counts.iter().map(|(name, &partitions)| {
            let name = TopicName::from(name.as_str());
            let topic = TopicDescription {
                name: name.clone(),
                id: TopicId(1),
                partitions,
                config: BTreeMap::new(),
            };
            (name, topic)
        });
        each.collect()
    }

    proptest! {
        #[test]
        fn each_topic_that_a_pattern_takes_is_read_or_told_to_be_left_out(
            counts in prop::collection::btree_map("(in|out)-[a-c](-changelog)?", 1..4_u32, 0..6),
            table in any::<bool>(),
            changelog in prop::option::of(1..4_u32),
        ) {
            let (def, found) = (app(table), topics(&counts));
            let sub = &def.sub_topologies()[0];
            let reads = Reads::of(&def, sub, &found, changelog.filter(|_| table));
            let mut all: Vec<_> = reads.sources.iter().map(|(topic, _)| &topic.name).collect();
            all.extend(reads.left_out.iter().map(|topic| &topic.name));
            all.sort();
            let taken = |name: &&TopicName| {
                name.as_str().starts_with("in-") && !name.as_str().ends_with("-changelog")
            };
            let mut expected: Vec<_> = found.keys().filter(taken).collect();
            expected.sort();
            prop_assert_eq!(all, expected);
            if table {
                let right = |topic: &TopicDescription| topic.partitions == reads.partitions;
                prop_assert!(reads.sources.iter().all(|(topic, _)| right(topic)));
                prop_assert!(!reads.left_out.iter().any(|topic| right(topic)));
                prop_assert!(changelog.is_none_or(|n| n == reads.partitions));
            } else {
                prop_assert!(reads.left_out.is_empty());
                let most = reads.sources.iter().map(|(topic, _)| topic.partitions).max();
                prop_assert_eq!(most.unwrap_or(0), reads.partitions);
            }
        }
    }
}
