//! The values that are sent, and records of them that leave together.

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
};

use faustus_core::{BatchBuilder, Outgoing, Timestamp, TopicPartition};
use tokio::sync::mpsc;

use super::{Given, SendArgs, Target};
use crate::{Error, Result};

/// No more records are sent at once.
pub(super) const CHUNK: usize = 512;

/// Records that are sent together.
#[derive(Default)]
pub(super) struct Chunk {
    batches: BTreeMap<u32, BatchBuilder>,
    /// In the order in which they were given: the partition, the place in its batch, the time.
    pub(super) records: Vec<(u32, usize, Timestamp)>,
}

impl Chunk {
    pub(super) fn add(
        &mut self,
        partition: u32,
        timestamp: Timestamp,
        given: &Given,
        value: &Option<Vec<u8>>,
        args: &SendArgs,
    ) {
        let batch = self.batches.entry(partition).or_default();
        self.records.push((partition, batch.len(), timestamp));
        let mut record = batch.record(timestamp);
        if let Some(key) = &given.key {
            record = record.key(key.as_bytes());
        }
        if let Some(value) = value {
            record = record.value(value);
        }
        for (name, value) in &args.headers {
            record = record.header(name, Some(value.as_bytes()));
        }
        record.finish();
    }

    /// The partitions, and what goes to each of them.
    pub(super) fn outgoing(self, topic: &str) -> (Vec<u32>, Vec<Outgoing>) {
        let each = self.batches.into_iter().map(|(partition, batch)| {
            let outgoing = Outgoing {
                partition: TopicPartition::new(topic, partition),
                batch: batch.build(),
            };
            (partition, outgoing)
        });
        each.unzip()
    }
}

/// The number of a line of standard input, and the line, or why it cannot be read.
type Line = (usize, Result<String, String>);

/// The values to be sent.
pub(super) enum Values {
    /// One, and how often it is still to be sent.
    One(Option<Vec<u8>>, u64),
    /// Numbered lines of standard input.
    Lines(mpsc::Receiver<Line>),
}

impl Values {
    /// The value that was given, or those of standard input, which is read on a thread of its own: nobody
    /// can be kept from waiting for a line there.
    pub(super) fn new(given: Option<Option<Vec<u8>>>, repeat: u64) -> Self {
        if let Some(value) = given {
            return Self::One(value, repeat);
        }
        let (lines, read) = mpsc::channel(2 * CHUNK);
        #[expect(
            clippy::disallowed_methods,
            reason = "standard input is of a process; no simulation has it"
        )]
        std::thread::spawn(move || {
            for (line, number) in io::stdin().lock().lines().zip(1..) {
                let failed = line.is_err();
                let line = line.map_err(|error| error.to_string());
                for _ in 0..repeat {
                    if lines.blocking_send((number, line.clone())).is_err() {
                        return;
                    }
                }
                if failed {
                    return;
                }
            }
        });
        Self::Lines(read)
    }

    /// The bytes of the next one.
    pub(super) async fn next(&mut self, target: &Target) -> Option<Result<Option<Vec<u8>>>> {
        match self {
            Self::One(..) => self.ready(target),
            Self::Lines(lines) => Some(encode_line(target, lines.recv().await?)),
        }
    }

    /// The bytes of the next one, if nobody has to wait for it.
    pub(super) fn ready(&mut self, target: &Target) -> Option<Result<Option<Vec<u8>>>> {
        match self {
            Self::One(value, left) => {
                *left = left.checked_sub(1)?;
                Some(Ok(value.clone()))
            }
            Self::Lines(lines) => Some(encode_line(target, lines.try_recv().ok()?)),
        }
    }
}

fn encode_line(target: &Target, (number, line): Line) -> Result<Option<Vec<u8>>> {
    let encoded = line
        .map_err(Error::data)
        .and_then(|line| target.encode(&line));
    encoded.map_err(|error| error.context(format!("line {number}")))
}
