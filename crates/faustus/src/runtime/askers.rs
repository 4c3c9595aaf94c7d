//! Whether the topics of replies are there, before an epoch waits for them.
//!
//! Whoever asked may be gone, and its topic with it; a publish to it would fail the whole epoch, or
//! hold it up. What this knows is up to five seconds old: if it turns out to be wrong, the publish
//! fails, is doubted, and the next attempt looks again.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use faustus_core::{Admin, BatchBuilder, Clock, Outgoing, Refusal, TopicName, TransportError};

use crate::ask::LateReplies;

/// How long it counts that a topic was there.
const THERE: Duration = Duration::from_secs(5);

/// How long it counts that a topic was not there.
const AWAY: Duration = Duration::from_secs(1);

/// When so many topics are known, those of old are forgotten.
const KNOWN: usize = 4096;

pub(crate) struct Askers {
    admin: Arc<dyn Admin>,
    clock: Arc<dyn Clock>,
    late: LateReplies,
    /// When each topic was looked for, and whether it was there.
    known: HashMap<TopicName, (Duration, bool)>,
}

impl Askers {
    pub(crate) fn new(admin: Arc<dyn Admin>, clock: Arc<dyn Clock>, late: LateReplies) -> Self {
        Self {
            admin,
            clock,
            late,
            known: HashMap::new(),
        }
    }

    /// Takes those out of `replies` whose topic is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be asked what is there; then all stay that nothing is known of.
    pub(crate) async fn take_absent(
        &mut self,
        replies: &mut Vec<Outgoing>,
    ) -> Result<Vec<Outgoing>, TransportError> {
        let now = self.clock.monotonic();
        let looked = self.look(replies, now).await;
        let absent = |reply: &mut Outgoing| {
            let known = self.known.get(&reply.partition.topic);
            known.is_some_and(|(_, there)| !there)
        };
        let absent = replies.extract_if(.., absent).collect();
        looked.map(|()| absent)
    }

    async fn look(&mut self, replies: &[Outgoing], now: Duration) -> Result<(), TransportError> {
        let fresh = |(at, there): &(Duration, bool)| now < *at + if *there { THERE } else { AWAY };
        if self.known.len() > KNOWN {
            self.known.retain(|_, known| fresh(known));
        }
        let topics = replies.iter().map(|reply| &reply.partition.topic);
        let unknown = topics.filter(|topic| !self.known.get(*topic).is_some_and(fresh));
        let unknown: BTreeSet<TopicName> = unknown.cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let unknown: Vec<TopicName> = unknown.into_iter().collect();
        // What is old counts no more, whatever the answer.
        for topic in &unknown {
            self.known.remove(topic);
        }
        let found = self.admin.describe_topics(&unknown).await?;
        let looked = unknown.into_iter().zip(found);
        self.known
            .extend(looked.map(|(topic, found)| (topic, (now, found.is_some()))));
        Ok(())
    }

    /// Looks again the next time, as a publish failed.
    pub(crate) fn doubt(&mut self, replies: &[Outgoing]) {
        for reply in replies {
            self.known.remove(&reply.partition.topic);
        }
    }

    /// The epoch they left is stored.
    pub(crate) fn send_late(&self, absent: Vec<Outgoing>) {
        for replies in absent {
            self.late.hand_over(replies);
        }
    }
}

/// Takes the refused records out of `replies`, whose first has the number `first` in the publish.
pub(super) fn drop_refused(replies: &mut Vec<Outgoing>, first: usize, refused: &[Refusal]) {
    for (reply, outgoing) in replies.iter_mut().zip(first..) {
        let mut of_it = refused.iter().filter(|r| r.outgoing == outgoing);
        let Some(one) = of_it.next() else { continue };
        let (partition, error) = (&reply.partition, &one.reason);
        tracing::warn!(%partition, %error, "a reply is dropped: the log refuses it");
        let mut left = BatchBuilder::new();
        for (record, number) in reply.batch.iter().zip(0..) {
            let is_it = |r: &Refusal| (r.outgoing, r.record) == (outgoing, number);
            if !refused.iter().any(is_it) {
                left.push_record(record);
            }
        }
        reply.batch = left.build();
    }
    replies.retain(|reply| !reply.batch.is_empty());
}

impl std::fmt::Debug for Askers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Askers")
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use faustus_core::{Timestamp, TopicPartition};

    use super::*;

    fn replies(topic: &str, values: &[&[u8]]) -> Outgoing {
        let mut records = BatchBuilder::new();
        for value in values {
            records.push(Timestamp(0), None, Some(value));
        }
        Outgoing {
            partition: TopicPartition::new(topic, 0),
            batch: records.build(),
        }
    }

    fn values(replies: &Outgoing) -> Vec<&[u8]> {
        let values = replies.batch.iter().map(|record| record.value());
        values.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn only_refused_records_are_dropped_and_empty_batches_with_them() {
        let mut all = vec![
            replies("a", &[b"1", b"2", b"3"]),
            replies("b", &[b"4"]),
            replies("c", &[b"5"]),
        ];
        let refused = [(5, 1), (6, 0), (1, 0)].map(|(outgoing, record)| Refusal {
            outgoing,
            record,
            reason: "too long".to_owned(),
        });
        drop_refused(&mut all, 5, &refused);
        let left: Vec<_> = all.iter().map(values).collect();
        assert_eq!(left, [vec![&b"1"[..], b"3"], vec![b"5"]]);
    }
}
