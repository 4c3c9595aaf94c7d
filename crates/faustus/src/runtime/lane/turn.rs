//! Whose turn it is among lanes that write the same table.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use super::LaneCore;

/// The order among lanes that write the same table.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(super) lanes: RefCell<Vec<Weak<LaneCore>>>,
    /// One of the lanes has an event in flight.
    pub(super) busy: Cell<bool>,
}

impl Turn {
    /// Whether `lane` may take its head: nobody is at work, and no other head is lower.
    pub(super) fn is_of(&self, lane: &LaneCore) -> bool {
        !self.busy.get() && self.first().is_none_or(|first| std::ptr::eq(&*first, lane))
    }

    pub(super) fn wake_first(&self) {
        if let Some(first) = self.first() {
            first.wake();
        }
    }

    fn first(&self) -> Option<Rc<LaneCore>> {
        let lanes = self.lanes.borrow();
        let heads = lanes.iter().filter_map(|lane| {
            let lane = lane.upgrade()?;
            Some((lane.inbox.head()?, lane))
        });
        heads.min_by_key(|(head, _)| *head).map(|(_, lane)| lane)
    }
}
