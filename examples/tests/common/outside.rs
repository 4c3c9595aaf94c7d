//! A reader outside of the program, through calls of the log alone.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    future::poll_fn,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use faustus::{Offset, TokioClock, TopicPartition, Transport, open_log};
use faustus_core::{OffsetSpec, ReadOptions, TopicName, TransportError};
use tokio::runtime::Runtime;

use super::PATIENCE;

/// The log of the programs. A directory can be read while no program holds it.
pub(crate) struct Outside {
    runtime: Runtime,
    log: Arc<dyn Transport>,
}

impl Outside {
    /// Opens the log at `address`.
    pub(crate) fn open(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let log = runtime.block_on(open_log(address, Arc::new(TokioClock::real())));
        let log = log.unwrap();
        Self { runtime, log }
    }

    /// The committed count of each word.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.runtime.block_on(self.try_counts());
        counts.unwrap()
    }

    /// Waits until no fewer than `words` are counted, everything in the topics was processed, and all
    /// that is committed.
    pub(crate) fn until_done(&self, words: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = None;
        loop {
            let now = self.runtime.block_on(self.done(words));
            // What came from one agent while another was looked at shows at the second look.
            if now.is_ok() && before.as_ref() == Some(&now) {
                return;
            }
            assert!(Instant::now() < deadline, "at the end still: {now:?}");
            before = Some(now);
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// Where the sources end, if all is committed up to there, else what is not.
    async fn done(&self, words: u64) -> Result<Vec<Offset>, String> {
        let mut sources = self.partitions("lines").await.map_err(text)?;
        sources.extend(self.partitions("words").await.map_err(text)?);
        let coordinator = self.log.coordinator("word-count");
        let committed = coordinator.fetch_offsets(&sources, true).await;
        let ends = self.log.admin();
        let ends = ends.offsets(&sources, OffsetSpec::HighWatermark).await;
        let (committed, ends) = (committed.map_err(text)?, ends.map_err(text)?);
        for ((partition, committed), end) in sources.iter().zip(committed).zip(&ends) {
            let at = committed.map_or(Offset::ZERO, |committed| committed.offset);
            if at < *end {
                return Err(format!("{partition} is committed up to {at} of {end}"));
            }
        }
        let counted: u64 = self.try_counts().await.map_err(text)?.values().sum();
        if counted < words {
            return Err(format!("{counted} of {words} words are counted"));
        }
        Ok(ends)
    }

    async fn try_counts(&self) -> Result<BTreeMap<String, u64>, TransportError> {
        let changelog = self.partitions("word-count-counts-changelog").await?;
        let admin = self.log.admin();
        let starts = admin.offsets(&changelog, OffsetSpec::Earliest).await?;
        let ends = admin.offsets(&changelog, OffsetSpec::LastStable).await?;
        let mut counts = BTreeMap::new();
        for ((partition, start), end) in changelog.iter().zip(starts).zip(ends) {
            let log = self.log.log();
            let reader = log.read(partition, start, ReadOptions::default());
            let mut reader = reader.await?;
            while reader.position() < end {
                let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await?;
                for record in fetched.batch.iter() {
                    let word: String = serde_json::from_slice(record.key().unwrap()).unwrap();
                    let count = serde_json::from_slice(record.value().unwrap()).unwrap();
                    counts.insert(word, count);
                }
            }
        }
        Ok(counts)
    }

    async fn partitions(&self, topic: &str) -> Result<Vec<TopicPartition>, TransportError> {
        let name = [TopicName::from(topic)];
        let found = self.log.admin().describe_topics(&name).await?;
        let count = found[0].as_ref().map_or(0, |topic| topic.partitions);
        Ok((0..count).map(|p| TopicPartition::new(topic, p)).collect())
    }
}

fn text(error: impl Debug) -> String {
    format!("{error:?}")
}
