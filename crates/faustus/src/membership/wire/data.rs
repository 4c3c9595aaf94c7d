//! Our user data as JSON. Tasks stand as `{"orders": "0-3,7"}`: ranges keep large groups small.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
};

use faustus_core::TopicName;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Assigned, MAX_TASKS, Subscription};
use crate::membership::{Peer, RoundTasks, SubTopology, TaskId};

/// The version that is written. A reader takes any from 1 on, see [`super`].
const VERSION: u32 = 1;

type ByName = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
pub(super) struct SubscriptionData {
    v: u32,
    #[serde(default)]
    subtopologies: Vec<SubTopologyData>,
    #[serde(default)]
    digest: u32,
    generation: i32,
    owned: ByName,
    #[serde(default)]
    promised: ByName,
    #[serde(default)]
    standbys: ByName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SubTopologyData {
    name: String,
    topics: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    smaller: BTreeMap<String, u32>,
    partitions: u32,
    #[serde(default)]
    stateful: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AssignmentData {
    v: u32,
    active: ByName,
    #[serde(default)]
    standby: ByName,
    #[serde(default)]
    promised: ByName,
    #[serde(default)]
    gives_up: bool,
    #[serde(default)]
    stale: bool,
    #[serde(default)]
    digest: u32,
    #[serde(default)]
    peers: Vec<PeerData>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PeerData {
    pub(super) url: String,
    pub(super) active: ByName,
}

fn to_json(data: &impl Serialize) -> Vec<u8> {
    // Maps with text keys, numbers and texts always have a JSON form.
    serde_json::to_vec(data).unwrap_or_default()
}

fn read<T: DeserializeOwned>(json: &[u8], version: impl Fn(&T) -> u32) -> Result<T, String> {
    let data: T =
        serde_json::from_slice(json).map_err(|e| format!("the user data is not ours: {e}"))?;
    match version(&data) {
        0 => Err("the user data has version 0".into()),
        _ => Ok(data),
    }
}

impl SubscriptionData {
    pub(super) fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }

    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        read(json, |data: &Self| data.v)
    }
}

impl AssignmentData {
    pub(super) fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }

    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        read(json, |data: &Self| data.v)
    }
}

/// The JSON form of a list of sub-topologies.
pub(super) fn subtopologies_json(subtopologies: &[SubTopology]) -> Vec<u8> {
    let data: Vec<SubTopologyData> = subtopologies.iter().map(Into::into).collect();
    to_json(&data)
}

impl From<&SubTopology> for SubTopologyData {
    fn from(sub: &SubTopology) -> Self {
        Self {
            name: sub.name.to_string(),
            topics: sub.topics.iter().map(ToString::to_string).collect(),
            smaller: sub
                .smaller
                .iter()
                .map(|(topic, n)| (topic.to_string(), *n))
                .collect(),
            partitions: sub.partitions,
            stateful: sub.stateful,
        }
    }
}

impl From<&Subscription> for SubscriptionData {
    fn from(from: &Subscription) -> Self {
        Self {
            v: VERSION,
            subtopologies: from.subtopologies.iter().map(Into::into).collect(),
            digest: from.digest,
            generation: from.generation,
            owned: by_name(&from.owned),
            promised: by_name(&from.promised),
            standbys: by_name(&from.standbys),
            url: from.url.clone(),
        }
    }
}

impl TryFrom<SubscriptionData> for Subscription {
    type Error = String;

    fn try_from(data: SubscriptionData) -> Result<Self, String> {
        let mut bound = MAX_TASKS;
        let mut subtopologies = Vec::new();
        for sub in data.subtopologies {
            spend(&mut bound, sub.partitions as usize)?;
            subtopologies.push(SubTopology {
                name: sub.name.into(),
                topics: sub.topics.into_iter().map(TopicName::from).collect(),
                smaller: sub
                    .smaller
                    .into_iter()
                    .map(|(topic, n)| (topic.into(), n))
                    .collect(),
                partitions: sub.partitions,
                stateful: sub.stateful,
            });
        }
        Ok(Self {
            subtopologies,
            digest: data.digest,
            generation: data.generation,
            owned: tasks(&data.owned, &mut bound)?,
            promised: tasks(&data.promised, &mut bound)?,
            standbys: tasks(&data.standbys, &mut bound)?,
            url: data.url,
        })
    }
}

impl From<&Assigned> for AssignmentData {
    fn from(from: &Assigned) -> Self {
        Self {
            v: VERSION,
            active: by_name(&from.tasks.active),
            standby: by_name(&from.tasks.standby),
            promised: by_name(&from.tasks.promised),
            gives_up: from.tasks.gives_up,
            stale: from.tasks.stale,
            digest: from.digest,
            peers: from.peers.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<AssignmentData> for Assigned {
    type Error = String;

    fn try_from(data: AssignmentData) -> Result<Self, String> {
        let mut bound = MAX_TASKS;
        let tasks_of_member = RoundTasks {
            active: tasks(&data.active, &mut bound)?,
            standby: tasks(&data.standby, &mut bound)?,
            promised: tasks(&data.promised, &mut bound)?,
            gives_up: data.gives_up,
            stale: data.stale,
        };
        let peers = data.peers.into_iter().map(|peer| {
            Ok(Peer {
                active: tasks(&peer.active, &mut bound)?,
                url: peer.url,
            })
        });
        Ok(Self {
            tasks: tasks_of_member,
            digest: data.digest,
            peers: peers.collect::<Result<_, String>>()?,
        })
    }
}

/// Tasks by the name of their sub-topology.
pub(super) fn by_name(tasks: &BTreeSet<TaskId>) -> ByName {
    let mut names: ByName = BTreeMap::new();
    let tasks: Vec<&TaskId> = tasks.iter().collect();
    for range in tasks.chunk_by(|a, b| {
        a.subtopology == b.subtopology && a.partition.checked_add(1) == Some(b.partition)
    }) {
        let (first, last) = (range[0].partition, range[range.len() - 1].partition);
        let text = names.entry(range[0].subtopology.to_string()).or_default();
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a `String` cannot fail.
        let _ = if first == last {
            write!(text, "{comma}{first}")
        } else {
            write!(text, "{comma}{first}-{last}")
        };
    }
    names
}

fn tasks(names: &ByName, bound: &mut usize) -> Result<BTreeSet<TaskId>, String> {
    let mut tasks = BTreeSet::new();
    for (name, ranges) in names {
        let name: Arc<str> = name.as_str().into();
        for range in ranges.split(',').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| {
                text.parse::<u32>()
                    .map_err(|_| format!("{range:?} is no range of partitions"))
            };
            let (first, last) = (number(first)?, number(last)?);
            spend(bound, last.saturating_sub(first) as usize + 1)?;
            tasks.extend((first..=last).map(|p| TaskId::new(Arc::clone(&name), p)));
        }
    }
    Ok(tasks)
}

fn spend(bound: &mut usize, tasks: usize) -> Result<(), String> {
    *bound = bound
        .checked_sub(tasks)
        .ok_or_else(|| format!("more than {MAX_TASKS} tasks"))?;
    Ok(())
}
