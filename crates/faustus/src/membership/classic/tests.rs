//! Members against a model coordinator: in every order of messages, losses, pauses and restarts, no
//! task is with two that may commit, and in the end each task is with one.

mod explore;
mod model;
mod world;

use std::{collections::BTreeSet, time::Duration};

use faustus_core::{GroupError, Joined, JoinedMember, TransportError};
use proptest::prelude::*;

use self::world::{SESSION, World, config, subs};
use super::*;
use crate::membership::MembershipError;

const ENOUGH: Duration = Duration::from_secs(120);

/// Every task is with exactly one worker, and all of them know the same generation.
fn assert_settled(world: &World) {
    if world.nodes.is_empty() {
        return;
    }
    let all: Vec<TaskId> = world
        .nodes
        .values()
        .flat_map(|n| n.runs.iter().cloned())
        .collect();
    let distinct: BTreeSet<TaskId> = all.iter().cloned().collect();
    assert_eq!(all.len(), distinct.len(), "{all:?}");
    let most = world
        .nodes
        .values()
        .map(|n| n.runs.len())
        .max()
        .unwrap_or(0);
    let least = world
        .nodes
        .values()
        .map(|n| n.runs.len())
        .min()
        .unwrap_or(0);
    assert!(most - least <= 1, "{all:?}");
    for node in world.nodes.values() {
        let status = node.member.status();
        assert_eq!(status.state, "stable", "{status:?}");
        assert_eq!(status.generation, world.model.generation, "{status:?}");
        assert_eq!(status.owned, node.runs, "{status:?}");
        assert!(status.promised.is_empty(), "{status:?}");
    }
}

/// What can happen; most of it is the ordinary course of things.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The oldest message arrives.
    Deliver,
    /// Any message arrives.
    DeliverAny,
    LoseAny,
    /// Tenths of a second.
    Pass,
    Take,
    GiveUp,
    TakePermit,
    ReturnPermit,
    Start,
    Die,
    Pause,
    Resume,
    Rejoin,
    Grow,
    Leave,
}

fn script() -> impl Strategy<Value = Vec<(Event, u8)>> {
    let event = prop_oneof![
        120 => Just(Event::Deliver),
        20 => Just(Event::DeliverAny),
        4 => Just(Event::LoseAny),
        40 => Just(Event::Pass),
        60 => Just(Event::Take),
        20 => Just(Event::GiveUp),
        10 => Just(Event::TakePermit),
        15 => Just(Event::ReturnPermit),
        4 => Just(Event::Start),
        2 => Just(Event::Die),
        2 => Just(Event::Pause),
        4 => Just(Event::Resume),
        2 => Just(Event::Rejoin),
        1 => Just(Event::Grow),
        1 => Just(Event::Leave),
    ];
    prop::collection::vec((event, any::<u8>()), 0..1000)
}

fn step(world: &mut World, event: Event, arg: u8) {
    let arg = usize::from(arg);
    let ids: Vec<u32> = world.nodes.keys().copied().collect();
    let awake = |id: &&u32| !world.nodes[id].paused;
    let awake: Vec<u32> = ids.iter().filter(awake).copied().collect();
    let any_message = arg % world.net.len().max(1);
    match event {
        Event::Deliver => return world.deliver(0),
        Event::DeliverAny => return world.deliver(any_message),
        Event::LoseAny => return world.lose(any_message),
        Event::Pass => return world.pass(Duration::from_millis(10 * arg as u64)),
        Event::Start if ids.len() < 5 => {
            world.start_one(None);
            return;
        }
        _ => {}
    }
    let asleep_too = matches!(event, Event::Die | Event::Resume);
    let Some(&id) = (if asleep_too { &ids } else { &awake }).get(arg % 5) else {
        return;
    };
    match event {
        Event::Take => world.take_event(id),
        Event::GiveUp => world.give_up(id),
        Event::TakePermit => world.take_permit(id),
        Event::ReturnPermit => world.return_permit(id),
        Event::Die => {
            // A static member comes back at once.
            let node = world.nodes.remove(&id).unwrap();
            if let Some(instance) = node.instance {
                world.start_one(Some(&instance));
            }
        }
        Event::Pause | Event::Resume => {
            world.nodes.get_mut(&id).unwrap().paused = matches!(event, Event::Pause);
        }
        Event::Rejoin => world.input(id, Input::Rejoin("asked".into())),
        Event::Grow => {
            world.partitions += 1;
            world.input(id, Input::SubTopologies(subs(world.partitions)));
        }
        Event::Leave if world.nodes[&id].instance.is_none() => {
            world.input(id, Input::Leave { force: false });
            world.nodes.remove(&id);
        }
        _ => {}
    }
}

fn run_script(script: &[(Event, u8)]) -> World {
    let mut world = World::default();
    world.partitions = 6;
    world.start_one(None);
    world.start_one(Some("static"));
    for (event, arg) in script {
        step(&mut world, *event, *arg);
        world.check_exclusive();
    }
    let ids: Vec<u32> = world.nodes.keys().copied().collect();
    for id in ids {
        let subs = subs(world.partitions);
        world.input(id, Input::SubTopologies(subs));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_task_is_ever_with_two_and_in_the_end_each_is_with_one(
        script in script(),
    ) {
        let mut world = run_script(&script);
        // A join of a dead process that arrives late fences the living one, which then ends; its
        // supervisor starts it again.
        world.settle(SESSION);
        let ended = |n: &world::Node| n.member.status().state == "ended";
        let fenced: Vec<u32> = world.nodes.iter().filter(|(_, n)| ended(n)).map(|(id, _)| *id).collect();
        for id in fenced {
            let instance = world.nodes.remove(&id).unwrap().instance;
            world.start_one(instance.as_deref());
        }
        world.settle(ENOUGH);
        assert_settled(&world);
        prop_assert!(world.is_stable(), "a task is with nobody");

        // And then nothing moves any more.
        let generation = world.model.generation;
        let events: usize = world.nodes.values().map(|n| n.log.len()).sum();
        world.settle(ENOUGH);
        assert_settled(&world);
        prop_assert_eq!(world.model.generation, generation);
        prop_assert_eq!(world.nodes.values().map(|n| n.log.len()).sum::<usize>(), events);
    }
}

fn settled(members: usize, instance: impl Fn(usize) -> Option<String>) -> World {
    let mut world = World::default();
    for m in 0..members {
        world.start(config(&subs(9), instance(m).as_deref()));
    }
    world.settle(ENOUGH);
    assert_settled(&world);
    world
}

fn revoked(world: &World) -> BTreeSet<TaskId> {
    let events = world.nodes.values().flat_map(|n| &n.log);
    events
        .filter_map(|event| match event {
            GroupEvent::Revoked { tasks, .. } => Some(tasks.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

fn clear_logs(world: &mut World) {
    world.nodes.values_mut().for_each(|n| n.log.clear());
}

#[test]
fn a_newcomer_stops_only_the_tasks_it_gets() {
    let mut world = settled(3, |_| None);
    clear_logs(&mut world);
    let before = world.model.generation;
    let newcomer = world.start(config(&subs(9), None));
    world.settle(ENOUGH);
    assert_settled(&world);
    assert_eq!(revoked(&world), world.nodes[&newcomer].runs);
    assert_eq!(world.model.generation, before + 2);
    let lost = |e: &GroupEvent| matches!(e, GroupEvent::Lost { .. });
    assert!(!world.nodes.values().flat_map(|n| &n.log).any(lost));
}

#[test]
fn who_leaves_stops_nobody_else() {
    let mut world = settled(3, |_| None);
    clear_logs(&mut world);
    let id = *world.nodes.keys().next().unwrap();
    world.input(id, Input::Leave { force: false });
    let left = world.now;
    while world.nodes[&id].member.status().state != "ended" {
        world.settle(Duration::from_millis(100));
    }
    assert!(
        world.now - left < SESSION / 10,
        "the others waited for the session"
    );
    world.nodes.remove(&id);
    world.settle(Duration::from_secs(6));
    assert_settled(&world);
    assert!(revoked(&world).is_empty());
}

#[test]
fn restarted_static_members_take_their_tasks_up_without_a_rebalance() {
    let mut world = settled(3, |m| Some(format!("i{m}")));
    let generation = world.model.generation;
    let first: Vec<u32> = world.nodes.keys().copied().collect();
    for id in first {
        let old = world.nodes.remove(&id).unwrap();
        world.pass(SESSION / 2);
        let new = world.start(config(&subs(9), old.instance.as_deref()));
        world.settle(SESSION);
        assert_eq!(world.nodes[&new].runs, old.runs);
    }
    assert_settled(&world);
    assert_eq!(world.model.generation, generation);
}

#[test]
fn a_static_member_that_returns_with_more_to_run_is_given_it() {
    let mut world = settled(2, |m| Some(format!("i{m}")));
    let id = *world.nodes.keys().next().unwrap();
    let old = world.nodes.remove(&id).unwrap();
    world.start(config(&subs(12), old.instance.as_deref()));
    world.settle(ENOUGH);
    let all: usize = world.nodes.values().map(|n| n.runs.len()).sum();
    assert_eq!(all, 15);
}

#[test]
fn what_a_static_member_should_have_given_up_is_free_when_it_returns() {
    let mut world = settled(1, |m| Some(format!("i{m}")));
    world.start(config(&subs(9), None));
    // Its tasks are revoked, but the process dies before it has given them up.
    let revoking = |world: &World| {
        let mut nodes = world.nodes.iter();
        nodes
            .find(|(_, n)| n.member.status().state == "revoking")
            .map(|(id, _)| *id)
    };
    while revoking(&world).is_none() {
        if world.net.is_empty() {
            world.pass(Duration::from_millis(100));
        }
        world.deliver(0);
    }
    let id = revoking(&world).unwrap();
    let dead = world.nodes.remove(&id).unwrap();
    world.start(config(&subs(9), dead.instance.as_deref()));
    world.settle(SESSION * 2);
    assert_settled(&world);
    assert_eq!(
        world.nodes.values().map(|n| n.runs.len()).sum::<usize>(),
        12
    );
}

#[test]
fn a_permit_holds_back_the_join_only_until_its_deadline() {
    let mut world = settled(1, |_| None);
    let id = *world.nodes.keys().next().unwrap();
    world.take_permit(id);
    world.input(id, Input::Rejoin("test".into()));
    assert_eq!(world.nodes[&id].member.status().state, "rejoining");
    world.pass(Duration::from_millis(2900));
    assert_eq!(world.nodes[&id].member.status().state, "rejoining");
    world.pass(Duration::from_millis(200));
    assert_eq!(world.nodes[&id].member.status().state, "joining");
    world.settle(ENOUGH);
    assert_settled(&world);
}

#[test]
fn a_revocation_that_takes_too_long_costs_everything() {
    let mut world = settled(1, |_| None);
    let id = *world.nodes.keys().next().unwrap();
    world.start(config(&subs(9), None));
    // The runtime of the first takes no events from here on.
    for _ in 0..200 {
        world.pass(Duration::from_millis(100));
        while !world.net.is_empty() {
            world.deliver(0);
        }
        world.check_exclusive();
    }
    world.settle(ENOUGH);
    assert_settled(&world);
    let lost = world.nodes[&id]
        .log
        .iter()
        .any(|e| matches!(e, GroupEvent::Lost { .. }));
    assert!(lost, "{:?}", world.nodes[&id].log);
}

/// A member that is alone and leader in generation 1, and the time.
fn alone() -> ClassicMember {
    let mut member = ClassicMember::new(config(&subs(2), None));
    let actions = member.handle(Duration::ZERO, Input::Start);
    let [Action::Join(request)] = &actions[..] else {
        panic!("{actions:?}");
    };
    let metadata = request.metadata.clone();
    let joined = Joined {
        generation: 1,
        member: "me".into(),
        leader: "me".into(),
        members: vec![JoinedMember {
            member: "me".into(),
            instance: None,
            metadata,
        }],
        skip_assignment: false,
    };
    let actions = member.handle(Duration::ZERO, Input::Joined(Ok(joined)));
    let [Action::Sync(request)] = &actions[..] else {
        panic!("{actions:?}");
    };
    let bytes = request.assignments[0].1.clone();
    let actions = member.handle(Duration::ZERO, Input::Synced(Ok(bytes)));
    assert!(matches!(
        &actions[..],
        [
            Action::AllowCommits(_),
            Action::Tell(GroupEvent::Assigned(_))
        ]
    ));
    member
}

fn events(actions: Vec<Action>) -> Vec<GroupEvent> {
    let told = actions.into_iter().filter_map(|action| match action {
        Action::Tell(event) => Some(event),
        _ => None,
    });
    told.collect()
}

#[test]
fn heartbeats_go_out_three_times_a_session() {
    let mut member = alone();
    assert_eq!(member.wake_at(), Some(SESSION / 3));
    let actions = member.handle(SESSION / 3, Input::Tick);
    assert!(matches!(&actions[..], [Action::Heartbeat(_)]));
    let _ = member.handle(SESSION / 2, Input::Heartbeat(Ok(())));
    assert_eq!(member.wake_at(), Some(SESSION / 3 * 2));
}

#[test]
fn the_lease_counts_from_the_sending_of_what_was_answered() {
    let mut member = alone();
    let margin = Duration::from_secs(3);
    assert_eq!(member.lease_until(), Some(SESSION - margin));
    let sent = SESSION / 3;
    let _ = member.handle(sent, Input::Tick);
    let _ = member.handle(SESSION / 2, Input::Heartbeat(Ok(())));
    assert_eq!(member.lease_until(), Some(sent + SESSION - margin));
}

#[test]
fn an_answer_that_was_read_a_session_late_does_not_keep_the_membership() {
    let mut member = alone();
    let _ = member.handle(SESSION / 3, Input::Tick);
    let late = SESSION / 3 + SESSION;
    let told = events(member.handle(late, Input::Heartbeat(Ok(()))));
    assert!(matches!(&told[..], [GroupEvent::Lost { .. }]), "{told:?}");
    assert_eq!(member.lease_until(), None);
    assert_eq!(member.status().state, "joining");
}

#[test]
fn silence_for_a_session_is_a_loss() {
    let mut member = alone();
    let unavailable = || Err(TransportError::Unavailable("test".into()).into());
    let mut now = Duration::ZERO;
    loop {
        let actions = member.handle(now, Input::Tick);
        let beat = actions.iter().any(|a| matches!(a, Action::Heartbeat(_)));
        let told = events(actions);
        if !told.is_empty() {
            assert!(matches!(&told[..], [GroupEvent::Lost { .. }]), "{told:?}");
            assert_eq!(now, SESSION);
            break;
        }
        if beat {
            let _ = member.handle(now, Input::Heartbeat(unavailable()));
        }
        now = member.wake_at().unwrap();
    }
}

#[test]
fn what_the_coordinator_says_decides_between_loss_and_end() {
    let heartbeat = |error| {
        let mut member = alone();
        let _ = member.handle(SESSION / 3, Input::Tick);
        let told = events(member.handle(SESSION / 3, Input::Heartbeat(Err(error))));
        (told, member)
    };
    for error in [GroupError::UnknownMember, GroupError::IllegalGeneration] {
        let (told, member) = heartbeat(error.clone());
        assert!(matches!(&told[..], [GroupEvent::Lost { .. }]), "{told:?}");
        // Only who is unknown needs a new id.
        assert_eq!(
            member.status().member.is_empty(),
            error == GroupError::UnknownMember
        );
        assert_eq!(member.status().state, "joining");
    }
    for error in [GroupError::FencedInstance, TransportError::Closed.into()] {
        let (told, member) = heartbeat(error);
        assert!(
            matches!(&told[..], [GroupEvent::Lost { .. }, GroupEvent::Failed(_)]),
            "{told:?}"
        );
        assert_eq!(member.status().state, "ended");
        assert_eq!(member.wake_at(), None);
    }
}

#[test]
fn a_group_of_another_protocol_is_refused_with_the_remedy() {
    let mut member = ClassicMember::new(config(&subs(2), None));
    let _ = member.handle(Duration::ZERO, Input::Start);
    let refusal = Input::Joined(Err(GroupError::InconsistentProtocol));
    let told = events(member.handle(Duration::ZERO, refusal));
    let [GroupEvent::Failed(failure @ MembershipError::InconsistentProtocol { .. })] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert!(
        failure
            .to_string()
            .contains("choose another application id"),
        "{failure}"
    );
}

#[test]
fn joining_is_tried_again_with_growing_pauses() {
    let mut member = ClassicMember::new(config(&subs(2), None));
    let mut now = Duration::ZERO;
    let _ = member.handle(now, Input::Start);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let failed = Input::Joined(Err(TransportError::Unavailable("test".into()).into()));
        let _ = member.handle(now, failed);
        let at = member.wake_at().unwrap();
        pauses.push((at - now).as_millis());
        now = at;
        assert!(matches!(
            &member.handle(now, Input::Tick)[..],
            [Action::Join(_)]
        ));
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn garbage_from_another_member_gets_nothing_and_stops_nobody() {
    let mut member = alone();
    let mut actions = member.handle(Duration::from_secs(1), Input::Rejoin("test".into()));
    actions.extend(member.handle(Duration::from_secs(1), Input::CommitsReturned));
    let Some(Action::Join(request)) = actions.last() else {
        panic!("{actions:?}");
    };
    let of = |id: &str, metadata: &[u8]| JoinedMember {
        member: id.into(),
        instance: None,
        metadata: metadata.to_vec(),
    };
    let joined = Joined {
        generation: 2,
        member: "me".into(),
        leader: "me".into(),
        members: vec![of("me", &request.metadata), of("garbage", b"\x7f\xff")],
        skip_assignment: false,
    };
    let actions = member.handle(Duration::from_secs(1), Input::Joined(Ok(joined)));
    let [Action::Sync(sync)] = &actions[..] else {
        panic!("{actions:?}");
    };
    let bytes = |id: &str| {
        sync.assignments
            .iter()
            .find(|(m, _)| m == id)
            .unwrap()
            .1
            .clone()
    };
    let garbage = crate::membership::wire::Assigned::decode(&bytes("garbage")).unwrap();
    assert!(garbage.tasks.active.is_empty() && garbage.tasks.standby.is_empty());
    let told = events(member.handle(Duration::from_secs(1), Input::Synced(Ok(bytes("me")))));
    let [GroupEvent::Assigned(assigned)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((assigned.active.len(), assigned.added.len()), (5, 0));
}
