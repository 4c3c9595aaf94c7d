//! A table whose keys are accounts is asked for a text.

use faustus::prelude::*;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Account(String);

fn look(totals: &Shard<Account, u64>) -> faustus::Result<Option<u64>> {
    totals.get("ann")
}

fn main() {
    let _ = look;
}
