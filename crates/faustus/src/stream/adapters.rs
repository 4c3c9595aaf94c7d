//! Other shapes of the loop: with keys, with numbers, with copies.

use std::{fmt, sync::Arc};

use super::{Event, Stream, value_as_it_came, write};
use crate::{RecordKey, Result, Topic, runtime::InFlight};

impl<T: 'static, R> Stream<T, R> {
    /// The same stream with the keys of its records, read as `K`; an `Option` of one where there may
    /// be none.
    ///
    /// A key that cannot be read fails the event before the agent sees it.
    /// [`Operators::keyed`](crate::Operators::keyed) does the same before the loop.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn print(scores: Stream<u32>) -> faustus::Result {
    ///     let mut scores = scores.items::<String>();
    ///     while let Some(item) = scores.next().await? {
    ///         let (name, score) = &*item;
    ///         println!("{name}: {score}");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn items<K: RecordKey + 'static>(self) -> Stream<(K, T), R> {
        let keyed = self.decoders.iter().map(|decoder| decoder.clone().keyed());
        Stream {
            decoders: keyed.collect(),
            lane: self.lane,
            replies: self.replies,
            tables: self.tables,
            echoes: self.echoes,
            batch: Vec::new(),
        }
    }

    /// The events counted from 0, over the life of this instance of the agent.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn sample(numbers: Stream<u32>) -> faustus::Result {
    ///     let mut numbers = numbers.enumerate();
    ///     while let Some((i, number)) = numbers.next().await? {
    ///         if i % 1000 == 0 {
    ///             println!("the {i}th is {}", *number);
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn enumerate(self) -> Enumerate<T, R> {
        Enumerate {
            stream: self,
            next: 0,
        }
    }

    /// The same stream, and each record that the agent takes sent to `topic` too, as it came: key,
    /// value and headers. The copy belongs to the event, as what [`Event::forward`] sends does.
    #[must_use]
    pub fn echo<U>(mut self, topic: &Topic<U>) -> Self {
        self.echoes.push(Arc::clone(&topic.shared));
        self
    }
}

impl<T, R> Stream<T, R> {
    pub(super) fn echo_record(&self, event: &InFlight) -> Result {
        let record = event.record();
        let mut outputs = self.lane.outputs(event);
        for topic in &self.echoes {
            let at = (event.number(), record.timestamp());
            let (value, headers) = (value_as_it_came(record), Some(record.headers()));
            write(&mut outputs, topic, at, record.key(), value, headers)?;
        }
        Ok(())
    }
}

/// The events of a stream, counted: [`Stream::enumerate`].
pub struct Enumerate<T, R = ()> {
    stream: Stream<T, R>,
    next: u64,
}

impl<T, R> Enumerate<T, R> {
    /// The next event and its number, as [`Stream::next`].
    ///
    /// # Errors
    ///
    /// As [`Stream::next`].
    ///
    /// # Cancel safety
    ///
    /// As [`Stream::next`].
    pub async fn next(&mut self) -> Result<Option<(u64, Event<'_, T, R>)>> {
        let number = self.next;
        let event = self.stream.next().await?;
        self.next += u64::from(event.is_some());
        Ok(event.map(|event| (number, event)))
    }
}

impl<T, R> fmt::Debug for Enumerate<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enumerate")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
