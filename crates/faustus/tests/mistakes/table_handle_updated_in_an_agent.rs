//! A table is updated by its handle: the agent does not bind it.

use faustus::prelude::*;

async fn count(State(totals): State<Table<String, u64>>, mut names: Stream<String>) -> faustus::Result {
    while let Some(name) = names.next().await? {
        totals.update(&*name, |total| *total += 1)?;
    }
    Ok(())
}

fn main() {
    let _ = count;
}
