//! The retirement tracker: which prefix of a task's deliveries is done.
//!
//! A task numbers what it delivers: 0, 1, 2 … A number may have several readers and is *completed*
//! when all of them are done with it. It *retires* when it is completed and all numbers below have
//! retired. Numbers that one reader took together, as a *batch*, retire together with all that lies
//! between them: no prefix ends inside a batch. [`Retirement::retired`] is therefore the length of the prefix whose effects may leave
//! the task. The machine does no I/O and knows neither records nor lanes.

use std::collections::VecDeque;

/// The place of a delivery in its task, counted from 0.
pub(crate) type Number = u64;

/// Counts outstanding readers of every number that has not been completed.
#[derive(Debug, Default)]
pub(crate) struct Retirement {
    /// All numbers below are completed.
    completed: Number,
    /// Readers still at work on `completed`, `completed + 1`, …; the front is never 0.
    outstanding: VecDeque<u32>,
    /// The first and the last number of each batch that has not retired.
    batches: Vec<(Number, Number)>,
    retired: Number,
}

impl Retirement {
    /// Delivers `count` consecutive numbers to `readers` readers each and gives the first of them.
    ///
    /// With no readers the numbers are completed already.
    pub(crate) fn deliver(&mut self, count: usize, readers: u32) -> Number {
        let first = self.delivered();
        self.outstanding.extend(std::iter::repeat_n(readers, count));
        if readers == 0 {
            self.advance();
        }
        first
    }

    /// One reader is done with `number`. Whether the retired prefix grew.
    #[inline]
    pub(crate) fn complete(&mut self, number: Number) -> bool {
        let index = usize::try_from(number - self.completed).unwrap_or(usize::MAX);
        let outstanding = &mut self.outstanding[index];
        debug_assert!(*outstanding > 0, "number {number} has no reader left");
        *outstanding -= 1;
        index == 0 && *outstanding == 0 && self.advance()
    }

    /// What lies between `first` and `last`, which a reader has not completed, retires as a whole;
    /// a batch that begins with `first` already ends with `last` from now on.
    pub(crate) fn join(&mut self, first: Number, last: Number) {
        match self.batches.iter_mut().find(|batch| batch.0 == first) {
            Some(batch) => batch.1 = last,
            None => self.batches.push((first, last)),
        }
    }

    /// The batch that begins with `first` is one no more.
    pub(crate) fn part(&mut self, first: Number) {
        self.batches.retain(|batch| batch.0 != first);
    }

    /// All numbers below this one have retired.
    pub(crate) fn retired(&self) -> Number {
        self.retired
    }

    /// The number that will be delivered next.
    pub(crate) fn delivered(&self) -> Number {
        self.completed + self.outstanding.len() as Number
    }

    /// Whether everything delivered has retired.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Something was completed: whether the retired prefix grew.
    #[inline]
    fn advance(&mut self) -> bool {
        while self.outstanding.front() == Some(&0) {
            self.outstanding.pop_front();
            self.completed += 1;
        }
        if self.batches.is_empty() {
            self.retired = self.completed;
            return true;
        }
        self.advance_batches()
    }

    #[cold]
    fn advance_batches(&mut self) -> bool {
        let before = self.retired;
        self.retired = self.without_parts(self.completed);
        let retired = self.retired;
        self.batches.retain(|(_, last)| *last >= retired);
        self.retired > before
    }

    /// The longest prefix not beyond `prefix` that ends in no batch.
    fn without_parts(&self, mut prefix: Number) -> Number {
        // A shorter prefix may end in a batch that overlaps this one.
        while let Some((first, _)) = self
            .batches
            .iter()
            .find(|(first, last)| *first < prefix && prefix <= *last)
        {
            prefix = *first;
        }
        prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_offset_in_flight_holds_back_all_that_were_completed_after_it() {
        let mut tracker = Retirement::default();
        tracker.deliver(5, 1);
        for number in 1..5 {
            assert!(!tracker.complete(number));
        }
        assert_eq!(tracker.retired(), 0);
        assert!(tracker.complete(0));
        assert_eq!(tracker.retired(), 5);
        assert!(tracker.is_idle());
    }

    #[test]
    fn a_number_retires_only_when_all_its_readers_are_done() {
        let mut tracker = Retirement::default();
        tracker.deliver(1, 3);
        assert!(!tracker.complete(0));
        assert!(!tracker.complete(0));
        assert!(tracker.complete(0));
    }

    #[test]
    fn a_number_without_readers_retires_behind_the_ones_before_it() {
        let mut tracker = Retirement::default();
        tracker.deliver(1, 1);
        tracker.deliver(2, 0);
        assert_eq!(tracker.retired(), 0);
        tracker.complete(0);
        assert_eq!(tracker.retired(), 3);
    }

    /// Every order of completion of four numbers with up to two readers each.
    #[test]
    fn small_states_agree_with_the_definition() {
        fn explore(readers: &[u32], done: &mut Vec<u32>, order: &mut Vec<usize>) {
            let mut tracker = Retirement::default();
            for &count in readers {
                tracker.deliver(1, count);
            }
            for &number in order.iter() {
                tracker.complete(number as Number);
            }
            let expected = readers
                .iter()
                .zip(done.iter())
                .take_while(|(r, d)| r == d)
                .count();
            assert_eq!(
                tracker.retired(),
                expected as Number,
                "{readers:?} {order:?}"
            );
            for number in 0..readers.len() {
                if done[number] < readers[number] {
                    done[number] += 1;
                    order.push(number);
                    explore(readers, done, order);
                    order.pop();
                    done[number] -= 1;
                }
            }
        }
        for code in 0..3_u32.pow(4) {
            let readers: Vec<u32> = (0..4).map(|digit| code / 3_u32.pow(digit) % 3).collect();
            explore(&readers, &mut vec![0; 4], &mut Vec::new());
        }
    }

    #[test]
    fn a_batch_retires_as_a_whole() {
        let mut tracker = Retirement::default();
        tracker.deliver(6, 1);
        tracker.join(1, 2);
        tracker.join(1, 4);
        assert!(tracker.complete(0));
        for number in 1..4 {
            assert!(!tracker.complete(number));
            assert_eq!(tracker.retired(), 1);
        }
        assert!(tracker.complete(4));
        assert_eq!(tracker.retired(), 5);
    }

    #[test]
    fn batches_that_overlap_retire_together() {
        let mut tracker = Retirement::default();
        tracker.deliver(8, 1);
        tracker.join(0, 4);
        tracker.join(2, 6);
        for number in 0..6 {
            tracker.complete(number);
        }
        assert_eq!(tracker.retired(), 0);
        tracker.complete(6);
        assert_eq!(tracker.retired(), 7);
    }

    #[test]
    fn a_batch_that_was_parted_holds_nothing_back() {
        let mut tracker = Retirement::default();
        tracker.deliver(3, 1);
        tracker.join(0, 2);
        tracker.part(0);
        assert!(tracker.complete(0));
        assert_eq!(tracker.retired(), 1);
    }

    proptest! {
        #[test]
        fn no_prefix_ends_inside_a_batch_and_all_retires_in_the_end(
            spans in prop::collection::vec((0_u64..40, 1_u64..10), 0..12),
            order in Just((0..40_u64).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut tracker = Retirement::default();
            tracker.deliver(40, 1);
            let mut batches: Vec<(Number, Number)> = Vec::new();
            for (first, len) in spans {
                if batches.iter().all(|batch| batch.0 != first) {
                    let batch = (first, (first + len).min(39));
                    batches.push(batch);
                    tracker.join(batch.0, batch.1);
                }
            }
            let mut completed = [false; 40];
            let mut before = 0;
            for number in order {
                let grew = tracker.complete(number);
                completed[usize::try_from(number).unwrap()] = true;
                let prefix = completed.iter().take_while(|done| **done).count() as Number;
                let inside = |end: Number| batches.iter().any(|(first, last)| *first < end && end <= *last);
                let expected = (0..=prefix).rev().find(|end| !inside(*end)).unwrap();
                prop_assert_eq!(tracker.retired(), expected);
                prop_assert_eq!(grew, expected > before);
                before = expected;
            }
            prop_assert_eq!(tracker.retired(), 40);
            prop_assert!(tracker.is_idle());
        }

        #[test]
        fn deliveries_and_completions_in_any_order_retire_a_prefix(
            steps in prop::collection::vec((0_usize..3, 0_u32..3, any::<prop::sample::Index>()), 1..200)
        ) {
            let mut tracker = Retirement::default();
            let mut outstanding: Vec<u32> = Vec::new();
            for (count, readers, pick) in steps {
                let first = tracker.deliver(count, readers);
                prop_assert_eq!(first, outstanding.len() as Number);
                outstanding.extend(std::iter::repeat_n(readers, count));
                let open: Vec<usize> = (0..outstanding.len()).filter(|&i| outstanding[i] > 0).collect();
                if !open.is_empty() {
                    let number = *pick.get(&open);
                    outstanding[number] -= 1;
                    tracker.complete(number as Number);
                }
                let expected = outstanding.iter().take_while(|&&n| n == 0).count();
                prop_assert_eq!(tracker.retired(), expected as Number);
                prop_assert_eq!(tracker.delivered(), outstanding.len() as Number);
            }
        }
    }
}
