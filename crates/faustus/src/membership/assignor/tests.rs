//! Properties of the assignor, on random groups and on all small ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn sub(name: usize, partitions: u32, stateful: bool) -> SubTopology {
    SubTopology {
        name: format!("s{name}").into(),
        topics: vec![format!("t{name}").into()],
        smaller: BTreeMap::default(),
        partitions,
        stateful,
    }
}

fn member(id: usize, knows: &[SubTopology]) -> MemberView {
    MemberView {
        id: format!("m{id}"),
        generation: -1,
        knows: knows.iter().map(|s| Arc::clone(&s.name)).collect(),
        ..MemberView::default()
    }
}

fn group(members: usize, subs: &[SubTopology], standby_replicas: u32) -> GroupView {
    GroupView {
        subtopologies: subs.to_vec(),
        members: (0..members).map(|m| member(m, subs)).collect(),
        standby_replicas,
    }
}

/// The group after every member took over what `target` says.
fn settled(group: &GroupView, target: &Assignment) -> GroupView {
    let mut group = group.clone();
    for member in &mut group.members {
        let tasks = target.get(&member.id).cloned().unwrap_or_default();
        member.owned = tasks.active;
        member.standbys = tasks.standby;
        member.promised.clear();
        member.generation += 1;
    }
    group
}

/// The group after one cooperative round towards `target`.
fn after_round(group: &GroupView, target: &Assignment) -> GroupView {
    let round = first_round(group, target);
    let generation = group.members.iter().map(|m| m.generation).max();
    let mut group = group.clone();
    for member in &mut group.members {
        let tasks = round[&member.id].clone();
        member.owned = tasks.active;
        member.standbys = tasks.standby;
        member.promised = tasks.promised;
        member.generation = generation.unwrap_or(-1) + 1;
    }
    group
}

fn spread(counts: impl IntoIterator<Item = usize>) -> usize {
    let counts: Vec<_> = counts.into_iter().collect();
    counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0)
}

fn count_of(tasks: &BTreeSet<TaskId>, sub: &SubTopology) -> usize {
    tasks.iter().filter(|t| t.subtopology == sub.name).count()
}

/// How many tasks run elsewhere in `target` than in `group`.
fn moves(group: &GroupView, target: &Assignment) -> usize {
    group
        .members
        .iter()
        .map(|m| m.owned.difference(&target[&m.id].active).count())
        .sum()
}

fn subs() -> impl Strategy<Value = Vec<SubTopology>> {
    prop::collection::vec((0..9_u32, any::<bool>()), 0..4).prop_map(|subs| {
        let numbered = subs.into_iter().enumerate();
        numbered
            .map(|(i, (p, stateful))| sub(i, p, stateful))
            .collect()
    })
}

/// Tasks of up to four sub-topologies, some of which do not exist.
fn some_tasks() -> impl Strategy<Value = BTreeSet<TaskId>> {
    prop::collection::btree_set((0..5_usize, 0..10_u32), 0..12).prop_map(|tasks| {
        let named = tasks
            .into_iter()
            .map(|(s, p)| TaskId::new(format!("s{s}"), p));
        named.collect()
    })
}

/// Any group: members that know different things and make contradicting claims.
fn any_group() -> impl Strategy<Value = GroupView> {
    let claims = (
        some_tasks(),
        some_tasks(),
        some_tasks(),
        -1..4_i32,
        any::<[bool; 4]>(),
    );
    (subs(), prop::collection::vec(claims, 0..6), 0..4_u32).prop_map(
        |(subs, members, standby_replicas)| {
            let members = members.into_iter().enumerate().map(
                |(i, (owned, promised, standbys, generation, knows))| {
                    let known = subs.iter().zip(knows).filter(|(_, knows)| *knows);
                    MemberView {
                        id: format!("m{i}"),
                        instance: (i % 3 == 2).then(|| format!("i{i}")),
                        knows: known.map(|(s, _)| Arc::clone(&s.name)).collect(),
                        generation,
                        owned,
                        promised,
                        standbys,
                    }
                },
            );
            GroupView {
                members: members.collect(),
                subtopologies: subs.clone(),
                standby_replicas,
            }
        },
    )
}

/// Members that all know everything and between them run any part of it, without contradictions.
fn consistent_group() -> impl Strategy<Value = GroupView> {
    (subs(), 1..6_usize, 0..3_u32)
        .prop_flat_map(|(subs, members, replicas)| {
            let tasks: usize = subs.iter().map(|s| s.partitions as usize).sum();
            let owners = prop::collection::vec(prop::option::of(0..members), tasks);
            (Just(group(members, &subs, replicas)), owners)
        })
        .prop_map(|(mut group, owners)| {
            let tasks: Vec<_> = group.subtopologies.iter().flat_map(|s| s.tasks()).collect();
            for (task, owner) in tasks.into_iter().zip(owners) {
                if let Some(owner) = owner {
                    group.members[owner].owned.insert(task);
                }
            }
            group
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_group_gets_a_complete_disjoint_closed_target(group in any_group()) {
        let target = StickyAssignor.assign(&group);
        prop_assert_eq!(check(&group, &target), Ok(()));
        prop_assert_eq!(target.len(), group.members.len());
    }

    #[test]
    fn the_order_of_the_lists_does_not_matter(group in any_group()) {
        let mut turned = group.clone();
        turned.members.reverse();
        turned.subtopologies.reverse();
        prop_assert_eq!(StickyAssignor.assign(&group), StickyAssignor.assign(&turned));
    }

    #[test]
    fn no_task_could_move_to_a_member_with_two_less(group in any_group()) {
        let target = StickyAssignor.assign(&group);
        for from in &group.members {
            for to in &group.members {
                let load = |m: &MemberView| target[&m.id].active.len();
                let movable = target[&from.id].active.iter().any(|t| to.knows.contains(&t.subtopology));
                prop_assert!(!movable || load(from) <= load(to) + 1, "{} to {}", from.id, to.id);
            }
        }
    }

    #[test]
    fn members_that_know_all_are_level_within_one(group in consistent_group()) {
        let target = StickyAssignor.assign(&group);
        prop_assert!(spread(target.values().map(|t| t.active.len())) <= 1);
        // Where some tasks have no state, the balance of all tasks can leave standbys no choice.
        if group.subtopologies.iter().all(|s| s.stateful) {
            prop_assert!(spread(target.values().map(|t| t.standby.len())) <= 1);
        }
        for sub in &group.subtopologies {
            prop_assert!(spread(target.values().map(|t| count_of(&t.active, sub))) <= 1);
        }
    }

    #[test]
    fn every_stateful_task_has_its_standbys(group in any_group()) {
        let target = StickyAssignor.assign(&group);
        for sub in &group.subtopologies {
            let know = group.members.iter().filter(|m| m.knows.contains(&sub.name)).count();
            let wanted = (group.standby_replicas as usize).min(know.saturating_sub(1));
            for task in sub.tasks() {
                let have = target.values().filter(|t| t.standby.contains(&task)).count();
                prop_assert_eq!(have, if sub.stateful { wanted } else { 0 }, "{}", task);
            }
        }
    }

    #[test]
    fn a_settled_group_stays_as_it_is(group in any_group()) {
        let target = StickyAssignor.assign(&group);
        let group = settled(&group, &target);
        let round = first_round(&group, &target);
        prop_assert_eq!(StickyAssignor.assign(&group), target);
        prop_assert!(round.values().all(|r| r.promised.is_empty() && !r.gives_up));
    }

    #[test]
    fn one_sub_topology_moves_the_least_that_balance_needs(
        owners in prop::collection::vec(0..5_usize, 0..30),
        members in 1..6_usize,
    ) {
        let subs = [sub(0, owners.len().try_into().unwrap(), true)];
        let mut group = group(members, &subs, 1);
        for (task, owner) in subs[0].tasks().zip(&owners) {
            if let Some(member) = group.members.get_mut(*owner) {
                member.owned.insert(task);
            }
        }
        let mut before: Vec<usize> = group.members.iter().map(|m| m.owned.len()).collect();
        before.sort_unstable_by(|a, b| b.cmp(a));
        let (each, more) = (owners.len() / members, owners.len() % members);
        let least: usize = before
            .iter()
            .enumerate()
            .map(|(i, n)| n.saturating_sub(each + usize::from(i < more)))
            .sum();
        let target = StickyAssignor.assign(&group);
        prop_assert_eq!(moves(&group, &target), least);
    }

    #[test]
    fn who_joins_a_level_group_takes_little_more_than_its_share(subs in subs(), members in 1..6_usize) {
        let old = group(members, &subs, 1);
        let mut group = settled(&old, &StickyAssignor.assign(&old));
        group.members.push(member(9, &subs));
        let target = StickyAssignor.assign(&group);
        // To keep each sub-topology level as well, a few others may have to change places.
        let share = target["m9"].active.len();
        prop_assert!(moves(&group, &target) <= share + subs.len());
    }

    #[test]
    fn two_rounds_reach_the_target(group in any_group()) {
        let target = StickyAssignor.assign(&group);
        let second = after_round(&group, &target);
        let again = StickyAssignor.assign(&second);
        let round = first_round(&second, &again);
        for (id, tasks) in &round {
            prop_assert!(tasks.promised.is_empty(), "{} still waits", id);
            prop_assert!(!tasks.gives_up, "{} still gives up", id);
            prop_assert_eq!(&tasks.active, &target[id].active);
        }
    }

    #[test]
    fn nobody_gets_a_task_that_another_claims(group in any_group()) {
        let round = first_round(&group, &StickyAssignor.assign(&group));
        for member in &group.members {
            for task in round[&member.id].active.difference(&member.owned) {
                let claimed = group.members.iter().any(|m| m.owned.contains(task));
                prop_assert!(!claimed, "{} gets {}", member.id, task);
            }
        }
        let mut all: BTreeSet<&TaskId> = BTreeSet::new();
        for task in round.values().flat_map(|r| &r.active) {
            prop_assert!(all.insert(task), "{} twice", task);
        }
    }
}

#[test]
fn loads_are_the_best_there_are_in_all_small_groups() {
    // Three members, two sub-topologies, every combination of sizes, knowledge and first owner.
    for (p, q) in (0..4_u32).flat_map(|p| (0..4_u32).map(move |q| (p, q))) {
        let subs = [sub(0, p, false), sub(1, q, false)];
        for knowledge in 0..64_usize {
            let mut group = group(3, &subs, 0);
            for (m, member) in group.members.iter_mut().enumerate() {
                let bits = knowledge >> (2 * m);
                member
                    .knows
                    .retain(|name| bits & if &**name == "s0" { 1 } else { 2 } != 0);
            }
            for owner in 0..3 {
                let mut group = group.clone();
                group.members[owner].owned = subs.iter().flat_map(|s| s.tasks()).collect();
                let target = StickyAssignor.assign(&group);
                let squares = |loads: &[usize]| loads.iter().map(|n| n * n).sum::<usize>();
                let loads: Vec<_> = target.values().map(|t| t.active.len()).collect();
                let best = splits(p as usize)
                    .flat_map(|a| splits(q as usize).map(move |b| (a, b)))
                    .filter(|(a, b)| {
                        (0..3).all(|m| {
                            let knows = &group.members[m].knows;
                            let fits = |n: usize, s: &str| {
                                n == 0 || knows.contains(s) || knows_nobody(&group, s)
                            };
                            fits(a[m], "s0") && fits(b[m], "s1")
                        })
                    })
                    .map(|(a, b)| {
                        let of =
                            |n: [usize; 3], s| if knows_nobody(&group, s) { [0; 3] } else { n };
                        let (a, b) = (of(a, "s0"), of(b, "s1"));
                        squares(&[a[0] + b[0], a[1] + b[1], a[2] + b[2]])
                    })
                    .min();
                assert_eq!(Some(squares(&loads)), best, "{group:?}");
            }
        }
    }
}

fn knows_nobody(group: &GroupView, sub: &str) -> bool {
    !group.members.iter().any(|m| m.knows.contains(sub))
}

/// All ways to split `n` among three.
fn splits(n: usize) -> impl Iterator<Item = [usize; 3]> {
    (0..=n).flat_map(move |a| (0..=n - a).map(move |b| [a, b, n - a - b]))
}

#[test]
fn a_group_without_members_or_partitions_gets_nothing() {
    assert!(StickyAssignor.assign(&GroupView::default()).is_empty());
    assert!(
        StickyAssignor
            .assign(&group(0, &[sub(0, 4, true)], 1))
            .is_empty()
    );
    let target = StickyAssignor.assign(&group(2, &[sub(0, 0, true)], 1));
    assert!(
        target
            .values()
            .all(|t| t.active.is_empty() && t.standby.is_empty())
    );
}

#[test]
fn the_claim_of_the_higher_generation_wins() {
    let mut group = group(2, &[sub(0, 2, true)], 0);
    for (m, generation) in [(0, 4), (1, 5)] {
        group.members[m].owned = [TaskId::new("s0", 0)].into();
        group.members[m].generation = generation;
    }
    let target = StickyAssignor.assign(&group);
    assert_eq!(target["m1"].active, [TaskId::new("s0", 0)].into());
    let round = first_round(&group, &target);
    assert!(!round["m1"].stale && !round["m1"].gives_up);
    assert!(round["m0"].stale && round["m0"].gives_up);
}

#[test]
fn equal_claims_void_each_other() {
    let mut group = group(2, &[sub(0, 1, true)], 0);
    for m in 0..2 {
        group.members[m].owned = [TaskId::new("s0", 0)].into();
        group.members[m].generation = 5;
    }
    let round = first_round(&group, &StickyAssignor.assign(&group));
    assert!(round.values().all(|r| r.active.is_empty() && r.stale));
}

#[test]
fn the_tasks_of_a_dead_member_go_to_their_standbys() {
    let subs = [sub(0, 9, true)];
    let three = group(3, &subs, 1);
    let mut left = settled(&three, &StickyAssignor.assign(&three));
    let dead = left.members.remove(0);
    let target = StickyAssignor.assign(&left);
    assert_eq!(moves(&left, &target), 0);
    let warm = |t: &&TaskId| {
        left.members
            .iter()
            .any(|m| m.standbys.contains(t) && target[&m.id].active.contains(t))
    };
    // Three tasks for two members: one may have to go where it is cold, to keep the balance.
    assert!(dead.owned.iter().filter(warm).count() >= 2, "{target:?}");
}

#[test]
fn members_that_know_different_things_are_levelled_along_a_path() {
    // a knows s0; b knows s0 and s1; c knows s1: a has too much, and only b can take it.
    let (s0, s1) = (sub(0, 4, false), sub(1, 2, false));
    let mut group = GroupView {
        subtopologies: vec![s0.clone(), s1.clone()],
        members: vec![
            member(0, std::slice::from_ref(&s0)),
            member(1, &[s0.clone(), s1.clone()]),
            member(2, std::slice::from_ref(&s1)),
        ],
        standby_replicas: 0,
    };
    group.members[0].owned = s0.tasks().collect();
    group.members[1].owned = s1.tasks().collect();
    let target = StickyAssignor.assign(&group);
    assert!(target.values().all(|t| t.active.len() == 2), "{target:?}");
}

#[derive(Debug)]
struct Custom(fn(&GroupView) -> Assignment);

impl Assignor for Custom {
    fn assign(&self, group: &GroupView) -> Assignment {
        (self.0)(group)
    }
}

/// What the default makes of two members and three tasks, changed by `spoil`.
fn spoilt(group: &GroupView, spoil: impl Fn(&mut BTreeMap<String, Tasks>)) -> Assignment {
    let mut target = StickyAssignor.assign(group);
    spoil(&mut target);
    target
}

#[test]
fn a_custom_assignor_is_used_as_long_as_it_keeps_the_contract() {
    let group = group(2, &[sub(0, 3, true)], 1);
    let all_to_one: Custom = Custom(|group| {
        let all = group.subtopologies.iter().flat_map(|s| s.tasks()).collect();
        let tasks = Tasks {
            active: all,
            ..Tasks::default()
        };
        [("m1".to_owned(), tasks)].into()
    });
    let (target, failure) = assign_checked(&group, Some(&all_to_one));
    assert_eq!(failure, None);
    assert_eq!(target["m1"].active.len(), 3);
}

#[test]
fn a_broken_custom_assignor_is_replaced_by_the_default() {
    let group = group(2, &[sub(0, 3, true)], 1);
    let cases: [(Custom, AssignorFailure); 6] = [
        (
            Custom(|_| panic!("no idea")),
            AssignorFailure::Panicked("no idea".into()),
        ),
        (
            Custom(|_| Assignment::new()),
            AssignorFailure::Incomplete(TaskId::new("s0", 0)),
        ),
        (
            Custom(|g| {
                spoilt(g, |t| {
                    for tasks in t.values_mut() {
                        tasks.standby.clear();
                        tasks.active.insert(TaskId::new("s0", 1));
                    }
                })
            }),
            AssignorFailure::Doubled {
                task: TaskId::new("s0", 1),
                first: "m0".into(),
                second: "m1".into(),
            },
        ),
        (
            Custom(|g| {
                spoilt(g, |t| {
                    t.insert("ghost".into(), Tasks::default());
                })
            }),
            AssignorFailure::UnknownMember("ghost".into()),
        ),
        (
            Custom(|g| {
                spoilt(g, |t| {
                    t.entry("m0".into())
                        .or_default()
                        .active
                        .insert(TaskId::new("s0", 3));
                })
            }),
            AssignorFailure::UnknownTask {
                member: "m0".into(),
                task: TaskId::new("s0", 3),
            },
        ),
        (
            Custom(|g| {
                spoilt(g, |t| {
                    for tasks in t.values_mut() {
                        tasks.standby.extend(tasks.active.clone());
                    }
                })
            }),
            AssignorFailure::StandbyOfOwn {
                member: "m0".into(),
                task: TaskId::new("s0", 0),
            },
        ),
    ];
    for (custom, expected) in cases {
        let (target, failure) = assign_checked(&group, Some(&custom));
        assert_eq!(failure, Some(expected));
        assert_eq!(target, StickyAssignor.assign(&group));
    }
}
