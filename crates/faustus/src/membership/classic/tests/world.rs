//! Several members, their runtimes and a coordinator on a network that loses, delays and reorders.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use faustus_core::{GroupError, GroupIdentity, TransportError};

use super::super::{Action, ClassicMember, Input, MemberConfig};
use super::model::{Model, Ticket};
use crate::membership::{GroupEvent, SubTopology, TaskId};

pub(super) const SESSION: Duration = Duration::from_secs(10);

pub(super) fn config(subtopologies: &[SubTopology], instance: Option<&str>) -> MemberConfig {
    MemberConfig {
        instance: instance.map(Into::into),
        session_timeout: SESSION,
        rebalance_timeout: Duration::from_secs(12),
        revoke_timeout: Duration::from_secs(4),
        commit_timeout: Duration::from_secs(3),
        standby_replicas: 1,
        ..MemberConfig::new("group", subtopologies.to_vec())
    }
}

/// Two sub-topologies, the first with `partitions`, the second with three.
pub(super) fn subs(partitions: u32) -> Vec<SubTopology> {
    let sub = |name: &str, partitions, stateful| SubTopology {
        name: name.into(),
        topics: vec![name.into()],
        smaller: BTreeMap::default(),
        partitions,
        stateful,
    };
    vec![sub("a", partitions, true), sub("b", 3, false)]
}

/// A worker: the member, and what a runtime would make of its events.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) member: ClassicMember,
    pub(super) instance: Option<String>,
    /// What the runtime runs, revoked tasks that it is giving up included.
    pub(super) runs: BTreeSet<TaskId>,
    pub(super) revoking: VecDeque<(i32, BTreeSet<TaskId>)>,
    pub(super) events: VecDeque<GroupEvent>,
    /// All events that the runtime has taken.
    pub(super) log: Vec<GroupEvent>,
    /// When the runtime was told something last.
    pub(super) told: Duration,
    pub(super) gate: Option<GroupIdentity>,
    term: u32,
    pub(super) permits: Vec<(u32, GroupIdentity)>,
    draining: bool,
    lost_untaken: usize,
    main: Option<Ticket>,
    beat: Option<Ticket>,
    /// A paused process does nothing, but what it has under way still counts.
    pub(super) paused: bool,
}

impl Node {
    /// Whether its runtime could begin a commit, and has none running.
    pub(super) fn may_commit(&self) -> bool {
        self.gate.is_some() && self.lost_untaken == 0 && self.permits.is_empty()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Message {
    Call(Ticket, Action),
    Answer(Ticket, Input),
}

#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) model: Model,
    pub(super) nodes: BTreeMap<u32, Node>,
    pub(super) net: VecDeque<Message>,
    /// How many partitions the first sub-topology has now.
    pub(super) partitions: u32,
    owners: BTreeMap<Ticket, u32>,
    tickets: Ticket,
    started: u32,
}

impl World {
    pub(super) fn start(&mut self, config: MemberConfig) -> u32 {
        self.started += 1;
        let node = Node {
            instance: config.instance.clone(),
            member: ClassicMember::new(config),
            runs: BTreeSet::new(),
            revoking: VecDeque::new(),
            events: VecDeque::new(),
            log: Vec::new(),
            told: Duration::ZERO,
            gate: None,
            term: 0,
            permits: Vec::new(),
            draining: false,
            lost_untaken: 0,
            main: None,
            beat: None,
            paused: false,
        };
        self.nodes.insert(self.started, node);
        self.input(self.started, Input::Start);
        self.started
    }

    /// Starts a member that knows of as many partitions as there are.
    pub(super) fn start_one(&mut self, instance: Option<&str>) -> u32 {
        self.start(config(&subs(self.partitions), instance))
    }

    pub(super) fn input(&mut self, id: u32, input: Input) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        for action in node.member.handle(self.now, input) {
            self.act(id, action);
        }
    }

    fn act(&mut self, id: u32, action: Action) {
        let node = self.nodes.get_mut(&id).unwrap();
        match action {
            Action::Join(_) | Action::Sync(_) | Action::Leave(_) | Action::Heartbeat(_) => {
                self.tickets += 1;
                if matches!(action, Action::Heartbeat(_)) {
                    node.beat = Some(self.tickets);
                } else {
                    node.main = Some(self.tickets);
                    node.beat = None;
                }
                self.owners.insert(self.tickets, id);
                self.net.push_back(Message::Call(self.tickets, action));
            }
            Action::HoldCommits => {
                node.gate = None;
                node.draining = true;
                self.check_drained(id);
            }
            Action::VoidCommits => {
                node.gate = None;
                node.draining = false;
            }
            Action::AllowCommits(identity) => {
                assert!(node.gate.is_none(), "allowed twice");
                node.gate = Some(identity);
                node.term += 1;
            }
            Action::Tell(event) => {
                node.lost_untaken += usize::from(matches!(event, GroupEvent::Lost { .. }));
                node.events.push_back(event);
                node.told = self.now;
            }
        }
    }

    fn check_drained(&mut self, id: u32) {
        let node = self.nodes.get_mut(&id).unwrap();
        if node.draining && node.permits.iter().all(|(term, _)| *term < node.term) {
            node.draining = false;
            self.input(id, Input::CommitsReturned);
        }
    }

    /// Delivers message `index` of those under way.
    pub(super) fn deliver(&mut self, index: usize) {
        match self.net.remove(index) {
            Some(Message::Call(ticket, call)) => {
                self.model.call(self.now, ticket, call);
                self.collect();
            }
            Some(Message::Answer(ticket, answer)) => self.answer(ticket, answer),
            None => {}
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Input) {
        let id = self.owners[&ticket];
        if let Some(node) = self.nodes.get_mut(&id) {
            let slot = if matches!(answer, Input::Heartbeat(_)) {
                &mut node.beat
            } else {
                &mut node.main
            };
            if node.paused {
                self.net.push_back(Message::Answer(ticket, answer));
            } else if *slot == Some(ticket) {
                *slot = None;
                self.input(id, answer);
            }
        }
    }

    fn collect(&mut self) {
        let answers = self.model.answers.drain(..);
        self.net
            .extend(answers.map(|(ticket, answer)| Message::Answer(ticket, answer)));
    }

    /// Loses message `index`; the caller learns it as an error, perhaps not knowing the outcome.
    pub(super) fn lose(&mut self, index: usize) {
        let unknown = || GroupError::from(TransportError::OutcomeUnknown("lost".into()));
        let unavailable = || GroupError::from(TransportError::Unavailable("lost".into()));
        let (ticket, error) = match self.net.remove(index) {
            Some(Message::Call(ticket, Action::Join(_))) => {
                (ticket, Input::Joined(Err(unavailable())))
            }
            Some(Message::Call(ticket, Action::Sync(_))) => {
                (ticket, Input::Synced(Err(unavailable())))
            }
            Some(Message::Call(ticket, Action::Leave(_))) => {
                (ticket, Input::Left(Err(unavailable())))
            }
            Some(Message::Call(ticket, _)) => (ticket, Input::Heartbeat(Err(unavailable()))),
            Some(Message::Answer(ticket, answer)) => {
                let error = match answer {
                    Input::Joined(_) => Input::Joined(Err(unknown())),
                    Input::Synced(_) => Input::Synced(Err(unknown())),
                    Input::Heartbeat(_) => Input::Heartbeat(Err(unknown())),
                    _ => Input::Left(Err(unknown())),
                };
                (ticket, error)
            }
            None => return,
        };
        self.net.push_back(Message::Answer(ticket, error));
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.model.tick(self.now);
        self.collect();
        let due: Vec<u32> = self
            .nodes
            .iter()
            .filter(|(_, n)| !n.paused && n.member.wake_at().is_some_and(|at| at <= self.now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.input(id, Input::Tick);
        }
    }

    /// How long nothing will happen by itself but what is on the network.
    pub(super) fn idle(&self) -> Duration {
        let awake = self.nodes.values().filter(|n| !n.paused);
        let members = awake.filter_map(|n| n.member.wake_at());
        let due = members.chain(self.model.wake_at()).min();
        due.map_or(SESSION, |due| due.saturating_sub(self.now))
    }

    /// The runtime of `id` takes its next event.
    pub(super) fn take_event(&mut self, id: u32) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let Some(event) = node.events.pop_front() else {
            return;
        };
        match &event {
            GroupEvent::Assigned(assigned) => {
                assert!(node.runs.is_disjoint(&assigned.added), "added what runs");
                node.runs.extend(assigned.added.iter().cloned());
                assert!(assigned.active.is_subset(&node.runs), "runs less than told");
            }
            GroupEvent::Revoked { generation, tasks } => {
                assert!(tasks.is_subset(&node.runs), "revoked what does not run");
                node.revoking.push_back((*generation, tasks.clone()));
            }
            GroupEvent::Lost { .. } => {
                node.lost_untaken -= 1;
                node.runs.clear();
                node.revoking.clear();
            }
            GroupEvent::Left => node.runs.clear(),
            GroupEvent::Failed(_) => assert!(node.runs.is_empty(), "failed without loss"),
        }
        node.log.push(event);
    }

    /// The runtime of `id` has given up what was revoked first.
    pub(super) fn give_up(&mut self, id: u32) {
        if let Some(node) = self.nodes.get_mut(&id)
            && let Some((generation, tasks)) = node.revoking.pop_front()
        {
            node.runs.retain(|task| !tasks.contains(task));
            self.input(id, Input::RevocationDone(generation));
        }
    }

    pub(super) fn take_permit(&mut self, id: u32) {
        if let Some(node) = self.nodes.get_mut(&id)
            && let Some(identity) = node.gate.clone()
            && node.lost_untaken == 0
        {
            node.permits.push((node.term, identity));
        }
    }

    pub(super) fn return_permit(&mut self, id: u32) {
        if let Some(node) = self.nodes.get_mut(&id)
            && !node.permits.is_empty()
        {
            node.permits.remove(0);
            self.check_drained(id);
        }
    }

    /// Whether all members have what they should, and as many tasks run as there are.
    pub(super) fn is_stable(&self) -> bool {
        let tasks: u32 = subs(self.partitions).iter().map(|sub| sub.partitions).sum();
        let runs = self.nodes.values().map(|n| n.runs.len()).sum::<usize>();
        let stable = |n: &Node| n.member.status().state == "stable";
        self.nodes.is_empty() || runs == tasks as usize && self.nodes.values().all(stable)
    }

    /// No task is with two workers that could both commit now.
    pub(super) fn check_exclusive(&self) {
        let mut owner: BTreeMap<&TaskId, u32> = BTreeMap::new();
        for (id, node) in &self.nodes {
            let open = node.gate.iter().filter(|_| node.lost_untaken == 0);
            let mut identities = open.chain(node.permits.iter().map(|(_, identity)| identity));
            if identities.any(|identity| self.model.accepts(identity)) {
                for task in &node.runs {
                    if let Some(other) = owner.insert(task, *id) {
                        panic!(
                            "{task} is with {other} and {id} in {}",
                            self.model.generation
                        );
                    }
                }
            }
        }
    }

    /// Lets everything go well for `time`: all messages arrive in order, runtimes answer at once.
    pub(super) fn settle(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            loop {
                let ids: Vec<u32> = self.nodes.keys().copied().collect();
                for id in ids {
                    if let Some(node) = self.nodes.get_mut(&id) {
                        node.paused = false;
                    }
                    while self.nodes.get(&id).is_some_and(|n| !n.permits.is_empty()) {
                        self.return_permit(id);
                    }
                    while self.nodes.get(&id).is_some_and(|n| !n.events.is_empty()) {
                        self.take_event(id);
                    }
                    while self.nodes.get(&id).is_some_and(|n| !n.revoking.is_empty()) {
                        self.give_up(id);
                    }
                }
                self.check_exclusive();
                if self.net.is_empty() {
                    break;
                }
                self.deliver(0);
            }
            let least = Duration::from_millis(1);
            self.pass(self.idle().max(least).min(end - self.now));
        }
    }
}
