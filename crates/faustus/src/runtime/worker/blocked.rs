//! Tells of lanes that do not give their thread back: code that computes for long, or waits without an
//! `.await`. All other lanes of the thread stand still meanwhile, and nothing of them is committed.
//!
//! It looks from outside, at the threads' pulses, so a lane costs nothing by being watched. It only
//! tells. What a blocked thread means for others, heartbeats and rebalances do not depend on it.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use faustus_core::Clock;

use super::{RecoveryContext, Thread};
use crate::{
    membership::TaskId,
    runtime::{os_thread, status::Pulse},
    time::rounded,
};

/// A thread that is watched.
struct Watched {
    name: String,
    pulse: Arc<Pulse>,
    vigil: Vigil,
}

/// Watches `threads` for lanes that hold them for longer than `after`, until it is dropped.
pub(super) fn watch(
    threads: &[Thread],
    after: Duration,
    recovery: RecoveryContext,
) -> impl Future<Output = ()> + Send + 'static {
    let mut watched: Vec<_> = (threads.iter().enumerate())
        .map(|(index, thread)| Watched {
            name: super::thread_name(index),
            pulse: Arc::clone(&thread.pulse),
            vigil: Vigil::new(after),
        })
        .collect();
    let clock: Arc<dyn Clock> = Arc::clone(&recovery.clock);
    async move {
        loop {
            clock.sleep(after / 4).await;
            for thread in &mut watched {
                let polled = thread.pulse.polled();
                match thread.vigil.look(polled, clock.monotonic()) {
                    Some(Said::Blocks { task, lane, held }) => {
                        tell(&recovery, thread, &task, lane, held);
                    }
                    Some(Said::GoesOn { held }) => {
                        let held = rounded(held);
                        tracing::info!(thread = thread.name, ?held, "the blocked thread goes on");
                    }
                    None => {}
                }
            }
        }
    }
}

/// What there is to say of a thread.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// This lane has held it for so long.
    Blocks {
        task: TaskId,
        lane: usize,
        held: Duration,
    },
    /// The lane that was told of has given it back.
    GoesOn { held: Duration },
}

/// When something is said of a thread: once it is held for too long, again each time that has doubled,
/// and when that is over.
#[derive(Debug)]
struct Vigil {
    after: Duration,
    /// Since when the thread is held, when that is told next, and how long it was held when last seen.
    held: Option<(Duration, Duration, Duration)>,
}

impl Vigil {
    fn new(after: Duration) -> Self {
        Self { after, held: None }
    }

    /// Looks at what a thread polls, and since when.
    fn look(&mut self, polled: Option<(TaskId, usize, Duration)>, now: Duration) -> Option<Said> {
        let since = polled.as_ref().map(|(_, _, since)| *since);
        if let Some((before, _, seen)) = self.held
            && since != Some(before)
        {
            self.held = None;
            return Some(Said::GoesOn { held: seen });
        }
        let (task, lane, since) = polled?;
        let held = now.saturating_sub(since);
        let next = self.held.map_or(self.after, |(_, next, _)| next);
        if held < next {
            if let Some((_, _, seen)) = &mut self.held {
                *seen = held;
            }
            return None;
        }
        self.held = Some((since, held * 2, held));
        Some(Said::Blocks { task, lane, held })
    }
}

fn tell(recovery: &RecoveryContext, thread: &Watched, task: &TaskId, lane: usize, held: Duration) {
    let lanes = recovery.lanes(task);
    let Some((agent, lane)) = lanes.get(lane) else {
        return;
    };
    let mut agents = recovery.def.agents.iter();
    let function = agents
        .find(|def| *def.name == **agent)
        .map(|def| def.function);
    let mut remedy = "give what blocks or computes to `faustus::blocking`".to_owned();
    if let Some(os) = thread.pulse.os_thread() {
        let pid = std::process::id();
        let _ = write!(
            remedy,
            "; its stack is that of LWP {os} in `gdb --batch -p {pid} -ex 'thread apply all bt'`"
        );
    }
    let held = rounded(held);
    let state = thread.pulse.os_thread().and_then(os_thread::doing);
    tracing::warn!(
        agent, function, %task, lane, thread = thread.name, ?held, state, remedy,
        "an agent blocks its thread and all other lanes there"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn lane(since: Duration) -> Option<(TaskId, usize, Duration)> {
        Some((TaskId::new("count", 3), 1, since))
    }

    fn blocks(held: Duration) -> Option<Said> {
        let task = TaskId::new("count", 3);
        Some(Said::Blocks {
            task,
            lane: 1,
            held,
        })
    }

    #[test]
    fn a_lane_that_holds_its_thread_is_told_of_again_when_the_time_has_doubled() {
        let mut vigil = Vigil::new(secs(10));
        let polled = || lane(secs(100));
        assert_eq!(vigil.look(polled(), secs(109)), None);
        assert_eq!(vigil.look(polled(), secs(111)), blocks(secs(11)));
        assert_eq!(vigil.look(polled(), secs(121)), None);
        assert_eq!(vigil.look(polled(), secs(122)), blocks(secs(22)));
        assert_eq!(vigil.look(polled(), secs(143)), None);
    }

    #[test]
    fn the_end_of_a_blockade_is_told_with_its_length() {
        let mut vigil = Vigil::new(secs(10));
        assert_eq!(vigil.look(lane(secs(100)), secs(110)), blocks(secs(10)));
        assert_eq!(vigil.look(lane(secs(100)), secs(115)), None);
        let over = Some(Said::GoesOn { held: secs(15) });
        assert_eq!(vigil.look(None, secs(116)), over);
        assert_eq!(vigil.look(None, secs(117)), None);
    }

    #[test]
    fn a_lane_that_is_polled_often_blocks_nothing() {
        let mut vigil = Vigil::new(secs(10));
        for second in 0..100 {
            assert_eq!(vigil.look(lane(secs(second)), secs(second + 1)), None);
        }
    }
}
