//! The leader's work: from the members' subscriptions to their assignments.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use faustus_core::{JoinedMember, TopicPartition};
use tracing::error;

use super::MemberConfig;
use crate::membership::{
    GroupView, MemberView, Peer, SubTopology, TaskId, assign_checked, first_round,
    wire::{Assigned, NotOurs, Subscription},
};

/// The assignment of each member, encoded.
///
/// A sub-topology is what the leader takes it to be, or else the first member that knows it, with
/// all topics that anybody has seen; its partition count is the largest that anybody has seen,
/// because topics only grow, and what goes is noticed by all in time.
pub(super) fn assignments(
    config: &MemberConfig,
    members: &[JoinedMember],
) -> Vec<(String, Vec<u8>)> {
    let decoded: Vec<_> = members
        .iter()
        .map(|m| (m, Subscription::decode(&m.metadata)))
        .collect();
    let known = decoded.iter().filter_map(|(_, s)| s.as_ref().ok());
    let subtopologies = union(
        config
            .subtopologies
            .iter()
            .chain(known.flat_map(|s| &s.subtopologies)),
    );
    let group = GroupView {
        members: decoded
            .iter()
            .map(|(member, subscription)| match subscription {
                Ok(subscription) => view(member, subscription),
                Err(refused) => foreign_view(config, member, refused, &subtopologies),
            })
            .collect(),
        subtopologies,
        standby_replicas: config.standby_replicas,
    };
    let (target, failure) = assign_checked(&group, config.assignor.as_deref());
    if let Some(failure) = failure {
        error!(
            group = config.group,
            error = %failure, "the custom assignor is broken; tasks were assigned by the default one"
        );
    }
    let mut round = first_round(&group, &target);
    let peers: Vec<Peer> = decoded
        .iter()
        .filter_map(|(member, subscription)| {
            let url = subscription.as_ref().ok()?.url.clone()?;
            let active = round.get(&member.member)?.active.clone();
            Some(Peer { url, active })
        })
        .collect();
    decoded
        .into_iter()
        .map(|(member, subscription)| {
            let assigned = Assigned {
                tasks: round.remove(&member.member).unwrap_or_default(),
                digest: subscription.map_or(0, |s| s.digest),
                peers: peers.clone(),
            };
            (member.member.clone(), assigned.encode(&group.subtopologies))
        })
        .collect()
}

fn union<'a>(all: impl Iterator<Item = &'a SubTopology>) -> Vec<SubTopology> {
    let mut union: BTreeMap<Arc<str>, SubTopology> = BTreeMap::new();
    for sub in all {
        let known = union
            .entry(Arc::clone(&sub.name))
            .or_insert_with(|| sub.clone());
        known.partitions = known.partitions.max(sub.partitions);
        for topic in &sub.topics {
            if !known.topics.contains(topic) {
                known.topics.push(topic.clone());
            }
        }
        let smaller = sub.smaller.iter().map(|(topic, n)| (topic.clone(), *n));
        known.smaller.extend(smaller);
    }
    union.into_values().collect()
}

fn view(member: &JoinedMember, subscription: &Subscription) -> MemberView {
    let names = subscription
        .subtopologies
        .iter()
        .map(|s| Arc::clone(&s.name));
    MemberView {
        id: member.member.clone(),
        instance: member.instance.clone(),
        knows: names.collect(),
        generation: subscription.generation,
        owned: subscription.owned.clone(),
        promised: subscription.promised.clone(),
        standbys: subscription.standbys.clone(),
    }
}

/// A member that cannot be read gets nothing; what its frame says to own is withheld from others.
fn foreign_view(
    config: &MemberConfig,
    member: &JoinedMember,
    refused: &NotOurs,
    subtopologies: &[SubTopology],
) -> MemberView {
    error!(
        group = config.group,
        member = member.member,
        instance = member.instance,
        error = %refused,
        "a member of the group cannot be understood and gets no tasks; does it run another version?"
    );
    MemberView {
        id: member.member.clone(),
        instance: member.instance.clone(),
        generation: -1,
        owned: tasks_reading(&refused.owned, subtopologies),
        ..MemberView::default()
    }
}

fn tasks_reading(partitions: &[TopicPartition], subs: &[SubTopology]) -> BTreeSet<TaskId> {
    let readers = partitions.iter().flat_map(|p| {
        let subs = subs.iter().filter(|s| s.topics.contains(&p.topic));
        subs.map(|s| TaskId::new(Arc::clone(&s.name), p.partition))
    });
    readers.collect()
}
