//! Two members, and from every moment of an ordinary course everything that can happen in a few
//! steps, one misfortune among them: no task is ever with two, and in the end each is with one.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use super::{
    ENOUGH, Input, assert_settled,
    world::{Node, SESSION, World},
};

/// How many partitions the first sub-topology has.
const PARTITIONS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// A message arrives, perhaps before older ones.
    Deliver(usize),
    Take(u32),
    GiveUp(u32),
    TakePermit(u32),
    ReturnPermit(u32),
    /// Time passes, perhaps though messages are under way.
    Pass(Duration),
    Misfortune(Misfortune),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misfortune {
    Lose(usize),
    /// For a session nobody does anything.
    Sleep,
    Die(u32),
    Rejoin(u32),
    Leave(u32),
}

/// All that can happen now.
fn choices(world: &World, slow: Option<u32>) -> Vec<Choice> {
    let mut choices = vec![ordinary(world, slow)];
    let mut add = |choice| {
        if !choices.contains(&choice) {
            choices.push(choice);
        }
    };
    for (id, node) in &world.nodes {
        let can = [
            (!node.permits.is_empty(), Choice::ReturnPermit(*id)),
            (node.may_commit(), Choice::TakePermit(*id)),
            (!node.events.is_empty(), Choice::Take(*id)),
            (!node.revoking.is_empty(), Choice::GiveUp(*id)),
            (true, Choice::Misfortune(Misfortune::Die(*id))),
            (true, Choice::Misfortune(Misfortune::Rejoin(*id))),
            (
                node.instance.is_none(),
                Choice::Misfortune(Misfortune::Leave(*id)),
            ),
        ];
        can.into_iter()
            .filter(|(can, _)| *can)
            .for_each(|(_, choice)| add(choice));
    }
    for message in 0..world.net.len() {
        add(Choice::Deliver(message));
        add(Choice::Misfortune(Misfortune::Lose(message)));
    }
    add(Choice::Pass(world.idle()));
    add(Choice::Misfortune(Misfortune::Sleep));
    choices
}

/// How long a slow runtime takes to do what it is told: a little less than it may.
const SLOWLY: Duration = Duration::from_millis(3900);

/// What happens next if all goes well, though one runtime may be `slow`; commits run until they are
/// held.
fn ordinary(world: &World, slow: Option<u32>) -> Choice {
    let mut idle = world.idle();
    for (id, node) in &world.nodes {
        if node.gate.is_none() && !node.permits.is_empty() {
            return Choice::ReturnPermit(*id);
        }
        if node.may_commit() {
            return Choice::TakePermit(*id);
        }
        let next = if !node.events.is_empty() {
            Choice::Take(*id)
        } else if !node.revoking.is_empty() {
            Choice::GiveUp(*id)
        } else {
            continue;
        };
        let at = match slow == Some(*id) {
            true => node.told + SLOWLY,
            false => world.now,
        };
        if at <= world.now {
            return next;
        }
        idle = idle.min(at - world.now);
    }
    match world.net.is_empty() {
        true => Choice::Pass(idle),
        false => Choice::Deliver(0),
    }
}

fn choose(world: &mut World, choice: Choice) {
    match choice {
        Choice::Deliver(message) => world.deliver(message),
        Choice::Take(id) => world.take_event(id),
        Choice::GiveUp(id) => world.give_up(id),
        Choice::TakePermit(id) => world.take_permit(id),
        Choice::ReturnPermit(id) => world.return_permit(id),
        Choice::Pass(time) => world.pass(time),
        Choice::Misfortune(Misfortune::Lose(message)) => world.lose(message),
        Choice::Misfortune(Misfortune::Sleep) => world.pass(SESSION),
        Choice::Misfortune(Misfortune::Die(id)) => {
            let node = world.nodes.remove(&id).unwrap();
            if let Some(instance) = node.instance {
                world.start_one(Some(&instance));
            }
        }
        Choice::Misfortune(Misfortune::Rejoin(id)) => {
            world.input(id, Input::Rejoin("asked".into()));
        }
        Choice::Misfortune(Misfortune::Leave(id)) => {
            world.input(id, Input::Leave { force: false });
            world.nodes.remove(&id);
        }
    }
    world.check_exclusive();
}

/// Everything that can happen from some moments on.
#[derive(Default)]
struct Exploration {
    /// Whose runtime takes its time.
    slow: Option<u32>,
    /// The states seen, with how many misfortunes were left, and how many steps then.
    seen: HashMap<(u64, u8), usize>,
    /// How many different ends were reached, all of which came out well.
    ends: usize,
}

impl Exploration {
    fn explore(&mut self, world: &World, script: &mut Vec<Choice>, steps: usize, misfortunes: u8) {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let state = (hasher.hash_one(format!("{world:?}")), misfortunes);
        if self.seen.get(&state).is_some_and(|seen| *seen >= steps) {
            return;
        }
        self.seen.insert(state, steps);
        if steps == 0 {
            self.ends += 1;
            let _told = Script(script);
            return self.check_end(world.clone());
        }
        for choice in choices(world, self.slow) {
            let left = match choice {
                Choice::Misfortune(_) if misfortunes == 0 => continue,
                Choice::Misfortune(_) => misfortunes - 1,
                _ => misfortunes,
            };
            script.push(choice);
            let next = {
                let _told = Script(script);
                let mut next = world.clone();
                choose(&mut next, choice);
                next
            };
            self.explore(&next, script, steps - 1, left);
            script.pop();
        }
    }

    /// From here on all goes well.
    fn check_end(&self, mut world: World) {
        let until = world.now + SESSION;
        while world.now < until {
            let next = ordinary(&world, self.slow);
            choose(&mut world, next);
        }
        // A join of a dead process that arrives late fences the living one, as with the random
        // scripts.
        let ended = |n: &Node| n.member.status().state == "ended";
        let fenced = world.nodes.iter().filter(|(_, n)| ended(n));
        for id in fenced.map(|(id, _)| *id).collect::<Vec<u32>>() {
            let instance = world.nodes.remove(&id).unwrap().instance;
            world.start_one(instance.as_deref());
        }
        let deadline = world.now + ENOUGH;
        while world.now < deadline && !world.is_stable() {
            world.settle(SESSION);
        }
        assert_settled(&world);
        assert!(world.is_stable(), "a task is with nobody");
    }
}

/// Tells which script it was if it fails.
struct Script<'a>(&'a [Choice]);

impl Drop for Script<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}", self.0);
        }
    }
}

/// The moments from now on until all is settled and has been for a while.
fn course(world: &mut World, slow: Option<u32>, moments: &mut Vec<World>) {
    let end = world.now + 2 * SESSION;
    while world.now < end {
        moments.push(world.clone());
        let next = ordinary(world, slow);
        choose(world, next);
    }
    assert_settled(world);
}

/// How many ends there are within `steps` of any moment in the life of two members, of which the
/// runtime of the `slow` one takes its time.
fn explore(instances: [Option<&str>; 2], slow: Option<u32>, steps: usize) -> usize {
    let mut moments = Vec::new();
    let mut world = World::default();
    world.partitions = PARTITIONS;
    let first = world.start_one(instances[0]);
    course(&mut world, slow, &mut moments);
    world.start_one(instances[1]);
    course(&mut world, slow, &mut moments);
    choose(&mut world, Choice::Misfortune(Misfortune::Die(first)));
    course(&mut world, slow, &mut moments);
    let mut exploration = Exploration {
        slow,
        ..Exploration::default()
    };
    for moment in &moments {
        exploration.explore(moment, &mut Vec::new(), steps, 1);
    }
    exploration.ends
}

#[test]
fn whatever_happens_in_a_few_steps_no_task_is_with_two_and_in_the_end_each_is_with_one() {
    let ends = explore([None, None], None, 2);
    assert!(ends > 2_000, "only {ends}");
}

#[test]
fn whatever_happens_while_a_runtime_takes_its_time_is_as_harmless() {
    for slow in [1, 2] {
        let ends = explore([None, None], Some(slow), 2);
        assert!(ends > 2_000, "only {ends}");
    }
}

#[test]
fn whatever_happens_to_static_members_in_a_few_steps_is_as_harmless() {
    let ends = explore([Some("one"), Some("two")], None, 2);
    assert!(ends > 2_000, "only {ends}");
}
