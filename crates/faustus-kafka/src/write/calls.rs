//! Counting what became of the records of each publish.
//!
//! A record carries a number through librdkafka, its *delivery token*, that names its call and its
//! place in it, so that a report costs no allocation and no look-up beyond an index. A call is
//! finished when each of its tokens came back exactly once. It never knows what a failure means for
//! the transaction.

use faustus_core::Offset;

use crate::native::{Delivery, Undelivered};

/// Publishes that wait for reports.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Vec<Option<Call>>,
    free: Vec<usize>,
    /// Calls of which nothing is open any more.
    finished: Vec<usize>,
    /// Records of all calls that are open.
    open: usize,
}

/// One publish.
#[derive(Debug)]
pub(super) struct Call {
    /// The number of the first record of each batch, and the number of records after the last.
    starts: Vec<usize>,
    /// The position after the last record that was stored, by batch.
    pub ends: Vec<Offset>,
    /// Records that were handed over and not reported.
    open: usize,
    /// Whether more will be handed over.
    filling: bool,
    /// How many were stored.
    pub stored: usize,
    /// What was not stored.
    pub failed: Vec<Failed>,
    /// The batch of the latest report; the next is likely to be of the same.
    cursor: usize,
}

/// A record that was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Its number in the call.
    pub record: usize,
    /// Why.
    pub why: Undelivered,
}

/// The number of a record in its call takes the lower bits, the call the upper ones.
const RECORD_BITS: u32 = usize::BITS / 2;
/// More records than this in one call cannot be told apart.
pub(super) const MAX_RECORDS: usize = (1 << RECORD_BITS) - 1;

impl Calls {
    /// Begins a call of batches of these lengths, at most [`MAX_RECORDS`] in all.
    pub(super) fn begin(&mut self, lengths: impl Iterator<Item = usize>) -> usize {
        let mut starts = vec![0];
        let mut next = 0;
        for length in lengths {
            next += length;
            starts.push(next);
        }
        let call = Call {
            ends: vec![Offset::ZERO; starts.len() - 1],
            starts,
            open: 0,
            filling: true,
            stored: 0,
            failed: Vec::new(),
            cursor: 0,
        };
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(call);
                slot
            }
            None => {
                self.slots.push(Some(call));
                self.slots.len() - 1
            }
        }
    }

    /// What record number `record` of the call carries.
    pub(super) fn opaque(slot: usize, record: usize) -> usize {
        (slot << RECORD_BITS) | record
    }

    /// A record is about to be handed over; its report may come before that is done.
    pub(super) fn handing_over(&mut self, slot: usize) {
        if let Some(call) = self.call(slot) {
            call.open += 1;
            self.open += 1;
        }
    }

    /// It was not taken after all.
    pub(super) fn not_taken(&mut self, slot: usize, failed: Failed) {
        if let Some(call) = self.call(slot) {
            call.open -= 1;
            call.failed.push(failed);
            self.open -= 1;
        }
    }

    /// All records were handed over (again).
    pub(super) fn filled(&mut self, slot: usize) {
        if let Some(call) = self.call(slot) {
            call.filling = false;
            if call.open == 0 {
                self.finished.push(slot);
            }
        }
    }

    /// More records of a finished call are to be handed over: those of `failed` that this gives back.
    pub(super) fn refill(
        &mut self,
        slot: usize,
        select: impl FnMut(&mut Failed) -> bool,
    ) -> Vec<Failed> {
        let Some(call) = self.call(slot) else {
            return Vec::new();
        };
        call.filling = true;
        call.failed.extract_if(.., select).collect()
    }

    /// Takes a report.
    pub(super) fn delivered(&mut self, delivery: Delivery) {
        let (slot, record) = (
            delivery.opaque >> RECORD_BITS,
            delivery.opaque & MAX_RECORDS,
        );
        self.open = self.open.saturating_sub(1);
        let Some(call) = self.call(slot) else {
            return;
        };
        call.open = call.open.saturating_sub(1);
        match delivery.result {
            Ok(offset) => call.stored(record, Offset(offset)),
            Err(why) => call.failed.push(Failed { record, why }),
        }
        if call.open == 0 && !call.filling {
            self.finished.push(slot);
        }
    }

    /// A call of which all was reported; it stays until it ends.
    pub(super) fn next_finished(&mut self) -> Option<usize> {
        self.finished.pop()
    }

    /// How many records of all calls are open.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// How the call stands.
    pub(super) fn get(&self, slot: usize) -> Option<&Call> {
        self.slots.get(slot)?.as_ref()
    }

    /// Ends the call.
    pub(super) fn end(&mut self, slot: usize) -> Option<Call> {
        let call = self.slots.get_mut(slot)?.take();
        self.free.push(slot);
        call
    }

    fn call(&mut self, slot: usize) -> Option<&mut Call> {
        self.slots.get_mut(slot)?.as_mut()
    }
}

impl Call {
    /// The batch that the record is of, and its number in it.
    pub(super) fn place(&self, record: usize) -> (usize, usize) {
        let batch = self.starts.partition_point(|start| *start <= record) - 1;
        (batch, record - self.starts[batch])
    }

    fn stored(&mut self, record: usize, offset: Offset) {
        let in_cursor =
            |cursor: usize| self.starts[cursor] <= record && record < self.starts[cursor + 1];
        if !in_cursor(self.cursor) {
            self.cursor = self.place(record).0;
        }
        self.stored += 1;
        let end = &mut self.ends[self.cursor];
        *end = (*end).max(offset.next());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rdkafka::types::RDKafkaErrorCode;

    use super::*;

    fn report(calls: &mut Calls, slot: usize, record: usize, offset: Option<i64>) {
        let why = Undelivered {
            code: RDKafkaErrorCode::MessageTimedOut,
            perhaps_stored: true,
        };
        calls.delivered(Delivery {
            opaque: Calls::opaque(slot, record),
            result: offset.ok_or(why),
        });
    }

    #[test]
    fn a_call_finishes_with_its_last_report() {
        let mut calls = Calls::default();
        let slot = calls.begin([2, 0, 1].into_iter());
        for _ in 0..3 {
            calls.handing_over(slot);
        }
        report(&mut calls, slot, 1, Some(11));
        calls.filled(slot);
        report(&mut calls, slot, 2, None);
        assert_eq!((calls.next_finished(), calls.open()), (None, 1));
        report(&mut calls, slot, 0, Some(10));
        assert_eq!(calls.next_finished(), Some(slot));
        let call = calls.end(slot).unwrap();
        assert_eq!(call.ends, [Offset(12), Offset(0), Offset(0)]);
        assert_eq!((call.stored, call.failed.len()), (2, 1));
        assert_eq!(call.place(call.failed[0].record), (2, 0));
    }

    #[test]
    fn reports_before_the_last_record_is_handed_over_finish_nothing() {
        let mut calls = Calls::default();
        let slot = calls.begin([2].into_iter());
        calls.handing_over(slot);
        report(&mut calls, slot, 0, Some(0));
        assert_eq!(calls.next_finished(), None);
        calls.filled(slot);
        assert_eq!(calls.next_finished(), Some(slot));
    }

    #[test]
    fn a_late_report_of_an_ended_call_is_dropped() {
        let mut calls = Calls::default();
        let slot = calls.begin([1].into_iter());
        calls.handing_over(slot);
        calls.end(slot);
        report(&mut calls, slot, 0, Some(0));
        assert_eq!((calls.open(), calls.next_finished()), (0, None));
    }

    proptest! {
        #[test]
        fn every_record_is_found_again(lengths in prop::collection::vec(0_usize..5, 1..20)) {
            let mut calls = Calls::default();
            let slot = calls.begin(lengths.iter().copied());
            let call = calls.get(slot).unwrap();
            let mut number = 0;
            for (batch, length) in lengths.iter().enumerate() {
                for index in 0..*length {
                    prop_assert_eq!(call.place(number), (batch, index));
                    number += 1;
                }
            }
        }
    }
}
