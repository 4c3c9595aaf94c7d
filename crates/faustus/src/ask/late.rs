//! Replies whose topic is not there when their epoch is stored.
//!
//! An asker may be gone, or about to make its topic: Python's Faust sends its first request before.
//! Neither holds up or fails an epoch: such replies leave it, wait here for a while and are sent once
//! their topic appears, or dropped. They are no part of a transaction; a crash loses them, and the
//! asker's timeout tells it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use faustus_core::{Admin, BatchBuilder, Clock, Outgoing, TopicName};
use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::client::Client;

/// How long a reply waits for its topic.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often topics are looked for.
const LOOK: Duration = Duration::from_millis(200);

/// How many batches may be on their way here.
const QUEUE: usize = 1024;

/// How much waits at most, in bytes; more of it is dropped.
const HELD_BYTES: usize = 4 << 20;

/// Where such replies are handed over.
#[derive(Clone, Debug)]
pub(crate) struct LateReplies(mpsc::Sender<Outgoing>);

impl LateReplies {
    /// Sends them when their topic appears, if it does so soon.
    pub(crate) fn hand_over(&self, replies: Outgoing) {
        if let Err(lost) = self.0.try_send(replies) {
            let (mpsc::error::TrySendError::Full(lost) | mpsc::error::TrySendError::Closed(lost)) =
                lost;
            dropped(&lost, "too many wait");
        }
    }
}

/// The handle, and the future that does the work until all handles are gone.
pub(crate) fn late_replies(
    admin: Arc<dyn Admin>,
    client: Client,
    clock: Arc<dyn Clock>,
) -> (LateReplies, impl Future<Output = ()> + Send) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let post = Post {
        admin,
        client,
        clock,
        waiting: Vec::new(),
        bytes: 0,
    };
    (LateReplies(sender), post.run(queue))
}

struct Post {
    admin: Arc<dyn Admin>,
    client: Client,
    clock: Arc<dyn Clock>,
    /// What waits, and until when.
    waiting: Vec<(Outgoing, Duration)>,
    bytes: usize,
}

impl Post {
    async fn run(mut self, mut queue: mpsc::Receiver<Outgoing>) {
        let mut look_at = Duration::ZERO;
        loop {
            let now = self.clock.monotonic();
            let is_idle = self.waiting.is_empty();
            tokio::select! {
                biased;
                () = self.clock.sleep(look_at.saturating_sub(now)), if !is_idle => {
                    self.look().await;
                    look_at = self.clock.monotonic() + LOOK;
                }
                replies = queue.recv() => match replies {
                    Some(replies) => self.hold(replies),
                    None => return,
                },
            }
        }
    }

    fn hold(&mut self, replies: Outgoing) {
        let bytes = replies.batch.bytes();
        if self.bytes + bytes > HELD_BYTES {
            return dropped(&replies, "too many wait");
        }
        self.bytes += bytes;
        let until = self.clock.monotonic() + PATIENCE;
        self.waiting.push((replies, until));
    }

    /// Sends what can be sent and drops what has waited for too long.
    async fn look(&mut self) {
        let topics = self.waiting.iter().map(|(r, _)| r.partition.topic.clone());
        let topics: Vec<TopicName> = topics.collect::<BTreeSet<_>>().into_iter().collect();
        let found = match self.admin.describe_topics(&topics).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "topics of replies cannot be looked for");
                Vec::new()
            }
        };
        let there: BTreeSet<TopicName> = found.into_iter().flatten().map(|t| t.name).collect();
        let now = self.clock.monotonic();
        for (replies, until) in std::mem::take(&mut self.waiting) {
            if there.contains(&replies.partition.topic) {
                self.bytes -= replies.batch.bytes();
                self.send(&replies).await;
            } else if until <= now {
                self.bytes -= replies.batch.bytes();
                dropped(&replies, "their topic does not exist");
            } else {
                self.waiting.push((replies, until));
            }
        }
    }

    async fn send(&self, replies: &Outgoing) {
        let sends = replies.batch.iter().map(|record| {
            let mut alone = BatchBuilder::new();
            alone.push_record(record);
            self.client.send_record(replies.partition.clone(), alone)
        });
        for sent in join_all(sends).await {
            if let Err(error) = sent {
                tracing::warn!(partition = %replies.partition, %error, "a reply is dropped");
            }
        }
    }
}

fn dropped(replies: &Outgoing, why: &str) {
    let (partition, replies) = (&replies.partition, replies.batch.len());
    tracing::warn!(%partition, replies, reason = why, "replies are dropped, whoever asked is gone");
}
