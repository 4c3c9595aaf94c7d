//! Batches as bytes in the plainest way (length, key, length, value), and a file of them.

use std::{fs::File, io::Write, path::Path};

use anyhow::{Context, Result};
use faustus_core::{Batch, BatchBuilder, Outgoing, Timestamp, TopicPartition, partition_for_key};

use crate::{
    cases::Shape,
    check::{self, Found},
    figures::{Figures, Taken},
    input,
    measure::Meter,
};

/// The events in batches as they are published, made before they are measured.
pub(super) fn batches(shape: Shape, events: u64) -> Vec<Vec<Outgoing>> {
    let deposits = input::deposits(shape, 0, events, true);
    input::batches("in".into(), shape.partitions, deposits).collect()
}

/// The changelog of one epoch of `events`: each changed total once, encoded, a batch for each partition.
pub(super) fn changes(shape: Shape, events: u64) -> Vec<Outgoing> {
    let sums = check::sums(shape, events);
    let mut builders: Vec<_> = (0..shape.partitions).map(|_| BatchBuilder::new()).collect();
    for (account, sum) in sums {
        let partition = partition_for_key(account.as_bytes(), shape.partitions);
        let (key, value) = (format!("\"{account}\""), sum.to_string());
        let builder = &mut builders[partition as usize];
        builder.push(Timestamp(0), Some(key.as_bytes()), Some(value.as_bytes()));
    }
    let full = (0..)
        .zip(builders)
        .filter(|(_, builder)| !builder.is_empty());
    full.map(|(partition, builder)| Outgoing {
        partition: TopicPartition::new("changelog", partition),
        batch: builder.build(),
    })
    .collect()
}

/// Appends a batch's bytes.
pub(super) fn encode(batch: &Batch, out: &mut Vec<u8>) -> Result<()> {
    for record in batch.iter() {
        for part in [record.key(), record.value()] {
            let part = part.unwrap_or_default();
            out.extend_from_slice(&u32::try_from(part.len())?.to_le_bytes());
            out.extend_from_slice(part);
        }
    }
    Ok(())
}

/// Adds all values in `bytes`.
pub(super) fn decode(mut bytes: &[u8], found: &mut Found) -> Result<()> {
    let mut part = || -> Option<&[u8]> {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        bytes = rest;
        Some(part)
    };
    while let Some(_key) = part() {
        found.add(part().context("a key without a value")?)?;
    }
    Ok(())
}

/// Appends to a file: a write for all that is published together.
pub(super) fn append(directory: &Path, shape: Shape, events: u64) -> Result<Figures> {
    let path = directory.join("file");
    let batches = batches(shape, events);
    let meter = Meter::start()?;
    let mut file = File::create(&path)?;
    let mut bytes = Vec::new();
    for outgoing in batches {
        bytes.clear();
        for outgoing in &outgoing {
            encode(&outgoing.batch, &mut bytes)?;
        }
        file.write_all(&bytes)?;
    }
    drop(file);
    let taken = Taken::since(&meter)?;
    let mut found = Found::default();
    decode(&std::fs::read(&path)?, &mut found)?;
    found.ensure_all(shape, events)?;
    Ok(taken.rates(events))
}
