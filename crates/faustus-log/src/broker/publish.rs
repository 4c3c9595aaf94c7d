//! Taking records.

use faustus_core::{Batch, BatchBuilder, Offset, Outgoing, Refusal, Timestamp, TransportError};

use super::{Broker, Completion, Place, Submitted, Write, topic::Settings};

/// Records that were taken.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The position after each outgoing batch.
    pub(crate) ends: Vec<Offset>,
    /// What was not taken.
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) done: Submitted,
}

impl Broker {
    /// Takes records that are visible as soon as they are written.
    pub(crate) fn publish(&mut self, outgoing: Vec<Outgoing>) -> Result<Accepted, TransportError> {
        let mut refusals = Vec::new();
        let (ends, places) = self.append(outgoing, &mut refusals)?;
        let durable = self.queue.is_some();
        for place in &places {
            if durable && let Some(partition) = self.at(place) {
                partition.write(place.base);
            }
        }
        let written = if durable { places.clone() } else { Vec::new() };
        let done = self.submit(Completion::Appended(places), |broker| {
            written
                .iter()
                .filter_map(|at| broker.write_of(at))
                .collect()
        });
        Ok(Accepted {
            ends,
            refusals,
            done,
        })
    }

    /// Gives offsets to the records that the topics' settings allow: all batches are looked at
    /// before the first is kept.
    pub(super) fn append(
        &mut self,
        outgoing: Vec<Outgoing>,
        refusals: &mut Vec<Refusal>,
    ) -> Result<(Vec<Offset>, Vec<Place>), TransportError> {
        if let Some(closed) = self.queue.as_ref().and_then(|queue| queue.closed.clone()) {
            return Err(closed);
        }
        let mut checked = Vec::with_capacity(outgoing.len());
        for (index, Outgoing { partition, batch }) in outgoing.into_iter().enumerate() {
            self.partition(&partition)?;
            let settings = &self.topic(&partition.topic)?.settings;
            let (batch, latest) = check(settings, index, batch, refusals);
            checked.push((partition, batch, latest, settings.cleanup.compacts()));
        }
        let mut ends = Vec::with_capacity(checked.len());
        let mut places = Vec::with_capacity(checked.len());
        let mut dirty = false;
        // What is stored is read back chunk by chunk.
        let most = self.queue.as_ref().map_or(usize::MAX, |_| STORED_CHUNK);
        for (name, batch, latest, compacts) in checked {
            let (topic, partition) = self.partition(&name)?;
            for part in parts(batch, most) {
                let base = partition.append(part, latest).base;
                places.push(Place {
                    topic,
                    partition: name.clone(),
                    base,
                });
            }
            ends.push(partition.end);
            dirty |= compacts && partition.is_dirty();
        }
        if dirty {
            self.clean_soon();
        }
        Ok((ends, places))
    }

    /// What must be stored of the chunk at `place`.
    pub(super) fn write_of(&mut self, place: &Place) -> Option<Write> {
        let chunk = self.at(place)?.chunk(place.base)?.clone();
        Some(Write::Chunk {
            topic: place.topic,
            partition: place.partition.partition,
            chunk,
        })
    }
}

/// Stored chunks are about so large at most.
const STORED_CHUNK: usize = 256 * 1024;

/// `batch` in parts of at most `most` bytes, or of one record.
fn parts(batch: Batch, most: usize) -> Vec<Batch> {
    if batch.is_empty() {
        return Vec::new();
    }
    if batch.bytes() <= most {
        return vec![batch];
    }
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, record) in batch.iter().enumerate() {
        if index > start && bytes + record.bytes() > most {
            parts.push(batch.slice(start..index));
            (start, bytes) = (index, 0);
        }
        bytes += record.bytes();
    }
    parts.push(batch.slice(start..batch.len()));
    parts
}

/// The records that a topic takes, and their latest time stamp.
fn check(
    settings: &Settings,
    outgoing: usize,
    batch: Batch,
    refusals: &mut Vec<Refusal>,
) -> (Batch, Timestamp) {
    let mut latest = Timestamp(i64::MIN);
    let before = refusals.len();
    for (record, data) in batch.iter().enumerate() {
        latest = latest.max(data.timestamp());
        let reason = if data.bytes() > settings.max_message_bytes {
            let (bytes, most) = (data.bytes(), settings.max_message_bytes);
            format!("record of {bytes} bytes is larger than max.message.bytes={most}")
        } else if settings.cleanup.compacts() && data.key().is_none() {
            "record without a key for a compacted topic".to_owned()
        } else {
            continue;
        };
        refusals.push(Refusal {
            outgoing,
            record,
            reason,
        });
    }
    let refused = &refusals[before..];
    if refused.is_empty() {
        return (batch, latest);
    }
    let mut rest = BatchBuilder::new();
    let mut latest = Timestamp(i64::MIN);
    for (index, record) in batch.iter().enumerate() {
        if refused.iter().all(|refusal| refusal.record != index) {
            latest = latest.max(record.timestamp());
            rest.push_record(record);
        }
    }
    (rest.build(), latest)
}
