//! Steps of what a worker does with an event, each alone in a loop: what the step costs at least.
//!
//! What a step needs from those before it is made before its loop is measured.

use std::hint::black_box;

use anyhow::{Result, bail, ensure};
use faustus_core::Batch;

use super::decode::{Totals, batches, decode};
use crate::{
    cases::{Shape, Step},
    check,
    figures::{Figures, Taken},
    input::Deposit,
    measure::Meter,
};

/// Measures the loop of a step that needs no log.
pub(super) fn measure(step: Step, shape: Shape, events: u64) -> Result<Figures> {
    let taken = match step {
        Step::Decode => decoding(shape, events),
        Step::Dispatch => dispatch(shape, events),
        Step::Agent => agent(shape, events),
        Step::Table => table(shape, events),
        Step::Undo => undo(events),
        Step::Retire => retire(events),
        Step::Encode => encode(shape, events),
        other => bail!("{other:?} needs a log"),
    };
    Ok(taken?.rates(events))
}

fn decoding(shape: Shape, events: u64) -> Result<Taken> {
    let batches = batches(shape, events);
    let records = batches.iter().flat_map(Batch::iter);
    let values: Vec<_> = records.filter_map(|record| record.value()).collect();
    let mut sum = 0;
    let meter = Meter::start()?;
    for value in values {
        sum += decode(Some(value))?.amount;
    }
    let taken = Taken::since(&meter)?;
    ensure_sum(sum, shape, events)?;
    Ok(taken)
}

fn dispatch(shape: Shape, events: u64) -> Result<Taken> {
    let batches = batches(shape, events);
    let mut count = 0;
    let meter = Meter::start()?;
    for record in batches.iter().flat_map(Batch::iter) {
        black_box((record.offset(), record.key(), record.value()));
        count += 1;
    }
    let taken = Taken::since(&meter)?;
    ensure!(count == events, "{count} records of {events} events");
    Ok(taken)
}

fn agent(shape: Shape, events: u64) -> Result<Taken> {
    let deposits = deposits(shape, events)?;
    let mut sum = 0;
    let meter = Meter::start()?;
    for deposit in &deposits {
        sum += black_box(deposit).amount;
    }
    let taken = Taken::since(&meter)?;
    ensure_sum(sum, shape, events)?;
    Ok(taken)
}

/// A key is cloned where it is new only, as tables do.
fn table(shape: Shape, events: u64) -> Result<Taken> {
    let deposits = deposits(shape, events)?;
    let mut totals = Totals::default();
    let meter = Meter::start()?;
    for deposit in &deposits {
        totals.add_ref(deposit);
    }
    let taken = Taken::since(&meter)?;
    totals.ensure_right(shape, events)?;
    Ok(taken)
}

fn undo(events: u64) -> Result<Taken> {
    let mut undo = Vec::new();
    let meter = Meter::start()?;
    for event in 0..events {
        undo.push(black_box((event, 0_u32, 0_i64)));
        black_box(&undo);
        undo.clear();
    }
    Taken::since(&meter)
}

fn retire(events: u64) -> Result<Taken> {
    let mut retired = 0_u64;
    let meter = Meter::start()?;
    while retired < events {
        retired = black_box(retired) + 1;
    }
    Taken::since(&meter)
}

fn encode(shape: Shape, events: u64) -> Result<Taken> {
    let totals = check::sums(shape, events);
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let meter = Meter::start()?;
    for (account, total) in &totals {
        serde_json::to_writer(&mut bytes, account)?;
        ends.push(bytes.len());
        serde_json::to_writer(&mut bytes, total)?;
        ends.push(bytes.len());
    }
    let taken = Taken::since(&meter)?;
    ensure!(ends.len() == 2 * totals.len(), "not all is encoded");
    Ok(taken)
}

fn deposits(shape: Shape, events: u64) -> Result<Vec<Deposit>> {
    let batches = batches(shape, events);
    let records = batches.iter().flat_map(Batch::iter);
    records.map(|record| decode(record.value())).collect()
}

fn ensure_sum(sum: i64, shape: Shape, events: u64) -> Result<()> {
    let right = check::sum(shape, events);
    ensure!(sum == right, "the loop found {sum} in all, not {right}");
    Ok(())
}
