//! What people order of an agent here, and how its lanes are.

use faustus_core::{Clock, Offset, TopicPartition};

use super::{LaneSlot, Running};
use crate::{
    EventEnd,
    runtime::{
        lane::InFlight,
        status::{LaneState, LaneStatus, wall},
    },
};

/// What people order of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentOrder {
    /// End its instances; new ones get what they had in hand.
    Restart,
    /// Take no more events.
    Pause,
    /// Take events again.
    Resume,
}

impl Running {
    /// Obeys an order about the agent of this name, if there is one here.
    pub(crate) fn order(&mut self, agent: &str, order: AgentOrder) {
        if self.draining {
            return;
        }
        for lane in &mut self.lanes {
            if *lane.core.agent != *agent {
                continue;
            }
            match order {
                AgentOrder::Restart => lane.restart(),
                AgentOrder::Pause => lane.core.pause(true),
                AgentOrder::Resume => lane.core.pause(false),
            }
        }
    }

    /// Adds how the lanes are.
    pub(crate) fn lanes(&self, statuses: &mut Vec<LaneStatus>) {
        let clock = &*self.outside.clock;
        for lane in &self.lanes {
            statuses.push(LaneStatus {
                agent: lane.core.agent.to_string(),
                task: self.core.id.clone(),
                lane: lane.core.lane,
                taken: lane.core.taken(),
                state: self.state_of(lane, clock),
            });
        }
    }

    fn state_of(&self, lane: &LaneSlot, clock: &dyn Clock) -> LaneState {
        let event = lane.core.current();
        if let Some(retry) = &lane.retry {
            return LaneState::Retrying {
                record: event.map(|event| self.place(&event)),
                failures: retry.failures,
                error: retry.error.to_string(),
                at: wall(clock, retry.at),
            };
        }
        let in_hand = event.filter(|_| {
            lane.instance.is_some() && lane.core.failure().is_none() && !lane.core.gives_again()
        });
        if let Some(event) = in_hand {
            let (partition, offset) = self.place(&event);
            return LaneState::InEvent {
                partition,
                offset,
                since: wall(clock, lane.taken.1),
            };
        }
        match &self.parked {
            Some(parked) => LaneState::Parked {
                reason: parked.reason.clone(),
                record: parked.record.clone(),
            },
            None if lane.core.is_paused() => LaneState::Paused,
            None => match self.core.full_channel() {
                Some(channel) => LaneState::WaitingForRoom(channel),
                None if lane.core.waits_for_turn() => LaneState::WaitingForTurn,
                None => LaneState::Waiting,
            },
        }
    }

    fn place(&self, event: &InFlight) -> (TopicPartition, Offset) {
        let record = event.writer();
        let sources = self.core.sources();
        let partition = sources[record.source as usize].partition.clone();
        (partition, record.offset)
    }
}

impl LaneSlot {
    /// Ends the instance; another one starts and gets the event in flight again, in its time.
    fn restart(&mut self) {
        self.instance = None;
        self.started = false;
        (self.idle_ends, self.lone_failures) = (0, 0);
        // What failed waits for its attempt or for somebody to resume it.
        if self.retry.is_none() && self.core.failure().is_none() {
            self.core.roll_back();
            self.core.watch_current(EventEnd::TakenAway);
            self.core.give_again();
        }
        self.core.wake();
    }
}
