//! From the description of an application to topics on a log: what exists, what is made, what is wrong.
//!
//! A plan is made before anything runs. All mistakes are found together and nothing is made while
//! there is one. If somebody else makes topics meanwhile, it is thought over before anything is made
//! that follows from them; what was made by then stays.

#[cfg(feature = "cli")]
mod preview;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use faustus_core::{
    Admin, CleanupPolicy, NewTopic, TopicConfig, TopicDescription, TopicId, TopicName,
    TopicPartition, TransportError,
};

use super::{
    outputs::TopicIndex,
    patterns::{Matched, PlannedSource, Reads, matched, stored},
    topology::{AppDef, SubTopologyDef},
};
use crate::{Error, Result, Settings, membership::TaskId};

#[cfg(feature = "cli")]
pub(crate) use preview::Preview;

/// How often all is thought over again as topics appear meanwhile; those of an application appear
/// in two steps, and few others do.
const ATTEMPTS: usize = 5;

/// An application on a log.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order of their names.
    pub(crate) subs: Vec<PlannedSub>,
    /// The names of all topics, and patterns, by their place in the application.
    pub(crate) topics: Vec<TopicName>,
    pub(crate) ids: HashMap<TopicName, TopicId>,
    /// Topics that patterns take, and why they are not read.
    pub(crate) left_out: BTreeMap<TopicName, String>,
    /// Topics that match a pattern and that it does not take, by the pattern's name.
    pub(crate) not_taken: BTreeMap<TopicName, Vec<TopicName>>,
    /// Topics that patterns take and that were not there when this worker looked before.
    pub(crate) appeared: BTreeSet<TopicName>,
    matched: Matched,
}

/// A sub-topology with its number of tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlannedSub {
    pub(crate) def: SubTopologyDef,
    pub(crate) partitions: u32,
    pub(crate) changelogs: Vec<Changelog>,
    /// It reads channels: every worker has its one task, and no group assigns it.
    pub(crate) local: bool,
    /// What its tasks read.
    pub(crate) sources: Vec<PlannedSource>,
    /// Some of it is found by patterns, and may come and go.
    pub(crate) has_patterns: bool,
}

impl PlannedSub {
    /// What the task of this partition reads.
    pub(crate) fn sources_of(&self, partition: u32) -> impl Iterator<Item = &PlannedSource> {
        // Topics that a program names are all alike; if they grew since, there is more than is known.
        let sources = self.sources.iter();
        sources.filter(move |source| !self.has_patterns || partition < source.partitions)
    }

    /// Whether a topic is read because a pattern found it, and for no other reason.
    pub(crate) fn is_found(&self, topic: &TopicName) -> bool {
        let mut found = self.sources.iter().filter(|source| source.found);
        found.any(|source| source.topic == *topic)
    }

    /// The topics that have fewer partitions than there are tasks.
    fn smaller(&self) -> BTreeMap<TopicName, u32> {
        let smaller = self
            .sources
            .iter()
            .filter(|s| s.partitions < self.partitions);
        smaller.map(|s| (s.topic.clone(), s.partitions)).collect()
    }

    /// Whether the task of this partition waits until this worker has found its topics, too.
    pub(crate) fn is_beyond(&self, partition: u32) -> bool {
        self.has_patterns && partition >= self.partitions
    }
}

/// The changelog topic of a table.
#[derive(Clone, Debug)]
pub(crate) struct Changelog {
    pub(crate) table: usize,
    pub(crate) topic: TopicName,
    pub(crate) id: TopicId,
    pub(crate) delete_retention: Duration,
}

impl Plan {
    /// Finds out what exists, makes what is missing, and tells all that is wrong.
    ///
    /// # Errors
    ///
    /// Of kind [`Configuration`](crate::ErrorKind::Configuration) with every mistake on a line.
    pub(crate) async fn make(def: &AppDef, settings: &Settings, admin: &dyn Admin) -> Result<Self> {
        let subs = def.sub_topologies();
        let topics: Vec<TopicName> = def.topics.iter().map(|topic| topic.name.clone()).collect();
        let named: Vec<TopicName> = def.log_topics().map(|topic| topic.name.clone()).collect();
        let changelogs: Vec<TopicName> = (0..def.tables.len())
            .map(|table| def.changelog(table).into())
            .collect();
        for _ in 0..ATTEMPTS {
            let listed = match def.has_patterns() {
                true => admin.list_topics().await?,
                false => Vec::new(),
            };
            let not_taken = def.not_taken(&listed);
            let matching = def.matching(listed);
            let all = named.iter().chain(&changelogs).cloned().chain(matching);
            let all: Vec<_> = all.collect::<BTreeSet<_>>().into_iter().collect();
            let found = describe(admin, &all).await?;
            let missing = Missing::of(def, settings, &subs, &found)?;
            give_hints(def, admin, &missing, &found).await;
            // Numbers of partitions follow from topics that exist: if one turns out to, all is
            // thought over again before anything is made that follows from it.
            if create(admin, &missing.topics).await? && create(admin, &missing.followers).await? {
                let found = describe(admin, &all).await?;
                let plan = Self::settle(def, subs, topics, &changelogs, &found)?;
                return Ok(Self { not_taken, ..plan });
            }
        }
        Err(Error::from(TransportError::Unavailable(format!(
            "topics of application {} come and go while it starts; start it again",
            def.name
        ))))
    }

    /// The plan for the topics that patterns find now, if those are others than before.
    ///
    /// # Errors
    ///
    /// As [`make`](Self::make).
    pub(crate) async fn look_again(
        &self,
        def: &AppDef,
        settings: &Settings,
        admin: &dyn Admin,
    ) -> Result<Option<Self>> {
        let matching = def.matching(admin.list_topics().await?);
        if matched(def, &describe(admin, &matching).await?) == self.matched {
            return Ok(None);
        }
        let mut next = Self::make(def, settings, admin).await?;
        let is_new = |(topic, (id, _)): &(&TopicName, &(TopicId, u32))| {
            let known = self
                .matched
                .get(*topic)
                .is_some_and(|(known, _)| known == id);
            !known || self.appeared.contains(*topic)
        };
        let new = next.matched.iter().filter(is_new);
        next.appeared = new.map(|(topic, _)| topic.clone()).collect();
        Ok(Some(next))
    }

    fn settle(
        def: &AppDef,
        subs: Vec<SubTopologyDef>,
        topics: Vec<TopicName>,
        changelogs: &[TopicName],
        found: &HashMap<TopicName, TopicDescription>,
    ) -> Result<Self> {
        let get = |name: &TopicName| {
            found
                .get(name)
                .ok_or_else(|| Error::from(TransportError::UnknownTopic(name.clone())))
        };
        for topic in def.log_topics() {
            let description = get(&topic.name)?;
            topic.partitions.get_or_init(|| description.partitions);
            if let Some(max) = description
                .config
                .get("max.message.bytes")
                .and_then(|max| max.parse().ok())
            {
                topic.max_bytes.get_or_init(|| max);
            }
        }
        let (mut planned, mut left_out) = (Vec::new(), BTreeMap::new());
        for sub in subs {
            let local = def.is_local(&sub);
            let reads = Reads::of(def, &sub, found, stored(&sub, changelogs, found));
            for topic in reads.left_out {
                let why = format!(
                    "topic {} matches a pattern of {}, but has {} partitions where the tables of its agents have \
                     {}: it is not read; make it anew with {3}, or read it by another agent and group_by its key",
                    topic.name, sub.name, topic.partitions, reads.partitions
                );
                left_out.insert(topic.name.clone(), why);
            }
            let sources = reads.sources.into_iter();
            let sources = sources.map(|(topic, read_as)| PlannedSource {
                topic: topic.name.clone(),
                id: topic.id,
                partitions: topic.partitions,
                found: read_as.iter().all(|&way| def.pattern(way).is_some()),
                read_as,
            });
            let sources = match local {
                true => def.channels_of(&sub),
                false => sources.collect(),
            };
            let mut logs = Vec::new();
            // Without partitions there is nothing yet that tables could be of.
            let tables = sub.tables.iter().filter(|_| reads.partitions > 0);
            for &table in tables {
                let description = get(&changelogs[table])?;
                logs.push(Changelog {
                    table,
                    topic: changelogs[table].clone(),
                    id: description.id,
                    delete_retention: description.delete_retention(),
                });
            }
            planned.push(PlannedSub {
                has_patterns: sub
                    .sources
                    .iter()
                    .any(|&source| def.pattern(source).is_some()),
                def: sub,
                partitions: if local { 1 } else { reads.partitions },
                changelogs: logs,
                local,
                sources,
            });
        }
        let ids = found
            .iter()
            .map(|(name, topic)| (name.clone(), topic.id))
            .collect();
        Ok(Self {
            subs: planned,
            topics,
            ids,
            left_out,
            not_taken: BTreeMap::new(),
            appeared: BTreeSet::new(),
            matched: matched(def, found),
        })
    }

    /// The topics that are read because patterns found them.
    pub(crate) fn found(&self) -> BTreeSet<TopicName> {
        let sources = self.subs.iter().flat_map(|sub| &sub.sources);
        let found = sources.filter(|source| source.found);
        found.map(|source| source.topic.clone()).collect()
    }

    /// Whether a call failed for a topic that a pattern takes, as it is not there yet or not any more.
    pub(crate) fn comes_and_goes(&self, error: &TransportError) -> bool {
        let topic = match error {
            TransportError::UnknownTopic(topic) => topic,
            TransportError::UnknownPartition(partition) => &partition.topic,
            _ => return false,
        };
        self.matched.contains_key(topic)
    }

    /// The sub-topology of this name.
    pub(crate) fn sub(&self, name: &str) -> Option<&PlannedSub> {
        let found = self.subs.binary_search_by(|sub| (*sub.def.name).cmp(name));
        found.ok().map(|index| &self.subs[index])
    }

    /// Whether every worker has this task of its own.
    pub(crate) fn is_local(&self, task: &TaskId) -> bool {
        self.sub(&task.subtopology).is_some_and(|sub| sub.local)
    }

    /// The tasks that this worker has without a group.
    pub(crate) fn local_tasks(&self) -> Vec<TaskId> {
        let local = self.subs.iter().filter(|sub| sub.local);
        local.map(|sub| TaskId::new(&*sub.def.name, 0)).collect()
    }

    /// The partitions that a task reads.
    pub(crate) fn sources(&self, task: &TaskId) -> Vec<TopicPartition> {
        let sub = self.sub(&task.subtopology).into_iter();
        let sources = sub.flat_map(|sub| sub.sources_of(task.partition));
        let partition =
            |source: &PlannedSource| TopicPartition::new(source.topic.clone(), task.partition);
        sources.map(partition).collect()
    }

    /// Those of `tasks` that read something else by `next`, and must begin anew.
    pub(crate) fn changed(&self, next: &Self, tasks: Vec<TaskId>) -> Vec<TaskId> {
        let reads = |plan: &Self, task: &TaskId| -> Option<Vec<(TopicName, TopicId)>> {
            let sub = plan.sub(&task.subtopology)?;
            let sources = sub.sources_of(task.partition);
            let each = sources.map(|source| (source.topic.clone(), source.id));
            (!sub.is_beyond(task.partition)).then(|| each.collect())
        };
        let mut tasks = tasks;
        tasks.retain(|task| reads(self, task) != reads(next, task));
        tasks
    }

    /// The sub-topologies as members of the group know them.
    pub(crate) fn membership(&self) -> Vec<crate::membership::SubTopology> {
        let shared = self.subs.iter().filter(|sub| !sub.local);
        let each = shared.map(|sub| crate::membership::SubTopology {
            name: Arc::clone(&sub.def.name),
            topics: sub.sources.iter().map(|s| s.topic.clone()).collect(),
            smaller: sub.smaller(),
            partitions: sub.partitions,
            stateful: !sub.def.tables.is_empty(),
        });
        each.collect()
    }
}

/// What is to be made.
struct Missing {
    /// Topics that people may have made with a number of partitions of their own.
    topics: Vec<NewTopic>,
    /// Repartition topics and changelogs, whose numbers of partitions follow.
    followers: Vec<NewTopic>,
}

impl Missing {
    /// What is missing beside what was found, unless something is wrong.
    fn of(
        def: &AppDef,
        settings: &Settings,
        subs: &[SubTopologyDef],
        found: &HashMap<TopicName, TopicDescription>,
    ) -> Result<Self> {
        let (missing, mistakes) = Self::and_mistakes(def, settings, subs, found);
        if mistakes.is_empty() {
            return Ok(missing);
        }
        Err(Error::config(format!(
            "application {} cannot start:\n  - {}",
            def.name,
            mistakes.join("\n  - ")
        )))
    }

    fn and_mistakes(
        def: &AppDef,
        settings: &Settings,
        subs: &[SubTopologyDef],
        found: &HashMap<TopicName, TopicDescription>,
    ) -> (Self, Vec<String>) {
        let changelogs: Vec<TopicName> = (0..def.tables.len())
            .map(|table| def.changelog(table).into())
            .collect();
        let changelogs = changelogs.as_slice();
        let mut mistakes = def.mistakes();
        let partitions = settings.topic_partitions;
        let counts = decide_counts(def, partitions, subs, changelogs, found, &mut mistakes);
        let (mut topics, mut followers) = (Vec::new(), Vec::new());
        for (index, topic) in def.topics.iter().enumerate() {
            if !topic.is_in_log() || found.contains_key(&topic.name) {
                continue;
            }
            let mut new = NewTopic {
                name: topic.name.clone(),
                partitions: counts[index],
                replicas: settings.topic_replicas,
                config: TopicConfig::default(),
            };
            if def.repartitions.iter().any(|&i| i as usize == index) {
                // Broker retention runs on wall time: records with old time stamps would go at
                // once. What was read is deleted by offset.
                new.config.cleanup = Some(CleanupPolicy::Delete);
                new.config.retention = Some(None);
                followers.push(new);
            } else {
                topics.push(new);
            }
        }
        for sub in subs {
            let mut named = sub.sources.iter().filter(|s| def.pattern(**s).is_none());
            let partitions = match named.next() {
                Some(&source) => counts[source as usize],
                None => Reads::of(def, sub, found, stored(sub, changelogs, found)).partitions,
            };
            if partitions == 0 {
                // Its patterns have found nothing yet.
                continue;
            }
            for &table in &sub.tables {
                let name = &changelogs[table];
                match found.get(name) {
                    Some(topic) if topic.partitions != partitions => mistakes.push(format!(
                        "table {} has a changelog {name} of {} partitions, but its agents read topics of {partitions}: \
                         its state cannot be split anew; give the topics the old number, or the table another name",
                        def.tables[table].name, topic.partitions,
                    )),
                    Some(_) => {}
                    None => followers.push(NewTopic {
                        name: name.clone(),
                        partitions,
                        replicas: settings.topic_replicas,
                        config: TopicConfig { cleanup: Some(CleanupPolicy::Compact), ..TopicConfig::default() },
                    }),
                }
            }
        }
        if !settings.create_topics {
            mistakes.extend(topics.iter().chain(&followers).map(to_be_made));
        }
        (Self { topics, followers }, mistakes)
    }
}

/// What somebody else is to make.
fn to_be_made(topic: &NewTopic) -> String {
    let NewTopic {
        name, partitions, ..
    } = topic;
    let policy = match topic.config.cleanup {
        Some(CleanupPolicy::Compact) => " and cleanup.policy=compact",
        Some(CleanupPolicy::Delete) => ", cleanup.policy=delete and retention.ms=-1",
        _ => "",
    };
    format!(
        "topic {name} is missing, and the settings say not to make topics: make it with {partitions} partitions{policy}"
    )
}

/// How many partitions each topic has or gets, where nothing decides `otherwise`; topics of one sub-topology must agree.
fn decide_counts(
    def: &AppDef,
    otherwise: u32,
    subs: &[SubTopologyDef],
    changelogs: &[TopicName],
    found: &HashMap<TopicName, TopicDescription>,
    mistakes: &mut Vec<String>,
) -> Vec<u32> {
    let known = |index: usize| {
        let topic = &def.topics[index];
        found
            .get(&topic.name)
            .map(|found| found.partitions)
            .or_else(|| topic.wanted.get().copied())
    };
    let mut counts: Vec<Option<u32>> = (0..def.topics.len()).map(known).collect();
    let is_pattern = |source: &TopicIndex| def.pattern(*source).is_some();
    for sub in subs.iter().filter(|sub| sub.sources.iter().any(is_pattern)) {
        let reads = Reads::of(def, sub, found, stored(sub, changelogs, found));
        let patterns = sub.sources.iter().filter(|source| is_pattern(source));
        for &pattern in patterns {
            counts[pattern as usize] = (reads.partitions > 0).then_some(reads.partitions);
        }
    }
    // A topic that must be made follows the others of its sub-topology; a repartition topic that is
    // alone there follows the topic that feeds it.
    let fed_by = |topic: TopicIndex| {
        let agent = def
            .agents
            .iter()
            .find(|agent| agent.outputs.contains(&topic))?;
        let source = agent.sources.first().copied();
        source.filter(|&source| def.channel(source).is_none())
    };
    for round in 0..2 {
        for sub in subs {
            let of_sub = sub
                .sources
                .iter()
                .find_map(|&source| counts[source as usize]);
            for &source in &sub.sources {
                let fed = || {
                    let is_repartition = def.repartitions.contains(&source);
                    fed_by(source).filter(|_| is_repartition && round == 1)
                };
                if counts[source as usize].is_none() {
                    counts[source as usize] = of_sub.or_else(|| counts[fed()? as usize]);
                }
            }
        }
        if round == 0 {
            let repartitions = |index: usize| def.repartitions.iter().any(|&i| i as usize == index);
            for (index, count) in counts.iter_mut().enumerate() {
                let made = def.topics[index].pattern.is_none() && !repartitions(index);
                if count.is_none() && made {
                    *count = Some(otherwise);
                }
            }
        }
    }
    let counts: Vec<u32> = counts
        .into_iter()
        .map(|count| count.unwrap_or(otherwise))
        .collect();
    for sub in subs {
        let named = sub.sources.iter().filter(|source| !is_pattern(source));
        let each = named.map(|&source| (source, counts[source as usize]));
        let mut all = each.clone().map(|(_, count)| count);
        let first = all.next();
        if all.any(|count| Some(count) != first) {
            let each: Vec<_> = each
                .map(|(source, count)| format!("{} has {count}", def.topics[source as usize].name))
                .collect();
            mistakes.push(format!(
                "agents of {} share topics or tables, so their topics must have the same number of partitions: {}; \
                 group_by brings a topic to the number of the others",
                sub.name,
                each.join(", ")
            ));
        }
    }
    counts
}

/// Logs what may be a mistake. Where topics are made, those of others are looked at too, if that is
/// allowed; they decide nothing.
async fn give_hints(
    def: &AppDef,
    admin: &dyn Admin,
    missing: &Missing,
    found: &HashMap<TopicName, TopicDescription>,
) {
    let mut existing: Vec<TopicName> = found.keys().cloned().collect();
    if !missing.topics.is_empty() {
        existing.extend(admin.list_topics().await.unwrap_or_default());
    }
    for hint in def.hints(&existing) {
        tracing::warn!(app = &*def.name, "{hint}");
    }
}

async fn describe(
    admin: &dyn Admin,
    names: &[TopicName],
) -> Result<HashMap<TopicName, TopicDescription>> {
    let found = admin.describe_topics(names).await?;
    Ok(found
        .into_iter()
        .flatten()
        .map(|topic| (topic.name.clone(), topic))
        .collect())
}

/// Makes topics; false if one exists by now, as another worker was faster.
async fn create(admin: &dyn Admin, topics: &[NewTopic]) -> Result<bool> {
    if topics.is_empty() {
        return Ok(true);
    }
    let mut all = true;
    for (topic, made) in topics.iter().zip(admin.create_topics(topics).await?) {
        match made {
            Ok(()) => {}
            Err(TransportError::TopicExists(_)) => all = false,
            Err(error) => {
                return Err(
                    Error::from(error).context(format!("topic {} cannot be made", topic.name))
                );
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
