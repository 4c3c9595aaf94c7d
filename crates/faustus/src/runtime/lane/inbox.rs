//! What was delivered to a lane and not taken, in the order of delivery.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use bytes::Bytes;
use faustus_core::{Batch, RecordRef};

use crate::{
    key::lane_of,
    runtime::{
        retirement::Number,
        slots::{EventId, Writer},
    },
};

/// A fetched batch as the task numbered it.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) batch: Batch,
    /// The index of the source partition in the task.
    pub(crate) source: u32,
    /// The number of the first record.
    pub(crate) base: Number,
}

/// A record in the hands of a lane.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    delivery: Rc<Delivery>,
    index: u32,
    agent: u16,
}

impl InFlight {
    pub(crate) fn number(&self) -> Number {
        self.delivery.base + Number::from(self.index)
    }

    /// What this agent does with the record, told from what others do.
    pub(crate) fn id(&self) -> EventId {
        EventId::new(self.number(), self.agent)
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer {
            source: self.delivery.source,
            offset: self.record().offset(),
            agent: self.agent,
        }
    }

    #[inline]
    pub(crate) fn record(&self) -> RecordRef<'_> {
        self.delivery.batch.get(self.index as usize)
    }

    /// The batch that holds its record, and where.
    pub(crate) fn place(&self) -> (&Batch, usize) {
        (&self.delivery.batch, self.index as usize)
    }

    /// The memory in which the record lies.
    #[inline]
    pub(crate) fn memory(&self) -> &Bytes {
        self.delivery.batch.memory()
    }

    /// The place of its partition among the task's sources.
    pub(crate) fn source(&self) -> u32 {
        self.delivery.source
    }
}

/// The part of a delivery that belongs to a lane.
#[derive(Debug)]
struct Slice {
    delivery: Rc<Delivery>,
    /// The indices of the records, all of them if `None`.
    picked: Option<Vec<u32>>,
    next: usize,
    len: usize,
}

impl Slice {
    fn head(&self) -> u32 {
        match &self.picked {
            Some(picked) => picked[self.next],
            None => u32::try_from(self.next).unwrap_or(u32::MAX),
        }
    }
}

/// Events that were delivered and not taken: those of one lane, or of all lanes of an agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    slices: Rc<RefCell<VecDeque<Slice>>>,
    shared: bool,
}

impl Inbox {
    /// For lanes that take events as they come.
    pub(crate) fn shared() -> Self {
        Self {
            shared: true,
            ..Self::default()
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.slices.borrow().is_empty()
    }

    /// Takes in the records of `delivery` that route to this of `lanes` lanes; whether there are any.
    pub(super) fn deliver(&self, delivery: &Rc<Delivery>, lane: u32, lanes: u32) -> bool {
        let all = delivery.batch.len();
        if self.shared && lane > 0 {
            // The first lane takes all.
            return all > 0;
        }
        let picked = (lanes > 1 && !self.shared).then(|| {
            let routes_here = |record: RecordRef<'_>| match record.key() {
                Some(key) => lane_of(key, lanes) == lane,
                None => record.offset().0.rem_euclid(i64::from(lanes)) == i64::from(lane),
            };
            let records = delivery.batch.iter().zip(0_u32..);
            records
                .filter(|(record, _)| routes_here(*record))
                .map(|(_, i)| i)
                .collect::<Vec<_>>()
        });
        let len = picked.as_ref().map_or(all, Vec::len);
        if len > 0 {
            self.slices.borrow_mut().push_back(Slice {
                delivery: Rc::clone(delivery),
                picked,
                next: 0,
                len,
            });
        }
        len > 0
    }

    /// The number of the next event.
    #[inline]
    pub(super) fn head(&self) -> Option<Number> {
        let slices = self.slices.borrow();
        slices
            .front()
            .map(|slice| slice.delivery.base + Number::from(slice.head()))
    }

    /// Puts an event back that will be taken next.
    pub(super) fn put_back(&self, event: InFlight) {
        self.slices.borrow_mut().push_front(Slice {
            delivery: event.delivery,
            picked: Some(vec![event.index]),
            next: 0,
            len: 1,
        });
    }

    /// The next event, for the agent at this place.
    #[inline]
    pub(super) fn pop(&self, agent: u16) -> Option<InFlight> {
        let mut slices = self.slices.borrow_mut();
        let slice = slices.front_mut()?;
        let index = slice.head();
        slice.next += 1;
        if slice.next < slice.len {
            return Some(InFlight {
                delivery: Rc::clone(&slice.delivery),
                index,
                agent,
            });
        }
        slices.pop_front().map(|slice| InFlight {
            delivery: slice.delivery,
            index,
            agent,
        })
    }
}
