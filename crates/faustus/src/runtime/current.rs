//! Which lane the thread is polling, for what is called from within an agent.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use faustus_core::TopicPartition;

use super::lane::LaneCore;

thread_local! {
    static CURRENT: RefCell<Option<Rc<LaneCore>>> = const { RefCell::new(None) };
}

/// Calls `poll`, during which `lane` is the current one.
pub(crate) fn in_lane<R>(lane: &Rc<LaneCore>, poll: impl FnOnce() -> R) -> R {
    struct Reset(Option<Rc<LaneCore>>);
    impl Drop for Reset {
        fn drop(&mut self) {
            let inner = CURRENT.replace(self.0.take());
            drop(inner);
        }
    }
    let _reset = Reset(CURRENT.replace(Some(Rc::clone(lane))));
    poll()
}

/// The agent that has an event in hand whose task reads `partition` too, if one is being polled.
///
/// What it sends there and waits for would wait for that event: nothing of a later event of the task
/// leaves before all earlier ones are done, whatever lane does it.
pub(crate) fn own_turn(partition: &TopicPartition) -> Option<Arc<str>> {
    CURRENT.with_borrow(|current| {
        let lane = current.as_ref().filter(|lane| lane.has_event())?;
        let sources = lane.task.sources();
        let reads = sources.iter().any(|source| source.partition == *partition);
        reads.then(|| Arc::clone(&lane.agent))
    })
}
