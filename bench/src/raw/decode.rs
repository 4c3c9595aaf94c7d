//! Decoding what lies in memory, as batches of the same kind that the log in memory holds.

use anyhow::{Result, ensure};
use faustus_core::Batch;
use hashbrown::HashMap;

use super::framing;
use crate::{
    cases::Shape,
    check,
    figures::{Figures, Taken},
    input::Deposit,
    measure::{Meter, rss_mb},
};

/// Decode and add up.
pub(super) fn json(shape: Shape, events: u64) -> Result<Figures> {
    let mut sum = 0;
    let figures = each(shape, events, |deposit| sum += deposit.amount)?;
    let right = check::sum(shape, events);
    ensure!(sum == right, "the loop found {sum} in all, not {right}");
    Ok(figures)
}

/// Decode and add up by account.
pub(super) fn totals(shape: Shape, events: u64) -> Result<Figures> {
    let mut totals = Totals::default();
    let figures = each(shape, events, |deposit| {
        totals.add(deposit);
    })?;
    totals.ensure_right(shape, events)?;
    Ok(figures)
}

/// Decodes all events, and measures it together with what `visit` does.
fn each(shape: Shape, events: u64, mut visit: impl FnMut(Deposit)) -> Result<Figures> {
    let batches = batches(shape, events);
    let loaded = rss_mb()?;
    let meter = Meter::start()?;
    for record in batches.iter().flat_map(Batch::iter) {
        visit(decode(record.value())?);
    }
    let mut told = Taken::since(&meter)?.rates(events);
    told.insert("rss_loaded_mb".to_owned(), loaded.into());
    Ok(told)
}

/// All events, in the order they are read.
pub(super) fn batches(shape: Shape, events: u64) -> Vec<Batch> {
    let written = framing::batches(shape, events).into_iter().flatten();
    written.map(|outgoing| outgoing.batch).collect()
}

/// An event from a record's value, in the quickest way there is: checked for UTF-8 as a whole.
pub(super) fn decode(value: Option<&[u8]>) -> Result<Deposit> {
    let text = std::str::from_utf8(value.unwrap_or_default())?;
    Ok(serde_json::from_str(text)?)
}

/// Totals by account in a map as fast as those of tables.
#[derive(Default)]
pub(super) struct Totals(HashMap<String, i64>);

impl Totals {
    /// Gives the account's new total.
    pub(super) fn add(&mut self, deposit: Deposit) -> i64 {
        let total = self.0.entry(deposit.account_id).or_default();
        *total += deposit.amount;
        *total
    }

    pub(super) fn add_ref(&mut self, deposit: &Deposit) {
        *self.0.entry_ref(&*deposit.account_id).or_default() += deposit.amount;
    }

    /// Whether they are those of the first `events` deposits.
    pub(super) fn ensure_right(&self, shape: Shape, events: u64) -> Result<()> {
        let right = check::sums(shape, events);
        let same = |(account, sum)| self.0.get(account) == Some(sum);
        ensure!(
            self.0.len() == right.len() && right.iter().all(same),
            "the totals are not the sums of {events} events"
        );
        Ok(())
    }
}
